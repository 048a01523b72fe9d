"""Outages of seconds and minutes, in virtual time: waiting is not failing, nobody hammers, and what the server asks is done."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise

import pytest

from contextrot.engines import Endpoint
from contextrot.errors import RequestError
from contextrot.responses.client import Client
from contextrot.responses.outages import LONGEST_PAUSE_SECONDS, backoff
from contextrot.responses.prices import pricing_of
from contextrot.responses.retrying import MOST_STALE_CONNECTIONS
from contextrot.responses.store import RequestStore
from contextrot.responses.transport import Reply
from contextrot.responses.usage import Ledger
from contextrot.settings import ModelSettings, Price, Settings
from contextrot.wire import faults
from tests.virtual_time import VirtualClock

PRICE = {"input_usd_per_million_tokens": 2, "output_usd_per_million_tokens": 8}


class Scripted:
    """A transport that answers by a function of the seconds since the beginning, the prompt and how often it was asked."""

    def __init__(self, clock, script):
        self.clock, self.script, self.begin = clock, script, clock.monotonic()
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.times: list[float] = []

    async def send(self, body, timeout_seconds, sent=None):
        prompt = body["messages"][-1]["content"]
        now = self.clock.monotonic() - self.begin
        self.times.append(now)
        self.asked[prompt] += 1
        failure = self.script(now, prompt, self.asked[prompt])
        await self.clock.sleep(0.01)
        if failure is not None:
            raise failure
        self.answered[prompt] += 1
        return Reply(text="yes", finish_reason="stop", model="m", prompt_tokens=7, completion_tokens=2, total_seconds=0.01)

    async def close(self):
        pass


class Run:
    """A client with a scripted transport in virtual time."""

    def __init__(self, folder, script, model=None, **settings):
        self.clock = VirtualClock()
        self.transport = Scripted(self.clock, script)
        values = {"engine": "external", "name": "m", "base_url": "http://x/v1", "window": 1000, "max_output_tokens": 50}
        self.model = ModelSettings(**(values | {"tokens_per_minute": 10**9, "concurrency": 64} | (model or {})))
        self.settings = Settings(request_store=str(folder / "store"), **settings)
        self.usage = Ledger(folder / "t" / "m" / "e", "1-of-1", "m", pricing_of(self.model), self.settings.budget_usd)

    def ask(self, *prompts):
        async def run():
            endpoint = Endpoint("external", "m", "hosted_vllm", "http://x/v1")
            store = RequestStore(self.settings.request_store)
            client = Client(endpoint, self.model, self.settings, store, self.usage, clock=self.clock, transport=self.transport)
            async with client:
                asked = [client.ask([{"role": "user", "content": p}], 50, prompt_tokens=7) for p in prompts]
                return await asyncio.gather(*asked, return_exceptions=True)

        return self.clock.run(run())


def prompts(count):
    return [f"q{i}" for i in range(count)]


DOWN = {
    "529 overloaded": lambda: faults.ServerFault("overloaded", 529),
    "503 with Retry-After 20": lambda: faults.ServerFault("loading", 503, 20.0),
    "429 with Retry-After 1": lambda: faults.RateLimited("slow down", 429, 1.0),
    "429 without a time": lambda: faults.RateLimited("slow down", 429),
    "connection refused": lambda: faults.Unreachable("ClientConnectorError: refused"),
    "504 gateway": lambda: faults.TimedOut("gateway", 504),
}


@pytest.mark.parametrize("seconds", [40, 120])
@pytest.mark.parametrize("fault", DOWN)
def test_an_outage_is_waited_for_by_all_and_nothing_is_asked_twice(tmp_path, fault, seconds):
    run = Run(tmp_path, lambda now, *_: DOWN[fault]() if now < seconds else None)
    responses = run.ask(*prompts(200))
    assert {r.outcome for r in responses} == {"answered"}
    assert set(run.transport.answered.values()) == {1} and len(run.transport.answered) == 200
    assert run.transport.times[-1] < 2 * seconds + LONGEST_PAUSE_SECONDS + 10


@pytest.mark.parametrize("concurrency", [1, 64])
def test_an_outage_in_the_middle_of_a_run_ends_nothing(tmp_path, concurrency):
    down = lambda now, *_: faults.ServerFault("overloaded", 529) if 0.1 < now < 120 else None  # noqa: E731
    run = Run(tmp_path, down, model={"concurrency": concurrency})
    assert {r.outcome for r in run.ask(*prompts(300))} == {"answered"}
    assert set(run.transport.answered.values()) == {1}


@pytest.mark.parametrize("fault", ["529 overloaded", "connection refused"])
def test_64_at_once_do_not_hammer_a_server_that_is_down(tmp_path, fault):
    run = Run(tmp_path, lambda now, *_: DOWN[fault]() if now < 120 else None)
    run.ask(*prompts(200))
    during = [time for time in run.transport.times if time < 120]
    assert len(during) <= 64 + 12  # those under way when it went down, then one look after each pause
    gaps = [b - a for a, b in pairwise(during)]
    assert max(gaps) <= LONGEST_PAUSE_SECONDS + 1


def test_what_the_server_asks_to_wait_is_waited_by_all(tmp_path):
    run = Run(tmp_path, lambda now, *_: faults.ServerFault("loading", 503, 20.0) if now < 20 else None)
    assert {r.outcome for r in run.ask(*prompts(100))} == {"answered"}
    assert [time for time in run.transport.times if 0.1 < time < 20] == []


def test_more_waiting_than_attempts_is_no_failure(tmp_path):
    run = Run(tmp_path, lambda now, *_: faults.RateLimited("slow", 429, 1.0) if now < 60 else None, max_attempts=2)
    [r] = run.ask("q")
    assert r.outcome == "answered" and r.attempts > 20


def test_a_row_is_failed_once_its_deadline_is_over(tmp_path):
    run = Run(tmp_path, lambda *_: faults.ServerFault("down", 503), retry_deadline_seconds=300)
    [r] = run.ask("q")
    assert (r.outcome, r.error_type) == ("failed", "server")
    assert 299 <= run.transport.times[-1] <= 301


def test_a_server_that_stays_down_ends_the_run_once_and_not_row_by_row(tmp_path):
    run = Run(tmp_path, lambda *_: faults.ServerFault("down", 503), retry_deadline_seconds=300, model={"concurrency": 8})
    results = run.ask(*prompts(100))
    assert any(isinstance(r, RequestError) and "in a row failed" in str(r) for r in results)
    assert run.clock.monotonic() - run.transport.begin < 2 * 300 + LONGEST_PAUSE_SECONDS


def test_a_wait_longer_than_the_deadline_is_not_begun_and_said(tmp_path):
    run = Run(tmp_path, lambda *_: faults.RateLimited("daily limit", 429, 7200.0))
    [r] = run.ask("q")
    assert (r.outcome, r.attempts, run.transport.times) == ("failed", 1, [0.0])
    assert "asks to wait 7200 s" in r.error_message and "retry_deadline_seconds = 1800" in r.error_message


def test_what_came_but_is_no_answer_is_tried_max_attempts_times(tmp_path):
    run = Run(tmp_path, lambda *_: faults.Malformed("{", 200), max_attempts=3)
    [r] = run.ask("q")
    assert (r.outcome, r.attempts) == ("failed", 3)


def test_waiting_between_does_not_use_up_the_attempts(tmp_path):
    kinds = [faults.Malformed("{", 200), *[faults.ServerFault("down", 503)] * 6, faults.Malformed("{", 200), None]
    run = Run(tmp_path, lambda now, prompt, asked: kinds[asked - 1], max_attempts=3)
    [r] = run.ask("q")
    assert (r.outcome, r.attempts) == ("answered", 9)


def test_a_request_that_always_fails_holds_up_no_other(tmp_path):
    script = lambda now, prompt, asked: faults.ServerFault("no", 500) if prompt == "q0" else None  # noqa: E731
    run = Run(tmp_path, script, model={"concurrency": 1})
    responses = run.ask(*prompts(50))
    assert [r.outcome for r in responses] == ["failed"] + ["answered"] * 49
    assert run.transport.times[52] < 60


def test_stale_connections_cost_no_attempt_and_no_time(tmp_path):
    script = lambda now, prompt, asked: faults.StaleConnection("closed") if asked <= MOST_STALE_CONNECTIONS else None  # noqa: E731
    run = Run(tmp_path, script)
    [r] = run.ask("q")
    assert (r.outcome, r.attempts) == ("answered", 1)
    assert run.transport.times[-1] < 0.1


def test_connections_that_are_always_stale_are_an_outage_that_ends(tmp_path):
    run = Run(tmp_path, lambda *_: faults.StaleConnection("closed"), retry_deadline_seconds=60)
    [r] = run.ask("q")
    assert (r.outcome, r.error_type) == ("failed", "connection")
    assert len(run.transport.times) < 100


def test_retry_after_0_for_ever_is_not_asked_without_pause(tmp_path):
    run = Run(tmp_path, lambda now, *_: faults.RateLimited("slow", 429, 0.0) if now < 120 else None)
    assert {r.outcome for r in run.ask(*prompts(20))} == {"answered"}
    assert len(run.transport.times) < 300


def test_waiting_is_told_with_what_since_and_until(tmp_path, caplog, capsys):
    Run(tmp_path, lambda now, *_: faults.ServerFault("overloaded", 529) if now < 120 else None).ask(*prompts(10))
    lines = [line for line in capsys.readouterr().err.splitlines() if "waiting" in line]
    assert 2 <= len(lines) <= 8
    assert "server http://x/v1 answers 529 (overloaded), since " in lines[0] and "given up in 17" in lines[0]
    assert "answers again, after 1" in caplog.text


def test_the_end_of_the_budget_wakes_those_who_wait(tmp_path):
    fault = lambda now, prompt, asked: faults.RateLimited("slow", 429, 900.0) if prompt < "q5" and asked == 1 else None  # noqa: E731
    run = Run(tmp_path, fault, model={"price": Price(**PRICE), "concurrency": 3}, budget_usd=1e-9)
    results = run.ask(*prompts(20))
    assert all(isinstance(r, RequestError) and "budget_usd is used up" in str(r) for r in results)
    assert run.clock.monotonic() - run.transport.begin < 1


def test_pauses_double_have_jitter_and_are_never_shorter_than_asked():
    fault, asked = faults.ServerFault("x", 503), faults.ServerFault("x", 503, 20.0)
    for failures in range(1, 40):
        assert min(2 ** (failures - 1), LONGEST_PAUSE_SECONDS) <= backoff(1.0, failures, fault) <= LONGEST_PAUSE_SECONDS
        assert 20 <= backoff(1.0, failures, asked) <= 21
    assert len({backoff(1.0, 1, fault) for _ in range(20)}) > 10


def test_only_what_came_after_the_request_was_sent_may_have_been_billed():
    billed = {
        kind for kind in vars(faults).values() if isinstance(kind, type) and issubclass(kind, faults.Failure) and kind.billed
    }
    unreadable = {faults.Unreadable, faults.Malformed, faults.CutStream, faults.NoChoices}
    assert billed == {faults.TimedOut, faults.Broken, faults.StaleConnection, faults.WrongModel, *unreadable}


@pytest.mark.parametrize(
    ("status", "perhaps"),
    [(503, False), (529, False), (500, True), (502, True), (504, True), (524, True), (200, True), (None, True)],
)
def test_a_fault_of_a_server_may_have_been_billed_unless_it_says_that_it_had_not_begun(status, perhaps):
    assert faults.ServerFault("x", status).billed is perhaps
