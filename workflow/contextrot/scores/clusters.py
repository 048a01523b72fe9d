"""Means, differences and ranks of scores that come in clusters: one scheme for all of them.

Answers about one needle, in one haystack, or to one item are alike, so the number of clusters says how much is known, not the number of
answers. Every estimate here is a function of the clusters' totals; its variance is the linearised one between clusters, and its interval
has Student's t with K - 1 degrees of freedom (fewer where some clusters hold most of the rows). Which population such an interval speaks
for is the choice of clusters: needles (`kind`: other needles of the kind would do as these did), or single prompts and haystacks (`these`:
the needles that were asked, and no others).

Sources: R. M. Bell, D. F. McCaffrey (2002), Bias reduction in standard errors for linear regression with multi-stage samples; E. L. Korn,
B. I. Graubard (1998), Confidence intervals for proportions with small expected number of positive counts estimated from survey data;
T. Lumley (2010), Complex Surveys (`svyciprop`, an interval in log-odds by the delta method, with t).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from contextrot.scores.stats import DRAWS, PairedDifference, Rank, mcnemar, places, wilson_interval

Population = Literal["kind", "these"]
FEW_CLUSTERS = 8
"""Below so many needles an interval for their kind is wide and leans on few degrees of freedom; whoever shows it warns."""
LEAST_SHARE = 0.1
"""The variance between clusters is taken as at least this share of what independent answers would have: equal clusters are chance."""


@dataclass(frozen=True)
class ClusteredMean:
    """A mean with the interval of its population.

    Attributes:
        mean, low, high: None without rows; `low` and `high` also None where a single cluster says nothing of others.
        n, clusters: rows, and clusters that have any.
        design_effect: variance over that of as many independent answers; None where it is not known.
    """

    mean: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    clusters: int = 0
    design_effect: float | None = None


def cluster_totals(values: np.ndarray, clusters: Sequence[object]) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the values of each cluster, shape (K,) each, clusters in the order of their names."""
    _, index = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    return np.bincount(index, values).astype(float), np.bincount(index).astype(float)


@lru_cache(maxsize=4096)
def t_quantile(probability: float, degrees: float) -> float:
    """Quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))


def degrees_of_freedom(sizes: np.ndarray) -> float:
    """Satterthwaite's, for clusters of these sizes whose means differ: K - 1 if all are equal, never below 1."""
    shares = np.square(sizes / sizes.sum())
    return max(1.0, float(shares.sum() ** 2 / np.square(shares).sum()) - 1)


def clustered_mean(
    values: np.ndarray, clusters: Sequence[object], limits: tuple[float, float] | None = None, confidence: float = 0.95
) -> ClusteredMean:
    """Mean of all rows, with an interval that holds for other clusters of the kind.

    Args:
        values: shape (n,).
        clusters: shape (n,), which cluster each row is of.
        limits: the smallest and largest value that there can be; the interval then is one of log-odds and never beyond them.
    """
    values = np.asarray(values, float)
    if not len(values):
        return ClusteredMean()
    totals, sizes = cluster_totals(values, clusters)
    n, count = int(sizes.sum()), len(sizes)
    mean = float(totals.sum() / n)
    if count == n and limits == (0, 1) and np.isin(values, (0.0, 1.0)).all():
        return ClusteredMean(mean, *wilson_interval(float(totals.sum()), n, confidence), n, count, 1.0)
    if count < 2:
        return ClusteredMean(mean, n=n, clusters=count)
    degrees = degrees_of_freedom(sizes)
    variance = count / (count - 1) * float(np.square(totals - sizes * mean).sum()) / n**2
    if limits is None:
        half = t_quantile(0.5 + confidence / 2, degrees) * math.sqrt(variance)
        alone = float(np.var(values, ddof=1)) / n
        return ClusteredMean(mean, mean - half, mean + half, n, count, variance / alone if alone > 0 else None)
    smallest, largest = limits
    share = min(max((mean - smallest) / (largest - smallest), 0.0), 1.0)
    most = share * (1 - share)  # the variance of one answer that is right or wrong; others have less
    effect = variance / (largest - smallest) ** 2 / (most / n) if most > 1e-12 else None
    low, high = share_interval(share, n, effect, degrees, confidence)
    low, high = (smallest + end * (largest - smallest) for end in (low, high))
    return ClusteredMean(mean, low, high, n, count, effect)


def share_interval(
    share: float, n: float, design_effect: float | None, degrees: float, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of a share of n answers whose variance is `design_effect` times that of independent ones.

    In log-odds, where shares near 0 and 1 spread evenly, round the share with one answer more of each kind. A share of 0 or 1, whose design
    effect nobody knows, has Wilson's.
    """
    if design_effect is None or not 0 < share < 1:
        low, high = wilson_interval(share * n, n, confidence)
        return (0.0, 1.0) if low is None or high is None else (low, high)
    middle = (share * n + 1) / (n + 2)
    variance = max(share * (1 - share) * design_effect, middle * (1 - middle) * LEAST_SHARE) / n
    half = t_quantile(0.5 + confidence / 2, degrees) * math.sqrt(variance) / (middle * (1 - middle))
    center = math.log(middle / (1 - middle))
    low, high = (1 / (1 + math.exp(-(center + end))) for end in (-half, half))
    return min(low, share), max(high, share)


def clustered_difference(
    first: Sequence[float], second: Sequence[float], clusters: Sequence[object], confidence: float = 0.95
) -> PairedDifference:
    """Mean of paired differences by t over clusters: its interval and p value hold for other clusters of the kind.

    Where no row differs, or all clusters differ by the same, the variance is at least a share of that of independent pairs (D. G. Bonett,
    R. M. Price, 2012), so that no interval has a width of 0.

    Args:
        first, second: scores from 0 to 1, shape (n,), of the same rows in the same order.
        clusters: shape (n,).

    Returns:
        `low`, `high` and `p_value` None where there is one cluster only.
    """
    a, b = np.asarray(first, float), np.asarray(second, float)
    n = len(a)
    if n == 0:
        return PairedDifference(0, 0)
    totals, sizes = cluster_totals(a - b, clusters)
    count, mean = len(sizes), float(np.mean(a - b))
    if count < 2:
        return PairedDifference(n, count, mean, test="none: a single cluster says nothing of others")
    degrees = degrees_of_freedom(sizes)
    variance = count / (count - 1) * float(np.square(totals - sizes * mean).sum()) / n**2
    up, down = (np.clip(sign * (a - b), 0, 1).sum() + 1 for sign in (1, -1))
    shares = up / (n + 2), down / (n + 2)
    alone = (sum(shares) - (shares[0] - shares[1]) ** 2) / (n + 2)
    error = math.sqrt(max(variance, LEAST_SHARE * alone))
    half = t_quantile(0.5 + confidence / 2, degrees) * error
    from scipy.special import stdtr

    p_value = min(1.0, 2 * float(stdtr(degrees, -abs(mean) / error)))
    low, high = max(-1.0, mean - half), min(1.0, mean + half)
    return PairedDifference(n, count, mean, low, high, p_value, f"t over {count} clusters")


def difference_of(
    first: Sequence[float],
    second: Sequence[float],
    samples: Sequence[object],
    clusters: Sequence[object] | None = None,
    confidence: float = 0.95,
) -> PairedDifference:
    """A paired difference for `clusters`, or for these very samples where there are none.

    Args:
        samples: what each row is of; single right-or-wrong pairs have McNemar's exact test.
        clusters: None speaks for the samples alone.
    """
    if clusters is not None:
        return clustered_difference(first, second, clusters, confidence)
    a, b = np.asarray(first, float), np.asarray(second, float)
    if len(np.unique(np.asarray(samples, dtype=str))) == len(a) and np.isin(np.concatenate([a, b]), (0.0, 1.0)).all():
        found = mcnemar(a == 1, b == 1, confidence)
        ends = found.difference, found.difference_low, found.difference_high
        return PairedDifference(found.n, found.n, *ends, found.p_value, "exact McNemar" if found.n else "")
    return clustered_difference(a.tolist(), b.tolist(), samples, confidence)


def clustered_ranks(
    scores: np.ndarray,
    clusters: Sequence[object],
    rng: np.random.Generator,
    draws: int = DRAWS,
    confidence: float = 0.95,
) -> list[Rank]:
    """Ranks with their uncertainty, by draws of all means together from a multivariate t of the variance between clusters.

    Args:
        scores: shape (rows, competitors), no missing values.
        clusters: shape (rows,); with a single one every rank is open.
    """
    n, competitors = scores.shape
    if n == 0:
        return []
    mean = scores.mean(axis=0)
    totals, sizes = np.stack([cluster_totals(column, clusters)[0] for column in scores.T], axis=1), None
    _, sizes = cluster_totals(scores[:, 0], clusters)
    count, place = len(sizes), places(np.round(mean, 12)[None])[0]
    if count < 2:
        return [Rank(float(mean[i]), float(place[i]), 1.0, float(competitors), 1 / competitors) for i in range(competitors)]
    deviations = (totals - sizes[:, None] * mean) / n * math.sqrt(count / (count - 1))  # (K, competitors)
    degrees = degrees_of_freedom(sizes)
    scale = np.sqrt(degrees / rng.chisquare(degrees, draws))
    drawn = np.round(mean + (rng.standard_normal((draws, count)) @ deviations) * scale[:, None], 12)
    found = places(drawn)
    best = drawn == drawn.max(axis=1, keepdims=True)
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    share = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    return [Rank(*(float(v[i]) for v in (mean, place, low, high, share))) for i in range(competitors)]
