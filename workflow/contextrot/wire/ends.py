"""What the reason that an answer ended for means, for the servers and providers that say what theirs are.

The set is open: a provider may invent an end tomorrow. An end that stands in no table is an outcome of its own, `ended_otherwise`, with
the raw value in `finish_reason`; it is never taken for an answer.

Sources, each provider's own reference of the field: OpenAI `finish_reason` of chat completions and `incomplete_details.reason`; Anthropic "Handling stop
reasons"; Google `FinishReason` and `BlockReason` of the Gemini API and Vertex AI; Mistral `FinishReason`; Zhipu GLM `finish_reason` of chat completions;
DeepSeek `finish_reason`; Cohere `finish_reason` of chat v1 and v2; AWS Bedrock `stopReason` of Converse; Text Generation Inference
`FinishReason`; vLLM `FinishReason`; SGLang `finish_reason.type`; llama.cpp `stop_type`; LM Studio `stopReason`; Ollama `done_reason`; Baidu Qianfan and
GigaChat `finish_reason`; Amazon Titan `completionReason`; AI21 `finishReason.reason`; Aleph Alpha `finish_reason`; YandexGPT `AlternativeStatus`; watsonx
`stop_reason`; MiniMax `finish_reason` of its older interface.
"""

from __future__ import annotations

import re

ANSWERED, TRUNCATED, REFUSED, FAULT, OTHERWISE = "answered", "truncated", "refused", "failed", "ended_otherwise"
LONGEST_NAME = 100

_ENDS = {
    ANSWERED: """
        stop tool_calls function_call eos eos_token stop_sequence
        end_turn tool_use end
        complete tool_call
        word
        eosfound stopstringfound toolcalls
        completed
        normal finish finished final end_of_text endoftext end_of_turn
    """,
    TRUNCATED: """
        length max_tokens max_output_tokens model_length token_limit max_length
        model_context_window_exceeded context_length_exceeded error_limit
        limit maximum_tokens max_output truncated_final
        maxpredictedtokensreached contextlengthreached
    """,
    REFUSED: """
        content_filter refusal
        safety recitation blocklist prohibited_content spii language image_safety image_prohibited_content image_recitation model_armor jailbreak
        sensitive blacklist
        error_toxic
        guardrail_intervened content_filtered
    """,
    FAULT: """
        error network_error timeout
        insufficient_system_resource
        abort aborted cancelled canceled
        failed modelunloaded unload server_error internal_error
    """,
    OTHERWISE: """
        other finish_reason_unspecified malformed_function_call malformed_response unexpected_tool_call too_many_tool_calls missing_thought_signature
        pause_turn compaction
        user_cancel userstopped
        malformed_model_output malformed_tool_use
        load repetition incomplete
    """,
}
_NAMESPACE = re.compile(r"^((finish|stop|done)reason|alternativestatus)(?=.)")


def _plain(end: str) -> str:
    """Letters and digits alone: `max_tokens`, `MaxTokens`, `max-tokens` and `FINISH_REASON_MAX_TOKENS` are one end."""
    return _NAMESPACE.sub("", re.sub(r"[\W_]+", "", end.casefold()))


_MEANING = {_plain(end): meaning for meaning, ends in _ENDS.items() for end in ends.split()}


def outcome_of_end(finish_reason: str | None) -> str:
    """What an end means: `answered`, `truncated`, `refused`, `ended_otherwise`, or `failed` (the server's own fault, to be tried again).

    `answered` says that the model ended by itself; whether there is a text is for the caller to see. Without a reason (None), or with one that
    is in no table, it is `ended_otherwise`.
    """
    end = finish_reason or ""
    whole = _MEANING.get(_plain(end))
    return whole or _MEANING.get(_plain(end.partition(":")[0]), OTHERWISE)  # Google: `content_filter: RECITATION`
