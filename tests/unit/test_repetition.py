"""Repetition measures against counts by hand and a brute-force search."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contextrot.tasks.story_sequences.repetition import distinct_n, longest_repeated_span, overlap, words_of


def test_words_ignore_case_and_punctuation_but_keep_apostrophes():
    assert words_of("The cat's whiskers -- the CAT'S!") == ["the", "cat's", "whiskers", "the", "cat's"]


def test_text_without_spaces_is_not_one_long_word():
    assert words_of("春が来た。OK") == ["春", "が", "来", "た", "ok"]


def test_distinct_n_counts_each_different_ngram_once():
    words = "a b a b a c".split()
    assert distinct_n(words, 1) == 3 / 6
    assert distinct_n(words, 2) == 3 / 5  # ab, ba, ac
    assert distinct_n(words, 3) == 3 / 4  # aba, bab, bac


def test_distinct_n_of_too_few_words_is_missing_not_zero():
    assert distinct_n(["one"], 2) is None
    assert distinct_n([], 1) is None


@pytest.mark.parametrize(
    ("text", "longest"),
    [
        ("", 0),
        ("all words here differ", 0),
        ("a b a", 1),
        ("ha ha ha ha ha ha", 3),  # a loop does not count as a span overlapping itself
        ("the end is near and the end is far", 3),
        ("x y z x y z x y z", 3),
    ],
)
def test_longest_repeated_span_by_hand(text, longest):
    assert longest_repeated_span(text.split()) == longest


def brute_force(words):
    n = len(words)
    return max(
        (
            k
            for k in range(n // 2 + 1)
            for i in range(n - 2 * k + 1)
            for j in range(i + k, n - k + 1)
            if words[i : i + k] == words[j : j + k]
        ),
        default=0,
    )


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from("abc"), max_size=24))
def test_longest_repeated_span_equals_a_search_of_all_pairs(words):
    assert longest_repeated_span(words) == brute_force(words)


def test_a_text_of_two_equal_halves_repeats_half_of_itself():
    half = [f"w{i}" for i in range(8_000)]
    assert longest_repeated_span(half * 2) == 8_000


def test_overlap_is_the_share_of_ngrams_said_before():
    earlier = ["a b c d".split(), "x y z".split()]
    assert overlap("a b c x y q".split(), earlier, n=2) == 3 / 5  # ab, bc, xy of ab, bc, cx, xy, yq


def test_ngrams_across_two_earlier_texts_do_not_count_as_said():
    assert overlap("d x".split(), ["c d".split(), "x y".split()], n=2) == 0.0


def test_overlap_without_an_earlier_text_is_missing():
    assert overlap("a b c".split(), [], n=2) is None
    assert overlap(["a"], [["a", "b"]], n=2) is None
