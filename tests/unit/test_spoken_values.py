"""Numbers, durations, times, dates and money as they are written, read as values."""

from __future__ import annotations

from fractions import Fraction

import pytest

from contextrot.matching.language import fold, language_of
from contextrot.matching.spoken_values import same
from contextrot.matching.words import words_of


def value(text, language="en"):
    values = [token.value for token in words_of(text, language).tokens if token.value]
    assert len(values) == 1, values
    return values[0]


@pytest.mark.parametrize(
    ("text", "language", "number"),
    [
        ("twenty-five", "en", 25),
        ("one hundred and forty", "en", 140),
        ("1.2 million", "en", 1_200_000),
        ("400k", "en", 400_000),
        ("twelve hundred", "en", 1200),
        ("half a dozen", "en", 6),
        ("a half dozen", "en", 6),
        ("two dozen", "en", 24),
        ("a dozen", "en", 12),
        ("twenty-third", "en", 23),
        ("one hundred and forty fifth", "en", 145),
        ("1.000.000", "en", 1_000_000),
        ("1.234.567,5", "en", Fraction(2_469_135, 2)),
        ("1,234,567.5", "en", Fraction(2_469_135, 2)),
        ("1,200", "en", 1200),
        ("3 1/2", "en", Fraction(7, 2)),
        ("1.200", "de", 1200),
        ("3,5", "de", Fraction(7, 2)),
        ("fünfundzwanzig", "de", 25),
        ("zwölfhundert", "de", 1200),
        ("三十五", "zh", 35),
        ("一千二百", "zh", 1200),
        ("3万", "zh", 30_000),
        ("一八七四", "zh", 1874),
        ("٣٫٥", "ar", Fraction(7, 2)),
        ("ثمانية عشر", "ar", 18),
        ("पचासी", "hi", 85),
        ("१२००", "hi", 1200),
    ],
)
def test_numbers(text, language, number):
    assert value(text, language).amount == number


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("an hour and a half", "1 hour 30 minutes"),
        ("half an hour", "30 minutes"),
        ("two weeks", "14 days"),
        ("a year and a half", "18 months"),
        ("three quarters of an hour", "45 mins"),
        ("9:00 AM", "9 a.m."),
        ("half past seven in the evening", "19:30"),
        ("quarter to nine", "8:45"),
        ("12 noon", "12:00 pm"),
        ("2023/04/19", "April 19th, 2023"),
        ("the 19th of April 2023", "2023-04-19"),
        ("$1,200", "1.2k dollars"),
        ("62%", "sixty-two per cent"),
    ],
)
def test_two_ways_of_writing_one_value(text, same_as):
    a, b = value(text), value(same_as)
    assert (a.kind, a.amount, a.unit) == (b.kind, b.amount, b.unit) or (a.kind == "time" and (a.amount - b.amount) % 720 == 0)


def test_a_code_keeps_its_zeros():
    assert value("0042").kind == "code"
    assert value("0042") != value("42")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("这是一本书", "zh"),
        ("本を読みます", "ja"),
        ("كتاب جديد", "ar"),
        ("यह किताब है", "hi"),
        ("Die Tür ist grün", "de"),
        ("The door", "en"),
        ("Tom", "en"),
    ],
)
def test_the_language_of_a_text(text, language):
    assert language_of(fold(text)) == language


def test_marks_that_make_another_letter_stay():
    assert fold("किताब") != fold("कातिब")
    assert fold("ที่") != fold("ที")
    assert fold("Tromsø") == fold("TROMSO")
    assert fold("كِتَابٌ") == fold("كتاب")


@pytest.mark.parametrize(
    ("text", "other"), [("192.168.0.1", "192.168.0.10"), ("1.2.3", "1.23"), ("1,2,3", "1.23"), ("3.1.10", "3.1.1")]
)
def test_digits_parted_twice_are_compared_as_they_are_written(text, other):
    assert same(value(text), value(text))
    assert not same(value(text), value(other))


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("-5", [-5]),
        ("it was −5 degrees", [-5]),
        ("minus 5", [-5]),
        ("down to negative five", [-5]),
        ("-$5", [-5]),
        ("-5 %", [-5]),
        ("3-4", [3, 4]),
        ("10 minus 5", [10, 5]),
        ("10 -5", [10, 5]),
        ("10 - 5", [10, 5]),
        ("b-12", [12]),
        ("eggs:\n-5\n-6", [5, 6]),
    ],
)
def test_a_sign_belongs_to_its_number_and_a_dash_does_not(text, amounts):
    assert [token.value.amount for token in words_of(text, "en").tokens if token.value] == amounts


def test_an_exponent_is_no_digit_of_its_number():
    assert [token.value.amount for token in words_of("10⁶", "en").tokens] == [10, 6]
    assert [token.text for token in words_of("m²", "en").tokens] == ["m2"]
