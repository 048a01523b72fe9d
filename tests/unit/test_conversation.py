"""Context management: what is kept, what is cut and where, and what never happens to any conversation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contextrot.errors import ConfigError
from contextrot.samples.conversation import POLICIES, Budget, cut_beginning, fewest_dropped, fit_conversation, split_turns
from contextrot.samples.tokenizers import TiktokenTokenizer


class WordTokenizer:
    """One token a word, and three for each message: counts can be done by hand."""

    exact = True

    def count_chat(self, messages):
        return sum(3 + len(message["content"].split()) for message in messages)


WORDS = WordTokenizer()


def chat(*contents: str, system: str | None = None) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    turns = [{"role": roles[i % 2], "content": content} for i, content in enumerate(contents)]
    return ([{"role": "system", "content": system}] if system else []) + turns


def contents(messages: list[dict[str, str]]) -> list[str]:
    return [message["content"] for message in messages]


def test_a_conversation_that_fits_to_the_token_is_left_as_it_is():
    messages = chat("a b", "c d e", "f", system="s")  # 4 + 5 + 6 + 4 tokens
    fitted, decision = fit_conversation(messages, WORDS, Budget(window=29, output_tokens=8, margin_tokens=2))
    assert decision.budget_tokens == decision.tokens_before == decision.tokens_after == 19
    assert fitted == messages and decision.fits and decision.tokens_dropped == 0 and decision.cut_at is None


def test_one_token_over_the_budget_is_not_sent_as_it_is():
    _, decision = fit_conversation(chat("a b", "c d e", "f", system="s"), WORDS, Budget(28, 8, 2), "none")
    assert not decision.fits and decision.tokens_after == 19


def test_the_output_limit_and_the_margin_are_both_kept_free():
    assert Budget(window=32_768, output_tokens=16_384).prompt_tokens == 32_768 - 16_384 - 500


def test_sliding_drops_the_oldest_whole_turn_and_keeps_the_newest_whole():
    messages = chat("p1", "a1 a1 a1", "p2", "a2 a2 a2", "p3", system="s")
    fitted, decision = fit_conversation(messages, WORDS, Budget(20 + 8, 8, 0))
    assert contents(fitted) == ["s", "p2", "a2 a2 a2", "p3"]
    assert (decision.turns_dropped, decision.turns_before, decision.cut_turn) == (1, 2, None)
    assert decision.tokens_dropped == 10 == decision.tokens_before - decision.tokens_after


def test_sliding_cuts_the_last_kept_answer_at_a_paragraph_and_keeps_its_end():
    answer = "One two.\n\nThree four. Five six.\n\nSeven eight."
    messages = chat("p1", "a1 " * 50, "p2", answer, "p3")
    fitted, decision = fit_conversation(messages, WORDS, Budget(18, 0, 0))
    assert contents(fitted) == ["p2", "Three four. Five six.\n\nSeven eight.", "p3"]
    assert decision.cut_at == "paragraph" and decision.cut_turn == 1 and decision.turns_dropped == 1


def test_sliding_cuts_at_a_sentence_where_no_paragraph_leaves_enough_room():
    messages = chat("p1", "One two three. Four five six! Seven eight nine.", "p2")
    fitted, decision = fit_conversation(messages, WORDS, Budget(17, 0, 0))
    assert contents(fitted) == ["p1", "Four five six! Seven eight nine.", "p2"]
    assert (decision.cut_at, decision.cut_characters) == ("sentence", len("One two three. "))


def test_an_answer_that_loops_without_a_full_stop_is_cut_between_words():
    messages = chat("p1", "loop " * 100, "p2")
    fitted, decision = fit_conversation(messages, WORDS, Budget(20, 0, 0))
    assert decision.cut_at == "word" and contents(fitted)[1].split() == ["loop"] * 9


def test_a_turn_of_which_no_word_fits_is_dropped_whole():
    messages = chat("p1 " * 30, "One. Two.", "p2", system="s")
    fitted, decision = fit_conversation(messages, WORDS, Budget(20, 0, 0))
    assert contents(fitted) == ["s", "p2"] and decision.turns_dropped == 1 and decision.fits


def test_system_and_current_prompt_are_never_cut_even_if_they_alone_are_over():
    messages = chat("p1", "a1", "p2 " * 40, system="s " * 10)
    fitted, decision = fit_conversation(messages, WORDS, Budget(30, 0, 0))
    assert contents(fitted) == ["s " * 10, "p2 " * 40] and not decision.fits


def test_keep_first_drops_from_the_middle_and_roles_still_alternate():
    messages = chat("p1", "a1 " * 9, "p2", "a2 " * 9, "p3", "a3 a3", "p4", system="s")
    fitted, decision = fit_conversation(messages, WORDS, Budget(20, 0, 0), "keep_first")
    assert contents(fitted) == ["s", "p1", "a3 a3", "p4"]
    assert decision.turns_dropped == 2


def test_keep_first_cuts_the_newest_answer_when_it_alone_is_too_long():
    messages = chat("p1", "a1 " * 9, "p2", "Old old old. New new.", "p3")
    fitted, decision = fit_conversation(messages, WORDS, Budget(14, 0, 0), "keep_first")
    assert contents(fitted) == ["p1", "New new.", "p3"]
    assert (decision.cut_at, decision.cut_turn) == ("sentence", 1)


def test_keep_first_lets_the_first_prompt_go_rather_than_put_two_prompts_in_a_row():
    fitted, decision = fit_conversation(chat("p1 p1 p1", "One. Two.", "p2"), WORDS, Budget(10, 0, 0), "keep_first")
    assert contents(fitted) == ["p2"] and decision.fits


def test_an_unknown_policy_names_the_known_ones():
    with pytest.raises(ConfigError, match=r"'slide'.*Did you mean 'sliding'\?"):
        fit_conversation(chat("p"), WORDS, Budget(10, 0, 0), "slide")


def test_a_decision_is_one_row_of_scalars():
    row = fit_conversation(chat("p1", "One two. Three.", "p2"), WORDS, Budget(12, 0, 0))[1].row()
    assert row["policy"] == "sliding" and row["cut_at"] == "sentence"
    assert all(value is None or isinstance(value, str | int | bool) for value in row.values())


def test_cutting_prefers_a_paragraph_to_a_sentence_that_would_keep_more():
    assert cut_beginning("A b. C d.\n\nE f.", lambda text: len(text.split()) <= 4)[:2] == ("E f.", "paragraph")


def test_text_without_spaces_is_cut_after_its_own_full_stop():
    assert cut_beginning("春が来た。夏が来た。", lambda text: len(text) <= 6) == ("夏が来た。", "sentence", 5)


def test_a_single_word_that_does_not_fit_leaves_nothing():
    assert cut_beginning("word", lambda text: False) is None
    assert cut_beginning("one two  ", lambda text: len(text) < 3) is None


@pytest.mark.parametrize("needed", range(6))
def test_fewest_dropped_is_the_smallest_that_fits(needed):
    assert fewest_dropped(5, lambda n: n >= needed) == needed


def test_fewest_dropped_checks_upwards_where_dropping_made_it_longer_by_a_token():
    assert fewest_dropped(4, lambda n: n in (2, 4)) in (2, 4)
    assert fewest_dropped(0, lambda n: False) == 0


# Text of words, sentences and paragraphs, with the odd characters that make token counts differ from any estimate.
word = st.text(st.sampled_from("aeiourstlné1Z-'漢🙂"), min_size=1, max_size=12)
sentence = st.builds(lambda words, end: " ".join(words) + end, st.lists(word, min_size=1, max_size=12), st.sampled_from(".!?…"))
paragraph = st.builds(" ".join, st.lists(sentence, min_size=1, max_size=5))
text = st.one_of(
    st.builds("\n\n".join, st.lists(paragraph, min_size=1, max_size=5)),
    st.builds(" ".join, st.lists(word, min_size=1, max_size=60)),
)


@st.composite
def conversations(draw):
    prior = draw(st.lists(st.tuples(text, text), max_size=5))
    system = draw(st.one_of(st.none(), sentence))
    return chat(*[part for turn in prior for part in turn], draw(paragraph), system=system)


@pytest.fixture(scope="module")
def tokenizer():
    return TiktokenTokenizer("o200k_base")


@settings(max_examples=200, deadline=None)
@given(messages=conversations(), room=st.integers(5, 600), margin=st.integers(0, 50), policy=st.sampled_from(POLICIES))
def test_no_conversation_is_ever_sent_over_the_window(tokenizer, messages, room, margin, policy):
    budget = Budget(window=room + margin + 100, output_tokens=100, margin_tokens=margin)
    before = [dict(message) for message in messages]
    fitted, decision = fit_conversation(messages, tokenizer, budget, policy)

    assert messages == before
    assert decision.tokens_after == tokenizer.count_chat(fitted)
    assert decision.fits == (tokenizer.count_chat(fitted) + budget.output_tokens + margin <= budget.window)
    head, turns, prompt = split_turns(messages)
    if not decision.fits and policy != "none":
        assert fitted == [*head, prompt], "only what may not be cut is left"
    assert fitted[: len(head)] == head and fitted[-1] == prompt
    assert decision.tokens_dropped == decision.tokens_before - decision.tokens_after >= 0

    again, second = fit_conversation(fitted, tokenizer, budget, policy)
    assert again == fitted and second.tokens_dropped == 0

    roles = [message["role"] for message in fitted if message["role"] != "system"]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
    if policy == "keep_first" and len(roles) > 1:
        assert fitted[len(head)] == turns[0][0]

    whole = contents(messages)
    if decision.cut_turn is not None:
        source = next(m["content"] for m in turns[decision.cut_turn] if m["role"] == "assistant")
        kept = source[decision.cut_characters :]
        assert kept in contents(fitted)
        assert source[decision.cut_characters - 1].isspace() and not kept[0].isspace(), "cut inside a word"
        whole.append(kept)
    assert all(content in whole for content in contents(fitted))
