"""How whole answers over real HTTP end, and what they count; hosted providers through litellm's own code."""

from __future__ import annotations

import pytest

from contextrot.responses.outcomes import classify
from contextrot.responses.transport import DirectTransport, LitellmTransport
from contextrot.wire import ends
from contextrot.wire.faults import Failure
from tests.servers import dialects
from tests.servers.dialects import SSE
from tests.servers.wire import Said, events
from tests.unit.test_wire_errors import send

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


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        ("content_filter: RECITATION", "refused"),  # Google's OpenAI compatibility
        ("function_call_filter: MALFORMED_FUNCTION_CALL", "ended_otherwise"),
        ("blacklist", "refused"),  # GigaChat
        ("normal", "answered"),  # Baidu Qianfan
        ("FINISH", "answered"),  # Amazon Titan
        ("endoftext", "answered"),  # AI21
        ("maximum_tokens", "truncated"),  # Aleph Alpha
        ("max_output", "truncated"),  # MiniMax
        ("ALTERNATIVE_STATUS_TRUNCATED_FINAL", "truncated"),  # YandexGPT
        ("ALTERNATIVE_STATUS_FINAL", "answered"),
        ("ALTERNATIVE_STATUS_CONTENT_FILTER", "refused"),
    ],
)
def test_ends_of_further_providers(end, outcome):
    assert ends.outcome_of_end(end) == outcome


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
