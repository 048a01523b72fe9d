"""What stands behind a thought is the answer; a thought that does not end is none; a text about marks is a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextrot.checked import validate
from contextrot.errors import ConfigError
from contextrot.records import Response
from contextrot.responses.outcomes import classify
from contextrot.settings import ModelSettings
from contextrot.wire.reply import Reply
from contextrot.wire.thoughts import FAMILIES, Thoughts, template_opens_thought

NEEDLE = "The secret is Rome. Wait, is it? I cannot find it."


def split(text, cut=False, reasoning="", **arguments):
    answer, thought = Thoughts(**arguments).split(text, reasoning, cut)
    return answer.strip(), thought.strip()


def model(**values):
    return ModelSettings(**{"engine": "external", "name": "m", "window": 1000, "max_output_tokens": 50, "base_url": "http://x/v1",
                            "tokenizer": "tiktoken:o200k_base", **values})  # fmt: skip


@pytest.mark.parametrize("pair", FAMILIES, ids=[pair[0] for pair in FAMILIES])
def test_the_marks_of_every_family(pair):
    opening, closing = pair
    assert split(f"{opening}{NEEDLE}{closing}\n\nI could not find that.") == ("I could not find that.", NEEDLE)
    assert split(f"\n {opening}\n{NEEDLE}\n{closing}No.") == ("No.", NEEDLE)
    assert split(f"{NEEDLE}{closing}I could not find that.") == ("I could not find that.", NEEDLE)
    assert split(f"{opening}{NEEDLE}") == ("", NEEDLE)
    assert split(f"{opening}{NEEDLE}", cut=True) == ("", NEEDLE)
    assert split(f"{opening}{NEEDLE}{closing}") == ("", NEEDLE)
    assert split(f"{closing}yes") == ("yes", "")


def test_the_last_closing_mark_decides():
    assert split("<think>a</think>b<think>c</think>d")[0] == "d"
    assert split("a</think>b</think>c") == ("c", "a</think>b")
    assert split("<think>It asks about the </think> tag.</think>yes")[0] == "yes"


def test_a_second_thought_that_does_not_end_is_no_answer():
    assert split("<think>a</think><think>b", cut=True)[0] == ""


@pytest.mark.parametrize(
    "text",
    [
        "In this format, <think> opens a thought and </think> closes it.",
        "I say <think>",
        "A thought ends with `</think>`, as said.",
        'A thought ends with "</think>".',
        "a < b, [x] and (y)",
        "analysis of the text: fine",
        "<answer>yes</answer>",
    ],
)
def test_an_answer_that_speaks_of_marks_is_left_as_it_is(text):
    assert split(text) == (text, "")
    assert split(text, cut=True) == (text, "")


def test_harmony_whole_and_without_its_special_tokens():
    whole = "<|channel|>analysis<|message|>Rome?<|end|><|start|>assistant<|channel|>final<|message|>I do not know.<|return|>"
    assert split(whole) == ("I do not know.", "Rome?")
    assert split(f"<|start|>assistant{whole}") == ("I do not know.", "Rome?")
    assert split("<|channel|>final<|message|>yes") == ("yes", "")
    assert split("analysisWe need Rome.assistantfinalI do not know.") == ("I do not know.", "We need Rome.")
    assert split("<|channel|>analysis<|message|>Rome?<|end|><|start|>assistant", cut=True)[0] == ""


def test_harmony_with_a_format_or_a_recipient():
    thought = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>"
    assert split(thought + 'final <|constrain|>json<|message|>{"a": 1}') == ('{"a": 1}', "hm")
    assert split("<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}")[0] == ""


def test_an_answer_in_a_frame_of_its_own():
    assert split("<think>a</think><answer>yes</answer>") == ("yes", "a")
    framed = "<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>yes<|END_RESPONSE|>"
    assert split(framed) == ("yes", "a")


def test_reasoning_that_the_server_tells_apart_leaves_the_text_alone():
    assert split("Close it with </think> then.", reasoning="hm") == ("Close it with </think> then.", "hm")
    assert split("</think>\nyes", reasoning="hm") == ("yes", "hm")
    assert split("<think>more</think>yes", reasoning="hm") == ("yes", "hm\nmore")


def test_a_cut_text_is_a_thought_where_the_prompt_opened_it():
    assert split(NEEDLE, cut=True, thinks=lambda: True) == ("", NEEDLE)
    assert split(NEEDLE, cut=True) == (NEEDLE, "")
    assert split(NEEDLE, thinks=lambda: True) == (NEEDLE, "")
    assert split("about <think> here</think>yes", thinks=lambda: True) == ("yes", "about <think> here")


def test_what_says_that_a_model_thinks():
    def cut(model):
        return Thoughts.of(model).split(NEEDLE, "", True)[0]

    assert cut(model()) == NEEDLE
    assert cut(model(reasoning_tokens=100)) == ""
    assert cut(model(thinking_marks=["<<", ">>"])) == ""
    assert cut(model(reasoning_tokens=100, base_url=None, provider="openai")) == NEEDLE


UNKNOWN = ["<longcat_think>n</longcat_think>", "<scratchpad>\nn\n</scratchpad>", "<Inner_Monologue>n</Inner_Monologue>", "<reflection>n</reflection>",
           "<|thinking|>n<|/thinking|>", "<|begin_of_reasoning|>n<|end_of_reasoning|>", "n</antThinking>", "<|im_start|>assistant\n<think>n</think>"]  # fmt: skip


@pytest.mark.parametrize("thought", UNKNOWN)
def test_tags_that_are_named_for_thinking_are_marks_of_any_model(thought):
    assert split(f"{thought}\nno") == ("no", "n")
    assert split(thought) == ("", "n")


def test_a_thought_on_a_line_of_its_own_is_one_wherever_it_stands():
    assert split("Okay.\n<think>n</think>\nno") == ("no", "n")
    assert split("It is 4.\n\n<think>n</think>") == ("It is 4.", "n")
    assert split("It is 4.\n<think>n") == ("It is 4.", "n")
    assert split("Okay.\n<think>n", cut=True) == ("", "n")
    assert split("Okay.\n`<think>` opens it.") == ("Okay.\n`<think>` opens it.", "")


def test_marks_of_one_s_own_and_none_at_all():
    own = Thoughts.of(model(thinking_marks=["<<", ">>"]))
    assert own.split("<<a>>b") == ("b", "a")
    assert own.split("<think>a</think>b") == ("<think>a</think>b", "")
    assert Thoughts.of(model(thinking_marks=[])).split("<think>a</think>b") == ("<think>a</think>b", "")
    with pytest.raises(ConfigError, match="opening and a closing mark"):
        validate(ModelSettings, model().model_dump() | {"thinking_marks": ["<think>"]}, "model")


def test_a_template_tells_whether_it_opens_a_thought():
    class Template:
        def __init__(self, end):
            self.end = end

        def render_chat(self, messages):
            return f"<|user|>{messages[0]['content']}<|assistant|>{self.end}"

    assert template_opens_thought(Template("<think>\n"))
    assert not template_opens_thought(Template("<think>\n\n</think>\n\n"))
    assert not template_opens_thought(Template(""))
    assert not template_opens_thought(object())


@pytest.mark.parametrize(
    "options",
    [{"chat_template_kwargs": {"thinks": True}}, {"extra_body": {"chat_template_kwargs": {"thinks": True}}}],
    ids=["engine", "body"],
)
def test_the_template_that_the_engine_is_given_tells_whether_a_thought_is_open(options, data, tmp_path):
    own = tmp_path / "own.jinja"
    own.write_text("{{ messages[0]['content'] }}{{ '<think>' if thinks else '' }}")
    thinking = {"tokenizer": str(data / "models/embedded"), "chat_template": str(own)}
    assert Thoughts.of(model(**thinking, engine_options=options)).split("Let me see", cut=True) == ("", "Let me see")
    assert Thoughts.of(model(**thinking)).split("Let me see", cut=True) == ("Let me see", "")


def test_outcomes_of_replies_with_thoughts():
    assert classify(Reply(text=f"{NEEDLE}</think>I could not find that", finish_reason="stop")) == (
        "answered", "I could not find that", NEEDLE
    )  # fmt: skip
    assert classify(Reply(text="<think>hm", finish_reason="length")) == ("truncated", None, "hm")
    assert classify(Reply(text="<think>hm</think>", finish_reason="stop")) == ("empty", None, "hm")
    thinks = Thoughts(thinks=lambda: True)
    assert classify(Reply(text=NEEDLE, finish_reason="length"), thinks) == ("truncated", None, NEEDLE)
    apart = Reply(text="The answer is", finish_reason="length", reasoning_tokens=90)
    assert classify(apart, thinks) == ("truncated", "The answer is", None)


def test_stored_answers_of_an_earlier_version_lose_their_thoughts():
    thoughts = Thoughts()
    kept = Response("s", 0, "answered", text=f"{NEEDLE}</think>no")
    assert (thoughts.without(kept).text, thoughts.without(kept).reasoning) == ("no", NEEDLE)
    assert thoughts.without(thoughts.without(kept)) == thoughts.without(kept)
    assert thoughts.without(Response("s", 0, "answered", text="<think>a")).outcome == "empty"
    assert thoughts.without(Response("s", 0, "truncated", text="<think>a")).outcome == "truncated"
    plain = Response("s", 0, "answered", text="no")
    assert thoughts.without(plain) is plain


PIECES = st.sampled_from([part for pair in FAMILIES for part in pair] + ["Rome", " ", "\n", "`", "<|end|>", "analysis", "é"])


@given(st.lists(PIECES, max_size=12).map("".join), st.booleans(), st.booleans())
def test_any_text_is_split_and_a_split_answer_is_left_alone(text, cut, thinks):
    thoughts = Thoughts(thinks=lambda: thinks)
    answer, _ = thoughts.split(text, "", cut)
    assert isinstance(answer, str)
    rest = Thoughts().split(answer, "", False)[0]
    assert len(rest) <= len(answer)
