"""Curves of score over length: the effective length, the curve relative to the shortest length, and the slope.

**Resampling.** Every interval here comes from one Bayesian bootstrap of the samples (D. B. Rubin (1981), The Bayesian bootstrap):
each sample gets an exponential weight, the same in all of its rows. The plain bootstrap says nothing where all answers of a
length are right, because it can only draw right ones; therefore each length also gets one imagined sample, wrong for the lower
end of an interval and right for its upper end. For right-or-wrong scores a length's interval is then exactly that of Clopper and Pearson.

**Effective length** has two published definitions, and both are steps on the lengths that were tested: `longest_passing`.
Beside it stands `crossing`, where the curve (made non-increasing by isotonic regression, linear in log-odds over log2 length)
passes the threshold. Its interval assumes only that the true curve does not rise: `low` is the longest tested length that still
passes in 97.5 % of the draws, `high` the shortest that fails in 97.5 %. Between two tested lengths nothing was measured, so
the interval never claims to know more than the grid does, and it covers both the crossing and the longest passing length.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from contextrot.scores.length_curve import Counts, Criterion, crossing
from contextrot.scores.stats import DRAWS

DEFINITIONS = {"ruler": 0.856, "nolima": 0.85}
"""Threshold of each definition: a score (RULER, arXiv 2404.06654), or a share of the score at the shortest lengths (NoLiMa, arXiv 2502.05167)."""


@dataclass(frozen=True)
class EffectiveLength:
    """How far a model gets before its score falls below a threshold.

    Attributes:
        definition: `ruler` or `nolima`.
        status: `within` the tested lengths, `beyond_longest` (passes at all of them), `below_shortest` (at none), or `unknown`.
        threshold: the score that the fitted curve is asked for (its own base, for `nolima`); None if unknown.
        longest_passing: the published definition: the largest tested length whose mean score passes; None if none does.
        crossing: where the fitted curve passes the threshold; None if that is not within the tested lengths.
        low: None means that the interval reaches below the shortest tested length; high: None, beyond the longest.
        shortest, longest: tested lengths with rows that count.
        base: mean score at the shortest lengths.
        n: rows.
        reason: why it is unknown, else empty.
    """

    definition: str
    status: str = "unknown"
    threshold: float | None = None
    longest_passing: float | None = None
    crossing: float | None = None
    low: float | None = None
    high: float | None = None
    shortest: float | None = None
    longest: float | None = None
    base: float | None = None
    n: int = 0
    reason: str = ""


class Curve:
    """Scores grouped by length and sample.

    Args:
        lengths, scores, clusters: shape (rows,): length (0 or more), score (0 to 1), and the sample that the row is of; rows with a missing score
            are left out.

    Attributes:
        lengths: the tested lengths, ascending, shape (L,).
        n: rows at each, shape (L,).
        means: mean score at each, shape (L,).
    """

    def __init__(self, lengths: Sequence[float], scores: Sequence[float], clusters: Sequence[object] | None = None) -> None:
        x, y = np.asarray(lengths, float), np.asarray(scores, float)
        names = np.arange(len(x)) if clusters is None else np.asarray(clusters, dtype=str)
        known = ~(np.isnan(x) | np.isnan(y))
        x, y, names = x[known], y[known], names[known]
        self.lengths, column = np.unique(x, return_inverse=True)
        _, row = np.unique(names, return_inverse=True)
        shape = (int(row.max()) + 1 if len(row) else 0, len(self.lengths))
        self._totals, self._sizes = np.zeros(shape), np.zeros(shape)  # (samples, L)
        np.add.at(self._totals, (row, column), y)
        np.add.at(self._sizes, (row, column), 1)
        self.n = self._sizes.sum(axis=0)
        self.means = self._totals.sum(axis=0) / self.n

    def draws(self, rng: np.random.Generator, count: int = DRAWS) -> tuple[np.ndarray, np.ndarray]:
        """Resampled means, shape (count, L) each: with an imagined wrong sample at each length, and with a right one."""
        weights = rng.standard_exponential((count, len(self._totals)))
        rows_a_sample = self.n / np.maximum((self._sizes > 0).sum(axis=0), 1)
        imagined = rng.standard_exponential((count, len(self.lengths))) * rows_a_sample
        total, size = weights @ self._totals, weights @ self._sizes + imagined
        return total / size, (total + imagined) / size


def non_increasing(means: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Isotonic regression by the min-max formula, for many curves at once.

    Source: R. E. Barlow et al. (1972), Statistical Inference under Order Restrictions.

    Args:
        means: shape (curves, L); weights: shape (L,).

    Returns:
        The nearest curves that never rise, shape (curves, L).
    """
    length = means.shape[1]
    weight = np.concatenate([[0.0], np.cumsum(weights)])
    total = np.concatenate([np.zeros((len(means), 1)), np.cumsum(means * weights, axis=1)], axis=1)
    fit = np.full(means.shape, np.inf)
    for start in range(length):
        blocks = (total[:, start + 1 :] - total[:, start : start + 1]) / (weight[start + 1 :] - weight[start])
        highest = np.maximum.accumulate(blocks[:, ::-1], axis=1)[:, ::-1]  # over all ends at or after each position
        fit[:, start:] = np.minimum(fit[:, start:], highest)
    return fit


def effective_length(
    lengths: Sequence[float],
    scores: Sequence[float],
    rng: np.random.Generator,
    clusters: Sequence[object] | None = None,
    definition: str = "ruler",
    base_lengths: int = 1,
    draws: int = DRAWS,
    confidence: float = 0.95,
    share: float | None = None,
    needles: Sequence[object] | None = None,
) -> EffectiveLength:
    """The effective length of one curve with its interval; see the module's text.

    Deviation: NoLiMa takes the best of each question's scores at up to 1,000 tokens as the base; here it is the mean over all
    rows at the `base_lengths` shortest lengths, which no selection biases upward.

    Args:
        lengths, scores, clusters: see Curve; only rows that count.
        definition: `ruler` (score above 85.6 %) or `nolima` (at least 85 % of the base).
        base_lengths: how many of the shortest lengths make the base.
        share: the threshold, where it is another than the definition's own.
        needles: shape (rows,), what answers are alike in (needles, items). With two or more of them the interval is that of
            `length_curve`, which holds for others of the kind; without, the bootstrap's, for these samples.
    """
    curve = Curve(lengths, scores, clusters)
    share = DEFINITIONS[definition] if share is None else share
    if not len(curve.lengths):
        return EffectiveLength(definition, reason="no row counts")
    weights, count = curve.n, len(curve.lengths)
    base_weights = np.where(np.arange(count) < base_lengths, weights, 0) / weights[:base_lengths].sum()
    base = float(curve.means @ base_weights)
    known = EffectiveLength(
        definition, shortest=float(curve.lengths[0]), longest=float(curve.lengths[-1]), base=base, n=int(weights.sum())
    )
    if definition == "nolima" and base == 0:
        return replace(known, reason="the score at the shortest length is 0")

    def passing(means: np.ndarray) -> np.ndarray:
        """How many of the lengths pass on curves that never rise, shape (curves,)."""
        passed: np.ndarray = _passes(definition, means, share, (share * means @ base_weights)[:, None]).sum(axis=1)
        return passed

    lower, upper = (passing(non_increasing(drawn, weights)) for drawn in curve.draws(rng, draws))
    tail = (1 - confidence) / 2
    low = int(np.quantile(lower, tail, method="lower"))
    high = int(np.quantile(upper, 1 - tail, method="higher"))
    fit = non_increasing(curve.means[None], weights)
    threshold = share if definition == "ruler" else share * float((fit @ base_weights)[0])
    passed = int(passing(fit)[0])
    raw = _passes(definition, curve.means, share, share * base)
    ends = (float(curve.lengths[low - 1]) if low else None, float(curve.lengths[high]) if high < count else None)
    if needles is not None and len(np.unique(np.asarray(needles, dtype=str))) > 1:
        found = crossing(Counts.of(lengths, scores, needles), Criterion(share, definition == "nolima"), confidence)
        ends = found.low, found.high
    return replace(
        known,
        status="below_shortest" if passed == 0 else "beyond_longest" if passed == count else "within",
        threshold=threshold,
        longest_passing=float(curve.lengths[raw][-1]) if raw.any() else None,
        crossing=_crossing(curve, fit[0], passed, threshold) if 0 < passed < count else None,
        low=ends[0],
        high=ends[1],
    )


def _passes(definition: str, means: np.ndarray, share: float, relative: np.ndarray | float) -> np.ndarray:
    """RULER asks for more than its threshold, NoLiMa for at least its share (to the last bit of a float)."""
    return means > share if definition == "ruler" else means >= relative - 1e-12


def _crossing(curve: Curve, fit: np.ndarray, passed: int, threshold: float) -> float:
    """Where the curve passes the threshold between the last length that passes and the next, linear in log-odds."""
    margin = 0.5 / (curve.n[passed - 1 : passed + 1] + 1)
    above, below = _log_odds(np.clip(fit[passed - 1 : passed + 1], margin, 1 - margin))
    level = min(max(float(_log_odds(np.array(threshold))), below), above)
    shift = _shift(curve.lengths)
    x = np.log2(curve.lengths[passed - 1 : passed + 1] + shift)
    return float(2 ** (x[0] + (x[1] - x[0]) * ((above - level) / (above - below) if above > below else 0.5)) - shift)


def _shift(lengths: np.ndarray) -> int:
    """What is added to lengths before their logarithm: 1 where a length of 0 is among them (no history), else nothing."""
    return int(len(lengths) > 0 and np.nanmin(lengths) == 0)


def _log_odds(share: np.ndarray) -> np.ndarray:
    odds: np.ndarray = np.log(share / (1 - share))
    return odds


def relative_curve(
    lengths: Sequence[float],
    scores: Sequence[float],
    rng: np.random.Generator,
    clusters: Sequence[object] | None = None,
    draws: int = DRAWS,
    confidence: float = 0.95,
) -> list[dict[str, float | int | None]]:
    """Mean score at each length divided by that at the shortest, with intervals.

    Returns:
        A row for each length: length, n, score, relative, relative_low, relative_high (None if the shortest scores 0).
    """
    curve = Curve(lengths, scores, clusters)
    if not len(curve.lengths):
        return []
    tail = (1 - confidence) / 2
    lower, upper = curve.draws(rng, draws)
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.quantile(lower / lower[:, :1], tail, axis=0)
        high = np.quantile(upper / upper[:, :1], 1 - tail, axis=0)
    base = curve.means[0]
    return [
        {
            "length": float(length),
            "n": int(curve.n[i]),
            "score": float(curve.means[i]),
            "relative": float(curve.means[i] / base) if base else None,
            "relative_low": float(low[i]) if base else None,
            "relative_high": float(high[i]) if base else None,
        }
        for i, length in enumerate(curve.lengths)
    ]


@dataclass(frozen=True)
class Slope:
    """Change of the log-odds of a right answer for each doubling of the length.

    Attributes:
        slope, low, high, p_value: None if it cannot be estimated; `reason` says why.
        n: rows.
        terms: coefficient of every term: intercept, log2_length and, with positions, position and position_squared
            (both of the position from -1, the start, to 1, the end).
    """

    slope: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    n: int = 0
    terms: dict[str, float] = field(default_factory=dict)
    reason: str = ""


def length_slope(
    scores: Sequence[float],
    lengths: Sequence[float],
    positions: Sequence[float] | None = None,
    clusters: Sequence[object] | None = None,
) -> Slope:
    """Logistic regression of correctness on log2 length, with position and its square where positions differ.

    Scores between 0 and 1 are taken as fractions right (L. E. Papke, J. M. Wooldridge (1996), Econometric methods for fractional response
    variables), and then, or where samples have several rows, the errors are robust to the sample. Where a length of 0 occurs, 1 is added to all.

    Args:
        scores, lengths, clusters: see Curve.
        positions: 0 (start) to 1 (end) of each row.
    """
    y, x = np.asarray(scores, float), np.asarray(lengths, float)
    x = np.log2(x + _shift(x))
    known = ~(np.isnan(y) | np.isnan(x))
    columns = {"log2_length": x}
    if positions is not None:
        place = 2 * np.asarray(positions, float) - 1
        known &= ~np.isnan(place)
        for name, term in (("position", place), ("position_squared", place**2)):
            others = np.column_stack([np.ones(known.sum()), *(c[known] for c in columns.values())])
            if np.linalg.matrix_rank(np.column_stack([others, term[known]])) > others.shape[1]:
                columns[name] = term
    y, n = y[known], int(known.sum())
    if n == 0:
        return Slope(reason="no row counts")
    if len(np.unique(x[known])) < 2:
        return Slope(n=n, reason="only one length")
    if (y == y[0]).all():
        return Slope(n=n, reason="all scores are the same")
    design = np.column_stack([np.ones(n), *(column[known] for column in columns.values())])
    if np.linalg.matrix_rank(design) < design.shape[1] or n <= design.shape[1]:
        return Slope(n=n, reason="too few rows")
    if _separated(design, y):
        return Slope(n=n, reason="right and wrong answers are separated: no finite slope")
    from statsmodels.genmod.families import Binomial  # statsmodels.api would load all of it
    from statsmodels.genmod.generalized_linear_model import GLM

    groups = np.arange(n) if clusters is None else np.unique(np.asarray(clusters, dtype=str)[known], return_inverse=True)[1]
    if len(np.unique(groups)) < 2:
        return Slope(n=n, reason="a single sample says nothing of others")
    robust = len(np.unique(groups)) < n or not np.isin(y, (0, 1)).all()
    covariance = {"cov_type": "cluster", "cov_kwds": {"groups": groups}} if robust else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = GLM(y, design, family=Binomial()).fit(**covariance)
    low, high = fit.conf_int()[1]
    if not np.isfinite([low, high]).all() or not fit.converged:
        return Slope(n=n, reason="the fit did not converge")
    terms = dict(zip(["intercept", *columns], map(float, fit.params), strict=True))
    return Slope(terms["log2_length"], float(low), float(high), float(fit.pvalues[1]), n, terms)


def _separated(design: np.ndarray, y: np.ndarray) -> bool:
    """Whether a direction exists along which no wrong answer lies above a right one, so that the likelihood has no maximum.

    Source: A. Albert, J. A. Anderson (1984), On the existence of maximum likelihood estimates in logistic regression models; found by linear
    programming (K. Konis (2007)). Scores strictly between 0 and 1 must lie on the dividing plane itself.
    """
    from scipy.optimize import linprog

    scaled = design / np.abs(design).max(axis=0)
    signs = np.where(y == 1, 1.0, np.where(y == 0, -1.0, 0.0))[:, None]
    inner = signs[:, 0] == 0
    found = linprog(
        -(signs * scaled).sum(axis=0),
        A_ub=-(signs * scaled)[~inner],
        b_ub=np.zeros((~inner).sum()),
        A_eq=scaled[inner] if inner.any() else None,
        b_eq=np.zeros(inner.sum()) if inner.any() else None,
        bounds=(-1, 1),
    )
    return bool(found.status == 0 and -found.fun > 1e-7)
