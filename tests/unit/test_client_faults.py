"""The client over real HTTP: each fault's outcome, number of attempts and record; restarts."""

from __future__ import annotations

import email.utils
import json
import time

import pytest

from contextrot.engines import Endpoint
from contextrot.errors import EngineError, RequestError
from contextrot.settings import ModelSettings
from tests.client_session import Session
from tests.scripted_server import Act, error

SSE = {"Content-Type": "text/event-stream"}


def first_then_well(*faults):
    """Each fault in turn, then a good answer."""
    return lambda prompt, before: faults[before] if before < len(faults) else Act()


@pytest.mark.parametrize(
    "fault",
    [
        error(429, "slow down"),
        error(429, "slow down", **{"Retry-After": "0"}),
        error(500),
        error(503),
        Act(reset=True),
        Act(cut=True),
        Act(unfinished=True),
        Act(body=b"data: {not json\n\n", headers=SSE),
        Act(body=b"not json at all", headers={"Content-Type": "application/json"}),
        Act(body=b'["no object"]', headers={"Content-Type": "application/json"}),
        Act(body=b'{"model": "m", "choices": []}', headers={"Content-Type": "application/json"}),
        Act(body=b'data: {"model": "m", "choices": []}\n\ndata: [DONE]\n\n', headers=SSE),
        Act(body=b'data: {"error": {"message": "worker died", "code": 500}}\n\n', headers=SSE),
        Act(body=b"", headers=SSE),
        Act(finish="abort"),
    ],
    ids=lambda act: f"{act.status} {act.body or act}"[:60],
)
def test_a_fault_that_passes_is_tried_again(session, fault):
    s = session(first_then_well(fault, fault))
    [r] = s.ask("q")
    assert (r.outcome, r.text, r.attempts) == ("answered", "yes", 3)
    assert len(s.server.prompts) == 3


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (error(429), "rate_limited"),
        (error(500), "server"),
        (error(503), "server"),
        (error(504), "timeout"),
        (Act(reset=True), "connection"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fault_that_stays_is_a_failed_row_once_its_deadline_is_over_and_never_an_answer(session, fault, kind):
    s = session(lambda *_: fault, max_attempts=1, retry_deadline_seconds=0.1)
    [r] = s.ask("q")
    assert (r.outcome, r.text, r.error_type) == ("failed", None, kind)
    assert r.attempts == len(s.server.prompts) > 2
    assert r.error_message
    assert s.store.size() == (0, 0)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Act(cut=True), "cut_stream"),
        (Act(unfinished=True), "cut_stream"),
        (Act(body=b"{", headers=SSE | {"Content-Type": "application/json"}), "malformed"),
        (Act(body=b'{"choices": []}', headers={"Content-Type": "application/json"}), "no_choices"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_answer_is_a_failed_row_after_all_attempts_and_never_an_answer(session, fault, kind):
    s = session(lambda *_: fault, max_attempts=3)
    [r] = s.ask("q")
    assert (r.outcome, r.text, r.error_type, r.attempts) == ("failed", None, kind, 3)
    assert r.error_message
    assert s.store.size() == (0, 0)


def test_a_server_that_never_answers_is_a_timeout(session):
    s = session(lambda prompt, before: Act(silent=before == 0), model={"timeout_seconds": 0.2})
    [r] = s.ask("q")
    assert (r.outcome, r.attempts) == ("answered", 2)


def test_a_slow_first_byte_is_waited_for_and_measured(session):
    [r] = session(lambda *_: Act(delay_seconds=0.3)).ask("q")
    assert (r.outcome, r.attempts) == ("answered", 1)
    assert r.first_token_seconds >= 0.3


def test_a_refused_connection_is_a_failed_row(tmp_path):
    model = ModelSettings(engine="external", name="m", base_url="http://127.0.0.1:9/v1", window=9, max_output_tokens=9)
    [r] = Session(tmp_path, model, retry_deadline_seconds=0.05).ask("q")
    assert (r.outcome, r.error_type) == ("failed", "connection")


def test_no_attempt_after_the_deadline(session):
    s = session(lambda *_: error(429, **{"Retry-After": "60"}), retry_deadline_seconds=5)
    [r] = s.ask("q")
    assert (r.outcome, r.error_type, r.attempts) == ("failed", "rate_limited", 1)


@pytest.mark.parametrize("form", ["seconds", "date", "milliseconds"])
def test_retry_after_holds_all_requests_back(session, form):
    date = email.utils.formatdate(time.time() + 1, usegmt=True)
    header = {"seconds": {"Retry-After": "0.2"}, "date": {"Retry-After": date}, "milliseconds": {"retry-after-ms": "200"}}[form]
    s = session(lambda prompt, before: error(429, **header) if prompt == "first" and before == 0 else Act())
    started = time.time()
    [r] = s.ask("first")
    assert (r.outcome, r.attempts) == ("answered", 2)
    [shared] = (s.store.folder / "rate_limits").glob("*.json")
    assert json.loads(shared.read_text())["pause"] > started


@pytest.mark.parametrize(("status", "hint"), [(401, "MY_KEY"), (403, "MY_KEY"), (404, "`name`")])
def test_a_refused_key_or_model_stops_the_job_at_once_and_says_what_to_set(session, status, hint):
    s = session(lambda *_: error(status, "no"), model={"concurrency": 1, "api_key_env": "MY_KEY"})
    errors = s.ask("a", "b", "c")
    assert all(isinstance(e, RequestError) for e in errors)
    assert hint in str(errors[0])
    assert str(status) in str(errors[0])
    assert len(s.server.prompts) == 1


@pytest.mark.parametrize("fault", [error(402, "pay"), error(429, "You exceeded your current quota", code="insufficient_quota")])
def test_an_empty_account_stops_the_job_at_once(session, fault):
    [e] = session(lambda *_: fault).ask("q")
    assert isinstance(e, RequestError)
    assert "credit" in str(e)


def test_many_failures_in_a_row_stop_the_job(session):
    s = session(lambda *_: Act(body=b"no answer"), model={"concurrency": 1}, max_attempts=1)
    results = s.ask(*[f"q{i}" for i in range(30)])
    stopped = [e for e in results if isinstance(e, RequestError)]
    assert "20 requests in a row failed" in str(stopped[0])
    assert len(s.server.prompts) == 20


def test_a_dead_server_is_restarted_once_for_all_its_requests(session):
    s = session()
    state = {"dead": True, "restarts": 0}

    def alive():
        if state["dead"]:
            raise EngineError("the server stopped by itself")

    def reset():
        state["dead"], state["restarts"] = False, state["restarts"] + 1

    s.server.script = lambda prompt, before: Act(reset=True) if state["dead"] else Act()
    s.endpoint = Endpoint("vllm", "m", "hosted_vllm", s.server.url, alive=alive, reset=reset)
    responses = s.ask(*[f"q{i}" for i in range(8)])
    assert {(r.outcome, r.attempts) for r in responses} <= {("answered", 1), ("answered", 2)}
    assert state["restarts"] == 1


def test_a_server_that_keeps_dying_ends_the_job(session):
    s = session(lambda *_: Act(reset=True), max_attempts=10)

    def dead():
        raise EngineError("the server stopped by itself.")

    s.endpoint = Endpoint("vllm", "m", "hosted_vllm", s.server.url, alive=dead)
    [e] = s.ask("q")
    assert isinstance(e, EngineError)
    assert "restarted 3 times" in str(e)
