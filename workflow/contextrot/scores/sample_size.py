"""How many answers an interval or a difference needs where answers about one needle are alike, and what a run could have seen.

A needle's probability of a right answer has log-odds that are normal round the score's; two models find a needle hard together (`spread`) and
each in its own way (`interaction`). More answers about the same needles take away the sampling variance alone, so that below a limit only
more needles help. The error is that of `clusters`: t with one degree of freedom less than there are needles.

Source: A. Donner, N. Klar (2000), Design and Analysis of Cluster Randomization Trials in Health Research, chapter 5.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from contextrot.scores.clusters import clustered_mean, share_interval, t_quantile

MOST_EACH = 10_000
"""Answers about one needle beyond which more of them are taken to bring nothing."""
MOST_NEEDLES = 1_000
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(31)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True)
class Assumed:
    """What is taken to be true before anything is asked.

    Attributes:
        score: mean of all needles of the kind, 0 to 1.
        spread, interaction: standard deviation of the log-odds between needles, common to models and of each model's own.
        power: how often the difference is to be found.
    """

    score: float = 0.8
    spread: float = 0.7
    interaction: float = 0.7
    power: float = 0.8


def needle_variances(score: float, spread: float, interaction: float = 0.0) -> tuple[float, float]:
    """Variance of a needle's probability of a right answer, and its covariance between two models with the same score."""
    from scipy.optimize import brentq
    from scipy.special import expit

    def table(middle: float) -> np.ndarray:
        return np.asarray(expit(middle + spread * _NODES[:, None] + interaction * _NODES))  # (common, own)

    middle = brentq(lambda at: float(_WEIGHTS @ table(at) @ _WEIGHTS) - score, -30, 30)
    p = table(middle)
    return float(_WEIGHTS @ p**2 @ _WEIGHTS) - score**2, float(_WEIGHTS @ (p @ _WEIGHTS) ** 2) - score**2


def interval_width(assumed: Assumed, needles: int, each: float) -> float:
    """Width of the 95 % interval of one score, from `each` answers about each of `needles`; 1 for a single needle."""
    if needles < 2:
        return 1.0
    between, _ = needle_variances(assumed.score, assumed.spread)
    single = assumed.score * (1 - assumed.score)
    low, high = share_interval(assumed.score, needles * each, 1 + (each - 1) * between / single, needles - 1)
    return high - low


def smallest_difference(assumed: Assumed, needles: int, each: float) -> float:
    """The difference of two models' scores that is found with the wanted power at 5 %; infinite for a single needle."""
    if needles < 2:
        return math.inf
    total, shared = needle_variances(assumed.score, assumed.spread, assumed.interaction)
    within = assumed.score * (1 - assumed.score) - total
    error = math.sqrt(2 * (total - shared + within / each) / needles)
    return (t_quantile(0.975, needles - 1) + t_quantile(assumed.power, needles - 1)) * error


def answers_for(reached: Callable[[float], float], wanted: float) -> int | None:
    """The least number of answers about each needle with which what is reached is as small as wanted; None if none is enough."""
    if reached(MOST_EACH) > wanted:
        return None
    return _least(lambda each: reached(each) <= wanted, MOST_EACH)


def needles_for(reached: Callable[[int], float], wanted: float) -> int | None:
    """The least number of needles with which what is reached is as small as wanted; None beyond `MOST_NEEDLES`."""
    if reached(MOST_NEEDLES) > wanted:
        return None
    return max(2, _least(lambda needles: reached(needles) <= wanted, MOST_NEEDLES))


def _least(enough: Callable[[int], bool], most: int) -> int:
    low, high = 0, most  # not enough, enough
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def seen_difference(values: Sequence[float], clusters: Sequence[object], power: float = 0.8) -> float | None:
    """The smallest difference from another such run that would have been found with this power, by the variance that the run had.

    Taken as two runs whose needles suit them independently, so that pairing can only make it smaller. None where a single cluster says
    nothing of others, or no answer differs.
    """
    found = clustered_mean(np.asarray(values, float), clusters)
    if found.low is None or found.high is None or found.clusters < 2 or found.high <= found.low:
        return None
    degrees = found.clusters - 1
    error = (found.high - found.low) / 2 / t_quantile(0.975, degrees)
    return float((t_quantile(0.975, degrees) + t_quantile(power, degrees)) * math.sqrt(2) * error)
