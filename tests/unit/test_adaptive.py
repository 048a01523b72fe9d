"""The adaptive search on known curves: it finds the length, and every early end says why."""

from __future__ import annotations

import math

import numpy as np
import pytest

from contextrot.scores.adaptive import Search, candidate_lengths
from contextrot.scores.length_curve import Criterion
from contextrot.scores.rehearsal import rehearse

LENGTHS = np.array(candidate_lengths(500, 64_000), float)
NOLIMA, RULER = Criterion(0.85, True), Criterion(0.856, False)


def search(curve, needles=8, criterion=NOLIMA, seed=0, **limits):
    """Runs to the end: last step, rounds and tokens."""
    plan = Search(criterion, LENGTHS, LENGTHS + 50, needles, **limits)
    rng = np.random.default_rng(seed)
    step, _, rounds, spent = rehearse(plan, lambda j, first, blocks: rng.binomial(blocks, curve(LENGTHS[j]), needles))
    return step, rounds, spent


def logistic(length):
    return 0.96 / (1 + (length / 8000) ** 2)


def test_it_finds_the_length_for_a_fraction_of_a_grid():
    step, rounds, spent = search(logistic)
    truth = 8000 * ((1 + (500 / 8000) ** 2) / 0.85 - 1) ** 0.5
    assert step.verdict == "found"
    assert step.found.low <= truth <= step.found.high
    assert step.found.factor <= 1.5
    assert rounds <= 8
    assert spent < 0.2 * 8 * 11 * 8 * np.geomspace(500, 64_000, 8).sum()


@pytest.mark.parametrize(
    ("curve", "criterion", "verdict"),
    [
        (lambda length: 0.98, NOLIMA, "never_falls"),
        (lambda length: 0.01, NOLIMA, "dead"),
        (lambda length: 0.5 / (1 + length / 8000), RULER, "never_passes"),
        (lambda length: 0.1 if 560 < length < 2000 else 0.98, NOLIMA, "not_monotone"),
    ],
)
def test_a_curve_without_a_crossing_ends_early_with_its_verdict(curve, criterion, verdict):
    step, rounds, _ = search(curve, criterion=criterion)
    assert step.verdict == verdict
    assert step.reason
    assert rounds < 8


def test_a_step_keeps_the_whole_gap_between_the_lengths_round_it():
    step, _, _ = search(lambda length: 0.95 if length < 9_300 else 0.1)
    assert step.verdict == "found"
    assert step.found.low <= 9_300 <= step.found.high


def test_needles_that_differ_too_much_end_the_search_and_ask_for_more_needles():
    effects = np.random.default_rng(3).normal(0, 2, 4)
    step, _, _ = search(lambda length: 0.97 / (1 + np.exp(1.2 * np.log2(length / 6000) - effects)), needles=4)
    assert step.verdict == "needles"
    assert "take more needles" in step.reason


def test_no_round_exceeds_the_cap_and_the_end_says_so():
    cap = 300_000.0
    step, _, spent = search(logistic, max_cost=cap, width=1.01)
    assert spent <= cap
    assert step.verdict == "cap"
    assert "300,000" in step.reason


@pytest.mark.parametrize("blocks", [0.5, 1.5, 2.5, 7])
def test_a_cap_of_a_few_blocks_is_kept_by_the_first_round_too(blocks):
    cap = blocks * 8 * 550.0
    step, _, spent = search(logistic, max_cost=cap)
    assert spent <= cap
    assert step.verdict == "cap"
    assert step.found.factor == math.inf


def test_a_width_that_no_search_can_reach_ends_at_its_rounds_or_needles_with_what_it_has():
    step, rounds, _ = search(logistic, width=1.01)
    assert step.verdict in ("rounds", "needles")
    assert rounds <= 8
    assert 1.01 < step.found.factor < 1.6
    assert step.found.low < 8000 * ((1 + (500 / 8000) ** 2) / 0.85 - 1) ** 0.5 < step.found.high


def test_a_narrow_range_of_lengths_is_found_within_the_rounds_too():
    lengths = np.array(candidate_lengths(256, 2000), float)
    ends = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        plan = Search(NOLIMA, lengths, lengths + 10, 4, width=2.0)
        ends.append(
            rehearse(plan, lambda j, first, blocks, rng=rng: rng.binomial(blocks, 0.97 / (1 + (lengths[j] / 1500) ** 3), 4))
        )
    assert [step.verdict for step, *_ in ends] == ["found"] * 6


def test_candidates_hold_both_ends_once_and_no_history():
    assert candidate_lengths(0, 8) == sorted(set(candidate_lengths(0, 8)))
    assert {0, 8} <= set(candidate_lengths(0, 8))
    ratios = LENGTHS[1:] / LENGTHS[:-1]
    assert max(ratios) < 1.2
    assert math.isclose(LENGTHS[-1], 64_000)
