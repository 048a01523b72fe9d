"""Intervals over clusters: they cover needles of the kind, whatever their spread, and equal models stay equal."""

from __future__ import annotations

import numpy as np
import pytest

from contextrot.scores.clusters import (
    clustered_difference,
    clustered_mean,
    clustered_ranks,
    degrees_of_freedom,
    share_interval,
)
from contextrot.scores.stats import wilson_interval

RUNS = 1500
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(41)


def right(rng, logits):
    return (rng.random(np.shape(logits)) < 1 / (1 + np.exp(-logits))).astype(float)


@pytest.mark.parametrize("needles", [4, 8, 16])
@pytest.mark.parametrize("spread", [0.0, 0.7, 1.5])
def test_the_interval_of_one_length_covers_needles_of_the_kind(needles, spread):
    rng, hits = np.random.default_rng([needles, int(10 * spread)]), 0
    names = np.repeat(np.arange(needles), 11)
    for _ in range(RUNS):
        middle = rng.uniform(-2.5, 3)
        truth = (1 / (1 + np.exp(-(middle + spread * NODES)))) @ WEIGHTS / WEIGHTS.sum()
        found = clustered_mean(right(rng, (middle + rng.normal(0, spread, needles))[names]), names, (0, 1))
        hits += found.low <= truth <= found.high
    assert 0.925 <= hits / RUNS <= 0.975


@pytest.mark.parametrize("needles", [4, 8, 16])
@pytest.mark.parametrize("spread", [0.0, 0.7, 1.5])
def test_two_equal_models_are_seldom_called_different_though_needles_suit_each_differently(needles, spread):
    rng, called = np.random.default_rng([needles, int(10 * spread), 1]), 0
    names = np.repeat(np.arange(needles), 5)
    for _ in range(RUNS):
        shared = rng.uniform(-2.5, 3) + rng.normal(0, spread, needles)
        first, second = (right(rng, (shared + rng.normal(0, spread, needles))[names]) for _ in range(2))
        called += clustered_difference(first, second, names).p_value < 0.05
    assert called / RUNS <= 0.065


def test_clusters_of_one_row_each_have_wilsons_interval():
    found = clustered_mean(np.array([1.0, 1, 0, 1]), range(4), (0, 1))
    assert (found.low, found.high) == wilson_interval(3, 4)


def test_an_interval_without_clustering_is_near_wilsons_and_at_the_ends_is_his():
    assert share_interval(0.3, 200, 1.0, 1e9) == pytest.approx(wilson_interval(60, 200), abs=0.004)
    assert share_interval(1.0, 20, None, 3) == wilson_interval(20, 20)


def test_the_variance_between_clusters_is_that_of_generalised_estimating_equations():
    from statsmodels.genmod.cov_struct import Independence
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_estimating_equations import GEE

    rng = np.random.default_rng(4)
    names = np.repeat(np.arange(9), 12)
    values = right(rng, rng.normal(0.5, 1, 9)[names])
    fit = GEE(values, np.ones((len(names), 1)), names, family=Binomial(), cov_struct=Independence()).fit()
    found = clustered_mean(values, names, (0, 1))
    independent = 1 / (len(names) * found.mean * (1 - found.mean))  # of the log-odds
    assert found.design_effect * independent == pytest.approx(fit.cov_params()[0, 0] * 9 / 8, rel=1e-4)


def test_one_cluster_says_nothing_of_others():
    assert clustered_mean(np.ones(5), ["a"] * 5, (0, 1)).low is None
    assert clustered_difference([1, 0], [0, 0], ["a", "a"]).p_value is None


def test_clusters_that_all_agree_have_a_width():
    names = np.repeat(range(6), 4)
    found = clustered_mean(np.tile([1.0, 1, 0, 1], 6), names, (0, 1))
    assert found.low < 0.70 < 0.79 < found.high
    assert clustered_mean(np.ones(24), names, (0, 1)).low < 0.9


def test_a_cluster_that_holds_nearly_all_rows_leaves_one_degree_of_freedom():
    assert degrees_of_freedom(np.full(8, 5.0)) == pytest.approx(7)
    assert degrees_of_freedom(np.array([1000.0, 1, 1, 1])) == 1


def test_ranks_of_equal_models_are_open_and_of_unequal_ones_are_not():
    rng = np.random.default_rng(0)
    names, scores = np.repeat(range(8), 20), rng.random((160, 2))
    assert [(rank.low, rank.high) for rank in clustered_ranks(scores.round(), names, rng)] == [(1, 2), (1, 2)]
    apart = np.column_stack([np.ones(160), (scores[:, 1] > 0.7).astype(float)])
    assert [(rank.low, rank.high) for rank in clustered_ranks(apart, names, rng)] == [(1, 1), (2, 2)]
