"""The posterior of a logistic curve on a grid: Bayes' rule, and a grid that follows it."""

from __future__ import annotations

import numpy as np
import pytest

from contextrot.scores.length_posterior import Grid, fitted

OCTAVES = np.arange(8.0, 17.0)
ENDS = (8.0, 16.0)


def shares(middle: float, slope: float = 1.5) -> np.ndarray:
    return 0.95 / (1 + np.exp(slope * (OCTAVES - middle)))


def test_weights_are_prior_times_binomial_likelihood():
    from scipy.stats import binom

    grid = Grid.wide(*ENDS)
    right, asked = np.array([9.0, 8, 7, 5, 3, 1, 0, 0, 0]), np.full(9, 10.0)
    found = grid.posterior(OCTAVES, right[None], asked[None])[0]
    log = binom.logpmf(right, asked, grid.probabilities(OCTAVES)).sum(axis=1) + grid.log_prior
    expected = np.exp(log - log.max())
    assert found == pytest.approx(expected / expected.sum(), abs=1e-10)


def test_every_curve_falls_and_stays_between_0_and_1():
    curves = Grid.wide(*ENDS).probabilities(OCTAVES)
    assert (np.diff(curves, axis=1) <= 1e-12).all()
    assert curves.min() > 0
    assert curves.max() < 1


def test_without_answers_the_posterior_is_the_prior():
    grid = Grid.wide(*ENDS)
    none = np.zeros((1, 9))
    prior = np.exp(grid.log_prior)
    assert grid.posterior(OCTAVES, none, none)[0] == pytest.approx(prior / prior.sum())


@pytest.mark.parametrize("middle", [9.3, 12.0, 14.7])
def test_the_refined_grid_finds_a_known_midpoint_for_each_data_set(middle):
    asked = np.full((2, 9), 400.0)
    right = np.stack([shares(middle), shares(middle + 0.4)]) * 400
    grid, weights = fitted(OCTAVES, right, asked, ENDS)
    midpoints = np.repeat(grid.axes[0], np.prod(grid.shape[1:]))
    assert weights.sum(axis=1) == pytest.approx(1)
    assert weights @ midpoints == pytest.approx([middle, middle + 0.4], abs=0.15)
    assert np.ptp(grid.axes[0]) < np.ptp(Grid.wide(*ENDS).axes[0]) / 3


def test_more_answers_make_the_midpoint_surer():
    spreads = []
    for each in (20, 80, 320):
        grid, weights = fitted(OCTAVES, shares(12)[None] * each, np.full((1, 9), float(each)), ENDS)
        midpoints = np.repeat(grid.axes[0], np.prod(grid.shape[1:]))
        spreads.append(float(weights[0] @ midpoints**2 - (weights[0] @ midpoints) ** 2) ** 0.5)
    assert spreads[0] > 1.5 * spreads[1] > 2.25 * spreads[2]
