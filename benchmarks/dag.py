"""How long planning takes: `snakemake -n` for models x experiments x shards, 800 to 6,400 inference jobs.

The floor is a bare Snakefile with as many jobs, files and log files and no Python of its own: what Snakemake itself takes.

python benchmarks/dag.py [--models 50 ...] [--repeats 2]        records the rows in benchmarks/results.csv
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import yaml
from record import record

ROOT = Path(__file__).resolve().parents[1]
EXPERIMENTS, SHARDS = 8, 16
BARE = """
FOLDER = "results/{{model}}/{{experiment}}"
WEIGHTS = {weights}
STEPS = {steps}

rule all:
    input:
        [f"results/model{{m}}/niah{{e}}/step-{{s}}" for m in range({models}) for e in range({experiments}) for s in range(STEPS)],

rule samples:
    output: FOLDER + "/samples"
    log: FOLDER + "/samples.log"
    shell: "touch {{output}}"

rule shard:
    input: FOLDER + "/samples", *WEIGHTS
    output: FOLDER + "/responses/{{shard}}"
    log: FOLDER + "/responses/{{shard}}.log"
    shell: "touch {{output}}"

rule gather:
    input: FOLDER + "/samples", [FOLDER + f"/responses/{{n}}" for n in range({shards})]
    output: FOLDER + "/responses.all"
    log: FOLDER + "/gather.log"
    shell: "touch {{output}}"

rule step:
    input: FOLDER + "/samples", FOLDER + "/responses.all"
    output: FOLDER + "/step-{{step}}"
    log: FOLDER + "/step-{{step}}.log"
    shell: "touch {{output}}"
"""


def write_ours(models: int, folder: Path) -> list[str]:
    """Config of models x 8 needle experiments in `folder`; the options that plan it."""
    block = yaml.safe_load((ROOT / "config/models.yaml").read_text())["embedded"] | {"shards": SHARDS, "overrides": {}}
    (folder / "models.yaml").write_text(yaml.safe_dump({f"model{i}": block for i in range(models)}))
    experiment = {"task": "niah", "parameters": {"lengths": [256], "depths": [50]}}
    (folder / "experiments.yaml").write_text(yaml.safe_dump({f"niah{i}": experiment for i in range(EXPERIMENTS)}))
    options = ["--snakefile", str(ROOT / "Snakefile"), "--workflow-profile", str(ROOT / "profiles/default"), "--config"]
    options += [f"models={','.join(f'model{i}' for i in range(models))}"]
    return [*options, f"model_definitions={folder}/models.yaml", f"experiment_definitions={folder}/experiments.yaml"]


def write_bare(models: int, folder: Path, steps: int) -> list[str]:
    """A Snakefile of as many jobs, `steps` of them behind each experiment's shards; the options that plan it."""
    model = ROOT / "data/models/embedded"
    weights = sorted(str(path) for pattern in ("*.safetensors", "*.json", "*.jinja") for path in model.glob(pattern))
    text = BARE.format(models=models, experiments=EXPERIMENTS, shards=SHARDS, steps=steps, weights=weights)
    (folder / "Snakefile").write_text(text)
    return ["--scheduler", "greedy", "--cores", "all"]


def plan(write: Callable[[int, Path], list[str]], models: int) -> tuple[float, float, str]:
    """Seconds and processor seconds of a dry run in an empty folder, and what it printed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = write(models, folder)
        command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules", "--directory", str(folder), *options]
        used, start = os.times(), time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, stdin=subprocess.DEVNULL)
        seconds, now = time.perf_counter() - start, os.times()
    output = done.stdout + done.stderr
    if done.returncode:
        raise SystemExit(output)
    return seconds, sum(now[2:4]) - sum(used[2:4]), output


def jobs_of(rule: str, output: str) -> int:
    return int(re.search(rf"^{rule}\s+(\d+)$", output, re.MULTILINE).group(1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, nargs="+", default=[7, 13, 25, 50], help="numbers of models to plan for")
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    for models in arguments.models:
        ours, floor = [], []
        for _ in range(arguments.repeats):
            seconds, processor, output = plan(write_ours, models)
            ours.append(seconds)
            asked, jobs = jobs_of("collect_responses", output), jobs_of("total", output)
            steps = round((jobs - asked) / models / EXPERIMENTS) - 2
            bare_seconds, bare_processor, bare = plan(partial(write_bare, steps=steps), models)
            floor.append(bare_seconds)
            print(f"{asked} inference jobs of {jobs}: {seconds:.1f} s, {processor:.1f} s of processor", end="; ")
            print(f"bare, {jobs_of('total', bare)} jobs: {bare_seconds:.1f} s, {bare_processor:.1f} s of processor", flush=True)
        what = f"snakemake -n, {models} models x {EXPERIMENTS} experiments x {SHARDS} shards: {jobs:,} jobs"
        record("dag", what, ours, "bare Snakefile of as many jobs and files", floor, ["snakemake"])
    if max(arguments.models) >= 50:
        record("dag", f"{what}, seconds", ours, "target 30 s", [30.0], ["snakemake"])


if __name__ == "__main__":
    main()
