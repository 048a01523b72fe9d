"""What a plan promises is what simulated runs bring, needles that differ included."""

from __future__ import annotations

import math

import numpy as np
import pytest

from contextrot.scores.clusters import clustered_difference, clustered_mean
from contextrot.scores.sample_size import (
    Assumed,
    answers_for,
    interval_width,
    needle_variances,
    needles_for,
    seen_difference,
    smallest_difference,
)

RUNS = 400


def answers(rng, p):
    return (rng.random(p.shape) < p).astype(float)


def logits_of(score, spread):
    """Middle of the log-odds at which needles have this mean score."""
    from scipy.optimize import brentq

    nodes, weights = np.polynomial.hermite_e.hermegauss(31)
    return brentq(lambda m: (1 / (1 + np.exp(-(m + spread * nodes)))) @ weights / weights.sum() - score, -20, 20)


@pytest.mark.parametrize(("needles", "each", "interaction"), [(8, 20, 0.7), (16, 10, 0.0), (6, 40, 1.2)])
def test_the_smallest_difference_is_found_with_the_power_it_was_planned_for(needles, each, interaction):
    assumed = Assumed(0.7, 0.7, interaction, 0.8)
    difference = smallest_difference(assumed, needles, each)
    rng, names, found = np.random.default_rng([needles, each]), np.repeat(np.arange(needles), each), 0
    wide = math.hypot(0.7, interaction)
    middles = [logits_of(0.7 + sign * difference / 2, wide) for sign in (1, -1)]
    for _ in range(RUNS):
        common = rng.normal(0, 0.7, needles)
        rows = [(m + common + rng.normal(0, interaction, needles))[names] for m in middles]
        first, second = (answers(rng, 1 / (1 + np.exp(-row))) for row in rows)
        found += clustered_difference(first, second, names).p_value < 0.05
    assert found / RUNS == pytest.approx(0.8, abs=0.08)


@pytest.mark.parametrize(("needles", "each", "spread"), [(8, 11, 0.7), (16, 5, 0.0), (8, 40, 1.5)])
def test_the_width_of_an_interval_is_the_mean_width_of_simulated_ones(needles, each, spread):
    rng, names = np.random.default_rng([needles, each, 1]), np.repeat(np.arange(needles), each)
    middle, widths = logits_of(0.7, spread), []
    for _ in range(RUNS):
        p = 1 / (1 + np.exp(-(middle + rng.normal(0, spread, needles))))
        found = clustered_mean(answers(rng, p[names]), names, (0, 1))
        widths.append(found.high - found.low)
    assert interval_width(Assumed(0.7, spread), needles, each) == pytest.approx(np.mean(widths), rel=0.08)


def test_the_least_number_of_answers_is_the_least():
    assumed = Assumed(0.7, 0.3, 0.3)
    count = answers_for(lambda n: smallest_difference(assumed, 16, n), 0.12)
    assert smallest_difference(assumed, 16, count) <= 0.12 < smallest_difference(assumed, 16, count - 1)


def test_where_more_answers_never_help_more_needles_do():
    assumed = Assumed(0.7, 1.5, 1.5)
    assert answers_for(lambda n: smallest_difference(assumed, 4, n), 0.1) is None
    needles = needles_for(lambda k: smallest_difference(assumed, k, 11), 0.1)
    assert smallest_difference(assumed, needles, 11) <= 0.1 < smallest_difference(assumed, needles - 1, 11)


def test_needles_alike_have_no_variance_and_a_single_one_promises_nothing():
    assert needle_variances(0.8, 0.0) == pytest.approx((0, 0), abs=1e-9)
    assert smallest_difference(Assumed(), 1, 100) == math.inf
    assert interval_width(Assumed(), 1, 100) == 1.0
    total, shared = needle_variances(0.7, 0.7, 0.7)
    assert 0 < shared < total


def test_what_a_run_could_have_seen_shrinks_with_its_needles_and_is_unknown_for_one():
    rng = np.random.default_rng(0)
    few, many = (seen_difference(answers(rng, np.full(k * 20, 0.7)), np.repeat(np.arange(k), 20)) for k in (6, 60))
    assert many < few
    error = math.sqrt(0.21 / 1200)
    assert many == pytest.approx((2.0 + 0.85) * math.sqrt(2) * error, rel=0.2)
    assert seen_difference([1.0, 0.0], ["a", "a"]) is None
