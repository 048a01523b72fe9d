"""How far a run is, told from the files that are there; what was killed is not said to run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from contextrot.plan.runs import runs_of
from contextrot.project import Project
from contextrot.records import Response, Sample, write_responses, write_samples
from contextrot.report.status import status_of, status_table
from contextrot.responses.usage import HOST


@pytest.fixture
def run(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    [run] = runs_of(Project({"models": ["embedded"], "experiments": ["niah"]}, root))
    return run


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "results" / "test" / "embedded" / "niah"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def ended():
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def samples(folder):
    write_samples(
        folder / "samples.parquet", [Sample("a", [], ["x"], 1, 1), Sample("b", [], ["x"], 1, 1, later_prompts=["c", "d"])]
    )


def part(folder, **values):
    counts = dict.fromkeys(["calls", "from_store", "input_tokens", "output_tokens", "cached_tokens", "calls_of_unknown_cost"], 0)
    defaults = {"part": "1-of-1", "model": "embedded", "known_cost_usd": 0.25, "run_calls": 0, "run_tokens": 0, "rows": 4}
    times = {"started": time.time(), "updated": time.time(), "stage": "running", "host": HOST, "pid": os.getpid()}
    content = counts | defaults | times | {"rows_done": 3, "rows_failed": 1} | values
    (folder / ".usage").mkdir(exist_ok=True)
    (folder / ".usage" / f"{content['part']}.json").write_text(json.dumps(content))


def stage(run):
    return status_of(run).stage


def test_nothing_is_there_yet(run):
    s = status_of(run)
    assert (s.stage, s.done, s.total, s.failed, s.cost_usd) == ("samples", None, None, None, None)


def test_rows_count_turns_and_failed_rows_are_not_done(run, folder):
    samples(folder)
    assert stage(run) == "inference (not begun)"
    part(folder)
    s = status_of(run)
    assert (s.done, s.total, s.failed, s.cost_usd) == (2, 4, 1, 0.25)
    assert s.stage == "inference (1 of 1 jobs run)"


def test_a_killed_job_is_not_said_to_run(run, folder, ended):
    samples(folder)
    part(folder, pid=ended)
    assert stage(run) == "inference (stopped: run the same command to go on)"


def test_a_job_elsewhere_is_believed_for_an_hour(run, folder, ended):
    samples(folder)
    part(folder, pid=ended, host="another-node")
    assert "jobs run" in stage(run)
    part(folder, pid=ended, host="another-node", updated=time.time() - 4000)
    assert "stopped" in stage(run)


def test_failed_rows_are_told(run, folder):
    samples(folder)
    part(folder, stage="failed")
    assert stage(run) == "inference (failed rows: run the same command to go on)"


def test_parts_of_judges_and_of_other_shards_are_no_rows(run, folder):
    samples(folder)
    part(folder)
    part(folder, part="judge-llm", rows_done=100)
    part(folder, part="1-of-2", rows_done=100)
    assert status_of(run).done == 2


def test_the_stage_is_what_comes_next(run, folder):
    samples(folder)
    part(folder, stage="done")
    assert stage(run) == "inference (gathering)"
    write_responses(folder / "responses.parquet", [Response("a", 0, "answered"), Response("b", 0, "failed")])
    s = status_of(run)
    assert (s.stage, s.done, s.failed) == ("judging", 1, 1)
    for judge in run.judges:
        (folder / "judgements").mkdir(exist_ok=True)
        (folder / "judgements" / f"{judge}.parquet").write_text("")
    assert stage(run) == "scoring"
    (folder / "scores.parquet").write_text("")
    (folder / "metrics.csv").write_text("")
    assert stage(run) == "figures"
    (folder / "figures").mkdir()
    for figure in run.figures:
        (folder / "figures" / f"{figure}.png").write_text("")
    assert stage(run) == "done"


def test_the_table_has_a_line_for_each_model_and_experiment(run, folder):
    samples(folder)
    part(folder)
    lines = status_table([run]).splitlines()
    assert lines[0] == "Tier test:"
    assert lines[1].split() == ["model", "experiment", "rows", "failed", "USD", "stage"]
    assert lines[3].split()[:5] == ["embedded", "niah", "2/4", "1", "0.2500"]
