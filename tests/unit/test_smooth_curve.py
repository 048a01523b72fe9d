"""A curve without a formula: its variance is the field's where there is much data, and it claims nothing between the lengths."""

from __future__ import annotations

import numpy as np
import pytest

from contextrot.scores.smooth_curve import SmoothCurve

OCTAVES = np.array([8.0, 10.0, 12.0])


def answers(needles: int, each: int, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Right answers and answers by needle and length, (K, J), of a curve that falls from 0.95 to 0.27."""
    rng = np.random.default_rng(seed)
    logits = np.array([3.0, 1.0, -1.0]) + rng.normal(0, spread, needles)[:, None]
    return rng.binomial(each, 1 / (1 + np.exp(-logits))).astype(float), np.full((needles, 3), float(each))


def test_with_many_answers_the_variance_between_needles_is_that_of_generalised_estimating_equations():
    from statsmodels.genmod.cov_struct import Independence
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_estimating_equations import GEE

    right, asked = answers(12, 200, 0.8)
    rows = [(k, j, float(i < right[k, j])) for k in range(12) for j in range(3) for i in range(200)]
    needle, length, value = (np.array(column) for column in zip(*rows, strict=True))
    fit = GEE(value, np.eye(3)[length.astype(int)], needle, family=Binomial(), cov_struct=Independence()).fit()
    found = SmoothCurve.of(OCTAVES, right, asked).distance(OCTAVES, 0.5, relative=False)
    assert found.mean == pytest.approx(fit.params, abs=0.05)
    assert found.between == pytest.approx(np.diag(fit.cov_params()) * 12 / 11, rel=0.06)


def test_needles_alike_have_the_variance_of_independent_answers_and_needles_apart_more():
    alike, apart = (
        np.mean(
            [
                (found := SmoothCurve.of(OCTAVES, *answers(16, 40, spread, seed)).distance(OCTAVES, 0.5, relative=False)).between
                / found.sampling
                for seed in range(40)
            ]
        )
        for spread in (0.0, 1.0)
    )
    assert alike == pytest.approx(1, abs=0.15)
    assert apart > 3


def test_between_two_lengths_the_curve_is_straight_and_least_sure_in_the_middle():
    curve = SmoothCurve.of(OCTAVES, *answers(8, 50, 0.5))
    places = np.array([10.0, 10.5, 11.0, 12.0])
    found = curve.distance(places, 0.5, relative=False)
    assert found.mean[2] == pytest.approx(found.mean[[0, 3]].mean())
    assert found.smoothing[2] > found.smoothing[1] > found.smoothing[0]


def test_a_relative_threshold_leans_on_the_score_at_the_shortest_length():
    curve = SmoothCurve.of(OCTAVES, *answers(8, 50, 0.5))
    relative = curve.distance(OCTAVES, 0.85, relative=True)
    first = 1 / (1 + np.exp(-(curve.weights @ curve.log_odds)[0]))
    assert relative.mean == pytest.approx(curve.distance(OCTAVES, 0.85 * first, relative=False).mean, abs=0.02)
    assert relative.between[0] < curve.distance(OCTAVES, 0.85, relative=False).between[0]
