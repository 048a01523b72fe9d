"""Each statistic against a published or hand-computed value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata
from statsmodels.stats.contingency_tables import mcnemar as exact_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from contextrot.scores.stats import (
    bounded_mean_interval,
    cohen_kappa,
    holm,
    mcnemar,
    mean_interval,
    paired_difference,
    ranks,
    ratio_interval,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_matches_the_table_of_newcombe_1998(successes, n, low, high):
    assert wilson_interval(successes, n) == pytest.approx((low, high), abs=5e-5)


def test_an_empty_group_has_no_mean_and_no_interval():
    assert wilson_interval(0, 0) == (None, None)
    assert mean_interval(np.array([])) == (None, None, None)


@pytest.mark.parametrize("n", range(1, 40))
def test_wilson_interval_ends_at_exactly_0_and_1(n):
    assert wilson_interval(0, n)[0] == 0
    assert wilson_interval(n, n)[1] == 1


def test_right_or_wrong_scores_get_wilsons_interval_and_counts_of_0_and_1_do_not():
    values = np.array([0.0, 1.0, 1.0])
    assert mean_interval(values, (0, 1))[1:] == wilson_interval(2, 3)
    assert mean_interval(values)[1] < 0


@pytest.mark.parametrize(("successes", "n"), [(0, 3), (2, 3), (7, 20), (40, 40)])
def test_the_interval_of_a_bounded_mean_is_clopper_pearsons_for_values_at_the_limits(successes, n):
    from statsmodels.stats.proportion import proportion_confint

    values = np.repeat([1.0, 0.0], [successes, n - successes])
    low, high = proportion_confint(successes, n, method="beta")
    assert bounded_mean_interval(values, draws=200_000) == pytest.approx((low, high), abs=3e-3)


def test_one_value_between_limits_has_the_interval_that_is_found_by_hand():
    # With weights u and 1 - u, u uniform: the 2.5 % quantile of 0.4 u, the 97.5 % quantile of 0.4 u + 1 - u.
    assert bounded_mean_interval(np.array([0.4]), draws=200_000) == pytest.approx((0.01, 0.985), abs=2e-3)


BOUNDED = {
    "uniform": (lambda rng, shape: rng.random(shape), 1 / 2),
    "ends": (lambda rng, shape: rng.beta(0.5, 0.5, shape), 1 / 2),
    "near 1": (lambda rng, shape: rng.beta(5, 1, shape), 5 / 6),
    "mostly 1": (lambda rng, shape: np.where(rng.random(shape) < 0.9, 1, rng.random(shape)), 0.95),
    "rarely 1, else a half": (lambda rng, shape: np.where(rng.random(shape) < 0.02, 1, 0.5), 0.51),
    "right or wrong": (lambda rng, shape: (rng.random(shape) < 0.1) * 1.0, 0.1),
}


@pytest.mark.parametrize("name", BOUNDED)
@pytest.mark.parametrize("n", [2, 3, 10, 30])
def test_the_interval_of_a_bounded_mean_covers_it_at_least_as_often_as_it_says_and_keeps_its_limits(name, n):
    draw, mean = BOUNDED[name]
    found = np.array([bounded_mean_interval(values) for values in draw(np.random.default_rng(10), (400, n))])
    assert found.min() >= 0 and found.max() <= 1
    covered = np.mean((found[:, 0] <= mean) & (mean <= found[:, 1]))
    assert covered >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / 400)


def test_students_interval_would_pass_1_and_cover_too_seldom():
    values = np.array([1.0, 0.55, 0.52])
    assert mean_interval(values)[2] > 1
    mean, low, high = mean_interval(values, (0, 1))
    assert 0 < low < mean < high <= 1
    draw, mean = BOUNDED["mostly 1"]
    student = np.array([mean_interval(values)[1:] for values in draw(np.random.default_rng(11), (400, 10))])
    assert np.mean((student[:, 0] <= mean) & (mean <= student[:, 1])) < 0.7


def test_many_values_get_nearly_students_interval():
    values = np.random.default_rng(12).random(2_000)
    assert bounded_mean_interval(values) == pytest.approx(mean_interval(values)[1:], abs=2e-3)


def test_other_limits_move_the_interval_with_them():
    ratings = np.array([1.0, 2.0, 5.0, 5.0])
    shares = bounded_mean_interval((ratings - 1) / 4)
    assert bounded_mean_interval(ratings, (1, 5)) == pytest.approx([1 + 4 * end for end in shares])


def test_a_value_beyond_its_limits_is_an_error_and_not_cut():
    with pytest.raises(ValueError, match="beyond the limits 0 and 1"):
        mean_interval(np.array([0.5, 1.5]), (0, 1))


def test_mean_without_limits_gets_students_interval():
    # mean 0.5, s = 0.2, t(0.975, 3) = 3.182446: 0.5 +- 3.182446 * 0.2 / 2
    values = 0.5 + 0.2 * np.sqrt(3 / 4) * np.array([1, -1, 1, -1])
    assert mean_interval(values) == pytest.approx((0.5, 0.5 - 0.3182446, 0.5 + 0.3182446))


def test_one_value_without_limits_has_a_mean_but_no_interval():
    assert mean_interval(np.array([0.4])) == (0.4, None, None)


def pairs(both, only_first, only_second, neither):
    first = [1] * (both + only_first) + [0] * (only_second + neither)
    second = [1] * both + [0] * only_first + [1] * only_second + [0] * neither
    return first, second


def test_mcnemar_is_exact_and_two_sided():
    # 1 of 6 discordant pairs: 2 * (C(6,0) + C(6,1)) / 2**6
    result = mcnemar(*pairs(10, 1, 5, 4))
    assert (result.n, result.only_first, result.only_second) == (20, 1, 5)
    assert result.p_value == pytest.approx(14 / 64)
    assert result.difference == pytest.approx(-4 / 20)
    assert result.odds_ratio == pytest.approx(1 / 5)


def test_mcnemar_difference_of_agrestis_approval_table():
    # A. Agresti, Categorical Data Analysis: 0.040, 95 % interval (0.021, 0.059)
    result = mcnemar(*pairs(794, 150, 86, 570))
    assert result.difference == pytest.approx(0.040)
    assert (result.difference_low, result.difference_high) == pytest.approx((0.021, 0.059), abs=5e-4)
    assert result.p_value < 1e-4


def test_odds_ratio_interval_is_clopper_pearsons_of_the_discordant_share():
    # 5 of 6: (0.35877, 0.99579)
    result = mcnemar(*pairs(0, 5, 1, 0))
    assert result.odds_ratio_low == pytest.approx(0.35877 / (1 - 0.35877), rel=1e-3)
    assert result.odds_ratio_high == pytest.approx(0.99579 / (1 - 0.99579), rel=1e-2)


def test_an_infinite_odds_ratio_is_missing_but_its_lower_end_is_known():
    result = mcnemar(*pairs(0, 4, 0, 4))
    assert result.odds_ratio is None
    assert result.odds_ratio_high is None
    assert result.odds_ratio_low > 0


def test_no_discordant_pair_is_p_1_with_an_interval_that_has_a_width():
    result = mcnemar(*pairs(10, 0, 0, 0))
    assert result.p_value == 1
    assert result.difference_low < 0 < result.difference_high


def test_mcnemar_of_nothing_is_missing_not_zero():
    result = mcnemar([], [])
    assert (result.n, result.difference, result.p_value) == (0, None, None)


def test_paired_bootstrap_of_independent_rows_agrees_with_the_normal_interval():
    rng = np.random.default_rng(1)
    first, second = rng.random(400), rng.random(400)
    found = paired_difference(first, second, np.arange(400), np.random.default_rng(2), draws=4000)
    half = 1.96 * np.std(first - second, ddof=1) / 20
    assert found.difference == pytest.approx(np.mean(first - second))
    assert (found.low, found.high) == pytest.approx((found.difference - half, found.difference + half), abs=0.006)


def test_paired_bootstrap_resamples_whole_samples_not_rows():
    rng = np.random.default_rng(3)
    effect = np.repeat(rng.normal(size=30), 20)  # all 20 rows of a sample say the same
    found = paired_difference(effect, np.zeros(600), np.repeat(np.arange(30), 20), np.random.default_rng(4))
    by_row = paired_difference(effect, np.zeros(600), np.arange(600), np.random.default_rng(4))
    assert found.clusters == 30
    assert (found.high - found.low) / (by_row.high - by_row.low) == pytest.approx(np.sqrt(20), rel=0.15)


def test_right_or_wrong_scores_get_mcnemars_p_value():
    first, second = pairs(10, 1, 5, 4)
    found = paired_difference(first, second, range(20), np.random.default_rng(5))
    assert found.test == "exact McNemar"
    assert found.p_value == pytest.approx(14 / 64)


def test_sign_flips_of_fractions_agree_with_all_their_combinations():
    # differences 1, 2, 3, 4 (tenths): of 16 sign patterns 2 are as far from 0
    found = paired_difference([0.1, 0.2, 0.3, 0.4], [0, 0, 0, 0], list("abcd"), np.random.default_rng(6), draws=20_000)
    assert found.p_value == pytest.approx(2 / 16, abs=0.01)


def test_equal_models_still_get_an_interval():
    found = paired_difference([1, 1, 0], [1, 1, 0], list("abc"), np.random.default_rng(7))
    assert found.difference == 0
    assert found.low < 0 < found.high
    assert found.p_value == 1


def test_paired_difference_of_nothing_is_missing():
    assert paired_difference([], [], [], np.random.default_rng(8)).difference is None


def test_holm_matches_rs_p_adjust():
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])


def test_holm_does_not_count_missing_p_values():
    assert holm([0.02, None, 0.04, float("nan")]) == [pytest.approx(0.04), None, pytest.approx(0.04), None]
    assert holm([]) == []


def test_ranks_share_the_places_of_equal_means():
    scores = np.array([[1, 1, 0], [0, 0, 0], [1, 1, 0]], float)
    first, second, third = ranks(scores, np.random.default_rng(9))
    assert (first.rank, second.rank, third.rank) == (1.5, 1.5, 3)
    assert first.share_best == second.share_best >= 0.48


def test_ranks_of_a_clear_order_are_certain():
    scores = np.column_stack([np.full(50, 0.9), np.full(50, 0.5), np.full(50, 0.1)])
    assert [(r.rank, r.low, r.high, r.share_best) for r in ranks(scores, np.random.default_rng(0))] == [
        (1, 1, 1, 1),
        (2, 2, 2, 0),
        (3, 3, 3, 0),
    ]


def test_ranks_without_a_common_sample_are_none():
    assert ranks(np.zeros((0, 2)), np.random.default_rng(0)) == []


def test_kappa_of_the_textbook_table_with_fleiss_cohen_everitt_error():
    # 20, 5, 10, 15: agreement 0.7, chance 0.5, kappa 0.4; variance by hand 0.2016 / (0.25 * 50), error 0.126996
    found = cohen_kappa(np.array([[20, 5], [10, 15]]))
    assert (found.n, found.agreement, found.kappa) == (50, pytest.approx(0.7), pytest.approx(0.4))
    assert (found.low, found.high) == pytest.approx((0.4 - 1.959964 * 0.126996, 0.4 + 1.959964 * 0.126996), abs=1e-4)


def test_kappa_is_undefined_when_both_judges_always_say_the_same_thing():
    found = cohen_kappa(np.array([[12, 0], [0, 0]]))
    assert (found.agreement, found.kappa) == (1.0, None)


def test_full_agreement_of_few_answers_is_not_certain():
    # Wilson's lower end of 10 of 10 is 0.7225; chance is 0.5
    found = cohen_kappa(np.array([[5, 0], [0, 5]]))
    assert found.kappa == 1
    assert found.low == pytest.approx((0.7225 - 0.5) / 0.5, abs=1e-4)


def test_kappa_of_no_items_is_missing():
    assert cohen_kappa(np.zeros((2, 2))).agreement is None


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_wilson_interval_is_that_of_statsmodels(counts, confidence):
    successes, n = counts
    expected = proportion_confint(successes, n, alpha=1 - confidence, method="wilson")
    assert wilson_interval(successes, n, confidence) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_that_of_statsmodels(p_values):
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]), abs=1e-12)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_is_that_of_statsmodels_with_clopper_and_pearsons_odds(pairs):
    first, second = zip(*pairs, strict=True)
    table = [[sum(pair == (x, y) for pair in pairs) for y in (True, False)] for x in (True, False)]
    found, only_first, only_second = mcnemar(first, second), table[0][1], table[1][0]
    assert found.p_value == pytest.approx(exact_mcnemar(table, exact=True).pvalue if only_first + only_second else 1)
    if only_first + only_second:
        low, high = proportion_confint(only_first, only_first + only_second, method="beta")
        assert found.odds_ratio_low == pytest.approx(low / (1 - low) if low < 1 else None)
        assert found.odds_ratio_high == (None if high >= 1 else pytest.approx(high / (1 - high)))


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=2, max_size=8))
def test_ranks_are_those_of_scipy(means):
    found = ranks(np.array([means] * 3), np.random.default_rng(0))
    assert [rank.rank for rank in found] == rankdata([-mean for mean in means]).tolist()


def test_the_interval_of_a_ratio_covers_it():
    r = np.random.default_rng(4)
    covered = 0
    for _ in range(2000):
        over, under = (mean_interval((r.random(30) < share).astype(float), (0, 1)) for share in (0.1, 0.8))
        low, high = ratio_interval(over, under)
        covered += low <= 0.1 / 0.8 <= high
    assert covered / 2000 > 0.93


def test_a_ratio_to_what_may_be_nothing_has_no_upper_end():
    low, high = ratio_interval((0.5, 0.2, 0.8), (0.2, 0.0, 0.3))
    assert high is None
    assert low == pytest.approx((0.1 - (0.01 - 0.16 * 0.03) ** 0.5) / 0.03)
