"""How far a judge can be believed, by the answers that people labelled, and its score corrected for its errors.

Two corrections, each with an interval that carries both uncertainties (which answers were drawn, and how the judge errs):

- `prediction_powered`: labels of the same answers. The judge's verdicts on all answers say how many are of each verdict, the labels how
  many of each verdict are right in truth; prediction-powered inference with the verdict as the stratum, which is post-stratification.
- `rogan_gladen`: the judge's sensitivity and specificity, known from elsewhere (other answers, or other lengths), and its share here.

Intervals of the first are of the posterior from Jeffreys' priors (a Dirichlet over verdicts, a beta in each), which holds its level for
few labels and for judges without an error among them, where the normal interval has a width of 0. Labels count by how many answers they
stand for, as the number of equal labels that would say as much (Kish 1965).

Sources: W. J. Rogan, B. Gladen (1978), Estimating prevalence from the results of a screening test; Z. Lang, J. Reiczigel (2014),
Confidence limits for prevalence of disease adjusted for estimated sensitivity and specificity; A. N. Angelopoulos et al. (2023),
Prediction-powered inference; L. D. Brown, T. T. Cai, A. DasGupta (2001), Interval estimation for a binomial proportion (Jeffreys);
L. Kish (1965), Survey sampling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from contextrot.scores.stats import wilson_interval

VERDICTS = ("right", "wrong", "unjudged")
DRAWS = 20_000
Z = 1.959963984540054


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; None where it is not defined, and `reason` says why."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Calibration:
    """What labels say of one judge.

    Attributes:
        answers, labelled: how many have its verdict, and how many of them a label.
        sensitivity, specificity: shares of the answers right (wrong) in truth that it calls so; no clear verdict is neither.
        kappa: Cohen's, between verdict and truth, over answers with a clear verdict.
        naive: the share that it calls right, taken at its word.
        corrected: the share that is right in truth.
    """

    answers: int
    labelled: int
    sensitivity: Estimate = field(default_factory=Estimate)
    specificity: Estimate = field(default_factory=Estimate)
    kappa: Estimate = field(default_factory=Estimate)
    naive: Estimate = field(default_factory=Estimate)
    corrected: Estimate = field(default_factory=Estimate)


def calibrate(
    verdicts: Sequence[bool | None],
    labels: Sequence[bool | None],
    rng: np.random.Generator,
    *,
    weights: Sequence[float] | None = None,
    design_effect: float = 1.0,
    never_right: int = 0,
    draws: int = DRAWS,
) -> Calibration:
    """A judge's errors and the score corrected for them, from labels of the same answers.

    Args:
        verdicts: the judge's, of all answers, shape (n,).
        labels: what people say, shape (n,); None where nobody was asked.
        weights: how many answers each stands for among those with labels; equal within a verdict without it.
        design_effect: of the answers, which come in clusters; see `scores.clusters`.
        never_right: answers without a text, which count as not right and need neither verdict nor label.
    """
    n = len(verdicts) + never_right
    cell = np.array([VERDICTS.index("unjudged" if v is None else "right" if v else "wrong") for v in verdicts], dtype=int)
    known = np.array([label is not None for label in labels], dtype=bool)
    truth = np.array([bool(label) for label in labels], dtype=bool)
    weight = np.ones(len(verdicts)) if weights is None else np.asarray(weights, float)
    labelled = int(known.sum())
    if not n:
        return Calibration(0, 0)
    called_right = int((cell == 0).sum())
    share = called_right / n
    effective = n / max(design_effect, 1e-9)
    naive = Estimate(share, *wilson_interval(share * effective, effective))
    counts = np.array([(cell == k).sum() for k in range(3)] + [never_right], dtype=float)
    empty = [VERDICTS[k] for k in range(3) if counts[k] and not (known & (cell == k)).any()]
    if empty:
        reason = f"no label of an answer that the judge calls {empty[0]}" if labelled else "no labels"
        nothing = Estimate(reason=reason)
        return Calibration(n, labelled, nothing, nothing, nothing, naive, nothing)
    q = _dirichlet(counts, effective, rng, draws)  # (draws, 4): shares of the verdicts, and of answers without a text
    p, point = np.zeros((draws, 3)), np.zeros(3)
    for k in range(3):
        mine = known & (cell == k)
        if not mine.any():
            p[:, k] = rng.beta(0.5, 0.5, draws)
            continue
        w = weight[mine]
        size = w.sum() ** 2 / np.square(w).sum()
        point[k] = float(w @ truth[mine] / w.sum())
        p[:, k] = rng.beta(point[k] * size + 0.5, (1 - point[k]) * size + 0.5, draws)
    value, drawn = _measures(counts[None] / n, point[None]), _measures(q, p)
    sensitivity, specificity, kappa, corrected = (_estimate(one[0], many) for one, many in zip(value, drawn, strict=True))
    return Calibration(n, labelled, sensitivity, specificity, kappa, naive, corrected)


def _dirichlet(counts: np.ndarray, effective: float, rng: np.random.Generator, draws: int) -> np.ndarray:
    """Shares of the verdicts that occur, shape (draws, 4), as if `effective` independent answers had been seen."""
    shares, seen = np.zeros((draws, len(counts))), counts > 0
    seen[:2] = True  # a judge that called no answer right (or wrong) might have
    shares[:, seen] = rng.dirichlet(counts[seen] / counts.sum() * effective + 0.5, draws)
    return shares


def _measures(shares: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sensitivity, specificity, kappa and the share right in truth, shape (draws,) each; NaN where not defined.

    Args:
        shares: of right, wrong, unjudged and without a text among all answers, shape (draws, 4).
        right: share that is right in truth among those of the first three, shape (draws, 3).
    """
    true, false = shares[:, :3] * right, shares[:, :3] * (1 - right)
    both = shares[:, 0] + shares[:, 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        agreed = (true[:, 0] + false[:, 1]) / both
        called, actual = shares[:, 0] / both, (true[:, 0] + true[:, 1]) / both
        chance = called * actual + (1 - called) * (1 - actual)
        return (
            true[:, 0] / true.sum(axis=1),
            false[:, 1] / false.sum(axis=1),
            np.where(chance < 1 - 1e-12, (agreed - chance) / (1 - chance), np.nan),
            true.sum(axis=1),
        )


def _estimate(value: float, drawn: np.ndarray) -> Estimate:
    if not math.isfinite(value):
        return Estimate(reason="not defined: all answers of one kind")
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Estimate(float(value), float(min(low, value)), float(max(high, value)))


def sampling_weights(strata: Sequence[object], labelled: Sequence[bool]) -> np.ndarray:
    """How many answers each label stands for: those of its stratum over its labels; 0 where there is no label.

    Args:
        strata: what labels were drawn by, shape (n,).
    """
    names, index = np.unique(np.asarray([str(stratum) for stratum in strata]), return_inverse=True)
    known = np.asarray(labelled, bool)
    size, drawn = np.bincount(index, minlength=len(names)), np.bincount(index, known, minlength=len(names))
    return np.where(known, size[index] / np.maximum(drawn[index], 1), 0.0)


def rogan_gladen(share: float, n: float, sensitivity: float, positives: float, specificity: float, negatives: float) -> Estimate:
    """The true share behind a judge's, from sensitivity and specificity known from other answers; cut at 0 and 1.

    Args:
        share: what the judge calls right, of `n` answers.
        sensitivity, specificity: estimated from so many `positives` and `negatives`, answers right and wrong in truth.
    """
    youden = sensitivity + specificity - 1
    if n <= 0 or positives <= 0 or negatives <= 0:
        return Estimate(reason="no labels")
    if youden <= 0:
        return Estimate(reason="the judge tells right from wrong no better than chance")
    value = min(max((share + specificity - 1) / youden, 0.0), 1.0)
    m, se, sp = n + Z**2, (positives * sensitivity + 1) / (positives + 2), (negatives * specificity + 1) / (negatives + 2)
    p, youden = (n * share + Z**2 / 2) / m, se + sp - 1
    if youden <= 0:
        return Estimate(value, 0.0, 1.0)
    center = (p + sp - 1) / youden
    of_se, of_sp = se * (1 - se) / (positives + 2), sp * (1 - sp) / (negatives + 2)
    shift = 2 * Z**2 * (center * of_se - (1 - center) * of_sp)
    error = math.sqrt(p * (1 - p) / m + center**2 * of_se + (1 - center) ** 2 * of_sp) / youden
    low, high = (min(max(center + shift + sign * Z * error, 0.0), 1.0) for sign in (-1, 1))
    return Estimate(value, min(low, value), max(high, value))


def labels_needed(
    half_width: float, answers: int, called_right: float, right_of_right: float, right_of_wrong: float
) -> int | None:
    """How many labels, half of each verdict, give a corrected score this interval; None if the answers are too few for any number.

    Args:
        half_width: of the 95 % interval.
        called_right: share that the judge calls right.
        right_of_right, right_of_wrong: shares right in truth of what it calls right and wrong, as known or guessed.
    """
    q, p1, p0 = called_right, right_of_right, right_of_wrong
    left = (half_width / Z) ** 2 - q * (1 - q) * (p1 - p0) ** 2 / answers
    if left <= 0:
        return None
    needed = 2 * (q**2 * p1 * (1 - p1) + (1 - q) ** 2 * p0 * (1 - p0)) / left
    return min(answers, max(2, math.ceil(needed)))
