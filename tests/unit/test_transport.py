"""litellm's way to providers, held to the same outcomes as the direct way; and what an HTTP error means."""

from __future__ import annotations

import asyncio
import os

import pytest

from contextrot.engines import Endpoint
from contextrot.responses.transport import DirectTransport, LitellmTransport, transport_for
from contextrot.wire.faults import Failure
from contextrot.wire.meaning import failure_of
from tests.scripted_server import Act, ScriptedServer, error

pytestmark = pytest.mark.filterwarnings("ignore")
BODY = {"model": "m", "messages": [{"role": "user", "content": "q"}], "max_completion_tokens": 50, "temperature": 0}


def send(act, kind=LitellmTransport, body=BODY, timeout_seconds=20):
    """The reply or failure, and the server."""

    async def run(url):
        transport = kind(Endpoint("external", "m", "openai", url, api_key="sk-test"))
        try:
            return await transport.send(body, timeout_seconds)
        except Failure as failure:
            return failure
        finally:
            await transport.close()

    with ScriptedServer(lambda prompt, before: act) as server:
        return asyncio.run(run(server.url)), server


def test_a_url_is_spoken_to_directly_and_a_provider_through_litellm():
    assert isinstance(transport_for(Endpoint("vllm", "m", "hosted_vllm", "http://127.0.0.1:1/v1")), DirectTransport)
    assert isinstance(transport_for(Endpoint("external", "m", "openai")), LitellmTransport)


@pytest.mark.parametrize("kind", [DirectTransport, LitellmTransport])
def test_text_counts_and_times_are_read(kind):
    usage = {
        "prompt_tokens": 30,
        "completion_tokens": 4,
        "total_tokens": 34,
        "prompt_tokens_details": {"cached_tokens": 16},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    reply, server = send(Act(text="hello world", usage=usage), kind)
    assert (reply.text, reply.finish_reason) == ("hello world", "stop")
    assert (reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens, reply.reasoning_tokens) == (30, 4, 16, 3)
    assert 0 < reply.first_token_seconds <= reply.total_seconds
    assert server.authorizations == ["Bearer sk-test"]


@pytest.mark.parametrize("kind", [DirectTransport, LitellmTransport])
@pytest.mark.parametrize(
    ("act", "kinds"),
    [
        (error(429, "slow down", **{"Retry-After": "7"}), {"rate_limited"}),
        (error(429, "You exceeded your current quota", code="insufficient_quota"), {"no_credit"}),
        (error(500), {"server"}),
        (error(503), {"server"}),
        (error(401, "bad key"), {"denied"}),
        (error(403, "not yours"), {"denied"}),
        (error(404, "no such model"), {"denied"}),
        (error(400, "maximum context length is 10", code="context_length_exceeded"), {"over_window"}),
        (error(400, "unknown parameter"), {"bad_request"}),
        (Act(reset=True), {"connection", "server"}),
        (Act(unfinished=True), {"cut_stream"}),
        (Act(cut=True), {"cut_stream", "connection", "server"}),
        (
            Act(body=b"{not json", headers={"Content-Type": "text/event-stream"}),
            {"malformed", "connection", "server", "cut_stream", "no_choices"},
        ),
        (Act(body=b"data: {not json\n\n", headers={"Content-Type": "text/event-stream"}), {"malformed", "connection", "server"}),
        (
            Act(body=b'data: {"model": "m", "choices": []}\n\ndata: [DONE]\n\n', headers={"Content-Type": "text/event-stream"}),
            {"no_choices", "cut_stream"},
        ),
    ],
    ids=lambda value: "" if isinstance(value, set) else f"{value.status} {value.body or value}"[:50],
)
def test_each_fault_is_known_by_its_kind_after_one_request(kind, act, kinds):
    failure, server = send(act, kind)
    assert isinstance(failure, Failure)
    assert failure.kind in kinds
    assert len(server.prompts) == 1


@pytest.mark.parametrize("kind", [DirectTransport, LitellmTransport])
def test_retry_after_is_passed_on(kind):
    failure, _ = send(error(429, "slow down", **{"Retry-After": "7"}), kind)
    assert failure.retry_after == 7


@pytest.mark.parametrize("kind", [DirectTransport, LitellmTransport])
def test_silence_is_a_timeout(kind):
    failure, _ = send(Act(silent=True), kind, timeout_seconds=0.5)
    assert failure.kind == "timeout"


@pytest.mark.parametrize("kind", [DirectTransport, LitellmTransport])
def test_reasoning_and_a_length_stop_come_through(kind):
    reply, _ = send(Act(text="", reasoning="hmm", finish="length"), kind)
    assert (reply.text, reply.reasoning, reply.finish_reason) == ("", "hmm", "length")


def test_litellm_neither_phones_home_nor_fetches_prices():
    LitellmTransport(Endpoint("external", "m", "openai", "http://127.0.0.1:1/v1"))
    import litellm

    assert os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] == "True"
    assert litellm.telemetry is False
    assert litellm.num_retries == 0


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (403, "blocked by content management policy", "content_filter"),
        (400, {"code": "content_filter", "message": "flagged"}, "content_filter"),
        (413, "prompt is too long", "over_window"),
        (422, "max_tokens must be positive", "bad_request"),
        (402, "pay", "no_credit"),
        (408, "", "timeout"),
        (409, "conflict", "server"),
        (502, "bad gateway", "server"),
        (None, "worker died", "server"),
        (400, "Your credit balance is too low", "no_credit"),
    ],
)
def test_what_an_http_error_means(status, message, kind):
    assert failure_of(status, message).kind == kind


def test_a_prompt_longer_than_the_sockets_buffers_arrives_whole():
    words = "word " * 4_000_000
    reply, server = send(Act(text="yes"), DirectTransport, {**BODY, "messages": [{"role": "user", "content": words}]})
    assert reply.text == "yes"
    assert server.prompts == [words]
