"""The door: odd replies are read, unreadable ones are Malformed, and whatever passes can be written."""

from __future__ import annotations

import math

import pytest

from contextrot.responses.outcomes import classify
from contextrot.wire import faults
from contextrot.wire.reply import Reply
from contextrot.wire.reply_form import count_of
from tests.servers import dialects
from tests.unit.test_wire_errors import send

LONE = "\ud83d"


def added(*chunks):
    reply = Reply()
    for chunk in chunks:
        reply.add(chunk, 0.5)
    return reply


def delta(**values):
    return added({"choices": [{"delta": values}]})


@pytest.mark.parametrize(
    ("content", "text", "thought"),
    [
        ("yes", "yes", ""),
        (None, "", ""),
        ([], "", ""),
        ([{"type": "text", "text": "y"}, {"type": "text", "text": "es"}], "yes", ""),
        (["y", {"type": "output_text", "text": "es"}], "yes", ""),
        # Mistral, docs.mistral.ai/capabilities/reasoning
        ([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "yes"}], "yes", "hm"),
        # Anthropic, docs.anthropic.com/en/docs/build-with-claude/extended-thinking
        ([{"type": "thinking", "thinking": "hm", "signature": "x"}, {"type": "redacted_thinking", "data": "x"}], "", "hm"),
        ([{"type": "image_url", "image_url": {"url": "x"}}], "", ""),
        ({"type": "text", "text": "yes"}, "yes", ""),
    ],
)
def test_content_is_text_or_parts(content, text, thought):
    reply = delta(content=content)
    assert (reply.text, reply.reasoning) == (text, thought)


@pytest.mark.parametrize(
    "values",
    [
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
        {"reasoning": {"content": "hm"}},
        {"reasoning": {"summary": [{"type": "summary_text", "text": "hm"}]}},
        {"reasoning_content": ["h", "m"]},
        {"thinking": "hm"},
        {"thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "x"}]},  # docs.litellm.ai/docs/reasoning_content
        {"reasoning_text": "hm", "thinking": True},
        # OpenRouter, openrouter.ai/docs/use-cases/reasoning-tokens: the same thought in two fields
        {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}, {"type": "reasoning.encrypted", "data": "x"}]},
    ],
)
def test_a_thought_has_many_names_and_forms(values):
    assert delta(content="", **values).reasoning == "hm"


@pytest.mark.parametrize("content", [7, True, 1.5, [7], [[["a"] * 3] * 2, 1], {"text": 7}])
def test_content_that_is_no_text_is_malformed(content):
    with pytest.raises(faults.Malformed):
        delta(content=content)


@pytest.mark.parametrize(
    ("value", "count"),
    [(7, 7), (7.0, 7), ("7", 7), (0, 0), (-1, None), (7.5, None), (True, None), (math.nan, None), (math.inf, None), (1e30, None),
     (10**30, None), ("7.5", None), ("", None), ("٧", None), ("9" * 30, None), (None, None), ([7], None), ({}, None)],
)  # fmt: skip
def test_a_count_is_a_whole_number_or_unknown(value, count):
    assert count_of(value) == count


@pytest.mark.parametrize(
    ("chunk", "counts"),
    [
        ({"usage": {"prompt_tokens": 7, "completion_tokens": "2", "prompt_tokens_details": {"cached_tokens": 4.0},
                    "completion_tokens_details": {"reasoning_tokens": 1}}}, (7, 2, 4, 1)),
        # Anthropic: what was read from the cache, or written to it, is counted beside
        ({"usage": {"input_tokens": 5, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 5, "output_tokens": 2}}, (100, 2, 90, None)),
        ({"usage": {"input_tokens": 7, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 4}}}, (7, 2, 4, None)),
        ({"usage": {"prompt_tokens": 7, "completion_tokens": 2, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 3}}, (7, 2, 4, None)),
        ({"usage": {"prompt_tokens": 7, "completion_tokens": 2, "cached_tokens": 4}}, (7, 2, 4, None)),
        ({"prompt_eval_count": 7, "eval_count": 2}, (7, 2, None, None)),
        ({"usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 2, "thoughtsTokenCount": 3}}, (7, 5, None, 3)),
        ({"x_groq": {"usage": {"prompt_tokens": 7, "completion_tokens": 2}}}, (7, 2, None, None)),
        ({"timings": {"prompt_n": 3, "cache_n": 4, "predicted_n": 2}}, (7, 2, 4, None)),
        ({"choices": [{"delta": {}, "usage": {"prompt_tokens": 7, "completion_tokens": 2}}]}, (7, 2, None, None)),  # Moonshot
        ({"usage": {"inputTokens": 7, "outputTokens": 2, "totalTokens": 9}}, (7, 2, None, None)),  # Bedrock Converse
        ({"usage": {"input_tokens": 3, "cache_creation": {"ephemeral_5m_input_tokens": 4}, "output_tokens": 2}}, (7, 2, None, None)),
        ({"usage": None}, (None, None, None, None)),
        ({"usage": "many"}, (None, None, None, None)),
        ({"usage": {"prompt_tokens": -7, "completion_tokens": True, "prompt_tokens_details": [1]}}, (None, None, None, None)),
    ],
)  # fmt: skip
def test_counts_in_the_words_of_each_server(chunk, counts):
    reply = added(chunk)
    assert (reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens, reply.reasoning_tokens) == counts


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        # docs.x.ai/docs/guides/reasoning; Google's OpenAI compatibility: thoughts stand beside the answer, the total tells
        ({"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135, "completion_tokens_details": {"reasoning_tokens": 94}}, (32, 103)),
        ({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 59}, (7, 52)),
        ({"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16, "completion_tokens_details": {"reasoning_tokens": 4}}, (7, 9)),
        ({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 9, "cache_read_input_tokens": 4}, (7, 2)),
        ({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 10**9}, (7, 2)),
        ({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 3}, (7, 2)),
    ],
)  # fmt: skip
def test_a_total_tells_which_counts_stand_beside_others(usage, counts):
    reply = added({"choices": [{"delta": {"content": "a"}}], "usage": usage})
    assert (reply.prompt_tokens, reply.completion_tokens) == counts


@pytest.mark.parametrize(
    ("choice", "kind"),
    [
        # SGLang, an abort with its reason; OpenRouter "Error handling", errors of a choice
        ({"delta": {}, "finish_reason": {"type": "abort", "message": "Input length (9000 tokens) exceeds the maximum allowed length (8187 tokens)."}}, "over_window"),
        ({"message": {"content": ""}, "finish_reason": "error", "error": {"code": 429, "message": "slow down"}}, "rate_limited"),
    ],
)  # fmt: skip
def test_an_error_within_a_choice_says_what_it_is(choice, kind):
    with pytest.raises(faults.Failure) as caught:
        added({"choices": [choice]})
    assert caught.value.kind == kind


def test_a_later_chunk_without_a_count_does_not_forget_an_earlier_one():
    reply = added({"usage": {"input_tokens": 7}}, {"usage": {"output_tokens": 2}}, {"usage": None})
    assert (reply.prompt_tokens, reply.completion_tokens) == (7, 2)


def test_counts_that_were_told_are_not_undone_by_zeros():
    told = {"prompt_tokens": 7, "completion_tokens": 2}
    reply = added(
        {"choices": [{"delta": {"content": "yes"}, "finish_reason": "stop"}], "usage": told}, {"usage": dict.fromkeys(told, 0)}
    )
    assert (reply.finish().prompt_tokens, reply.completion_tokens) == (7, 2)
    reply = added({"choices": [{"delta": {}, "finish_reason": "stop"}]}, {"usage": {**told, "completion_tokens": 0}})
    assert reply.finish().completion_tokens == 0


def test_impossible_counts_are_unknown_in_the_end():
    done = {"choices": [{"delta": {"content": "yes"}, "finish_reason": "stop"}]}
    reply = added(done, {"usage": {"prompt_tokens": 0, "completion_tokens": 0}}).finish()
    assert (reply.prompt_tokens, reply.completion_tokens) == (None, None)
    reply = added(
        done, {"usage": {"prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 8}}}
    ).finish()
    assert (reply.prompt_tokens, reply.cached_tokens) == (7, None)


@pytest.mark.parametrize("choices", [None, [], [None], {}, "", [{}], [[]]])
def test_choices_may_be_missing(choices):
    assert added({"choices": choices}).text == ""


@pytest.mark.parametrize("choices", [7, "text", [7], [["a"]], [{"delta": 7}], [{"delta": "a"}]])
def test_choices_that_are_none_are_malformed(choices):
    with pytest.raises(faults.Malformed):
        added({"choices": choices})


@pytest.mark.parametrize(
    ("end", "read"), [("stop", "stop"), ("", None), ("null", None), (None, None), (7, "7"), ({"type": "length"}, "length")]
)
def test_an_end_is_any_text(end, read):
    assert added({"choices": [{"delta": {}, "finish_reason": end}]}).finish_reason == read


def test_only_the_first_choice_is_the_answer():
    first, second = {"index": 0, "delta": {"content": "yes"}}, {"index": 1, "delta": {"content": "no"}}
    assert added({"choices": [first, second]}).text == "yes"


def of_choice(index, text, end=None):
    return {"index": index, "delta": {"content": text}, "finish_reason": end}


@pytest.mark.parametrize(
    ("chunks", "text", "end"),
    [
        ([[of_choice(1, "no", "length"), of_choice(0, "yes", "stop")]], "yes", "stop"),
        ([[of_choice(0, "y")], [of_choice(1, "n")], [of_choice(0, "es", "stop")], [of_choice(1, "o", "length")]], "yes", "stop"),
        ([[of_choice(1, "n")], [of_choice(0, "yes", "stop")], [of_choice(1, "o", "length")]], "no", "length"),
        ([[of_choice(1, "y")], [of_choice(1, "es", "stop")]], "yes", "stop"),
        ([[of_choice(None, "yes", "stop"), of_choice(None, "no", "length")]], "yes", "stop"),
        ([[of_choice("0", "y")], [of_choice(0, "es", "stop")], [of_choice("1", "no", "length")]], "yes", "stop"),
    ],
)
def test_choices_are_never_mixed_in_whatever_order_they_come(chunks, text, end):
    reply = added(*[{"choices": choices} for choices in chunks]).finish()
    assert (reply.text, reply.finish_reason) == (text, end)


@pytest.mark.parametrize(
    ("told", "end"),
    [
        (["length", "stop"], "length"),
        (["content_filter", "stop"], "content_filter"),
        (["stop", "length"], "length"),
        (["incomplete", "stop"], "stop"),
        (["stop", "something_new"], "something_new"),
        (["length", "content_filter"], "content_filter"),
    ],
)
def test_an_end_that_says_the_answer_is_not_whole_is_not_taken_back_by_a_later_stop(told, end):
    assert added(*[{"choices": [of_choice(0, "a", name)]} for name in told]).finish().finish_reason == end


@pytest.mark.parametrize("name", ["content", "reasoning_content", "refusal"])
def test_a_closing_message_repeats_neither_text_nor_thought_nor_refusal(name):
    logprobs = {"content": [{"token": "a", "logprob": -0.5}]}
    closing = {"choices": [{"message": {name: "hm"}, "logprobs": logprobs, "finish_reason": "stop"}]}
    reply = added({"choices": [{"delta": {name: "hm"}, "logprobs": logprobs}]}, closing).finish()
    assert reply.text + reply.reasoning + reply.refusal == "hm"
    assert len(reply.logprobs) == 1


def test_a_refusal_among_the_parts_of_a_content_is_one():
    parts = [{"type": "text", "text": "Well."}, {"type": "refusal", "refusal": "I can't."}]
    reply = added({"choices": [{"message": {"content": parts}, "finish_reason": "stop"}]}).finish()
    assert (reply.text, reply.refusal, classify(reply)[:2]) == ("Well.", "I can't.", ("refused", "I can't."))


def test_a_refusal_or_thought_of_false_is_none():
    reply = delta(content="yes", refusal=False, reasoning=False, reasoning_content=False)
    assert (reply.text, reply.refusal, reply.reasoning) == ("yes", "", "")


def test_a_name_is_read_without_spaces_in_chunks_of_any_form():
    assert added({"model": "  ", "choices": [of_choice(0, "yes")]}).model is None
    assert added({"model": " m\n", "choices": [of_choice(0, "yes")]}).model == "m"


def test_a_stream_that_closes_with_the_whole_message_is_not_read_twice():
    closing = {"choices": [{"message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}]}
    assert added({"choices": [{"delta": {"content": "yes"}}]}, closing).text == "yes"


@pytest.mark.parametrize("values", [{"content": ""}, {"role": "assistant"}, {}, {"content": None}, {"reasoning_content": ""}])
def test_the_first_token_is_none_that_brings_nothing(values):
    assert delta(**values).first_token_seconds is None


@pytest.mark.parametrize(
    "values", [{"content": "a"}, {"reasoning": "a"}, {"refusal": "a"}, {"tool_calls": [{"index": 0, "function": {"name": "f"}}]}]
)
def test_the_first_token_may_be_text_thought_refusal_or_a_tool_call(values):
    assert delta(**values).first_token_seconds == 0.5


def test_halves_of_a_character_are_put_together_and_a_lone_half_is_replaced():
    reply = added(
        {"choices": [{"delta": {"content": "\ud83c"}}]},
        {"choices": [{"delta": {"content": "\udf89" + LONE}, "finish_reason": "stop"}]},
    )
    assert reply.finish().text == "🎉\ufffd"


def test_log_probabilities_are_plain():
    token = {
        "token": "a" + LONE,
        "logprob": -math.inf,
        "bytes": [97],
        "top_logprobs": [{"token": "b", "logprob": math.nan}, 7, {"x": 1}],
        "id": 3,
    }
    reply = added({"choices": [{"delta": {"content": "a"}, "logprobs": {"content": [token, None, "x"]}}]})
    assert reply.logprobs == [
        {"token": "a\ufffd", "logprob": -9999.0, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": None}]}
    ]
    assert added({"choices": [{"delta": {}, "logprobs": ["a"]}]}).logprobs == []


def test_a_text_without_end_is_malformed(monkeypatch):
    monkeypatch.setattr("contextrot.wire.reply.LARGEST_TEXT_CHARACTERS", 100)
    with pytest.raises(faults.Malformed, match="longer"):
        added(*[{"choices": [{"delta": {"content": "x" * 60}}]}] * 2)


@pytest.mark.parametrize("error", [None, "", {}, [], False])
def test_an_error_field_that_says_nothing_is_no_error(error):
    assert added({"error": error, "choices": [{"delta": {"content": "yes"}}]}).text == "yes"


@pytest.mark.parametrize("error", [{"message": "x"}, "x", [{"message": "x"}], True, 7, {"code": "rate_limit_exceeded"}])
def test_an_error_is_never_an_answer(error):
    with pytest.raises(faults.Failure):
        added({"error": error, "choices": [{"delta": {"content": "yes"}, "finish_reason": "stop"}]})


@pytest.mark.filterwarnings("ignore")
def test_a_stream_by_another_content_type_is_read():
    said = dialects.openai()
    said.headers = {"Content-Type": "text/plain"}
    reply, _ = send(said)
    assert (reply.text, reply.first_token_seconds) == ("yes", None)
