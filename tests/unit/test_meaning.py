"""Meaning from codes and numbers before words, and how long to wait; the providers' own bodies are in tests/servers/errors.py."""

from __future__ import annotations

import email.utils
import time
from datetime import UTC, datetime

import pytest

from contextrot.wire.meaning import Sent, error_in, error_of_body, failure_of
from contextrot.wire.retry_after import seconds_of


def kind(status, error, **more):
    return failure_of(status, error, **more).kind


@pytest.mark.parametrize(
    "words", ["see our billing page", "insufficient quota", "maximum context length", "content policy", "invalid api key"]
)
def test_a_code_outweighs_any_words(words):
    assert kind(429, {"code": "rate_limit_exceeded", "message": words}, headers={"Retry-After": "1"}) == "rate_limited"
    assert kind(400, {"code": "context_length_exceeded", "message": words}) == "over_window"
    assert kind(429, {"type": "insufficient_quota", "message": words}) == "no_credit"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("prompt is too long: 201,130 tokens > 200,000 maximum", "over_window"),
        ("the prompt has 5000 tokens, the limit is 4096", "over_window"),
        ("input of 100 tokens, limit 4096: temperature must be positive", "bad_request"),
        ("max_tokens is too large: 100000. This model supports at most 16384 completion tokens", "bad_request"),
        ("max_new_tokens must be <= 192", "bad_request"),
        ("n must be at most 128, got 500", "bad_request"),
    ],
)
def test_numbers_of_prompt_and_limit_are_compared(message, expected):
    assert kind(400, message) == expected


def test_a_limit_alone_is_compared_with_what_we_counted():
    message = "the number of input tokens must be at most 4096"
    assert kind(400, message) == "bad_request"
    assert kind(400, message, sent=Sent(prompt_tokens=5000)) == "over_window"
    assert kind(400, message, sent=Sent(prompt_tokens=4000, max_output_tokens=200)) == "over_window"
    assert kind(400, message, sent=Sent(prompt_tokens=1000, max_output_tokens=200)) == "bad_request"


@pytest.mark.parametrize("status", [500, 502, 503, 520, 529])
def test_a_servers_fault_is_one_whatever_it_says(status):
    assert kind(status, "model overloaded, see billing") == "server"


@pytest.mark.parametrize("status", [199, 101, 0, 999, 600])
def test_a_status_that_is_none_is_the_servers_fault(status):
    assert kind(status, "") == "server"


def test_an_error_in_a_stream_keeps_its_code_as_status():
    failure = failure_of(None, {"code": 429, "message": "slow down", "metadata": {"headers": {"Retry-After": "3"}}})
    assert (failure.kind, failure.status, failure.retry_after) == ("rate_limited", 429, 3.0)
    assert kind(None, {"code": "502", "message": "x"}) == "server"
    assert kind(None, "worker died") == "server"


@pytest.mark.parametrize(
    ("headers", "details", "message", "seconds"),
    [
        ({"Retry-After": "7"}, [], "", 7),
        ({"retry-after": "1.5"}, [], "", 1.5),
        ({"Retry-After": "0"}, [], "try again in 9s", 0),
        ({"retry-after-ms": "250", "retry-after": "9"}, [], "", 0.25),
        ({"Retry-After": "2m3s"}, [], "", 123),
        ({"Retry-After": "soon"}, [], "", None),
        ({"Retry-After": "nan"}, [], "", None),
        ({"Retry-After": "-5"}, [], "", None),
        ({"Retry-After": "1e300"}, [], "", 86_400),
        ({"Retry-After": "Mon, 01 Jan 2024 00:00:00 GMT"}, [], "", 0),
        ({}, [{"@type": "RetryInfo", "retryDelay": "34.5s"}], "", 34.5),
        ({}, [{"estimated_time": 20.0}], "", 20),
        ({}, [{"retryDelay": {"a": 1}}], "", None),
        ({}, [], "Please try again in 9m38.016s.", 578.016),
        ({}, [], "Please try again in 120ms.", 0.12),
        ({}, [], "Please retry after 7 seconds.", 7),
        ({}, [], "please try again after 1 minute", 60),
        ({"x-ms-retry-after-ms": "250"}, [], "", 0.25),
        ({"x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-remaining-tokens": "0"}, [], "", 360),
        ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-remaining-requests": "12"}, [], "", None),
        ({"RateLimit-Reset": "20", "RateLimit-Remaining": "0"}, [], "", 20),
        ({}, [{"retry_after_ms": 2500}], "", 2.5),
        ({}, [{"retry-after": "20"}], "", 20),
        ({}, [{"retryDelay": {"seconds": 20, "nanos": 0}}], "", 20),
        ({}, [], "The quota resets in 12 secs", 12),
        ({}, [], "Retry-After: 20", 20),
        ({}, [], "Please try again later.", None),
        ({}, [], "The limit is 20 requests.", None),
    ],
)  # fmt: skip
def test_how_long_to_wait(headers, details, message, seconds):
    assert seconds_of(headers, details, message) == (seconds if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    "form",
    [
        lambda moment: email.utils.formatdate(moment, usegmt=True),
        lambda moment: datetime.fromtimestamp(moment, UTC).isoformat(),
        lambda moment: str(int(moment)),
        lambda moment: str(int(moment * 1000)),
    ],
)
def test_a_moment_to_wait_for(form):
    assert seconds_of({"Retry-After": form(time.time() + 30)}, [], "") == pytest.approx(30, abs=2)
    limits = {"anthropic-ratelimit-tokens-reset": form(time.time() + 30), "anthropic-ratelimit-tokens-remaining": "0"}
    assert seconds_of(limits, [], "") == pytest.approx(30, abs=2)


@pytest.mark.parametrize("status", [402, 403, 404, 413])
def test_a_refusal_that_says_how_long_to_wait_is_waited_for(status):
    assert kind(status, "<html>Just a moment</html>") in ("denied", "no_credit", "over_window")
    assert failure_of(status, "<html>Just a moment</html>", {"Retry-After": "5"}).retried
    assert not failure_of(status, {"error": {"code": "invalid_api_key"}}, {"Retry-After": "5"}).retried


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error_code": 18, "error_msg": "Open api qps request limit reached"}, "rate_limited"),  # Baidu Qianfan "Error codes"
        ({"Response": {"Error": {"Code": "LimitExceeded", "Message": "too many requests"}}}, "rate_limited"),  # Tencent Cloud API 3.0
        ({"fault": {"faultstring": "Rate limit quota violation", "detail": {"errorcode": "policies.ratelimit.QuotaViolation"}}}, "rate_limited"),  # Apigee
        ({"errorMessage": "Task timed out after 3.00 seconds", "errorType": "Runtime.Timeout"}, "server"),  # AWS Lambda
        ({"code": 10907, "message": "token total exceeds the upper limit"}, "over_window"),  # Spark "Error codes"
        ({"code": 10013, "message": "input content audit failed"}, "content_filter"),
        ({"Response": {"Error": {"Code": "FailedOperation.FreeResourcePackExhausted", "Message": "x"}}}, "no_credit"),
        ({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, "rate_limited"),  # MiniMax "Error code"; Zhipu's 1002 is a token
        ({"base_resp": {"status_code": 1004, "status_msg": "login fail"}}, "denied"),
        ({"base_resp": {"status_code": 1027, "status_msg": "output sensitive"}}, "content_filter"),
    ],
)  # fmt: skip
def test_an_error_of_status_200_in_whatever_fields(body, expected):
    error = error_in(body)
    assert error is not None and kind(None, error) == expected


@pytest.mark.parametrize("form", ["%a, %d %b %Y %H:%M:%S -0000", "%a, %d %b %Y %H:%M:%S", "%a %b %d %H:%M:%S %Y"])
@pytest.mark.parametrize("zone", ["AAA-5", "AAA+5", "UTC0"])
def test_a_date_that_names_no_zone_is_utc_wherever_the_client_is(form, zone, monkeypatch):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert seconds_of({"Retry-After": time.strftime(form, time.gmtime(time.time() + 30))}, [], "") == pytest.approx(30, abs=2)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("status", [400, 429, 500, 503, 529])
def test_retry_after_is_read_on_every_status(status):
    assert failure_of(status, "x", {"Retry-After": "7"}).retry_after == 7


@pytest.mark.parametrize(
    "values",
    [{"choices": []}, {"choices": [{"delta": {}}], "message": "x"}, {"usage": {"prompt_tokens": 1}, "message": "x"}, {"error": None}, {"base_resp": {"status_code": 0}}],
)  # fmt: skip
def test_what_is_no_error(values):
    assert error_in(values) is None


def test_bodies_that_are_no_json_are_their_text():
    assert error_of_body("<html>") == "<html>"
    assert error_of_body("[" * 100_000) == "[" * 100_000
    assert error_of_body('[{"error": {"code": 429, "message": "x"}}]')["code"] == 429


def test_messages_are_bounded_and_whole():
    failure = failure_of(400, {"message": "x\ud83d" * 100_000, "details": {"a": {"b": {"c": {"d": {"e": {"f": "g"}}}}}}})
    assert len(failure.message) <= 1000
    failure.message.encode()
