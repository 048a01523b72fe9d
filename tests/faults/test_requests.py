"""Nothing lost, nothing paid twice, nothing leaked: killed jobs, full disks, many faults, several processes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from contextrot.plan.provenance import responses_summary
from contextrot.records import Sample, read_responses, write_samples
from contextrot.responses import client
from contextrot.responses import collect as collecting
from contextrot.responses.collect import collect_responses
from contextrot.responses.store import STORE_THREADS, RequestStore, request_key
from contextrot.settings import ModelSettings, Settings
from contextrot.task import Parameters, Task
from tests.conftest import ROOT
from tests.scripted_server import Act, ScriptedServer, error

KEY = "sk-test-5f2c91b7-do-not-leak"


def write_questions(folder: Path, count: int, turns: int = 1) -> Path:
    path = folder / "test" / "m" / "e" / "samples.parquet"
    samples = [
        Sample(f"s{i}", [{"role": "user", "content": f"q{i}"}], ["x"], 10, 7, later_prompts=[f"q{i} again"] * (turns - 1))
        for i in range(count)
    ]
    write_samples(path, samples)
    return path


def start(folder: Path, url: str, concurrency: int = 4, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.collect", str(folder), url, str(concurrency)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'workflow'}{os.pathsep}{ROOT}", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


OF_ONE_RUN = {"first_token_seconds", "total_seconds", "cached"}
"""Columns that say when and whence an answer came; all others are the same whatever befell the run."""


def content(path: Path) -> list[dict]:
    return [{name: value for name, value in vars(r).items() if name not in OF_ONE_RUN} for r in read_responses(path)]


@pytest.mark.slow
def test_20_kills_lose_nothing_and_ask_nothing_finished_again(tmp_path):
    rng, rows, kills, concurrency = random.Random(5), 400, 20, 4
    moments = [rng.randint(3, rows // kills) for _ in range(kills)]
    passed = threading.Event()
    state = {"until": 0}

    def script(prompt, before):
        state["until"] -= 1
        if state["until"] == 0:
            passed.set()
        return Act(text=f"answer to {prompt}", delay_seconds=0.01)

    with ScriptedServer(script) as server:
        for name in ("killed", "undisturbed"):
            write_questions(tmp_path / name, rows)
        finished: set[str] = set()
        in_flight = 0
        for moment in moments:
            passed.clear()
            state["until"] = moment
            asked_before = len(server.prompts)
            job = start(tmp_path / "killed", server.url, concurrency)
            assert passed.wait(120)
            job.kill()
            job.communicate()
            assert not finished & set(server.prompts[asked_before:]), "a finished request was asked again"
            kept = RequestStore(tmp_path / "killed/store").segments.latest()
            stored = {json.loads(content)["response"]["text"] for _, content in kept}
            assert {f"answer to {p}" for p in finished} <= stored, "a finished answer was lost"
            in_flight += len({f"answer to {p}" for p in server.prompts} - stored)
            finished = {text.removeprefix("answer to ") for text in stored}
            assert not (tmp_path / "killed/test/m/e/responses/1-of-1.parquet").exists()
        asked_before = len(server.prompts)
        output, _ = start(tmp_path / "killed", server.url, concurrency).communicate(timeout=300)
        assert not finished & set(server.prompts[asked_before:])
        lost = len(server.prompts) - rows
        assert 0 <= lost <= in_flight
        assert lost <= kills * (concurrency + STORE_THREADS)
        start(tmp_path / "undisturbed", server.url, 16).communicate(timeout=300)
    path = "test/m/e/responses/1-of-1.parquet"
    assert content(tmp_path / "killed" / path) == content(tmp_path / "undisturbed" / path), output
    told = [responses_summary(tmp_path / name / path) for name in ("killed", "undisturbed")]
    others = {key for key in told[0] if told[0][key] != told[1][key]}
    assert others - {"answered_until"} == {"from_request_store", "request_seconds"}  # both may have ended in one second
    summaries = [json.loads((tmp_path / n / "test/m/e/token_summary.json").read_text()) for n in ("killed", "undisturbed")]
    assert [s["total_tokens"] for s in summaries] == [9 * rows] * 2


@pytest.mark.slow
def test_10000_rows_with_5_percent_faults_are_all_answered_and_none_twice(tmp_path, monkeypatch):
    faults = [error(429, **{"Retry-After": "0"}), error(500), error(503), Act(reset=True), Act(cut=True), Act(unfinished=True)]
    faults += [Act(body=b"{", headers={"Content-Type": "application/json"}), Act(body=b'{"choices": []}')]
    answered: list[str] = []
    resets: list[str] = []
    rng = random.Random(1)

    def script(prompt, before):
        if rng.random() < 0.05:
            fault = rng.choice(faults)
            resets.extend([prompt] if fault.reset else [])
            return fault
        answered.append(prompt)
        return Act(text=f"answer to {prompt}")

    monkeypatch.setattr(collecting, "Client", lambda *arguments, **more: client.Client(*arguments, pause_seconds=0.01, **more))
    path = write_questions(tmp_path, 10_000)
    with ScriptedServer(script) as server:
        collect(path, server.url, tmp_path, concurrency=32)
        asked = len(server.prompts)
    rows = read_responses(path.parent / "responses" / "1-of-1.parquet")
    assert [(r.sample_id, r.outcome, r.text) for r in rows] == [(f"s{i}", "answered", f"answer to q{i}") for i in range(10_000)]
    assert sorted(answered) == sorted(f"q{i}" for i in range(10_000))
    # a kept-alive connection that breaks without a byte is no attempt
    attempts = sum(r.attempts for r in rows)
    assert asked - len(resets) <= attempts <= asked and attempts > 10_300


def collect(path: Path, url: str, folder: Path, concurrency: int = 4, **settings) -> None:
    model = {
        "engine": "external",
        "name": "m",
        "base_url": url,
        "window": 1000,
        "max_output_tokens": 50,
        "tokens_per_minute": 10**9,
    }
    collect_responses(
        path,
        path.parent / "responses" / "1-of-1.parquet",
        task=Task(Parameters()),
        model_name="m",
        model=ModelSettings(**model, concurrency=concurrency),
        settings=Settings(request_store=str(folder / "store"), max_attempts=8, **settings),
        experiment="e",
        shard=1,
        shards=1,
        log=folder / "log",
    )


@contextmanager
def small_disk(folder: Path, size: str):
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("no right to mount a small file system here")
    try:
        yield lambda *options: subprocess.run(["mount", "-o", ",".join(["remount", *options]), str(folder)], check=True)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_a_clear_message_and_keeps_finished_answers(tmp_path):
    write_questions(tmp_path, 200)
    with small_disk(tmp_path / "disk", "128k") as remount, ScriptedServer() as server:
        store = str(tmp_path / "disk" / "store")
        job = start(tmp_path, server.url, TEST_STORE=store)
        output, _ = job.communicate(timeout=120)
        assert job.returncode == 1
        assert "No space left on device" in output
        assert "finished answers are kept" in output
        assert "Traceback" not in output
        kept = RequestStore(store).size()[0]
        assert 0 < kept < 200
        remount("size=8m")
        asked = len(server.prompts)
        job = start(tmp_path, server.url, TEST_STORE=store)
        output, _ = job.communicate(timeout=120)
        assert job.returncode == 0, output
        assert len(server.prompts) - asked == 200 - kept
        assert not RequestStore(store).damaged


@pytest.mark.parametrize("kilobytes", [0, 8, 16, 100])
def test_a_disk_that_is_full_for_all_files_is_one_message_and_the_next_run_goes_on(tmp_path, kilobytes):
    with small_disk(tmp_path / "disk", "8m") as remount, ScriptedServer() as server:
        write_questions(tmp_path / "disk", 200)
        taken = sum(path.stat().st_blocks for path in (tmp_path / "disk").rglob("*")) // 2
        remount(f"size={taken + kilobytes}k")
        job = start(tmp_path / "disk", server.url, TEST_PRICE="2 8", TEST_BUDGET="1")
        output, _ = job.communicate(timeout=120)
        assert job.returncode == 1
        assert "No space left on device" in output
        assert "Traceback" not in output
        assert len(output) < 1000
        remount("size=8m")
        asked = len(server.prompts)
        job = start(tmp_path / "disk", server.url, TEST_PRICE="2 8", TEST_BUDGET="1")
        output, _ = job.communicate(timeout=120)
        assert job.returncode == 0, output
        assert len(server.prompts) <= 200 + min(asked, 4 + STORE_THREADS)


def test_a_read_only_store_is_a_clear_message_after_few_requests(tmp_path):
    write_questions(tmp_path, 200)
    with small_disk(tmp_path / "disk", "1m") as remount, ScriptedServer() as server:
        remount("ro")
        job = start(tmp_path, server.url, TEST_STORE=str(tmp_path / "disk" / "store"))
        output, _ = job.communicate(timeout=120)
        assert job.returncode == 1
        assert "Read-only file system" in output
        assert "Traceback" not in output
        assert len(server.prompts) <= 4 + STORE_THREADS + 4


WRITER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from contextrot.responses.store import RequestStore, request_key
from contextrot.records import Response
store = RequestStore(sys.argv[1])
def put(i):
    store.put(request_key({"q": i}), {"q": i}, Response("", 0, "answered", text=f"{i} " * 50))
with ThreadPoolExecutor(16) as threads:
    list(threads.map(put, range(int(sys.argv[2]), int(sys.argv[3]))))
"""


@pytest.mark.slow
def test_two_processes_of_10000_requests_on_one_store_lose_and_damage_nothing(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    bounds = [("0", "10000"), ("5000", "15000")]
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "store"), *b], env=environment) for b in bounds]
    assert [writer.wait(300) for writer in writers] == [0, 0]
    store = RequestStore(tmp_path / "store")
    with ThreadPoolExecutor(4) as threads:
        texts = list(threads.map(lambda i: store.get(request_key({"q": i})).text, range(15_000)))
    assert texts == [f"{i} " * 50 for i in range(15_000)]
    assert store.size()[0] == 15_000
    assert not store.damaged
    assert not list((tmp_path / "store").rglob("*.tmp"))


@pytest.mark.parametrize("status", [200, 401, 500])
def test_the_key_is_in_no_file_and_no_output(tmp_path, status):
    write_questions(tmp_path, 5, turns=2)
    script = lambda *_: Act() if status == 200 else error(status, f"Incorrect API key provided: {KEY}")  # noqa: E731
    with ScriptedServer(script) as server:
        job = start(tmp_path, server.url, MY_TEST_KEY=KEY, TEST_DEADLINE="0.5")
        output, _ = job.communicate(timeout=120)
        assert set(server.authorizations) == {f"Bearer {KEY}"}
    assert job.returncode == (0 if status == 200 else 1)
    assert KEY not in output
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) >= 4
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []


@pytest.mark.parametrize("status", [200, 401])
def test_a_provider_is_asked_through_litellm_with_the_cost_told_first_and_no_key_written(tmp_path, status):
    write_questions(tmp_path, 3)
    script = lambda *_: Act() if status == 200 else error(status, f"Incorrect API key provided: {KEY}")  # noqa: E731
    with ScriptedServer(script) as server:
        job = start(tmp_path, server.url, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=server.url)
        output, _ = job.communicate(timeout=180)
        assert set(server.authorizations) == {f"Bearer {KEY}"}
    assert job.returncode == (0 if status == 200 else 1), output
    assert "m e 1/1: 3 requests to openai, 21 prompt and at most 30 output tokens, at most 0.00 USD" in output
    assert "Traceback" not in output
    assert KEY not in output
    assert [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()] == []
    if status == 200:
        summary = json.loads((tmp_path / "test/m/e/token_summary.json").read_text())
        assert summary["cost_usd"] == pytest.approx(3 * (7 * 0.15e-6 + 2 * 0.6e-6))  # gpt-4o-mini: 0.15 and 0.60 USD a million
    else:
        assert "OPENAI_API_KEY" in output


def test_a_missing_key_is_one_message_that_names_the_variable(tmp_path):
    write_questions(tmp_path, 1)
    job = start(tmp_path, "http://127.0.0.1:9/v1", MY_TEST_KEY="")
    output, _ = job.communicate(timeout=120)
    assert job.returncode == 1
    assert "set the environment variable MY_TEST_KEY" in output
    assert "Traceback" not in output


def test_ctrl_c_ends_cleanly_and_keeps_what_is_finished(tmp_path):
    write_questions(tmp_path, 50)
    enough = threading.Event()

    def script(prompt, before):
        if len(server.prompts) < 20:
            return Act()
        enough.set()
        return Act(silent=True)

    with ScriptedServer(script) as server:
        job = start(tmp_path, server.url)
        assert enough.wait(60)
        job.send_signal(2)
        output, _ = job.communicate(timeout=60)
        assert job.returncode == 130
        assert "Traceback" not in output
        kept = RequestStore(tmp_path / "store").size()[0]
        assert kept >= 10
        server.script = lambda prompt, before: Act()
        asked = len(server.prompts)
        job = start(tmp_path, server.url)
        output, _ = job.communicate(timeout=120)
        assert job.returncode == 0, output
        assert len(server.prompts) - asked == 50 - kept


def test_responses_of_an_interrupted_job_are_never_half_a_file(tmp_path):
    path = write_questions(tmp_path, 3)
    with ScriptedServer(lambda *_: error(404)) as server:
        job = start(tmp_path, server.url)
        job.communicate(timeout=120)
        assert job.returncode == 1
    assert not (path.parent / "responses" / "1-of-1.parquet").exists()
    assert not [p for p in path.parent.rglob("*") if p.is_file() and p.name.startswith(".1-of-1")]
