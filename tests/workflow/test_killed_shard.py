"""Shards through the real Snakemake, with a server that answers as a script says: what one lost shard costs, and what another
number of shards costs."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from urllib.parse import urlsplit

import psutil
import pytest
import yaml

from tests.conftest import ROOT
from tests.scripted_server import Act, ScriptedServer

EXPERIMENT = "results/test/scripted/niah"
LENGTHS = [200, 300, 400, 800]
AFTER_SHARDS = {"gather_responses": 1, "judge_responses": 1, "score_responses": 1}


def command(folder, url: str, shards: int) -> list[str]:
    """Snakemake for four samples, each with a haystack of its own; the config stands in files of `folder`."""
    model = {"engine": "external", "name": "scripted", "base_url": url, "tokenizer": "{data}/models/embedded", "shards": shards}
    limits = {"window": 2048, "max_output_tokens": 64, "tokens_per_minute": 10**9}
    (folder / "models.yaml").write_text(yaml.safe_dump({"scripted": model | limits}))
    parameters = {"lengths": LENGTHS, "depths": [50], "needles": ["spare_key_high"], "repeats": 1, "answer_tokens": 40}
    (folder / "experiments.yaml").write_text(yaml.safe_dump({"niah": {"task": "niah", "parameters": parameters, "tiers": {}}}))
    words = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    words += ["--workflow-profile", str(ROOT / "profiles/default"), f"{EXPERIMENT}/metrics.csv"]
    words += ["--resources", f"server_{urlsplit(url).port}={shards}", "--config", "models=scripted"]  # otherwise they take turns
    return [*words, f"model_definitions={folder}/models.yaml", f"experiment_definitions={folder}/experiments.yaml"]


def run(words: list[str]) -> dict[str, int]:
    """The jobs that snakemake ran, by rule."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=500, stdin=subprocess.DEVNULL)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return {name: int(count) for name, count in re.findall(r"^(\w+_\w+)\s+(\d+)$", output, re.MULTILINE)}


def wait_for(condition, process, log) -> None:
    deadline = time.monotonic() + 500
    while not condition():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


@pytest.mark.slow
def test_of_four_shards_only_the_killed_one_runs_again_and_another_number_asks_nothing(tmp_path):
    """The longest prompt is never answered, so its shard's job is the one that is still there to be killed."""
    hanging = True
    with ScriptedServer(lambda prompt, before: Act(silent=hanging and len(prompt) > 2000, usage={})) as server:
        words, log = command(tmp_path, server.url, shards=4), tmp_path / "run.log"
        finished = tmp_path / EXPERIMENT / "responses"
        with log.open("wb") as output:
            process = subprocess.Popen(words, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
            wait_for(lambda: len(server.prompts) == 4 and "4 of 8 steps" in log.read_text(), process, log)
            for job in psutil.Process(process.pid).children(recursive=True):
                job.kill()
            assert process.wait(timeout=200) != 0
        hanging = False
        before = {path.name: path.stat().st_mtime_ns for path in finished.glob("*-of-4.parquet")}
        assert len(before) == 3

        assert run(words) == {"collect_responses": 1, **AFTER_SHARDS}
        assert {name: (finished / name).stat().st_mtime_ns for name in before} == before
        assert len(server.prompts) == 5
        assert server.prompts[-1] == max(server.prompts, key=len)

        assert run(command(tmp_path, server.url, shards=2)) == {"collect_responses": 2, **AFTER_SHARDS}
        assert len(server.prompts) == 5
