"""Ctrl-C in the middle of the inference, through the whole of Snakemake: a clean end, nothing asked twice, the key nowhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from contextrot.records import read_responses
from contextrot.responses.store import RequestStore
from tests.conftest import ROOT
from tests.scripted_server import Act, ScriptedServer

KEY = "sk-test-5f2c91b7-do-not-leak"
OTHERS = {"header": "cAnary-5f2c91b7-of-config", "variable": "cAnary-83b1d0aa-of-dotenv", "address": "cAnary-19cc42fe-of-url"}
FOLDER = "results/test/hosted/niah"
TARGETS = [f"{FOLDER}/metrics.csv", "results/test/run_metadata.json", "results/test/cost_estimate.md", "results/test/summary.md"]
ROWS, ANSWERED_BEFORE, CONCURRENCY = 40, 12, 4


def options(folder: Path, url: str) -> list[str]:
    """Options for one experiment on a server that wants a key, in files of `folder`."""
    parameters = {"lengths": [256], "depths": [0, 25, 50, 75, 100], "needles": ["spare_key_high"], "repeats": ROWS // 5}
    model = {
        "engine": "external",
        "name": "m",
        "base_url": f"{url}?api_key={OTHERS['address']}",
        "api_key_env": "MY_TEST_KEY",
        "tokens_per_minute": 10**9,
    }
    model |= {"tokenizer": "{data}/models/embedded", "window": 4096, "max_output_tokens": 64, "concurrency": CONCURRENCY}
    model |= {"engine_options": {"headers": {"X-Auth": OTHERS["header"], "X-Other": "${MY_HEADER}"}}}
    (folder / ".env").write_text(f"MY_HEADER={OTHERS['variable']}\n")
    (folder / "experiments.yaml").write_text(yaml.safe_dump({"niah": {"task": "niah", "parameters": parameters}}))
    (folder / "models.yaml").write_text(yaml.safe_dump({"hosted": model}))
    named = [
        f"{kind}_definitions={folder / name}" for kind, name in (("experiment", "experiments.yaml"), ("model", "models.yaml"))
    ]
    return ["--config", *named, "models=hosted", "experiments=niah"]


def start(folder: Path, url: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--workflow-profile", str(ROOT / "profiles/default"), *TARGETS, *options(folder, url)]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, env={**os.environ, "MY_TEST_KEY": KEY}, start_new_session=True, **pipes)


@pytest.mark.slow
def test_ctrl_c_ends_cleanly_says_how_far_it_is_and_the_next_run_asks_only_the_rest(tmp_path):
    enough = threading.Event()

    def until_enough(prompt, before):
        if len(server.prompts) <= ANSWERED_BEFORE:
            return Act(usage={})
        if len(server.prompts) == ANSWERED_BEFORE + CONCURRENCY:
            enough.set()
        return Act(silent=True)

    with ScriptedServer(until_enough) as server:
        run = start(tmp_path, server.url)
        assert enough.wait(300), run.communicate()
        os.killpg(run.pid, signal.SIGINT)
        first, _ = run.communicate(timeout=120)
        assert run.returncode != 0
        assert "Traceback" not in first
        assert "Tier test:" in first
        assert f"/{ROWS}" in first
        assert "inference (stopped: run the same command to go on)" in first
        assert "Finished answers are kept: the same command goes on from here." in first
        assert not (tmp_path / FOLDER / "responses.parquet").exists()
        assert len(server.prompts) == ANSWERED_BEFORE + CONCURRENCY
        kept = RequestStore(tmp_path / ".cache/responses").size()[0]
        server.script = lambda prompt, before: Act(usage={}, text=f"I heard {KEY} and {' '.join(OTHERS.values())}.")
        run = start(tmp_path, server.url)
        second, _ = run.communicate(timeout=600)
        assert run.returncode == 0, second
        assert set(server.authorizations) == {f"Bearer {KEY}"}
        assert len(server.prompts) == ANSWERED_BEFORE + CONCURRENCY + ROWS - kept
    assert kept == ANSWERED_BEFORE
    assert [r.outcome for r in read_responses(tmp_path / FOLDER / "responses.parquet")] == ["answered"] * ROWS
    assert KEY not in first + second
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.name not in ("models.yaml", ".env")]
    kinds = {path.relative_to(tmp_path).parts[0] for path in written}
    assert kinds >= {"results", "logs", ".cache", ".snakemake", "benchmarks"}
    assert any((tmp_path / ".snakemake" / "log").iterdir())
    for key in (KEY, *OTHERS.values()):
        assert key not in first + second
        assert [path for path in written if key.encode() in path.read_bytes()] == []
