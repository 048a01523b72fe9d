"""Statistics of scores. An empty group has no mean and no interval.

What is a formula of one line stands here; scipy and statsmodels, which take seconds to load, are left to what needs them.
Curves over length (effective length, slope) are in `rot_curves`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

DRAWS = 2000
"""Resamples for a bootstrap interval: the ends of a 95 % interval then rest on 50 draws each."""


def wilson_interval(successes: float, n: float, confidence: float = 0.95) -> tuple[float | None, float | None]:
    """Wilson score interval of a proportion of n answers, or of as many as they are worth; (None, None) for n = 0.

    Source: E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    if n == 0:
        return None, None
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / n
    center = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At the ends the formula gives exactly 0 and 1; floats miss them by 1e-17.
    return 0.0 if successes == 0 else center - half, 1.0 if successes == n else center + half


def mean_interval(
    values: np.ndarray, limits: tuple[float, float] | None = None, confidence: float = 0.95
) -> tuple[float | None, float | None, float | None]:
    """Mean and its interval; (None, None, None) if there are no values.

    Args:
        values: shape (n,).
        limits: the smallest and largest value that there can be. With limits (0, 1) and values that are all 0 or 1 the interval is
            Wilson's, with other values or limits that of `bounded_mean_interval`; without limits Student's t, which has no
            interval for a single value.

    Raises:
        ValueError: if a value is beyond the limits.
    """
    n = len(values)
    if n == 0:
        return None, None, None
    mean = float(np.mean(values))
    if limits == (0, 1) and np.isin(values, (0.0, 1.0)).all():
        return mean, *wilson_interval(float(np.sum(values)), n, confidence)
    if limits is not None:
        return mean, *bounded_mean_interval(values, limits, confidence)
    if n == 1:
        return mean, None, None
    from scipy.special import stdtrit

    half = float(stdtrit(n - 1, 0.5 + confidence / 2) * np.std(values, ddof=1) / np.sqrt(n))
    return mean, mean - half, mean + half


def bounded_mean_interval(
    values: np.ndarray, limits: tuple[float, float] = (0, 1), confidence: float = 0.95, draws: int = DRAWS
) -> tuple[float, float]:
    """Gaffke's interval of the mean of values between two limits, whatever their distribution; never beyond the limits.

    A Bayesian bootstrap with one imagined value more: the lower limit for the lower end, the upper limit for the upper end. So it has a
    width for a single value and for equal ones, it is Clopper and Pearson's for values that are only the limits, and it comes near
    Student's as n grows. That it covers the mean at least as often as it says is conjectured; the tests simulate it. `rot_curves` draws
    in the same way.

    Sources: N. Gaffke (2005), Three test statistics for a nonparametric one-sided hypothesis on the mean of a nonnegative variable;
    E. Learned-Miller, P. S. Thomas (2019), A new confidence interval for the mean of a bounded random variable, arXiv:1905.06208.

    Args:
        values: shape (n,), n at least 1; the same values give the same interval.
        draws: of the weights.

    Raises:
        ValueError: if a value is beyond the limits.
    """
    smallest, largest = limits
    shares = (np.asarray(values, float) - smallest) / (largest - smallest)
    if shares.min() < -1e-9 or shares.max() > 1 + 1e-9:
        raise ValueError(f"values from {np.min(values)} to {np.max(values)} are beyond the limits {smallest} and {largest}")
    distinct, counts = np.unique(shares.clip(0, 1), return_counts=True)
    rng = np.random.default_rng(0)
    imagined = rng.standard_exponential(draws)
    total, sums = imagined.copy(), np.zeros(draws)
    for value, count in zip(distinct, counts, strict=True):
        weight = rng.standard_gamma(count, draws)
        total += weight
        sums += weight * value
    tail = (1 - confidence) / 2
    low, high = np.quantile(sums / total, tail), np.quantile((sums + imagined) / total, 1 - tail)
    return float(smallest + low * (largest - smallest)), float(smallest + high * (largest - smallest))


def ratio_interval(over: tuple[float, float, float], under: tuple[float, float, float]) -> tuple[float | None, float | None]:
    """Interval of the ratio of two means from the intervals of each, as if they were independent; None for an end that has none.

    Source: R. G. Newcombe (2016), MOVER-R confidence intervals for ratios and products of two independently estimated quantities.

    Args:
        over, under: mean of the numerator and of the denominator, neither negative, each with its low and high.
    """
    (a, a_low, a_high), (b, b_low, b_high) = over, under
    ends: list[float | None] = []
    for sign, a_end, b_end in ((-1, a_low, b_high), (1, a_high, b_low)):
        slope = b_end * (2 * b - b_end)
        root = (a * b) ** 2 - a_end * (2 * a - a_end) * slope
        ends.append((a * b + sign * math.sqrt(max(root, 0.0))) / slope if slope > 0 else None)
    return ends[0], ends[1]


@dataclass(frozen=True)
class PairedTest:
    """Two conditions or models on the same samples, right or wrong in each.

    Attributes:
        n: pairs.
        only_first, only_second: pairs that are right in one alone (the discordant ones).
        difference, difference_low, difference_high: share right in the first minus the second; None without pairs.
        odds_ratio, odds_ratio_low, odds_ratio_high: only_first to only_second; None where it is infinite or has no data.
        p_value: exact, two-sided; 1 if no pair is discordant, None without pairs.
    """

    n: int
    only_first: int
    only_second: int
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    odds_ratio: float | None = None
    odds_ratio_low: float | None = None
    odds_ratio_high: float | None = None
    p_value: float | None = None


def mcnemar(first: Sequence[bool], second: Sequence[bool], confidence: float = 0.95) -> PairedTest:
    """McNemar's exact test with effect sizes.

    Sources: Q. McNemar (1947), Note on the sampling error of the difference between correlated proportions or percentages;
    the odds ratio's interval is Clopper and Pearson's for the share of one kind among the discordant pairs; the difference's
    is Wald's after half a pair is added to each of the four cells (D. G. Bonett, R. M. Price (2012), Adjusted Wald confidence interval for a
    difference of binomial proportions based on paired data), which has a width even if no pair is discordant.

    Args:
        first, second: shape (n,), the same samples in the same order.
    """
    a, b = np.asarray(first, bool), np.asarray(second, bool)
    n, only_first, only_second = len(a), int((a & ~b).sum()), int((b & ~a).sum())
    if n == 0:
        return PairedTest(0, 0, 0)
    from scipy.special import bdtr, betaincinv

    discordant = only_first + only_second
    p_value = min(1.0, 2 * float(bdtr(min(only_first, only_second), discordant, 0.5))) if discordant else 1.0
    shares = ((only_first + 1) / (n + 2), (only_second + 1) / (n + 2))
    center = shares[0] - shares[1]
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * math.sqrt((sum(shares) - center**2) / (n + 2))
    low = high = None
    if discordant:
        tail = (1 - confidence) / 2
        low = betaincinv(only_first, only_second + 1, tail) if only_first else 0.0
        high = betaincinv(only_first + 1, only_second, 1 - tail) if only_second else 1.0
    return PairedTest(
        n,
        only_first,
        only_second,
        difference=(only_first - only_second) / n,
        difference_low=float(max(-1, center - half)),
        difference_high=float(min(1, center + half)),
        odds_ratio=only_first / only_second if only_second else None,
        odds_ratio_low=_odds(low),
        odds_ratio_high=_odds(high),
        p_value=p_value,
    )


def _odds(share: float | None) -> float | None:
    return None if share is None or share >= 1 else float(share / (1 - share))


@dataclass(frozen=True)
class PairedDifference:
    """Mean score of the first minus the second, over the samples that both have.

    Attributes:
        n: rows; clusters: samples.
        difference, low, high, p_value: None without rows; `low` and `high` also None for a single sample that is not right or wrong.
        test: how the p value was found.
    """

    n: int
    clusters: int
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    test: str = ""


def paired_difference(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[object],
    rng: np.random.Generator,
    draws: int = DRAWS,
    confidence: float = 0.95,
) -> PairedDifference:
    """Paired bootstrap of a difference of means, whole samples at a time.

    The interval is the percentile one; where no sample differs between the two, the bootstrap has no width and the interval of
    `mcnemar` is given. The p value is McNemar's exact one for scores that are right or wrong with one row a sample, else that of
    `draws` random sign flips of whole samples.
    Source: B. Efron, R. Tibshirani (1993), An Introduction to the Bootstrap, chapters 13 and 15.

    Args:
        first, second: scores, shape (n,), of the same rows in the same order.
        clusters: shape (n,), the sample that each row is of.
    """
    a, b = np.asarray(first, float), np.asarray(second, float)
    n = len(a)
    if n == 0:
        return PairedDifference(0, 0)
    _, index = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    totals, sizes = np.bincount(index, a - b), np.bincount(index).astype(float)
    count = len(sizes)
    binary = count == n and np.isin(np.concatenate([a, b]), (0.0, 1.0)).all()
    exact = mcnemar(a == 1, b == 1, confidence) if binary else None
    if exact is not None:
        p_value, test = exact.p_value, "exact McNemar"
    else:
        signs = rng.choice((-1.0, 1.0), (draws, count))
        beyond = np.abs(signs @ totals) >= abs(totals.sum()) - 1e-12
        p_value, test = float((1 + beyond.sum()) / (1 + draws)), f"{draws} sign flips of samples"
    low = high = None
    if exact is not None and not totals.any():
        low, high = exact.difference_low, exact.difference_high
    elif count > 1:
        picked = rng.multinomial(count, np.full(count, 1 / count), draws)  # (draws, samples)
        means = picked @ totals / (picked @ sizes)
        low, high = (float(v) for v in np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2]))
    return PairedDifference(n, count, float(np.mean(a - b)), low, high, p_value, test)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P values corrected for their number; a missing one stays missing and is not counted.

    Source: S. Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None and p == p)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for done, (p, i) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - done) * p))
        adjusted[i] = float(largest)
    return adjusted


@dataclass(frozen=True)
class Rank:
    """Place of one of several, 1 the best.

    Attributes:
        score: mean over the samples that all have.
        rank: place by that mean; equal means share the mean of their places.
        low, high: 95 % bootstrap interval of the place.
        share_best: share of the resamples in which it is first (shared between equals).
    """

    score: float
    rank: float
    low: float
    high: float
    share_best: float


def ranks(scores: np.ndarray, rng: np.random.Generator, draws: int = DRAWS, confidence: float = 0.95) -> list[Rank]:
    """Ranks with their uncertainty, by a bootstrap of the samples, the same resample for all.

    Args:
        scores: shape (samples, competitors), no missing values.
    """
    count, competitors = scores.shape
    if count == 0:
        return []
    picked = rng.multinomial(count, np.full(count, 1 / count), draws)
    # Rounded, so that means that are equal but for the order of summation share their rank.
    means = np.round(picked @ scores / count, 12)  # (draws, competitors)
    drawn = places(means)
    best = means == means.max(axis=1, keepdims=True)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    mean = scores.mean(axis=0)
    place = places(np.round(mean, 12)[None])[0]
    share = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    return [Rank(*(float(v[i]) for v in (mean, place, low, high, share))) for i in range(competitors)]


def places(means: np.ndarray) -> np.ndarray:
    """Place of each in its row, 1 the largest; equal ones share the mean of their places. Shapes (rows, competitors)."""
    larger = (means[:, None, :] > means[:, :, None]).sum(axis=2)
    equal = (means[:, None, :] == means[:, :, None]).sum(axis=2)
    places: np.ndarray = larger + (equal + 1) / 2
    return places


@dataclass(frozen=True)
class Kappa:
    """Agreement of two judges beyond chance; None where it is undefined (no items, or both always say the same one thing)."""

    n: int
    agreement: float | None = None
    agreement_low: float | None = None
    agreement_high: float | None = None
    kappa: float | None = None
    low: float | None = None
    high: float | None = None


def cohen_kappa(table: np.ndarray) -> Kappa:
    """Cohen's kappa with its asymptotic 95 % interval, cut at -1 and 1, and the share of agreement with Wilson's.

    Where the judges agree on everything the asymptotic error is 0; the lower end is then kappa at the lower end of the agreement.

    Sources: J. Cohen (1960), A coefficient of agreement for nominal scales; J. L. Fleiss, J. Cohen, B. S. Everitt (1969), Large sample
    standard errors of kappa and weighted kappa.

    Args:
        table: shape (k, k), counts: first judge's verdict by second's.
    """
    table = np.asarray(table, float)
    n = int(table.sum())
    if n == 0:
        return Kappa(0)
    agreed = float(np.trace(table))
    share = agreed / n
    least, most = wilson_interval(agreed, n)
    chance = float(table.sum(axis=1) @ table.sum(axis=0)) / n**2
    if chance >= 1 - 1e-12:
        return Kappa(n, share, least, most)
    from statsmodels.stats.inter_rater import cohens_kappa

    result = cohens_kappa(table)
    low = (least - chance) / (1 - chance) if agreed == n and least is not None else float(result.kappa_low)
    return Kappa(n, share, least, most, float(result.kappa), max(-1.0, low), min(1.0, float(result.kappa_upp)))
