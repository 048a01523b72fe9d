"""The client over real HTTP: each fault's outcome, number of attempts and record; concurrency; restarts."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from contextrot import secrets
from contextrot.records import Response, read_responses, write_responses
from contextrot.responses.client import Client
from contextrot.responses.outcomes import classify
from contextrot.wire.reply import Reply
from tests.scripted_server import Act, error

SSE = {"Content-Type": "text/event-stream"}


def first_then_well(*faults):
    """Each fault in turn, then a good answer."""
    return lambda prompt, before: faults[before] if before < len(faults) else Act()


def test_an_answer_has_text_counts_times_and_one_attempt(session):
    usage = {
        "prompt_tokens": 30,
        "completion_tokens": 4,
        "prompt_tokens_details": {"cached_tokens": 16},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    s = session(lambda *_: Act(text="The answer is 7.", usage=usage))
    [r] = s.ask("q")
    assert (r.outcome, r.text, r.finish_reason, r.attempts, r.cached) == ("answered", "The answer is 7.", "stop", 1, False)
    assert (r.prompt_tokens, r.completion_tokens, r.cached_tokens, r.reasoning_tokens) == (30, 4, 16, 3)
    assert 0 < r.first_token_seconds <= r.total_seconds
    assert (r.engine, r.model, r.error_type) == ("external", "m", None)


@pytest.mark.parametrize("name", ["prompt_tokens", "completion_tokens"])
def test_a_count_far_beyond_limit_and_window_holds_no_later_request_back(session, name):
    usage = {"prompt_tokens": 7, "completion_tokens": 2, name: 10**9}
    s = session(lambda *_: Act(usage=usage), model={"concurrency": 1, "tokens_per_minute": 10**6}, retry_deadline_seconds=20)

    async def run():
        async with Client(s.endpoint, s.model, s.settings, s.store, s.usage) as client:
            return [await client.ask([{"role": "user", "content": prompt}], 50) for prompt in "abc"]

    responses = asyncio.run(asyncio.wait_for(run(), 10))
    assert [(r.outcome, getattr(r, name)) for r in responses] == [("answered", 10**9)] * 3


def test_a_server_that_does_not_stream_is_read_too(session):
    [r] = session(lambda *_: Act(text="whole", stream=False)).ask("q")
    assert (r.outcome, r.text, r.prompt_tokens, r.first_token_seconds) == ("answered", "whole", 7, None)


def test_concurrency_never_exceeds_the_limit_with_a_429_between(session):
    script = lambda prompt, before: error(429) if prompt == "p0" and before == 0 else Act(delay_seconds=0.01)  # noqa: E731
    s = session(script, model={"concurrency": 4})
    responses = s.ask(*[f"p{i}" for i in range(20)])
    assert {r.outcome for r in responses} == {"answered"}
    assert s.server.most_at_once <= 4


def test_a_server_that_may_get_one_request_at_a_time_never_gets_two(session):
    s = session(lambda *_: Act(delay_seconds=0.01), model={"concurrency": 4})
    s.endpoint = replace(s.endpoint, most_at_once=1)
    assert {r.outcome for r in s.ask(*[f"p{i}" for i in range(6)])} == {"answered"}
    assert s.server.most_at_once == 1


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
        "Input length (5000) exceeds model's maximum context length (4096).",
        "the request exceeds the available context size, try increasing it",
        "prompt is too long: 205000 tokens > 200000 maximum",
    ],
)
def test_an_over_long_prompt_is_over_window_after_one_attempt(session, message):
    s = session(lambda *_: error(400, message))
    [r] = s.ask("q")
    assert (r.outcome, r.text, r.attempts) == ("over_window", None, 1)
    assert s.store.size()[0] == 0


def test_an_over_long_prompt_is_known_by_its_code(session):
    [r] = session(lambda *_: error(400, "no", code="context_length_exceeded")).ask("q")
    assert r.outcome == "over_window"


def test_another_bad_request_fails_after_one_attempt(session):
    [r] = session(lambda *_: error(400, "unknown parameter: 'top_z'")).ask("q")
    assert (r.outcome, r.error_type, r.attempts) == ("failed", "bad_request", 1)


@pytest.mark.parametrize("fault", [error(400, "flagged", code="content_filter"), Act(finish="content_filter", text="")])
def test_a_content_filter_is_a_refusal(session, fault):
    [r] = session(lambda *_: fault).ask("q")
    assert (r.outcome, r.attempts) == ("refused", 1)


def test_the_models_refusal_field_is_a_refusal_with_its_words(session):
    [r] = session(lambda *_: Act(text="", refusal="I can't help with that.")).ask("q")
    assert (r.outcome, r.text) == ("refused", "I can't help with that.")


def test_an_empty_answer_is_empty_and_stored(session):
    s = session(lambda *_: Act(text=" \n"))
    [r] = s.ask("q")
    assert (r.outcome, r.text, s.store.size()[0]) == ("empty", None, 1)


def test_an_answer_of_another_model_is_a_failed_row(session):
    s = session(lambda *_: Act(model="somebody-else"))
    [r] = s.ask("q")
    assert (r.outcome, r.text, r.error_type, r.attempts) == ("failed", None, "wrong_model", 1)
    assert "somebody-else" in r.error_message
    assert s.store.size()[0] == 0


def test_another_member_of_the_family_is_no_answer_of_the_model(session):
    s = session(lambda *_: Act(model="gpt-4.1-mini-2025-04-14"), model={"name": "gpt-4.1"}, max_attempts=1)
    [r] = s.ask("q")
    assert (r.outcome, r.error_type) == ("failed", "wrong_model")


def test_a_change_of_who_answers_behind_a_router_is_said_once(session, caplog):
    s = session()
    s.ask("q")
    for upstream in (None, "A", "A", "B", "A", "B"):
        s.client._note_upstream(upstream)
    assert [record.message for record in caplog.records if "answered by" in record.message] == [
        "m: now answered by B, before by A; pin one with `request: {provider: {order: [...], allow_fallbacks: false}}`"
    ]


def test_what_the_family_refuses_is_said_once_in_the_log(session, caplog):
    s = session(model={"name": "gpt-5"})
    s.ask("q", "r", "s")
    assert caplog.text.count("temperature: 0 is left out") == 1
    assert all("temperature" not in request and request["max_completion_tokens"] == 50 for request in s.server.requests)


def test_a_server_is_asked_for_whole_answers_if_config_says_so(session):
    s = session(model={"request": {"stream": False}})
    [r] = s.ask("q")
    assert (r.text, r.first_token_seconds, s.server.requests[0]["stream"]) == ("yes", None, False)
    s.model.request["stream"] = True
    [again] = s.ask("q")
    assert again.cached


def test_a_server_that_refuses_a_part_of_the_request_gets_a_hint_of_what_to_set(session):
    s = session(lambda *_: error(400, "Unknown parameter: 'stream_options'."))
    [r] = s.ask("q")
    assert r.error_type == "bad_request" and "`request: {stream_options: null}`" in r.error_message


def test_a_version_in_the_servers_name_is_the_same_model(session):
    [r] = session(lambda *_: Act(model="m-2026-01-01")).ask("q")
    assert (r.outcome, r.model) == ("answered", "m-2026-01-01")


def test_thinking_is_kept_apart_from_the_answer(session):
    s = session(
        lambda *_: Act(text="42", reasoning="six times seven"), model={"reasoning_effort": "low", "reasoning_tokens": 100}
    )
    [r] = s.ask("q")
    assert (r.outcome, r.text, r.reasoning) == ("answered", "42", "six times seven")
    assert s.server.requests[0]["reasoning_effort"] == "low"
    assert s.server.requests[0]["max_tokens"] == 150


def test_a_length_stop_during_thinking_is_truncated_not_empty(session):
    [r] = session(lambda *_: Act(text="", reasoning="hmm", finish="length")).ask("q")
    assert (r.outcome, r.text, r.reasoning) == ("truncated", None, "hmm")


def test_thoughts_left_in_the_text_are_taken_out():
    assert classify(Reply(text="<think>a\nb</think>\n\nyes", finish_reason="stop")) == ("answered", "\n\nyes", "a\nb")
    assert classify(Reply(text="<think>a b", finish_reason="length")) == ("truncated", None, "a b")
    assert classify(Reply(text="I say <think>", finish_reason="stop")) == ("answered", "I say <think>", None)


def test_characters_that_a_stream_cut_in_two_are_put_together_and_can_be_written(tmp_path):
    halves = Reply(text="a \ud83d" + "\ude00 b", reasoning="\ud83d alone", finish_reason="stop")
    assert classify(halves) == ("answered", "a \U0001f600 b", "\ufffd alone")
    row = Response("s", 0, "answered", text=classify(halves)[1], reasoning=classify(halves)[2])
    write_responses(tmp_path / "r.parquet", [row])
    assert read_responses(tmp_path / "r.parquet") == [row]


def test_the_key_is_sent_but_taken_out_of_errors(session):
    s = session(lambda *_: error(500, "Incorrect key sk-secret-123 given"), key="sk-secret-123", retry_deadline_seconds=1e-9)
    [r] = s.ask("q")
    assert s.server.authorizations == ["Bearer sk-secret-123"]
    assert r.error_message == "Incorrect key [key] given"
    assert "sk-secret" not in repr(s.endpoint)


def test_a_repeated_request_keeps_its_turn_before_all_that_wait(session):
    def script(prompt, before):
        if prompt == "long" and before == 0:
            return Act(body=b"no JSON")
        return Act(delay_seconds=0.05)

    s = session(script, {"concurrency": 1})
    assert [r.outcome for r in s.ask("long", "middle", "short", "shorter")] == ["answered"] * 4
    assert s.server.prompts == ["long", "middle", "long", "short", "shorter"]


def test_a_key_that_a_server_repeats_anywhere_in_its_answer_is_not_kept(session):
    key = "sk-Test-5f2c91b7-do-not-leak"
    secrets.learn(key)
    try:
        s = session(lambda *_: Act(text=f"It is {key}.", reasoning=f"Is it {key}?", stream=False), key=key)
        [response] = s.ask("q")
    finally:
        secrets.forget()
    assert (response.text, response.reasoning) == ("It is [key].", "Is it [key]?")
    assert not [path for path in s.store.folder.rglob("*") if path.is_file() and key.encode() in path.read_bytes()]
