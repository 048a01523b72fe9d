"""Whole answers over real HTTP: how they end, what they count, and connections that break; hosted providers through litellm's own code."""

from __future__ import annotations

import json

import pytest

from contextrot.responses.outcomes import classify
from contextrot.responses.transport import DirectTransport, LitellmTransport
from contextrot.wire.faults import Denied, Failure
from contextrot.wire.reply import Reply
from tests.servers import dialects
from tests.servers.dialects import SSE, USAGE
from tests.servers.wire import Said, events
from tests.unit.test_wire_errors import BODY, send

pytestmark = pytest.mark.filterwarnings("ignore")
BOTH = pytest.mark.parametrize("kind", [DirectTransport, LitellmTransport])


@pytest.fixture(autouse=True)
def _azure_version(monkeypatch):
    monkeypatch.setenv("AZURE_API_VERSION", "2024-10-21")


_HEAD = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
_CHUNKS = [{**_HEAD, "choices": [{"index": 0, "delta": delta, "finish_reason": end}]}
           for delta, end in (({"role": "assistant", "content": ""}, None), ({"content": "ye"}, None), ({"content": "s"}, None), ({}, "stop"))]  # fmt: skip
_CHUNKS.append({**_HEAD, "choices": [], "usage": USAGE})
_PARTS = [_CHUNKS[0], {**_HEAD, "choices": [{"index": 0, "delta": {"content": [{"type": "text", "text": "yes"}]}}]}, *_CHUNKS[3:]]
_WHOLE = {
    **_HEAD,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}],
    "usage": USAGE,
}
ODD_STREAMS = {
    "parts": events(*_PARTS),
    "a whole answer as an event": events(_WHOLE),
    "one object a line": b"".join(json.dumps(chunk).encode() + b"\n" for chunk in _CHUNKS),
    "null among the events": events(*_CHUNKS[:2], "null", *_CHUNKS[2:]),
    "empty events": b"data:\n\n" + events(*_CHUNKS),
    "done in quotes": events(*_CHUNKS, '"[DONE]"', done=False),
    "done in small letters": events(*_CHUNKS, "[done]", done=False),
    "returns alone": events(*_CHUNKS, end="\r"),
}


@BOTH
@pytest.mark.parametrize("name", ODD_STREAMS)
def test_an_odd_stream_that_can_be_read_is_read_alike_on_both_ways(name, kind):
    reply, server = send(Said(body=ODD_STREAMS[name], headers=SSE), "openai", kind)
    assert (reply.text, reply.finish_reason, reply.prompt_tokens, reply.completion_tokens) == ("yes", "stop", 7, 2)
    assert len(server.asked) == 1


def test_lines_of_objects_are_read_whatever_their_headers_call_them():
    reply, _ = send(Said(body=ODD_STREAMS["one object a line"]), "openai", DirectTransport)
    assert reply.text == "yes"


def test_a_stream_of_gemini_without_an_end_is_cut_and_a_blocked_prompt_refused():
    failure, _ = send(dialects.gemini(None), "gemini", LitellmTransport)
    assert failure.kind == "cut_stream"
    blocked = {
        "promptFeedback": {"blockReason": "OTHER"},
        "usageMetadata": {"promptTokenCount": 7, "totalTokenCount": 7},
        "modelVersion": "m",
    }
    reply, _ = send(Said(body=events(blocked, done=False), headers=SSE), "gemini", LitellmTransport)
    assert classify(reply)[0] == "refused"


def test_a_whole_answer_of_cohere_that_the_limit_cut_is_cut():
    whole = {
        "id": "1",
        "finish_reason": "MAX_TOKENS",
        "message": {"role": "assistant", "content": [{"type": "text", "text": "yes"}]},
        "usage": {"tokens": {"input_tokens": 7, "output_tokens": 2}},
    }
    body = {**BODY, "model": "command-r", "stream": False}
    reply, _ = send(Said(body=json.dumps(whole).encode()), "cohere_chat", LitellmTransport, body)
    assert (classify(reply)[0], reply.finish_reason, reply.prompt_tokens) == ("truncated", "MAX_TOKENS", 7)


def test_an_error_of_google_in_the_middle_of_a_stream_says_what_it_is():
    first = {"candidates": [{"content": {"parts": [{"text": "ye"}], "role": "model"}, "index": 0}]}
    error = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow down"}}
    failure, _ = send(Said(body=events(first, error, done=False), headers=SSE), "gemini", LitellmTransport)
    assert failure.kind == "rate_limited"


def test_an_answer_that_litellm_cannot_read_is_malformed_and_no_broken_connection():
    start = {
        "type": "message_start",
        "message": {"id": "m", "type": "message", "role": "assistant", "content": [], "model": "m", "usage": None},
    }
    failure, _ = send(
        Said(body=events(start, {"type": "message_stop"}, done=False, names=True), headers=SSE), "anthropic", LitellmTransport
    )
    assert failure.kind == "malformed"


@pytest.mark.parametrize("provider", ["snowflake", "cloudflare"])
def test_a_setting_that_litellm_lacks_stops_at_once_and_is_no_broken_connection(provider, monkeypatch):
    import asyncio

    from contextrot.engines import Endpoint

    for name in ("SNOWFLAKE_ACCOUNT_ID", "SNOWFLAKE_API_BASE", "CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_BASE"):
        monkeypatch.delenv(name, raising=False)

    async def run():
        transport = LitellmTransport(Endpoint("external", "m", provider, None, api_key="sk-test"))
        try:
            await transport.send(BODY, 20)
        finally:
            await transport.close()

    with pytest.raises(Denied, match="(?i)missing.*account") as caught:
        asyncio.run(run())
    assert "Traceback" not in caught.value.message


def test_litellm_loads_no_tokenizer_from_the_hub_for_llama_3(monkeypatch):
    from litellm import utils

    monkeypatch.setattr(utils, "_load_huggingface_tokenizer", lambda *_: pytest.fail("a tokenizer was loaded"))
    body = {**BODY, "model": "llama-3.1-8b-instant"}
    reply, _ = send(dialects.openai(usage=None), "groq", LitellmTransport, body)
    assert (reply.text, reply.prompt_tokens) == ("yes", None)


def test_litellm_passes_on_who_answered_behind_a_router():
    for kind in (DirectTransport, LitellmTransport):
        reply, _ = send(dialects.openai(provider="Together"), "openrouter", kind)
        assert reply.upstream == "Together"


@BOTH
def test_a_whole_answer_instead_of_a_stream_is_read(kind):
    whole = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE,
             "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}]}  # fmt: skip
    reply, _ = send(Said(body=json.dumps(whole).encode()), "openai", kind)
    if kind is DirectTransport:
        assert (reply.text, reply.prompt_tokens, reply.first_token_seconds) == ("yes", 7, None)
    else:
        assert isinstance(reply, (Reply, Failure))


def test_the_first_token_is_the_first_text_not_the_role():
    parts = dialects.openai().body.split(b"\n\n")
    pieces = [parts[0] + b"\n\n", *[b": waiting\n\n"] * 20, b"\n\n".join(parts[1:])]
    reply, _ = send(Said(headers=SSE, pieces=pieces))
    assert reply.first_token_seconds > 0.15


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"HTTP/1.1 204 No\r\n\r\n", "malformed"),
        (b"HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nhi", "server"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "server"),
        (b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 1_000_000 + b"\r\n\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: a\r\n" % i for i in range(20_000)) + b"\r\n", "malformed"),
        (b"hello\r\n\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"[" * 100_000 + b"]" * 100_000, "malformed"),
        (b'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", "cut_stream"),
        (b"HTTP/1.1 400 No\r\nContent-Length: 200000\r\n\r\n" + b"[" * 100_000 + b"]" * 100_000, "bad_request"),
        (b"HTTP/1.1 199 Odd\r\n\r\n", "connection"),
    ],
    ids=range(11),
)  # fmt: skip
def test_what_is_no_answer_is_a_failure_at_once(raw, kind):
    found, _ = send(Said(raw=raw))
    assert found.kind == kind


def test_hints_before_the_answer_are_passed_over():
    body = dialects.openai().body
    head = (
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n"
        % len(body)
    )
    found, _ = send(Said(raw=head + body))
    assert found.text == "yes"


def test_a_whole_answer_of_litellm_is_read_with_the_providers_own_end():
    import asyncio

    import litellm

    from contextrot.wire import litellm_reading

    litellm_reading.prepare(litellm)
    heard = litellm_reading.Heard()
    with litellm_reading.listening(heard):
        choice = {"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "something_new"}
        answer = litellm.ModelResponse(model="m", choices=[choice])
        reply = Reply()
        asyncio.run(litellm_reading.read(answer, reply, 0.0, heard, None))
    assert (reply.finish().text, reply.finish_reason, reply.first_token_seconds) == ("yes", "something_new", None)
    assert (reply.prompt_tokens, reply.completion_tokens) == (None, None)


@pytest.mark.parametrize("cut", [None, 1, 40])
def test_an_object_that_the_server_calls_a_stream_is_read(cut):
    whole = {"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}
    refused = {"error": {"message": "no", "code": "invalid_api_key"}}
    for values, indent in ((whole, None), (whole, 1), (refused, None), (refused, 1)):
        body = b"\n" + json.dumps(values, indent=indent).encode() + b"\n"
        pieces = [body[:cut], body[cut:]] if cut else None
        found, _ = send(Said(body=body, headers=SSE, pieces=pieces))
        assert found.kind == "denied" if values is refused else (found.text, found.first_token_seconds) == ("yes", None)


@pytest.mark.parametrize("field", [b"id: 1\n", b"retry: 10\n", b": hello\n", b"event: message\n"])
def test_a_stream_may_begin_with_any_field_whatever_the_server_calls_it(field):
    for form in ({"Content-Type": "application/json"}, {}, SSE):
        said = dialects.openai()
        reply, _ = send(Said(body=field + said.body, headers=form))
        assert reply.text == "yes"
