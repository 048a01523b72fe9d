"""The workflow on a real SLURM of one node: shards, retries, GPUs asked for only where needed, and a second run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.conftest import ROOT

pytestmark = [pytest.mark.slurm, pytest.mark.slow]
NIAH = "results/test/embedded/niah"


@pytest.fixture(scope="module", autouse=True)
def slurm():
    """A SLURM that is up; one that was not is stopped again."""
    ping = subprocess.run(["scontrol", "ping"], capture_output=True, text=True)
    subprocess.run(["bash", str(ROOT / "tests/slurm/start.sh")], check=True, timeout=60)
    yield
    if "is UP" not in ping.stdout:
        subprocess.run(["bash", str(ROOT / "tests/slurm/start.sh"), "stop"], check=True, timeout=60)


def write_config(folder: Path, **model) -> list[str]:
    """Four needle samples in two shards, in files of `folder`."""
    block = yaml.safe_load((ROOT / "config/models.yaml").read_text())["embedded"]
    (folder / "models.yaml").write_text(yaml.safe_dump({"embedded": {**block, "overrides": {}, "shards": 2, **model}}))
    parameters = {"lengths": [256, 512], "depths": [0, 100], "needles": ["spare_key_high"], "answer_tokens": 40}
    (folder / "experiments.yaml").write_text(yaml.safe_dump({"niah": {"task": "niah", "parameters": parameters}}))
    return ["--config", f"model_definitions={folder}/models.yaml", f"experiment_definitions={folder}/experiments.yaml"]


def command(folder: Path, *arguments: str) -> list[str]:
    words = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    words += ["--workflow-profile", str(ROOT / "profiles/default"), "--profile", str(ROOT / "profiles/slurm")]
    words += ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "1"]
    return [*words, "--seconds-between-status-checks", "1", "--latency-wait", "10", *arguments]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    words = command(folder, *arguments)
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=900, stdin=subprocess.DEVNULL)


def jobs(folder: Path) -> list[dict[str, str]]:
    """All SLURM jobs that were submitted from `folder`, as scontrol shows them."""
    shown = subprocess.run(["scontrol", "show", "job", "--oneliner"], capture_output=True, text=True, check=True).stdout
    found = [dict(re.findall(r"(\w+)=(\S+)", line)) for line in shown.splitlines()]
    return [job for job in found if job.get("WorkDir") == str(folder)]


@pytest.mark.skipif(not shutil.which("munged") and not os.environ.get("CI"), reason="needs munge: apt-get install munge")
def test_credentials_are_signed_by_munge_which_is_not_root():
    settings = subprocess.run(["scontrol", "show", "config"], capture_output=True, text=True, check=True).stdout
    assert re.search(r"^AuthType\s+= auth/munge$", settings, re.MULTILINE)
    assert re.search(r"^CredType\s+= cred/munge$", settings, re.MULTILINE)
    owners = subprocess.run(["ps", "-C", "munged", "-o", "user="], capture_output=True, text=True, check=True).stdout.split()
    assert owners
    assert "root" not in owners


def test_two_shards_from_samples_to_figure_and_a_second_run_does_nothing(tmp_path):
    options = write_config(tmp_path)
    done = run(tmp_path, f"{NIAH}/figures/heatmap.png", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    scores = pd.read_parquet(tmp_path / NIAH / "scores.parquet")
    assert len(scores) == 4
    assert (tmp_path / NIAH / "responses/1-of-2.parquet").exists()
    assert (tmp_path / NIAH / "responses/2-of-2.parquet").exists()
    submitted = jobs(tmp_path)
    assert len(submitted) == 5, "samples, two shards, gathering, and the other light steps of the experiment as one"
    assert all(job["JobState"] == "COMPLETED" for job in submitted)
    assert not any("gres" in job.get("TresPerNode", "") + job.get("TresPerJob", "") for job in submitted)
    again = run(tmp_path, f"{NIAH}/figures/heatmap.png", *options)
    assert "Nothing to be done" in again.stdout + again.stderr

    for lost in ("responses/2-of-2.parquet", "responses.parquet"):
        (tmp_path / NIAH / lost).unlink()
    plan = run(tmp_path, "-n", f"{NIAH}/responses.parquet", *options)
    assert re.search(r"^collect_responses\s+1$", plan.stdout, re.MULTILINE), plan.stdout


def test_a_short_run_is_one_job(tmp_path):
    words = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path)]
    words += ["--workflow-profile", str(ROOT / "profiles/default"), f"{NIAH}/figures/heatmap.png", *write_config(tmp_path)]
    subprocess.run(
        ["srun", "--cpus-per-task=2", "--mem=8G", *words], cwd=tmp_path, check=True, timeout=600, stdin=subprocess.DEVNULL
    )
    assert (tmp_path / NIAH / "figures/heatmap.png").exists()
    assert [job["JobState"] for job in jobs(tmp_path)] == ["COMPLETED"]


def test_only_a_rule_that_runs_the_model_asks_for_a_gpu(tmp_path):
    options = write_config(tmp_path, gpu=1)
    done = run(tmp_path, f"{NIAH}/scores.parquet", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    with_gpu = {job["JobId"] for job in jobs(tmp_path) if "gpu" in job.get("TresPerJob", "")}
    comments = {job["JobId"]: job.get("Comment", "") for job in jobs(tmp_path)}
    assert with_gpu == {number for number, comment in comments.items() if "collect_responses" in comment}
    assert len(with_gpu) == 2


def test_a_job_that_runs_out_of_memory_is_tried_again_with_more(tmp_path):
    options = write_config(tmp_path)
    little = "build_samples:mem_mb=20 if attempt == 1 else 4000"
    done = run(tmp_path, f"{NIAH}/samples.parquet", "--set-resources", little, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    states = [job["JobState"] for job in jobs(tmp_path)]
    assert len(states) == 2
    assert states.count("COMPLETED") == 1


def test_a_cancelled_job_is_tried_again(tmp_path):
    options = write_config(tmp_path)
    with open(tmp_path / "run.log", "wb") as log:
        process = subprocess.Popen(
            command(tmp_path, f"{NIAH}/scores.parquet", *options), cwd=tmp_path, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 300
        while True:
            running = [
                job for job in jobs(tmp_path) if "collect_responses" in job.get("Comment", "") and job["JobState"] == "RUNNING"
            ]
            if running:
                break
            assert process.poll() is None, (tmp_path / "run.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        subprocess.run(["scancel", running[0]["JobId"]], check=True)
        assert process.wait(timeout=600) == 0, (tmp_path / "run.log").read_text()
    states = [job["JobState"] for job in jobs(tmp_path)]
    assert states.count("CANCELLED") == 1
    assert pd.read_parquet(tmp_path / NIAH / "scores.parquet")["sample_id"].nunique() == 4
