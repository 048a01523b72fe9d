"""Prompts cut for reading: nothing lost silently, what is marked is found, no character that moves or hides others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextrot.report.excerpts import DETAILS, Detail, excerpt, places, shortened, visible

TEXT = "Start here. " + "word " * 400 + "The key is under the stone. " + "word " * 400 + "Where is the key?"
NEEDLE = "The key is under the stone."
SMALL = Detail(around=30, folded=0, answer=100)


def kinds(segments, kind):
    return [text for of, text in segments if of == kind]


def test_the_needle_with_its_answer_start_and_question_are_seen_and_the_rest_is_counted():
    segments = excerpt(TEXT, places(TEXT, [("needle", NEEDLE), ("answer", "under the stone")]), SMALL)
    assert "".join(kinds(segments, "needle")) == "The key is ."
    assert kinds(segments, "answer") == ["under the stone"]
    assert segments[0][1].startswith("Start here.")
    assert segments[-1][1].endswith("Where is the key?")
    shown = sum(len(text) for kind, text in segments if kind != "gone")
    assert shown + sum(kinds(segments, "gone")) == len(TEXT)


def test_a_fold_that_there_is_room_for_keeps_its_text():
    segments = excerpt(TEXT, places(TEXT, [("needle", NEEDLE)]), Detail(30, 5_000, 100))
    assert len(kinds(segments, "fold")) == 2
    assert "".join(text for _, text in segments) == TEXT


def test_an_answer_in_another_case_is_marked_in_its_needle_and_not_elsewhere():
    text = f"a stone. {NEEDLE} a stone."
    assert [text[a:b] for a, b, kind in places(text, [("needle", NEEDLE), ("answer", "Stone")]) if kind == "answer"] == ["stone"]
    assert len(places(text, [("answer", "Stone")])) == 3


def test_a_word_that_stands_everywhere_is_not_marked_ten_thousand_times():
    assert len(places("apple " * 10_000, [("answer", "apple")])) <= 24


def test_an_empty_passage_marks_nothing():
    assert places(TEXT, [("needle", ""), ("answer", "  ")]) == []


def test_a_planted_text_that_is_long_itself_is_cut_within():
    text = "x" * 100 + "needle " * 1_000 + "y" * 100
    segments = excerpt(text, [(100, 7_100, "needle")], SMALL)
    assert sum(len(text) for kind, text in segments if kind != "gone") < 300


@pytest.mark.parametrize("character", ["\0", "\x1b", "\x07", "\x7f", "\x9b", "\u202e", "\u2066", "\ufeff", "\U000e0041"])
def test_characters_that_move_hide_or_colour_others_are_shown_as_signs(character):
    shown = visible(f"a{character}b")
    assert character not in shown
    assert len(shown) > 2


def test_line_ends_tabs_and_languages_stay_as_they_are():
    text = "שלום\n\tمرحبا 你好 👩‍👩‍👧 e\u0301"
    assert visible(text) == text


def test_what_is_shortened_says_by_how_much():
    assert shortened("a" * 1_000, 100).count("a") == 100 + "characters".count("a")
    assert "900 characters" in shortened("a" * 1_000, 100)
    assert shortened("short", 100) == "short"


@given(st.text(max_size=400), st.lists(st.text(max_size=5), max_size=3), st.sampled_from([*DETAILS, SMALL]))
def test_whatever_the_text_nothing_of_it_is_lost_or_doubled(text, words, detail):
    segments = excerpt(text, places(text, [("answer", word) for word in words]), detail)
    assert "".join(part for kind, part in segments if kind != "gone") == visible(text) or any(k == "gone" for k, _ in segments)
