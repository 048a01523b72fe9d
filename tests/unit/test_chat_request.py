"""What is sent: servers that refuse what the real ones refuse, and bodies of each family."""

import asyncio
import json

import pytest

from contextrot.checked import validate
from contextrot.engines import external
from contextrot.errors import ConfigError
from contextrot.responses.chat_request import ChatRequests, output_limit, refused_part
from contextrot.responses.client import model_identity
from contextrot.responses.store import request_key
from contextrot.responses.transport import transport_for
from contextrot.settings import ModelSettings
from contextrot.wire.faults import Failure
from tests.scripted_server import Act, ScriptedServer, error

pytestmark = pytest.mark.filterwarnings("ignore")
MESSAGES = [{"role": "user", "content": "q"}]


def model(**values):
    return ModelSettings(**{"engine": "external", "name": "m", "window": 9000, "max_output_tokens": 500} | values)


def body(options=None, limit=20, **values):
    made = ChatRequests(model(**values)).body(MESSAGES, limit, options or {})
    return {name: value for name, value in made.items() if name != "messages"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"base_url": "http://h/v1"}, {"max_tokens": 20, "temperature": 0}),
        ({"provider": "openai", "name": "gpt-4.1"}, {"max_completion_tokens": 20, "temperature": 0}),
        ({"provider": "openai", "name": "gpt-5-chat-latest"}, {"max_completion_tokens": 20, "temperature": 0}),
        ({"engine": "vllm", "name": "gpt-5"}, {"max_tokens": 20, "temperature": 0}),
        *[
            (where | {"name": name, "sampling": {"temperature": 0, "top_p": 0.9}}, {"max_completion_tokens": 20})
            for where in ({"provider": "openai"}, {"provider": "azure"}, {"base_url": "https://h/v1"})
            for name in ("gpt-5", "gpt-5-mini-2025-08-07", "o3", "o4-mini")
        ],
        ({"provider": "openrouter", "name": "openai/gpt-5"}, {"max_completion_tokens": 20}),
        (
            {"provider": "openai", "name": "gpt-5.1", "reasoning_effort": "none"},
            {"max_completion_tokens": 20, "temperature": 0, "reasoning_effort": "none"},
        ),
        ({"provider": "openai", "name": "o3", "sampling": {"temperature": 1}}, {"max_completion_tokens": 20, "temperature": 1}),
        (
            {"provider": "anthropic", "name": "claude-sonnet-4-5", "sampling": {"temperature": 0, "top_p": 0.9}},
            {"max_tokens": 20, "temperature": 0},
        ),
        (
            {
                "provider": "anthropic",
                "name": "claude-sonnet-4-5",
                "reasoning_tokens": 2000,
                "sampling": {"temperature": 0, "top_k": 1},
            },
            {"max_tokens": 2020, "thinking": {"type": "enabled", "budget_tokens": 2000}},
        ),
        (
            {"provider": "anthropic", "name": "claude-sonnet-4-5", "reasoning_tokens": 100},
            {"max_tokens": 1044, "thinking": {"type": "enabled", "budget_tokens": 1024}},
        ),
        (
            {"provider": "bedrock", "name": "anthropic.claude-sonnet-4-5-20250929-v1:0", "reasoning_effort": "low"},
            {"max_tokens": 1044, "reasoning_effort": "low"},
        ),
        (
            {"provider": "anthropic", "name": "claude-sonnet-4-5", "reasoning_effort": "medium", "reasoning_tokens": 4000},
            {"max_tokens": 4020, "reasoning_effort": "medium"},
        ),
        (
            {"provider": "anthropic", "name": "claude-opus-4-7", "reasoning_effort": "low"},
            {"max_tokens": 20, "reasoning_effort": "low"},
        ),
        ({"provider": "anthropic", "name": "claude-opus-4-7"}, {"max_tokens": 20}),
        ({"provider": "anthropic", "name": "claude-haiku-4-5", "sampling": {"seed": 1}}, {"max_tokens": 20}),
        ({"provider": "ollama", "name": "llama3.2"}, {"max_tokens": 20, "temperature": 0, "num_ctx": 9000}),
    ],
    ids=str,
)
def test_each_family_gets_what_it_accepts(values, expected):
    assert body(**values) == expected


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"temperature": None}, {"max_tokens": 20}),
        ({"max_tokens": None}, {"temperature": 0}),
        ({"max_tokens": None, "max_completion_tokens": 512}, {"temperature": 0, "max_completion_tokens": 512}),
        ({"max_tokens": None, "max_completion_tokens": "{limit}"}, {"temperature": 0, "max_completion_tokens": 20}),
        ({"stream": False, "stream_options": None}, {"max_tokens": 20, "temperature": 0}),
        (
            {"chat_template_kwargs": {"a": 1}, "stop": None},
            {"max_tokens": 20, "temperature": 0, "chat_template_kwargs": {"a": 1}},
        ),
    ],
    ids=str,
)
def test_config_changes_and_removes_any_part(request_, expected):
    assert body({"stop": ["x"]} if "stop" in request_ else None, request=request_, base_url="http://h/v1") == expected


def test_what_config_asks_for_wins_over_the_family():
    assert body(provider="openai", name="gpt-5", request={"temperature": 0})["temperature"] == 0


def test_thinking_that_config_asks_for_is_fitted_too():
    thinking = {"type": "enabled", "budget_tokens": 3000}
    made = body(provider="anthropic", name="claude-sonnet-4-5", request={"thinking": thinking})
    assert made == {"max_tokens": 3001, "thinking": thinking}
    made = body(provider="openai", name="gpt-5.1", request={"reasoning_effort": "none"})
    assert made["temperature"] == 0


def test_what_is_left_out_is_said():
    [change] = ChatRequests(model(provider="openai", name="gpt-5")).changes
    assert "temperature: 0 is left out" in change
    assert ChatRequests(model(provider="openai", name="gpt-5", request={"temperature": None})).changes == []


def test_a_nested_model_of_the_model_s_own_is_not_accepted():
    for fixed in ("model", "messages", "n"):
        with pytest.raises(ConfigError, match=f"{fixed} cannot be set"):
            validate(
                ModelSettings,
                {"engine": "external", "name": "m", "window": 9, "max_output_tokens": 9, "request": {fixed: 1}},
                "x",
            )


def test_a_key_given_as_the_name_of_its_variable_is_not_repeated():
    for key in ("sk-abcdef-123456", "AbCdEfGhIjKlMnOpQrStUvWx"):
        with pytest.raises(ConfigError) as error:
            validate(
                ModelSettings, {"engine": "external", "name": "m", "window": 9, "max_output_tokens": 9, "api_key_env": key}, "x"
            )
        assert key not in str(error.value)


def test_streaming_is_no_part_of_the_key_and_all_else_is():
    def key(**request):
        made = model(base_url="http://h/v1", request=request)
        return request_key({**model_identity(made), "body": ChatRequests(made).body(MESSAGES, 20, {})})

    assert key() == key(stream=False) == key(stream_options=None)
    assert len({key(), key(temperature=None), key(temperature=1), key(provider={"order": ["x"]})}) == 4


def test_the_limit_that_a_budget_reckons_with():
    assert output_limit({"max_completion_tokens": 5}, model()) == 5
    assert output_limit({}, model()) == 9000


def ask(refuses=lambda request: None, answer=None, **values):
    """The reply or failure of a server that answers 400 for what `refuses` names, and the requests that it got."""
    server = ScriptedServer()
    server.script = lambda *_: _judge(server.requests[-1], refuses, answer)
    with server:
        made = model(**{"base_url": server.url, **values})

        async def run():
            requests, transport = ChatRequests(made), transport_for(external.endpoint_of(made))
            try:
                return await transport.send({"model": made.name, **requests.body(MESSAGES, 20, {}), **requests.wire}, 20)
            except Failure as failure:
                return failure
            finally:
                await transport.close()

        return asyncio.run(run()), server.requests


def _judge(request, refuses, answer):
    message = refuses(request)
    return error(400, message) if message else (answer or Act())


def openai_reasoning(request):
    # platform.openai.com: "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    if "max_tokens" in request:
        return "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    if request.get("temperature", 1) != 1 or "top_p" in request:
        return "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported."
    return None


@pytest.fixture
def keys(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "AZURE_API_KEY", "OPENROUTER_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "sk-0123456789abcdef")
    monkeypatch.setenv("AZURE_API_VERSION", "2024-10-21")


@pytest.mark.parametrize("provider", [None, "openai", "azure", "openrouter"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_reasoning_model_of_openai_answers_at_the_first_try(provider, stream, keys):
    sampling = {"temperature": 0, "top_p": 1}
    reply, requests = ask(openai_reasoning, provider=provider, name="gpt-5", sampling=sampling, request={"stream": stream})
    assert (reply.text, reply.finish_reason, len(requests)) == ("yes", "stop", 1)
    assert bool(requests[0].get("stream")) == stream
    assert (reply.first_token_seconds is not None) == stream


@pytest.mark.parametrize("provider", [None, "openai"])
def test_a_server_that_refuses_stream_options_or_streams_can_be_told(provider, keys):
    def no_options(request):
        return "Unknown parameter: 'stream_options'." if "stream_options" in request else None

    def no_stream(request):
        return "Your organization must be verified to stream this model." if request.get("stream") else None

    assert isinstance(ask(no_options, provider=provider)[0], Failure)
    assert ask(no_options, provider=provider, request={"stream_options": None})[0].text == "yes"
    assert isinstance(ask(no_stream, provider=provider)[0], Failure)
    assert ask(no_stream, provider=provider, request={"stream": False})[0].text == "yes"


@pytest.mark.parametrize("stream", [True, False])
def test_claude_thinks_through_litellm(stream, keys):
    def refuses(request):
        if request.get("temperature", 1) != 1:
            return "`temperature` may only be set to 1 when thinking is enabled"
        if request["thinking"]["budget_tokens"] >= request["max_tokens"]:
            return "`max_tokens` must be greater than `thinking.budget_tokens`"
        return None

    content = [{"type": "thinking", "thinking": "hm", "signature": "x"}, {"type": "text", "text": "yes"}]
    whole = {"id": "1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "stop_reason": "end_turn"}
    usage = {"input_tokens": 7, "output_tokens": 3}
    if stream:
        events = [{"type": "message_start", "message": {**whole, "content": [], "stop_reason": None, "usage": usage}}]
        for index, (kind, text) in enumerate((("thinking", "hm"), ("text", "yes"))):
            events.append({"type": "content_block_start", "index": index, "content_block": {"type": kind, kind: ""}})
            events.append({"type": "content_block_delta", "index": index, "delta": {"type": f"{kind}_delta", kind: text}})
            events.append({"type": "content_block_stop", "index": index})
        events.append({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage})
        events.append({"type": "message_stop"})
        text = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
        answer = Act(body=text.encode(), headers={"Content-Type": "text/event-stream"})
    else:
        answer = Act(body=json.dumps({**whole, "content": content, "usage": usage}).encode())
    values = {"name": "claude-sonnet-4-5", "reasoning_tokens": 500, "request": {"stream": stream}}
    reply, requests = ask(refuses, answer, provider="anthropic", **values)
    assert (reply.text, reply.reasoning, reply.prompt_tokens) == ("yes", "hm", 7)
    assert requests[0]["max_tokens"] > requests[0]["thinking"]["budget_tokens"] == 1024


def test_a_field_that_openai_has_not_reaches_openrouter_and_anthropic_as_it_is(keys):
    _, [sent] = ask(provider="openrouter", name="openai/gpt-4.1", request={"provider": {"order": ["azure"]}})
    assert sent["provider"] == {"order": ["azure"]}
    _, [sent] = ask(provider="anthropic", name="claude-sonnet-4-5", request={"cache_control": {"type": "ephemeral"}})
    assert sent["cache_control"] == {"type": "ephemeral"} and "extra_body" not in sent


@pytest.mark.parametrize("provider", [None, "openai"])
def test_requests_go_through_the_proxy_of_the_environment(provider, keys, monkeypatch):
    with ScriptedServer() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "")
        reply, _ = ask(provider=provider, base_url="http://far.example/v1")
        assert (reply.text, len(proxy.requests)) == ("yes", 1)
        assert len(ask()[1]) == 1 and len(proxy.requests) == 1  # a server of this machine is not behind it


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ("Unrecognized request argument supplied: min_p", "min_p"),
        ("body.chat_template_kwargs: Extra inputs are not permitted", "chat_template_kwargs"),
        ("stop: Extra inputs are not permitted", "stop"),
        ("Unknown parameter: 'logprobs'", "logprobs"),
        ("invalid temperature: only 1 is allowed for this model", "temperature"),
        ("'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "max_tokens"),
        ("Please stop sending so many messages to the model", None),
        ("The model `m` does not exist", None),
    ],
)
def test_any_part_of_a_request_that_a_server_refuses_by_name_is_found(message, part):
    names = ("max_tokens", "temperature", "min_p", "stop", "logprobs", "chat_template_kwargs", "stream_options")
    assert refused_part(message, {"model": "m", "messages": [], **dict.fromkeys(names, 1), "stream": True}) == part
