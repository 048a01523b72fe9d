"""The whole way of a number on the embedded model, over a real server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
import yaml

from tests.conftest import ROOT, run_snakemake

NIAH = Path("results/test/embedded/niah")
SMALL = {
    "niah": {
        "task": "niah",
        "parameters": {"lengths": [256, 1024, 10_000], "depths": [0, 100], "needles": ["spare_key_high"], "answer_tokens": 48},
    }
}


def small_config(folder: Path) -> list[str]:
    """Options for a few samples, in files of `folder`."""
    experiments, models = folder / "experiments.yaml", folder / "models.yaml"
    experiments.write_text(yaml.safe_dump(SMALL))
    blocks = yaml.safe_load((ROOT / "config/models.yaml").read_text())
    models.write_text(yaml.safe_dump({"embedded": {**blocks["embedded"], "overrides": {}}}))
    return [
        "--config",
        f"experiment_definitions={experiments}",
        f"model_definitions={models}",
        "models=embedded",
        "experiments=niah",
    ]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder where the small experiment was run from nothing."""
    folder = tmp_path_factory.mktemp("run")
    options = small_config(folder)
    done = run_snakemake(str(NIAH / "figures/heatmap.png"), str(NIAH / "figures/accuracy_by_length.svg"), *options, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_prompt_has_the_length_that_the_server_counts(finished):
    scores = pd.read_parquet(finished / NIAH / "scores.parquet")
    sent = scores[scores["outcome"] != "over_window"]
    assert len(sent) == 4
    assert (sent["prompt_tokens"] == sent["server_prompt_tokens"]).all()
    assert (sent["prompt_tokens"] <= sent["target_tokens"]).all()
    assert (sent["prompt_tokens"] >= sent["target_tokens"] - 8).all()


def test_what_does_not_fit_is_not_sent_and_not_wrong(finished):
    metrics = pd.read_csv(finished / NIAH / "metrics.csv")
    row = metrics[(metrics["grouping"] == "length") & (metrics["length"] == 10_000)].iloc[0]
    assert row["over_window"] == 2
    assert row["n"] == 0
    assert pd.isna(row["value"])


def test_figures_are_drawn(finished):
    assert (finished / NIAH / "figures/heatmap.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (finished / NIAH / "figures/accuracy_by_length.svg").read_text()


def test_a_second_run_does_nothing(finished):
    done = run_snakemake(str(NIAH / "figures/heatmap.png"), *small_config(finished), folder=finished)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr


def test_a_clean_run_gives_the_same_bytes_and_scores(finished, tmp_path):
    done = run_snakemake(str(NIAH / "metrics.csv"), *small_config(tmp_path), folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (finished / NIAH / "samples.parquet").read_bytes() == (tmp_path / NIAH / "samples.parquet").read_bytes()
    assert (finished / NIAH / "metrics.csv").read_bytes() == (tmp_path / NIAH / "metrics.csv").read_bytes()


def servers() -> set[int]:
    """Process ids of all `transformers serve`."""
    found = set()
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "serve" in words and any("transformers.cli" in word for word in words):
            found.add(process.pid)
    return found


def process_of(run: subprocess.Popen, what: str) -> psutil.Process:
    """Snakemake itself, or the one of its children with this word in its command."""
    process = psutil.Process(run.pid)
    if what == "snakemake":
        return process
    return next(child for child in process.children(recursive=True) if any(what in word for word in child.cmdline()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "number"),
    [
        ("collect_responses.py", signal.SIGTERM),
        ("collect_responses.py", signal.SIGKILL),
        ("contextrot.responses.host", signal.SIGKILL),
        ("snakemake", signal.SIGKILL),
        ("snakemake", signal.SIGINT),
    ],
    ids=lambda value: str(getattr(value, "name", value)),
)
def test_a_killed_run_leaves_no_server_and_the_next_completes(tmp_path, what, number):
    options, before = small_config(tmp_path), servers()
    target = str(NIAH / "scores.parquet")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path)]
    command += ["--workflow-profile", str(ROOT / "profiles/default"), target, *options]
    with open(tmp_path / "run.log", "wb") as log:
        run = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        deadline = time.monotonic() + 300
        while not servers() - before:
            assert run.poll() is None, (tmp_path / "run.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        if number == signal.SIGINT:
            os.killpg(run.pid, number)
        else:
            process_of(run, what).send_signal(number)
        assert run.wait(timeout=120) != 0
    assert not (tmp_path / NIAH / "responses.parquet").exists()
    deadline = time.monotonic() + 60
    while servers() - before:
        assert time.monotonic() < deadline, "a server was left"
        time.sleep(0.05)
    assert run_snakemake("--unlock", *options, folder=tmp_path).returncode == 0
    done = run_snakemake(target, *options, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_model_s_experiments_share_one_server_and_models_take_turns(tmp_path):
    options = small_config(tmp_path)
    experiments = {"niah": SMALL["niah"], "again": {**SMALL["niah"], "parameters": {"lengths": [300], "depths": [50]}}}
    (tmp_path / "experiments.yaml").write_text(yaml.safe_dump(experiments))
    models = yaml.safe_load((tmp_path / "models.yaml").read_text())
    (tmp_path / "models.yaml").write_text(
        yaml.safe_dump(models | {"twin": {**models["embedded"], "window": 2048, "sampling": {"top_p": 0.9}}})
    )
    before = servers()
    for file in ("samples", "responses"):
        targets = [f"results/test/{model}/{name}/{file}.parquet" for model in ("embedded", "twin") for name in experiments]
        done = run_snakemake(*targets, "--cores", "1", *options, folder=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    for model in ("embedded", "twin"):
        logs = [path.read_text() for path in tmp_path.glob(f"logs/test/{model}/*/collect_responses-1-of-1.log")]
        assert sum(log.count("transformers.cli.transformers serve") for log in logs) == 1
        assert sum("the server of an earlier job goes on" in log for log in logs) == 1
    assert not servers() - before


def test_a_missing_data_file_is_one_message(tmp_path, finished):
    experiments = tmp_path / "experiments.yaml"
    blocks = {"niah": {"task": "niah", "parameters": {"needle_file": "tasks/none.yaml"}}}
    experiments.write_text(yaml.safe_dump(blocks))
    done = run_snakemake(str(NIAH / "samples.parquet"), "--config", f"experiment_definitions={experiments}", folder=tmp_path)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "none.yaml" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("problem", ["no weights", "port in use"])
def test_a_server_that_cannot_start_is_one_message_and_no_result(tmp_path, problem):
    import socket

    options = small_config(tmp_path)
    models = yaml.safe_load((tmp_path / "models.yaml").read_text())
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        if problem == "no weights":
            empty = tmp_path / "empty"
            empty.mkdir()
            models["embedded"] |= {"name": str(empty), "tokenizer": "{data}/models/embedded"}
            expected = "holds no weights"
        else:
            models["embedded"]["engine_options"]["port"] = listener.getsockname()[1]
            expected = "is in use"
        (tmp_path / "models.yaml").write_text(yaml.safe_dump(models))
        done = run_snakemake(str(NIAH / "responses.parquet"), *options, folder=tmp_path)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert expected in output
    assert "Traceback" not in output
    assert not (tmp_path / NIAH / "responses.parquet").exists()
