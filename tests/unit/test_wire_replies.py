"""Whole answers over real HTTP: how they end, what they count, and connections that break; hosted providers through litellm's own code."""

from __future__ import annotations

import json

import pytest

from contextrot.responses.outcomes import classify
from contextrot.responses.transport import DirectTransport, LitellmTransport
from contextrot.wire import ends
from contextrot.wire.faults import Broken, Denied, Failure, StaleConnection, Unreachable
from contextrot.wire.reply import Reply
from tests.servers import dialects
from tests.servers.dialects import SSE, USAGE
from tests.servers.wire import Said, WireServer, events
from tests.unit.test_wire_errors import BODY, send

pytestmark = pytest.mark.filterwarnings("ignore")
BOTH = pytest.mark.parametrize("kind", [DirectTransport, LitellmTransport])

ENDS = [
    # OpenAI, API reference "finish_reason"
    ("openai", dialects.openai("stop"), "answered"),
    ("openai", dialects.openai("length"), "truncated"),
    ("openai", dialects.openai("content_filter"), "refused"),
    ("openai", dialects.openai("something_new"), "ended_otherwise"),
    ("openai", dialects.openai(None), "cut_stream"),
    # Azure, content filtering while streaming
    ("azure", dialects.openai("content_filter"), "refused"),
    # Anthropic, docs.anthropic.com/en/api/handling-stop-reasons
    ("anthropic", dialects.anthropic("end_turn"), "answered"),
    ("anthropic", dialects.anthropic("stop_sequence"), "answered"),
    ("anthropic", dialects.anthropic("max_tokens"), "truncated"),
    ("anthropic", dialects.anthropic("refusal"), "refused"),
    ("anthropic", dialects.anthropic("pause_turn"), "ended_otherwise"),
    ("anthropic", dialects.anthropic("model_context_window_exceeded"), "truncated"),
    ("anthropic", dialects.anthropic_error({"type": "overloaded_error", "message": "Overloaded"}), "server"),
    ("anthropic", dialects.anthropic_error({"type": "rate_limit_error", "message": "slow down"}), "rate_limited"),
    # Google, ai.google.dev/api/generate-content#FinishReason
    ("gemini", dialects.gemini("STOP"), "answered"),
    ("gemini", dialects.gemini("MAX_TOKENS"), "truncated"),
    ("gemini", dialects.gemini("SAFETY", None), "refused"),
    ("gemini", dialects.gemini("RECITATION", None), "refused"),
    ("gemini", dialects.gemini("PROHIBITED_CONTENT", None), "refused"),
    ("gemini", dialects.gemini("BLOCKLIST", None), "refused"),
    ("gemini", dialects.gemini("SPII", None), "refused"),
    ("gemini", dialects.gemini("LANGUAGE", None), "refused"),
    ("gemini", dialects.gemini("OTHER", None), "ended_otherwise"),
    ("gemini", dialects.gemini("MALFORMED_FUNCTION_CALL", None), "ended_otherwise"),
    ("gemini", dialects.gemini("SOMETHING_NEW"), "ended_otherwise"),
    # Mistral, docs.mistral.ai/api "finish_reason"
    ("mistral", dialects.openai("model_length"), "truncated"),
    ("mistral", dialects.openai("error"), "server"),
    # Zhipu GLM, docs.z.ai/api-reference/llm/chat-completion "finish_reason"
    ("zai", dialects.openai("network_error"), "server"),
    ("zai", dialects.openai("sensitive"), "refused"),
    ("zai", dialects.openai("model_context_window_exceeded"), "truncated"),
    # DeepSeek, api-docs.deepseek.com/api/create-chat-completion "finish_reason"
    ("deepseek", dialects.openai("insufficient_system_resource"), "server"),
    # OpenRouter, openrouter.ai/docs/api-reference/errors (errors in a stream)
    ("openrouter", dialects.openai("error"), "server"),
    ("openrouter", dialects.openai_error({"error": {"code": 502, "message": "Provider disconnected", "metadata": {"provider_name": "x"}}}), "server"),
    ("openrouter", dialects.openai_error({"error": {"code": 429, "message": "slow down"}}), "rate_limited"),
    # Groq, Together, Fireworks, xAI, Moonshot, DashScope: OpenAI's set
    ("groq", dialects.openai("length"), "truncated"),
    ("together_ai", dialects.openai("eos"), "answered"),
    ("fireworks_ai", dialects.openai("stop"), "answered"),
    ("xai", dialects.openai("length"), "truncated"),
    ("moonshot", dialects.openai("content_filter"), "refused"),
    ("dashscope", dialects.openai("stop"), "answered"),
]  # fmt: skip

LOCAL_ENDS = [
    # Text Generation Inference, router/src/lib.rs FinishReason; LM Studio, github.com/lmstudio-ai/lmstudio-bug-tracker/issues/2322
    ("tgi", dialects.openai("eos_token"), "answered"),
    ("tgi", dialects.openai("stop_sequence"), "answered"),
    ("tgi", dialects.openai_error({"error": "Request failed during generation", "error_type": "generation"}), "server"),
    ("lm_studio", Said(body=events({"error": {"message": "Trying to keep the first 15857 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens"}}, done=False), headers=SSE), "over_window"),
    ("lm_studio", Said(body=b'event: error\ndata: {"message": "Context size has been exceeded", "code": "context_length_exceeded"}\n\n', headers=SSE), "over_window"),
    ("lm_studio", Said(body=b'event: error\ndata: model crashed\n\n', headers=SSE), "server"),
    # vLLM, vllm/v1/engine FinishReason; its errors inside of a stream
    ("vllm", dialects.openai("abort"), "server"),
    ("vllm", dialects.openai_error({"error": {"message": "Internal server error", "type": "InternalServerError", "code": 500}}), "server"),
    ("vllm", dialects.openai_error({"object": "error", "message": "engine dead", "type": "InternalServerError", "code": 500}), "server"),
    # SGLang, finish_reason as an object
    ("sglang", dialects.openai({"type": "length", "length": 50}), "truncated"),
    # Cohere, docs.cohere.com/docs/compatibility-api and /reference/chat "finish_reason" (litellm cannot read its own dialect's stream)
    ("cohere", dialects.openai("COMPLETE"), "answered"),
    ("cohere", dialects.openai("MAX_TOKENS"), "truncated"),
    ("cohere", dialects.openai("ERROR_TOXIC"), "refused"),
    ("cohere", dialects.openai("ERROR"), "server"),
    # Status 200 around an error: MiniMax base_resp, GLM and DashScope `code`
    ("minimax", Said(body=b'{"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}'), "no_credit"),
    ("glm", Said(body=b'{"code": 1261, "msg": "Prompt exceeds max length", "success": false}'), "over_window"),
]  # fmt: skip


def result(said, provider, kind):
    found, server = send(said, provider, kind)
    assert len(server.asked) == 1
    return found.kind if isinstance(found, Failure) else classify(found)[0]


@pytest.fixture(autouse=True)
def _azure_version(monkeypatch):
    monkeypatch.setenv("AZURE_API_VERSION", "2024-10-21")


@pytest.mark.parametrize(("provider", "said", "outcome"), ENDS)
def test_an_end_through_litellm_is_the_providers_own(provider, said, outcome):
    assert result(said, provider, LitellmTransport) == outcome


@pytest.mark.parametrize(
    ("provider", "said", "outcome"), [row for row in ENDS if row[0] not in ("anthropic", "gemini")] + LOCAL_ENDS
)
def test_an_end_of_a_server_with_a_url(provider, said, outcome):
    assert result(said, provider, DirectTransport) == outcome


def test_an_unknown_end_is_kept_as_it_came():
    for kind in (DirectTransport, LitellmTransport):
        reply, _ = send(dialects.openai("something_new"), "openai", kind)
        assert reply.finish_reason == "something_new"


@pytest.mark.parametrize("end", ["stop", "END_TURN", "length", None, "", "never heard of it"])
def test_every_end_has_an_outcome(end):
    known = {"stop": "answered", "END_TURN": "answered", "length": "truncated"}
    assert ends.outcome_of_end(end) == known.get(end, "ended_otherwise")


@pytest.mark.parametrize("end", ["max_tokens", "MaxTokens", "max-tokens", "FINISH_REASON_MAX_TOKENS", "FinishReason.MAX_TOKENS"])
def test_an_end_is_the_same_however_it_is_spelled(end):
    assert ends.outcome_of_end(end) == "truncated"


@BOTH
@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}])
def test_counts_that_a_server_does_not_give_are_unknown_also_for_litellm(kind, usage):
    reply, _ = send(dialects.openai(usage=usage), "openai", kind)
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens) == ("yes", None, None)


@BOTH
def test_a_count_that_is_missing_beside_another_is_unknown(kind):
    reply, _ = send(dialects.openai(usage={"prompt_tokens": 7}), "openai", kind)
    assert (reply.prompt_tokens, reply.completion_tokens) == (7, None)


@pytest.mark.parametrize(("provider", "said"), [("anthropic", dialects.anthropic()), ("gemini", dialects.gemini())])
def test_counts_in_another_dialect_are_the_providers(provider, said):
    reply, _ = send(said, provider, LitellmTransport)
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens) == ("yes", 7, 2)


@BOTH
def test_a_refused_connection_is_unreachable(kind):
    import asyncio

    from contextrot.engines import Endpoint

    async def run():
        transport = kind(Endpoint("external", "m", "openai", "http://127.0.0.1:9/v1", api_key="sk-test"))
        try:
            await transport.send(BODY, 20)
        finally:
            await transport.close()

    with pytest.raises(Unreachable):
        asyncio.run(run())


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


def test_a_redirect_does_not_carry_the_key_elsewhere():
    with WireServer(dialects.openai()) as elsewhere:
        for provider, kind in (("openai", DirectTransport), ("openai", LitellmTransport), ("anthropic", LitellmTransport)):
            failure, _ = send(Said(307, headers={"Location": f"{elsewhere.url}/chat/completions?key=1"}), provider, kind)
            assert failure.kind == "denied"
            assert "redirects" in failure.message
            assert "key=1" not in failure.message
    assert elsewhere.asked == []


def several(said, count):
    """Outcomes of requests one after another on one transport, and the server."""
    import asyncio

    from contextrot.engines import Endpoint

    async def run(url):
        transport, found = DirectTransport(Endpoint("external", "m", "openai", url)), []
        for _ in range(count):
            try:
                found.append(await transport.send(BODY, 20))
            except Failure as failure:
                found.append(failure)
            await asyncio.sleep(0.02)
        await transport.close()
        return found

    with WireServer(said) as server:
        return asyncio.run(run(server.url)), server


def test_a_kept_alive_connection_is_used_again():
    found, server = several(dialects.openai(), 5)
    assert all(isinstance(reply, Reply) for reply in found)
    assert server.connections == 1


def test_a_kept_alive_connection_that_brings_no_byte_is_stale_and_a_first_one_unreachable():
    answers = {0: dialects.openai(), 1: Said(raw=b""), 2: Said(raw=b"")}
    found, _ = several(lambda number: answers[number], 3)
    assert isinstance(found[0], Reply)
    assert isinstance(found[1], StaleConnection)
    assert isinstance(found[2], Broken)
    assert not isinstance(found[2], StaleConnection)


def test_a_stream_is_whole_at_done_whatever_happens_to_the_connection_then():
    body = dialects.openai().body
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % (len(body) + 100)
    found, _ = send(Said(raw=head + body))
    assert found.text == "yes"


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


@pytest.mark.parametrize(
    "url", ["https://user:secret@127.0.0.1:{}/v1", "httpx://user:secret@127.0.0.1:{}/v1", "127.0.0.1:{}/v1", "http:///v1"]
)
def test_an_address_that_no_time_mends_stops_at_once_and_is_not_shown(url):
    import asyncio

    from contextrot.engines import Endpoint

    async def plain(_, writer):
        writer.write(b"HTTP/1.1 400 no\r\n\r\n")
        writer.close()

    async def run():
        server = await asyncio.start_server(plain, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport = DirectTransport(Endpoint("external", "m", "openai", url.format(port)))
        try:
            await transport.send(BODY, 20)
        except Failure as failure:
            return failure
        finally:
            await transport.close()
            server.close()

    failure = asyncio.run(run())
    assert failure.kind == "denied"
    assert "secret" not in failure.message


@pytest.mark.parametrize(("status", "kind"), [(401, "denied"), (429, "rate_limited"), (503, "server"), (400, "bad_request")])
@pytest.mark.parametrize(
    "more", ["Content-Encoding: gzip\r\nContent-Length: 3\r\n", "Content-Length: 300\r\n", "Transfer-Encoding: chunked\r\n"]
)
def test_a_refusal_whose_body_breaks_means_what_its_status_says(status, kind, more):
    body = "30\r\nno" if "chunked" in more else "no!"
    raw = f"HTTP/1.1 {status} X\r\nRetry-After: 7\r\n{more}\r\n{body}".encode()
    failure, _ = send(Said(raw=raw, close=True))
    assert (failure.kind, failure.status, failure.retry_after, failure.billed) == (kind, status, 7, False)


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


@pytest.mark.parametrize("kind", [DirectTransport, LitellmTransport])
@pytest.mark.parametrize("location", ["http://[::1", "//[", "http://h%E2%84%80/", ""])
def test_a_redirect_to_what_is_no_address_stops_as_any_other(kind, location):
    failure, _ = send(Said(status=302, headers={"Location": location}), kind=kind)
    assert failure.kind == "denied"
