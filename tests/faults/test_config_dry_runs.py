"""The shipped config files with 500 faults: the real Snakemake refuses each with one message, or plans with it and its samples are built."""

from __future__ import annotations

import os
import random
import re
import sys
import traceback
from pathlib import Path

import pytest

from contextrot.errors import ContextRotError
from tests.conftest import ROOT
from tests.stages import build_samples
from tests.unit.test_config_fuzz import FILES, loaded, mutated

MUTATIONS, SEED = int(os.environ.get("FAULTS", 500)), os.environ.get("FAULTS_SEED", "")
SECONDS = 120


def in_a_child(work, output: Path) -> int:
    """What `work` returns in a process of its own, its output in a file: Snakemake leaves too much behind for a second call."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        with output.open("w") as file:
            os.dup2(file.fileno(), 1), os.dup2(file.fileno(), 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            try:
                status = work() or 0
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else 1
            except BaseException:
                traceback.print_exc()
            sys.stdout.flush(), sys.stderr.flush()
    finally:
        os._exit(status)


def dry_run(folder: Path) -> int:
    import resource

    from snakemake.cli import main

    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    os.chdir(folder)
    return main(["-n", "--snakefile", str(folder / "Snakefile")])


def changed_samples(folder: Path, shipped, rng: random.Random) -> int:
    """Builds the samples of an experiment of which anything differs from the shipped files, else of any."""
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    project = loaded(folder / "config", ROOT)
    tier, runs = project.settings.tier, []
    for model in project.settings.models:
        for experiment in project.settings.experiments or project.experiments:
            runs.append((model, experiment))

    def differs(model, experiment):
        try:
            before = shipped.models[model], shipped.parameters(tier, model, experiment)
        except (ContextRotError, KeyError):
            return True
        return before != (project.models[model], project.parameters(tier, model, experiment))

    model, experiment = rng.choice([run for run in runs if differs(*run)] or runs)
    try:
        build_samples(project, tier, model, experiment, folder / "samples.parquet")
    except ContextRotError as error:
        print(f"{type(error).__name__}: {error}")
        return 3
    return 0


@pytest.mark.soak
@pytest.mark.parametrize("name", FILES)
def test_a_fault_is_refused_with_its_file_and_key_or_of_use_to_the_end_of_the_samples(tmp_path, name):
    import pandas  # noqa: F401 (before the forks)
    import snakemake.cli  # noqa: F401

    shipped = {file: (ROOT / "config" / file).read_text(encoding="utf-8") for file in FILES}
    for path in ROOT.iterdir():  # a clone with config files of its own
        if path.name not in ("config", "results", "logs", ".snakemake", ".cache", ".git"):
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "config").mkdir()
    for file in FILES:
        (tmp_path / "config" / file).write_text(shipped[file], encoding="utf-8")
    project, rng, ends = loaded(tmp_path / "config", ROOT), random.Random(f"dry runs of {name}{SEED}"), {0: 0, 1: 0, 3: 0}
    wrong = []
    for number in range(MUTATIONS // len(FILES)):
        text, fault = mutated(shipped[name], rng)
        (tmp_path / "config" / name).write_text(text, encoding="utf-8")
        status = in_a_child(lambda: dry_run(tmp_path), tmp_path / "said")
        said = (tmp_path / "said").read_text(errors="replace")
        if status == 0:
            status = in_a_child(lambda: changed_samples(tmp_path, project, rng), tmp_path / "said")
            said = (tmp_path / "said").read_text(errors="replace")
        ends[status] = ends.get(status, 0) + 1
        key = re.search(r": *([\w.-]+)", fault.partition(": ")[1] + fault.partition(": ")[2])
        amiss = "Traceback" in said or status not in (0, 1, 3) or (status and (name not in said or len(said) > 4000))
        if amiss or (status == 1 and key and key[1][:10] not in said and "line" not in said):
            wrong.append(f"{number} {fault}: {status} {said[:1500]}")
        print(number, fault[:60], status, wrong[-1:] if wrong and wrong[-1].startswith(f"{number} ") else "", flush=True)
    print(ends)
    assert not wrong, "\n\n".join(wrong)
