"""Effective length, relative curves and slopes: published values, traps, and the measured coverage of the interval."""

import numpy as np
import pytest
from scipy.optimize import isotonic_regression
from statsmodels.stats.proportion import proportion_confint

from contextrot.scores.rot_curves import Curve, effective_length, length_slope, non_increasing, relative_curve


def rng(seed=0):
    return np.random.default_rng(seed)


def rows(by_length, n=20):
    """Lengths and scores with `k` right of `n` at each length."""
    lengths = [length for length in by_length for _ in range(n)]
    return lengths, [float(i < k) for k in by_length.values() for i in range(n)]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ((96.6, 96.3, 95.2, 93.2, 87.0, 81.2), 65536),  # GPT-4-1106, RULER's table
        ((96.5, 95.8, 95.4, 94.8, 88.4, 66.6), 65536),  # Llama 3.1 70B
    ],
)
def test_longest_passing_length_is_rulers(scores, expected):
    lengths = [2**k for k in range(12, 18)]
    assert effective_length(lengths, np.array(scores) / 100, rng()).longest_passing == expected


def test_longest_passing_length_is_nolimas():
    # GPT-4o, NoLiMa's table from 1K to 32K: effective length 8K
    scores = np.array([98.1, 98.0, 95.7, 89.2, 81.6, 69.7]) / 100
    found = effective_length([1000 * 2**k for k in range(6)], scores, rng(), definition="nolima")
    assert found.longest_passing == 8000
    assert found.threshold == pytest.approx(0.85 * 0.981)


def test_score_equal_to_rulers_threshold_does_not_exceed_it():
    assert effective_length([1000, 2000], [0.9, 0.856], rng()).longest_passing == 1000


def test_score_equal_to_nolimas_share_passes():
    assert effective_length([1000, 2000], [0.8, 0.68], rng(), definition="nolima").longest_passing == 2000


def test_all_lengths_pass_is_beyond_the_longest_not_equal_to_it():
    found = effective_length(*rows({1000: 20, 2000: 20, 4000: 20}, 20), rng())
    assert (found.status, found.longest_passing, found.crossing, found.high) == ("beyond_longest", 4000, None, None)


def test_no_length_passes_is_below_the_shortest_not_zero():
    found = effective_length(*rows({1000: 8, 2000: 4}), rng())
    assert (found.status, found.longest_passing, found.crossing) == ("below_shortest", None, None)
    assert (found.low, found.high) == (None, 1000)


def test_no_row_is_unknown_with_a_reason():
    found = effective_length([1000, 2000], [np.nan, np.nan], rng())
    assert (found.status, found.longest_passing, found.low, found.reason) == ("unknown", None, None, "no row counts")


def test_base_of_zero_has_no_share():
    found = effective_length(*rows({1000: 0, 2000: 3}), rng(), definition="nolima")
    assert (found.status, found.reason) == ("unknown", "the score at the shortest length is 0")


def test_crossing_lies_between_the_lengths_around_it_and_the_interval_holds_both():
    found = effective_length(*rows({1000: 20, 2000: 19, 4000: 12, 8000: 1}), rng())
    assert 2000 < found.crossing < 4000
    assert (found.low or 0) <= 2000
    assert found.high >= 4000


def test_crossing_of_an_exact_logistic_curve_is_found_between_the_lengths():
    lengths = 1000 * 2.0 ** np.arange(6)
    scores = 1 / (1 + np.exp(1.5 * (np.log2(lengths) - np.log2(9000))))
    found = effective_length(np.repeat(lengths, 200), np.repeat(scores, 200), rng(), draws=50)
    assert found.crossing == pytest.approx(9000 * 2 ** (-np.log(0.856 / 0.144) / 1.5), rel=1e-6)


def test_published_gpt_4_1_answers_rise_again_but_their_effective_length_is_5k():
    right = {500: 11, 1000: 11, 5000: 11, 10_000: 2, 50_000: 1, 100_000: 4, 500_000: 4, 900_000: 5}
    for definition in ("ruler", "nolima"):
        found = effective_length(*rows(right, 11), rng(), definition=definition)
        assert found.longest_passing == 5000
        assert 5000 < found.crossing < 10_000
        assert found.high == 10_000


def test_interval_is_the_same_for_the_same_seed_only():
    data = rows({500: 18, 1000: 17, 2000: 16, 4000: 15, 8000: 14, 16000: 13}, 20)
    assert effective_length(*data, rng(1)) == effective_length(*data, rng(1))


def test_several_rows_of_one_sample_do_not_count_as_many_samples():
    lengths, scores = rows({1000: 20, 2000: 16, 4000: 10, 8000: 2})
    names = [f"{i % 20}-{length}" for i, length in enumerate(lengths)]
    once = effective_length(lengths, scores, rng(), names)
    tenfold = effective_length(lengths * 10, scores * 10, rng(), names * 10)
    assert (once.low, once.high) == (tenfold.low, tenfold.high)
    apart = effective_length(lengths * 10, scores * 10, rng())
    assert (apart.low or 0, apart.high) != (once.low or 0, once.high)


@pytest.mark.parametrize(("right", "n"), [(11, 11), (9, 11), (0, 11), (40, 88)])
def test_draws_of_right_or_wrong_scores_are_clopper_pearsons(right, n):
    lower, upper = Curve([1000] * n, [1.0] * right + [0.0] * (n - right)).draws(rng(), 100_000)
    exact = proportion_confint(right, n, method="beta")
    assert (np.quantile(lower, 0.025), np.quantile(upper, 0.975)) == pytest.approx(exact, abs=0.004)


def test_isotonic_fit_agrees_with_scipys():
    curves, weights = rng(3).random((50, 7)), rng(4).integers(1, 20, 7).astype(float)
    expected = [isotonic_regression(curve, weights=weights, increasing=False).x for curve in curves]
    assert non_increasing(curves, weights) == pytest.approx(np.array(expected))


def test_relative_curve_is_1_at_the_shortest_and_missing_on_a_base_of_0():
    first, second = relative_curve(*rows({1000: 20, 4000: 10}), rng())
    assert (first["relative"], first["relative_low"], first["relative_high"]) == (1, 1, 1)
    assert second["relative"] == 0.5
    assert 0.2 < second["relative_low"] < 0.5 < second["relative_high"] < 0.8
    assert relative_curve(*rows({1000: 0, 4000: 10}), rng())[1]["relative"] is None
    assert relative_curve([], [], rng()) == []


def test_a_length_of_zero_such_as_no_history_has_a_crossing_and_a_slope():
    lengths, scores = rows({0: 19, 1: 18, 3: 9, 7: 3})
    found = effective_length(lengths, scores, rng())
    assert 1 < found.crossing < 3
    slope = length_slope(scores, lengths)
    assert slope.slope == pytest.approx(length_slope(scores, np.array(lengths) + 1).slope)
    assert slope.high < 0


ORING_TEMPERATURE = [66, 70, 69, 68, 67, 72, 73, 70, 57, 63, 70, 78, 67, 53, 67, 75, 70, 81, 76, 79, 75, 76, 58]
ORING_FAILURE = [0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1]


def test_slope_of_the_challenger_o_rings():
    # S. R. Dalal et al. (1989): intercept 15.0429, slope -0.2322, standard error 0.1082
    found = length_slope(ORING_FAILURE, 2.0 ** np.array(ORING_TEMPERATURE))
    assert found.terms["intercept"] == pytest.approx(15.0429, abs=1e-3)
    assert found.slope == pytest.approx(-0.2322, abs=1e-4)
    assert (found.high - found.low) / 2 / 1.959964 == pytest.approx(0.1082, abs=1e-3)


def test_slope_with_positions_finds_the_curve_that_made_the_answers():
    r = rng(5)
    lengths, positions = 2.0 ** r.integers(8, 14, 20_000), r.random(20_000)
    place = 2 * positions - 1
    odds = 8 - 0.8 * np.log2(lengths) + 0.3 * place + 0.6 * place**2
    found = length_slope(r.random(20_000) < 1 / (1 + np.exp(-odds)), lengths, positions)
    assert found.low < -0.8 < found.high
    assert found.terms["position"] == pytest.approx(0.3, abs=0.1)
    assert found.terms["position_squared"] == pytest.approx(0.6, abs=0.2)


def test_separated_answers_have_no_slope_and_say_why():
    found = length_slope([1, 1, 1, 0, 0, 0, 0], [1, 2, 4, 8, 16, 32, 64])
    assert found.slope is None
    assert "separated" in found.reason


def test_quasi_separated_answers_have_no_slope_either():
    assert "separated" in length_slope([1, 1, 1, 0, 1, 0, 0, 0], [1, 1, 2, 2, 2, 2, 4, 4]).reason


@pytest.mark.parametrize(
    ("scores", "lengths", "reason"),
    [([], [], "no row counts"), ([1, 0], [8, 8], "only one length"), ([1, 1], [8, 16], "all scores are the same")],
)
def test_no_slope_has_its_reason(scores, lengths, reason):
    assert length_slope(scores, lengths).reason == reason


def test_one_position_alone_is_left_out_of_the_terms():
    found = length_slope(ORING_FAILURE, 2.0 ** np.array(ORING_TEMPERATURE), [0.5] * 23)
    assert list(found.terms) == ["intercept", "log2_length"]


def test_repeated_rows_of_a_sample_do_not_narrow_the_slope():
    names = list(range(23)) * 8
    many = length_slope(ORING_FAILURE * 8, 2.0 ** np.array(ORING_TEMPERATURE * 8), clusters=names)
    apart = length_slope(ORING_FAILURE * 8, 2.0 ** np.array(ORING_TEMPERATURE * 8))
    assert many.slope == pytest.approx(-0.2322, abs=1e-4)
    assert many.high - many.low > 2 * (apart.high - apart.low)


def test_fractions_are_accepted():
    r = rng(6)
    lengths = np.repeat(2.0 ** np.arange(6, 12), 30)
    found = length_slope(np.clip(1.2 - 0.1 * np.log2(lengths) + r.normal(0, 0.05, 180), 0, 1), lengths)
    assert found.low <= found.slope <= found.high < 0


GRIDS = {
    "octaves": 500 * 2.0 ** np.arange(8),
    "published": np.array([500, 1000, 5000, 10_000, 50_000, 100_000, 500_000, 900_000.0]),
    "three": np.array([4000, 8000, 16_000.0]),
}


@pytest.mark.parametrize("definition", ["ruler", "nolima"])
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("n", [11, 40])
@pytest.mark.parametrize(
    ("top", "half", "slope"), [(1.0, 8000, 1.5), (0.97, 12_000, 1.0), (0.95, 20_000, 2.5), (1.0, 30_000, 0.7)]
)
def test_interval_covers_the_true_length_in_93_percent_of_200_repetitions(definition, grid, n, top, half, slope):
    lengths, seeds = GRIDS[grid], range(200)
    curve = top / (1 + np.exp(slope * (np.log2(lengths) - np.log2(half))))
    threshold = 0.856 if definition == "ruler" else 0.85 * curve[0]
    truth = half * 2 ** (np.log(top / threshold - 1) / slope)
    covered = 0
    for seed in seeds:
        draw = np.random.default_rng([seed, n])
        scores = (draw.random((n, len(lengths))) < curve).astype(float)
        found = effective_length(np.tile(lengths, n), scores.ravel(), draw, definition=definition, draws=300)
        reaches = found.low is None or found.low <= truth
        ends = truth <= found.high if found.high else True
        covered += reaches and ends
    assert covered >= 0.93 * len(seeds)
