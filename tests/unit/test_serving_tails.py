import numpy as np
import pytest

from contextrot.scores.tails import clustered, effective_number, quantile_interval


def test_so_few_values_cannot_bound_a_tail():
    value, _, high = quantile_interval(np.arange(100.0), np.zeros(100), 0.99)
    assert value == pytest.approx(98.01)
    assert high is None


def test_the_bound_of_p99_needs_368_values():
    bounds = [quantile_interval(np.arange(float(n)), np.zeros(n), 0.99)[2] for n in (367, 368)]
    assert bounds[0] is None
    assert bounds[1] == 367.0


def test_ranks_of_the_median_are_those_of_the_sign_test():
    """n = 20: the 6th and the 15th value (Conover, Practical Nonparametric Statistics, table A3)."""
    assert quantile_interval(np.arange(1.0, 21.0), np.zeros(20), 0.5) == (10.5, 6.0, 15.0)


def test_no_value_has_no_quantile():
    assert quantile_interval(np.array([]), np.array([]), 0.5) == (None, None, None)


def test_values_that_go_with_their_repeat_tell_less():
    clusters = np.repeat(np.arange(4), 50)
    alike = np.repeat([True, False, True, False], 50)
    assert effective_number(np.tile([True, False], 100), clusters) == 200
    assert effective_number(alike, clusters) < 4


def test_a_mean_over_repeats_has_the_interval_of_their_means():
    from scipy.stats import t

    values, clusters = np.array([1.0, 3.0, 2.0, 4.0, 3.0, 5.0]), np.repeat([0, 1, 2], 2)
    value, low, high = clustered(values, clusters, np.mean)
    half = t.ppf(0.975, 2) / np.sqrt(3)  # the means 2, 3, 4 have standard deviation 1
    assert (value, low, high) == pytest.approx((3.0, 3.0 - half, 3.0 + half))


@pytest.mark.parametrize("between", [0.0, 0.3])
@pytest.mark.parametrize("statistic", [np.mean, np.median])
def test_intervals_over_repeats_cover(statistic, between):
    rng = np.random.default_rng(1)
    truth = {np.mean: np.exp((0.25 + between**2) / 2), np.median: 1.0}[statistic]
    clusters, covered = np.repeat(np.arange(5), 32), 0
    for _ in range(300):
        values = np.exp(rng.normal(0, 0.5, 160) + rng.normal(0, between, 5)[clusters])
        _, low, high = clustered(values, clusters, statistic)
        covered += low <= truth <= high
    assert covered / 300 > 0.9


@pytest.mark.parametrize("between", [0.0, 0.3])
def test_tails_cover_or_say_nothing(between):
    from scipy.stats import norm

    rng = np.random.default_rng(2)
    clusters, covered = np.repeat(np.arange(5), 64), 0
    truth = np.exp(norm.ppf(0.99) * np.sqrt(0.25 + between**2))
    for _ in range(300):
        values = np.exp(rng.normal(0, 0.5, 320) + rng.normal(0, between, 5)[clusters])
        _, low, high = quantile_interval(values, clusters, 0.99)
        covered += (low is None or low <= truth) and (high is None or truth <= high)
    assert covered / 300 > 0.93
