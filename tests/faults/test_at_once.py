"""Two jobs at once on one store, jobs killed in the middle, and a server that is not there yet: by real processes."""

from __future__ import annotations

import random
import threading
from collections import Counter

import pytest

from contextrot.records import read_responses
from contextrot.settings import ModelSettings
from tests.client_session import Session, model_at
from tests.faults.test_requests import start, write_questions
from tests.scripted_server import Act, ScriptedServer, error

PRICE = "2 8"  # USD a million tokens


@pytest.mark.parametrize("jobs", [2, 4])
def test_jobs_at_once_on_one_store_ask_each_request_once(tmp_path, jobs):
    for number in range(jobs):
        write_questions(tmp_path / str(number), 150)
    with ScriptedServer(lambda *_: Act(delay_seconds=0.02)) as server:
        store = str(tmp_path / "store")
        running = [start(tmp_path / str(number), server.url, 8, TEST_STORE=store) for number in range(jobs)]
        outputs = [job.communicate(timeout=120)[0] for job in running]
        assert [job.returncode for job in running] == [0] * jobs, outputs
        assert Counter(server.prompts) == {f"q{i}": 1 for i in range(150)}
    for number in range(jobs):
        assert len(read_responses(tmp_path / str(number) / "test/m/e/responses/1-of-1.parquet")) == 150


def test_a_job_that_goes_on_beside_the_one_that_was_killed_takes_its_requests_over(tmp_path):
    for name in ("killed", "other"):
        write_questions(tmp_path / name, 60)
    enough = threading.Event()

    def script(prompt, before):
        if len(server.prompts) >= 20:
            enough.set()
        return Act(delay_seconds=0.05)

    with ScriptedServer(script) as server:
        store = str(tmp_path / "store")
        killed, other = (start(tmp_path / name, server.url, 4, TEST_STORE=store) for name in ("killed", "other"))
        assert enough.wait(60)
        killed.kill()
        killed.communicate()
        output, _ = other.communicate(timeout=60)
        assert other.returncode == 0, output
        assert set(server.prompts) == {f"q{i}" for i in range(60)}
        assert len(server.prompts) - 60 <= 4 + 16, "only what was under way, or not yet on the disk, at the kill is asked again"


@pytest.mark.slow
def test_kills_and_resumes_do_not_stretch_the_budget(tmp_path):
    write_questions(tmp_path, 400)
    rng, limit, concurrency = random.Random(2), 10, 8
    worst = (7 * 2 + limit * 8) / 1e6
    budget, state = 100 * worst, {"until": 0, "billed": 0.0}
    passed = threading.Event()

    def script(prompt, before):
        state["billed"] += worst
        state["until"] -= 1
        if state["until"] == 0:
            passed.set()
        return Act(delay_seconds=0.03, usage={"prompt_tokens": 7, "completion_tokens": limit})

    with ScriptedServer(script) as server:
        for _ in range(5):
            passed.clear()
            state["until"] = rng.randint(10, 16)
            job = start(tmp_path, server.url, concurrency, TEST_PRICE=PRICE, TEST_BUDGET=str(budget))
            assert passed.wait(60)
            job.kill()
            job.communicate()
        output, _ = start(tmp_path, server.url, concurrency, TEST_PRICE=PRICE, TEST_BUDGET=str(budget)).communicate(timeout=60)
    assert "budget_usd is used up" in output
    assert "Traceback" not in output
    assert 50 * worst < state["billed"] <= budget * (1 + 1e-9)


def test_a_connection_that_is_refused_for_a_while_costs_no_row(tmp_path):
    with ScriptedServer() as probe:
        port = probe.port
    server = ScriptedServer(port=port)
    model = ModelSettings(
        engine="external",
        name="m",
        base_url=f"http://127.0.0.1:{port}/v1",
        window=1000,
        max_output_tokens=50,
        tokens_per_minute=10**9,
        concurrency=16,
    )
    threading.Timer(0.5, server.__enter__).start()
    session = Session(tmp_path, model)
    try:
        assert {r.outcome for r in session.ask(*[f"q{i}" for i in range(40)])} == {"answered"}
        assert Counter(server.prompts) == {f"q{i}": 1 for i in range(40)}
    finally:
        server.__exit__(None, None, None)


@pytest.mark.parametrize("fault", [error(529), error(503, **{"Retry-After": "0.3"}), error(429, **{"Retry-After": "0.1"})])
def test_a_real_server_that_is_down_for_a_while_answers_every_row_once(tmp_path, fault):
    open_again = threading.Event()
    threading.Timer(0.6, open_again.set).start()
    answered = Counter()

    def script(prompt, before):
        if not open_again.is_set():
            return fault
        answered[prompt] += 1
        return Act()

    with ScriptedServer(script) as server:
        session = Session(tmp_path, model_at(server, concurrency=16), max_attempts=1)
        assert {r.outcome for r in session.ask(*[f"q{i}" for i in range(60)])} == {"answered"}
    assert answered == {f"q{i}": 1 for i in range(60)}


def test_two_jobs_that_end_leave_no_claim_behind(tmp_path):
    with ScriptedServer() as server:
        Session(tmp_path, model_at(server)).ask("a", "b")
        Session(tmp_path, model_at(server)).ask("a", "c")
    assert Counter(server.prompts) == {"a": 1, "b": 1, "c": 1}
    assert (tmp_path / "store" / "claims").stat().st_size == 0
