"""Where a curve of scores falls below a threshold, with an interval that holds for other needles of the kind.

A curve without a formula (smooth_curve) is fitted to all answers. Its distance from the threshold, in log-odds, has a variance at every
length, between clusters and by what was not measured, and is significant at a length by Student's t or not. As curves fall, the interval is
all between the last length that is surely above and the first that is surely below: Fieller's interval, which is open at an end where the
data exclude no length. A threshold that is a share of the score at the
shortest length moves along with that score. Where the curve passes in one leap between two tested lengths, the interval holds the whole
gap: nothing was measured in it.

Source: E. C. Fieller (1954), Some problems in interval estimation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from contextrot.scores.clusters import LEAST_SHARE, degrees_of_freedom
from contextrot.scores.smooth_curve import SmoothCurve

STEPS_PER_OCTAVE = 32
"""Resolution of the interval's ends."""
LEAP = 0.25
"""A fall of the fitted score between two neighbouring tested lengths that may as well be a step."""
NEAR_OCTAVES = 1.0
"""Answers so near the crossing say how many of a cluster's count there."""


@dataclass(frozen=True)
class Criterion:
    """What a score must keep above for a length to be effective.

    Attributes:
        level: the threshold, or the share of the score at the shortest length (`relative`).
    """

    level: float
    relative: bool

    def threshold(self, base: np.ndarray | float) -> np.ndarray | float:
        """The threshold where the score at the shortest length is `base`."""
        return self.level * base if self.relative else self.level + 0 * base


@dataclass(frozen=True)
class Crossing:
    """Where a curve crosses its threshold.

    Attributes:
        length: None where it does not within the tested lengths.
        low, high: None where the interval is open at that end.
        status: `within`, `beyond_longest`, `below_shortest` or `unknown`.
        reason: why it is unknown, else empty.
        threshold, base: the score asked for, and that at the shortest length.
        n, clusters: rows and clusters.
        sampling_share: share of the variance that more answers of the same clusters would take away; None if not known.
        leap: tested lengths between which the curve passes in one leap, so that nothing is known between them; else None.
    """

    length: float | None = None
    low: float | None = None
    high: float | None = None
    status: str = "unknown"
    reason: str = ""
    threshold: float | None = None
    base: float | None = None
    n: int = 0
    clusters: int = 0
    sampling_share: float | None = None
    leap: tuple[float, float] | None = None

    @property
    def factor(self) -> float:
        """Upper end over lower end; infinite where the interval is open."""
        return self.high / self.low if self.low and self.high else math.inf


@dataclass
class Counts:
    """Scores by cluster and length.

    Attributes:
        lengths: shape (J,), ascending; totals, sizes: sum and number of the scores, shape (K, J).
    """

    lengths: np.ndarray
    totals: np.ndarray
    sizes: np.ndarray
    names: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, lengths: Sequence[float], scores: Sequence[float], clusters: Sequence[object]) -> Counts:
        """From rows; those without length or score are left out."""
        x, y = np.asarray(lengths, float), np.asarray(scores, float)
        known = ~(np.isnan(x) | np.isnan(y))
        names, row = np.unique(np.asarray(clusters, dtype=str)[known], return_inverse=True)
        distinct, column = np.unique(x[known], return_inverse=True)
        totals, sizes = np.zeros((2, len(names), len(distinct)))
        np.add.at(totals, (row, column), y[known])
        np.add.at(sizes, (row, column), 1)
        return cls(distinct, totals, sizes, list(names))

    @cached_property
    def octaves(self) -> np.ndarray:
        """log2 of the lengths; 1 is added to all where a length of 0 (no history) is among them."""
        return np.asarray(np.log2(self.lengths + self.shift))

    @property
    def shift(self) -> int:
        """What is added to lengths before their logarithm."""
        return int(len(self.lengths) > 0 and self.lengths[0] == 0)

    @property
    def n(self) -> np.ndarray:
        """Rows at each length, shape (J,)."""
        return np.asarray(self.sizes.sum(axis=0))

    @property
    def means(self) -> np.ndarray:
        """Mean score at each length, shape (J,)."""
        return np.asarray(self.totals.sum(axis=0) / self.n)


def crossing(
    counts: Counts,
    criterion: Criterion,
    confidence: float = 0.95,
    ends: tuple[float, float] | None = None,
    least_share: float = LEAST_SHARE,
) -> Crossing:
    """The length at which the curve crosses the criterion's threshold.

    Args:
        ends: shortest and longest length of interest; those that were tested without it.
        least_share: the variance between clusters is taken as at least this share of what independent answers would have. Whoever stops at a
            narrow interval takes 1, because the luckiest of several looks is narrow by chance.
    """
    if not len(counts.lengths):
        return Crossing(reason="no row counts")
    clusters, base = len(counts.totals), float(counts.means[0])
    threshold = float(criterion.threshold(base))
    known = Crossing(n=int(counts.n.sum()), clusters=clusters, base=base, threshold=threshold)
    if criterion.relative and base == 0:
        return replace(known, reason="the score at the shortest length is 0")
    if len(counts.lengths) < 2:
        return replace(known, reason="only one length")
    first, last = (counts.octaves[0], counts.octaves[-1]) if ends is None else np.log2(np.array(ends) + counts.shift)
    places = np.arange(first, last + 0.999 / STEPS_PER_OCTAVE, 1 / STEPS_PER_OCTAVE).clip(max=last)
    found = SmoothCurve.of(counts.octaves, counts.totals, counts.sizes).distance(places, criterion.level, criterion.relative)
    found = replace(found, between=np.maximum(found.between, least_share * found.sampling))
    distance, variance = found.mean, found.variance
    near = np.abs(counts.octaves - places[int(np.argmax(distance <= 0)) if (distance <= 0).any() else -1]) <= NEAR_OCTAVES
    degrees = found.degrees(degrees_of_freedom((counts.sizes * near).sum(axis=1) + 1e-9) if clusters > 1 else 1.0)
    half = t_quantiles(0.5 + confidence / 2, degrees) * np.sqrt(variance)
    start, end = _surely(distance, half)
    later = np.flatnonzero(distance[start + 1 :] <= 0)
    at = start + 1 + int(later[0]) if len(later) else len(places) - 1
    status = "beyond_longest" if not len(later) else "below_shortest" if at == 0 else "within"
    low_place = _passes_zero(places, distance - half, start + 1)
    high_place = _passes_zero(places, distance + half, end)
    leap = _leap(counts, low_place, high_place, places, found.share, threshold) if status == "within" else None
    if leap:
        low_place, high_place = min(low_place, leap[0]), max(high_place, leap[1])
    known_low = clusters > 1 and start >= 0
    known_high = clusters > 1 and end < len(places)
    return replace(
        known,
        length=float(2 ** places[at] - counts.shift) if status == "within" else None,
        low=float(2**low_place - counts.shift) if known_low else None,
        high=float(2**high_place - counts.shift) if known_high else None,
        status=status,
        reason="" if clusters > 1 else "a single cluster says nothing of others",
        sampling_share=float(min(1.0, (found.sampling + found.smoothing)[at] / variance[at])),
        leap=(2.0 ** leap[0] - counts.shift, 2.0 ** leap[1] - counts.shift) if leap else None,
    )


def _surely(distance: np.ndarray, half: np.ndarray) -> tuple[int, int]:
    """The last place surely above before the first that is surely below, and that one; -1 and the number of places if there is none."""
    below = np.flatnonzero(distance < -half)
    end = int(below[0]) if len(below) else len(distance)
    above = np.flatnonzero(distance[:end] > half[:end])
    return int(above[-1]) if len(above) else -1, end


def _passes_zero(places: np.ndarray, values: np.ndarray, after: int) -> float:
    """Where values fall through 0 between the place before `after` and that one, by a straight line; an end where there is none."""
    if not 0 < after < len(places):
        return float(places[min(after, len(places) - 1)])
    part = np.clip(values[after - 1] / max(values[after - 1] - values[after], 1e-12), 0, 1)
    return float(places[after - 1] + part * (places[after] - places[after - 1]))


def t_quantiles(probability: float, degrees: np.ndarray) -> np.ndarray:
    """Quantiles of Student's t."""
    from scipy.special import stdtrit

    return np.asarray(stdtrit(degrees, probability))


def _leap(
    counts: Counts, low: float, high: float, places: np.ndarray, share: np.ndarray, threshold: float
) -> tuple[float, float] | None:
    """The gap (octaves) between neighbouring tested lengths, at the interval or over it, in which the fitted curve falls by `LEAP` or more."""
    z, near = counts.octaves, 4 / STEPS_PER_OCTAVE
    fitted_share = np.interp(z, places, share)
    steep = (fitted_share[:-1] - fitted_share[1:] >= LEAP) & (z[:-1] <= high + near) & (z[1:] >= low - near)
    steep &= fitted_share[1:] < threshold
    if not steep.any():
        return None
    return float(z[:-1][steep][0]), float(z[1:][steep][-1])
