"""Where a curve passes its threshold: the ends of the interval, open ends, and what is not known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from contextrot.scores.length_curve import Counts, Criterion, crossing

LENGTHS = np.array([500, 1000, 2000, 4000, 8000, 16_000], float)
NOLIMA, RULER = Criterion(0.85, True), Criterion(0.856, False)


def counts(*shares: float, needles: int = 8, each: int = 40, lengths: np.ndarray = LENGTHS) -> Counts:
    """Every needle right in the same share of its answers."""
    totals = np.tile(np.round(np.array(shares) * each), (needles, 1))
    return Counts(lengths[: len(shares)], totals, np.full(totals.shape, float(each)))


FALLS = (0.95, 0.95, 0.93, 0.79, 0.6, 0.4)


def test_the_interval_holds_the_crossing_and_lies_between_a_length_that_passes_and_one_that_fails():
    found = crossing(counts(*FALLS), RULER)
    assert found.status == "within"
    assert 2000 < found.low < found.length < found.high < 4000
    assert (found.n, found.clusters) == (8 * 40 * 6, 8)


def test_more_answers_narrow_the_interval_and_a_higher_confidence_widens_it():
    few, many = (crossing(counts(*FALLS, each=each), RULER).factor for each in (4, 100))
    assert few > 1.1 * many
    assert crossing(counts(*FALLS), RULER, confidence=0.99).factor > crossing(counts(*FALLS), RULER).factor


def test_the_ends_are_no_steps_of_a_raster():
    """An interval that is cut inward to a raster is too narrow: a narrow one by a tenth."""
    ends = [
        end
        for each in (40, 50, 60, 80)
        for found in [crossing(counts(*FALLS, each=each), RULER)]
        for end in (found.low, found.high)
    ]
    steps = [32 * math.log2(end / 500) for end in ends]
    assert max(abs(step - round(step)) for step in steps) > 0.1
    assert len(set(ends)) == len(ends)


def test_a_dip_of_few_answers_before_lengths_that_surely_pass_is_not_the_crossing():
    falls = counts(*FALLS)
    falls.totals[:, 1], falls.sizes[:, 1] = np.array([1, 1, 0, 0, 0, 0, 0, 0]), np.array([1, 1, 1, 0, 0, 0, 0, 0])
    found = crossing(falls, RULER)
    assert found.length > 2000
    assert found.low > 1000
    assert found.high > found.length


def test_a_relative_threshold_follows_the_score_at_the_shortest_length():
    found = crossing(counts(0.6, 0.6, 0.6, 0.3, 0.1, 0.1), NOLIMA)
    assert found.base == pytest.approx(0.6)
    assert found.threshold == pytest.approx(0.51)
    assert 2000 < found.length < 4000


@pytest.mark.parametrize(
    ("shares", "status", "open_end"),
    [((0.99,) * 6, "beyond_longest", "high"), ((0.3, 0.2, 0.1, 0.1, 0.1, 0.1), "below_shortest", "low")],
)
def test_a_curve_that_does_not_cross_is_open_at_that_end(shares, status, open_end):
    found = crossing(counts(*shares), RULER)
    assert found.status == status
    assert found.length is None
    assert getattr(found, open_end) is None
    assert math.isinf(found.factor)


def test_a_leap_between_two_lengths_keeps_all_of_the_gap():
    found = crossing(counts(0.98, 0.98, 0.98, 0.05, 0.05, 0.05, each=400), RULER)
    assert found.leap == pytest.approx((2000, 4000))
    assert found.low <= 2000 * 1.001
    assert found.high >= 4000 * 0.999


def test_one_needle_says_nothing_of_others():
    found = crossing(counts(*FALLS, needles=1), RULER)
    assert found.length is not None
    assert (found.low, found.high) == (None, None)
    assert "single cluster" in found.reason


@pytest.mark.parametrize(
    ("shares", "reason"),
    [((), "no row counts"), ((0.9,), "only one length"), ((0.0, 0.5), "the score at the shortest length is 0")],
)
def test_what_has_no_crossing_says_why(shares, reason):
    found = crossing(counts(*shares), NOLIMA)
    assert found.status == "unknown"
    assert found.reason == reason


def test_rows_without_length_or_score_are_left_out_and_needles_keep_their_own_rows():
    made = Counts.of([500, 500, 1000, math.nan, 1000], [1, 0, 1, 1, math.nan], ["a", "b", "a", "a", "b"])
    assert made.lengths.tolist() == [500, 1000]
    assert made.names == ["a", "b"]
    assert made.totals.tolist() == [[1, 1], [0, 0]]
    assert made.sizes.tolist() == [[1, 1], [1, 0]]


def test_no_history_is_a_length_of_its_own():
    found = crossing(counts(*FALLS, lengths=np.array([0, 2, 4, 8, 16, 32], float)), RULER)
    assert 4 < found.length < 8
    assert found.low >= 0
