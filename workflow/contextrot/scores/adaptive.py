"""Which lengths to ask next, so that the effective length is known for as few tokens as can be; and when to stop.

Each round takes the posterior of the curve (length_posterior) and asks where answers tell most about the effective length *per token*: the
expected information of Kontsevich and Tyler's psi method and Watson's QUEST+. A round is one batch job of many answers, so information is
taken jointly: scores at all lengths and the effective length are treated as normal with their posterior covariance, and each answer that is
added takes away what it tells. (With one answer a round, and costs left out, this is the psi method with a normal approximation.) Answers come in
blocks of one for each needle, so that every length has all needles alike.

A round asks for what should bring the interval to the wanted width, but for no more than `SHRINK` of the present uncertainty: what is
believed early is wrong often enough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from contextrot.scores.clusters import share_interval
from contextrot.scores.length_curve import Counts, Criterion, Crossing, crossing
from contextrot.scores.length_posterior import Grid, fitted

MAX_ROUNDS = 8
STEPS_PER_OCTAVE = 6
"""Candidate lengths for each octave."""
SHRINK = 0.2
"""The least share of the variance that a round aims at."""
ROUND_BLOCKS = 600
"""Blocks of answers in one round at most."""
LENGTH_BLOCKS = 24
"""Blocks of one length in one round at most: more would be one haystack's text too often."""
FIRST_BLOCKS = 2
"""Blocks at the shortest length in the first round at least; its score is part of relative thresholds."""
DEAD_SCORE = 0.15
"""A model whose score at the shortest length is surely below is called dead: no length of it is effective."""
FIRST_SHARE, GROWTH = 0.25, 3.0
"""Tokens of the first round, in blocks at the longest length; and of a later one, over those of all rounds before it; both at most."""
POOLED = 3
"""Neighbouring lengths that are taken together to see whether a curve rises again."""
OUT_OF_REACH, FEW_NEEDLES_SHARE = 0.05, 0.4
"""Where the wanted width asks for so little of the sampling variance, and sampling has no more than this share of all: needles are too few."""
OPEN_NEEDLES_SHARE = 0.1
"""The same where the interval is still open after two rounds."""
VERDICT_CONFIDENCE = 0.99
"""Confidence of an interval that ends a search early."""


@dataclass(frozen=True)
class Search:
    """What is searched for, and within which limits.

    Attributes:
        criterion: see length_curve.
        lengths: the lengths that may be asked, ascending, shape (J,).
        costs: tokens of one answer at each, prompt and reply, shape (J,).
        block: answers in a block: one of each needle.
        width: wanted upper end of the interval over its lower end.
        max_cost: tokens of all rounds; infinite without a cap.
        max_rounds: rounds at most.
    """

    criterion: Criterion
    lengths: np.ndarray
    costs: np.ndarray
    block: int
    width: float = 1.5
    max_cost: float = math.inf
    max_rounds: int = MAX_ROUNDS


@dataclass(frozen=True)
class Step:
    """What follows from a round.

    Attributes:
        found: the crossing as it is known now.
        blocks: index of a length -> blocks to ask next; empty at a stop.
        verdict: at a stop: `found`, `never_falls`, `never_passes`, `dead`, `not_monotone`, `needles`, `cap` or `rounds`; else empty.
        reason: one sentence that says why it stopped, or what is asked next.
        predicted_width: what the next round should bring; None at a stop or while the interval is open.
    """

    found: Crossing
    blocks: dict[int, int] = field(default_factory=dict)
    verdict: str = ""
    reason: str = ""
    predicted_width: float | None = None


def candidate_lengths(shortest: float, longest: float, steps: int = STEPS_PER_OCTAVE) -> list[int]:
    """Whole lengths from the shortest to the longest, evenly spaced in their logarithm, rounded to two or three figures; both ends among them."""
    count = max(2, round(steps * math.log2((longest + 1) / (shortest + 1))) + 1)
    raw = np.geomspace(shortest + 1, longest + 1, count) - 1
    rounded = (round(v, -max(0, int(math.log10(max(v, 1))) - 2)) for v in raw)
    inner = {int(v) for v in rounded if shortest < v < longest}
    return sorted({int(shortest), int(longest), *inner})


def next_step(search: Search, counts: Counts | None, done_rounds: int, spent: float) -> Step:
    """Stops, or says what to ask next.

    Args:
        counts: all scores until now, clusters the needles; None before the first round.
        done_rounds, spent: rounds that were asked, and their tokens.
    """
    if counts is None or not len(counts.lengths):
        if done_rounds:
            return Step(Crossing(reason="no row counts"), verdict="dead", reason="No answer counts: see the outcomes.")
        return _ask(search, None, Crossing(), spent, SHRINK)
    ends = float(search.lengths[0]), float(search.lengths[-1])
    found = crossing(counts, search.criterion, ends=ends, least_share=1.0)
    ended = _verdict(search, counts, found)
    if ended is not None:
        return Step(found, verdict=ended[0], reason=ended[1])
    if found.factor <= search.width:
        return Step(
            found, verdict="found", reason=f"The interval is a factor of {found.factor:.2f} wide, {search.width:g} was wanted."
        )
    if done_rounds >= search.max_rounds:
        return Step(found, verdict="rounds", reason=f"{done_rounds} rounds were asked, which is the limit. {_still(found)}")
    share = 1.0 if found.sampling_share is None else found.sampling_share
    wanted = SHRINK
    if not math.isfinite(found.factor) and done_rounds >= 2 and share < OPEN_NEEDLES_SHARE:
        return Step(found, verdict="needles", reason=f"{_needles(counts)} {_still(found)}")
    if math.isfinite(found.factor):
        ratio = (math.log(search.width) / math.log(found.factor)) ** 2
        wanted = (ratio - (1 - share)) / max(share, 1e-3)  # of the variance that more answers can take away
        if wanted <= OUT_OF_REACH and share < FEW_NEEDLES_SHARE:
            return Step(
                found,
                verdict="needles",
                reason=f"{_needles(counts)} {_still(found)}",
            )
    return _ask(search, counts, found, spent, min(max(0.9 * wanted, SHRINK), 0.9))


def _needles(counts: Counts) -> str:
    return (
        f"The needles differ more than answers do: {len(counts.totals)} needles allow no narrower interval, however many answers each "
        "gets; take more needles."
    )


def _still(found: Crossing) -> str:
    if not math.isfinite(found.factor):
        return "The interval is still open at an end."
    return f"The interval is a factor of {found.factor:.2f} wide."


def _verdict(search: Search, counts: Counts, found: Crossing) -> tuple[str, str] | None:
    """An early end that more answers near a crossing would not change."""
    shortest, longest = search.lengths[0], search.lengths[-1]
    low, high = length_intervals(counts, VERDICT_CONFIDENCE)
    if counts.lengths[0] == shortest and high[0] < DEAD_SCORE:
        return "dead", f"The score at {shortest:g} is {counts.means[0]:.2f}: flat at the bottom, no length is effective."
    if not search.criterion.relative and counts.lengths[0] == shortest and high[0] < search.criterion.level:
        return "never_passes", (
            f"The score at the shortest length, {shortest:g}, is {counts.means[0]:.2f} and surely below {search.criterion.level:g}."
        )
    threshold = float(search.criterion.threshold(found.base if found.base is not None else 0.0))
    pooled = _pooled(counts)
    low, high = length_intervals(pooled, VERDICT_CONFIDENCE)
    for i in range(len(counts.lengths)):
        later = np.flatnonzero((low > high[i]) & (pooled.means > threshold))
        later = later[later >= i + POOLED] - i - 1
        if high[i] < threshold and len(later):
            above = counts.lengths[i + 1 + later[0]]
            return "not_monotone", (
                f"The score falls below {threshold:.2f} at {counts.lengths[i]:g} and is above it again at {above:g}: there is no one "
                "effective length."
            )
    at_end = counts.lengths >= 0.9 * longest
    if at_end.any() and found.status == "beyond_longest" and found.low is not None and found.low >= 0.9 * longest:
        return "never_falls", f"The score at {longest:g} is still above {threshold:.2f}: the effective length is beyond it."
    return None


def _pooled(counts: Counts) -> Counts:
    """Each length with the few that follow it: single ones have too few answers to contradict others."""
    totals, sizes = (
        np.stack([table[:, j : j + POOLED].sum(axis=1) for j in range(len(counts.lengths))], axis=1)
        for table in (counts.totals, counts.sizes)
    )
    return Counts(counts.lengths, totals, sizes)


def length_intervals(counts: Counts, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the interval of the mean at each length, over clusters, shape (J,) each; 0 and 1 where one cluster says nothing."""
    low, high = np.zeros(len(counts.lengths)), np.ones(len(counts.lengths))
    for j in range(len(counts.lengths)):
        sizes = counts.sizes[:, j]
        totals, sizes = counts.totals[sizes > 0, j], sizes[sizes > 0]
        n, count = sizes.sum(), len(sizes)
        if count < 2:
            continue
        mean = totals.sum() / n
        variance = count / (count - 1) * np.square(totals - sizes * mean).sum() / n**2
        alone = mean * (1 - mean) / n
        effect = max(variance / alone, 0.5) if alone > 0 else None  # few answers at a length: 0.5 at least
        low[j], high[j] = share_interval(float(mean), float(n), effect, count - 1, confidence)
    return low, high


def _ask(search: Search, counts: Counts | None, found: Crossing, spent: float, aim: float) -> Step:
    """The blocks that should leave `aim` of the effective length's variance for the fewest tokens, within the cap."""
    shift = int(search.lengths[0] == 0)
    places = np.log2(search.lengths + shift)
    ends = float(places[0]), float(places[-1])
    if counts is None:
        grid = Grid.wide(*ends)
        weights = np.exp(grid.log_prior) / np.exp(grid.log_prior).sum()
    else:
        totals, sizes = counts.totals.sum(axis=0)[None], counts.sizes.sum(axis=0)[None]
        grid, several = fitted(counts.octaves, totals, sizes, ends)
        weights = several[0]
    keep = weights > 1e-7 * weights.max()
    curves, weights = grid.probabilities(places)[keep], weights[keep] / weights[keep].sum()
    target = _crossings(curves, places, search.criterion)
    mean, middle = weights @ curves, float(weights @ target)
    centered, aside = curves - mean, target - middle
    covariance = (centered * weights[:, None]).T @ centered  # (J, J)
    shared = (aside * weights) @ centered  # (J,)
    variance = start = float(weights @ aside**2)
    noise = np.maximum(mean * (1 - mean), 0.02) / search.block
    costs = search.costs * search.block
    left = min(search.max_cost - spent, max(FIRST_SHARE * float(costs[-1]), GROWTH * spent, float(costs[0]) * FIRST_BLOCKS))
    blocks = np.zeros(len(places), int)
    if counts is None:
        # the score at the shortest length, and a few answers at every octave that costs next to nothing
        cheap = [0, *np.flatnonzero(search.costs <= 0.02 * search.costs[-1])[:: STEPS_PER_OCTAVE // 2]]
        for j in cheap:
            if FIRST_BLOCKS * costs[j] <= left:
                _take(j, FIRST_BLOCKS, blocks, covariance, shared, noise)
                left -= FIRST_BLOCKS * costs[j]
        variance -= start - float(weights @ aside**2)
    allowed = _allowed(search, found)
    while variance > aim * start and blocks.sum() < ROUND_BLOCKS:
        told = shared**2 / (np.diag(covariance) + noise)
        worth = -np.log1p(-np.clip(told / variance, 0, 0.999)) / costs
        worth[~allowed | (blocks >= LENGTH_BLOCKS) | (costs > left) | (told < 1e-4 * variance)] = 0
        j = int(np.argmax(worth))
        if worth[j] <= 0:
            break
        variance -= float(told[j])
        _take(j, 1, blocks, covariance, shared, noise)
        left -= costs[j]
    if not blocks.any():
        if search.max_cost < math.inf and (costs > search.max_cost - spent).any():
            return Step(found, verdict="cap", reason=f"The cap of {search.max_cost:,.0f} tokens is reached. {_still(found)}")
        return Step(found, verdict="rounds", reason=f"No further answer would tell more. {_still(found)}")
    chosen = {int(j): int(blocks[j]) for j in np.flatnonzero(blocks)}
    width = None
    if math.isfinite(found.factor):
        share = 1.0 if found.sampling_share is None else found.sampling_share
        width = float(found.factor ** math.sqrt(1 - share + share * variance / start))
    asked = ", ".join(f"{blocks[j] * search.block} at {search.lengths[j]:g}" for j in chosen)
    return Step(found, chosen, "", f"Asked next: {asked}.", width)


def _allowed(search: Search, found: Crossing) -> np.ndarray:
    """Which lengths may be asked: those inside the gap alone while the curve leaps over one that is too wide."""
    everywhere = np.ones(len(search.lengths), bool)
    if found.leap is None or found.leap[1] <= search.width * max(found.leap[0], 1e-9):
        return everywhere
    inside = (search.lengths > found.leap[0]) & (search.lengths < found.leap[1])
    return inside if inside.any() else everywhere


def _take(j: int, count: int, blocks: np.ndarray, covariance: np.ndarray, shared: np.ndarray, noise: np.ndarray) -> None:
    """Takes what `count` blocks at length j tell out of the covariances, in place."""
    scale = covariance[j, j] + noise[j] / count
    column = covariance[:, j].copy()
    shared -= column * (shared[j] / scale)
    covariance -= np.outer(column, column) / scale
    blocks[j] += count


def _crossings(curves: np.ndarray, places: np.ndarray, criterion: Criterion) -> np.ndarray:
    """Where each curve (G, J) passes, octaves; half an octave beyond the ends where it does not."""
    threshold = np.asarray(criterion.threshold(curves[:, 0]))
    below = curves < threshold[:, None]
    first = np.argmax(below, axis=1)
    rows, before = np.arange(len(curves)), np.maximum(first - 1, 0)
    high, low = curves[rows, before], curves[rows, first]
    part = (high - threshold) / np.maximum(high - low, 1e-9)
    at = places[before] + np.clip(part, 0, 1) * (places[first] - places[before])
    at = np.where(below[:, 0], places[0] - 0.5, at)
    return np.asarray(np.where(below.any(axis=1), at, places[-1] + 0.5))


def summary(step: Step, rounds: int, spent: float) -> dict[str, Any]:
    """A step as a file holds it; lengths that are not known are None."""
    found = {name: value for name, value in vars(step.found).items() if name != "reason"}
    return {
        **found,
        "why_unknown": step.found.reason,
        "factor": step.found.factor if math.isfinite(step.found.factor) else None,
        "verdict": step.verdict,
        "reason": step.reason,
        "rounds": rounds,
        "tokens": spent,
        "predicted_width": step.predicted_width,
    }
