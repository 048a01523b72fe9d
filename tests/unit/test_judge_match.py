import pytest

from contextrot.judges.match import match, normalize


@pytest.mark.parametrize(
    ("reference", "answer", "rule"),
    [
        ("Platform nine", "It leaves from platform 9.", "contained"),
        ("Platform nine", "It leaves from platform nineteen.", None),
        ("3", "I counted 13 of them", None),
        ("1,200", "about 1200 people", "contained"),
        ("The Tin Heron", "Go to tin heron!", "contained"),
        ("In the blue can behind the heap", "It is kept inside the blue can, behind the compost heap", "in order"),
        ("In the blue can behind the heap", "behind the heap is a blue can", None),
        ("Write the ending first", "first you write the ending", None),
        ("yes", "Yesterday", None),
        ("3.5 km", "3.5km", "contained"),
        ("café", "CAFÉ", "contained"),
    ],
)
def test_match(reference, answer, rule):
    assert match(reference, answer) == rule


def test_an_empty_reference_matches_nothing():
    assert match("", "anything") is None
    assert match("the", "the") is None


def test_normal_form():
    assert normalize("The cat’s 1,000 Toys; nine!") == ["cat", "1000", "toys", "9"]
