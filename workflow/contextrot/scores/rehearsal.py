"""A search or a grid played through on a known curve, before anything is asked."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from contextrot.scores.adaptive import Search, Step, next_step
from contextrot.scores.length_curve import Counts, Criterion, crossing

Ask = Callable[[int, int, int], np.ndarray]
"""Right answers of each needle, shape (K,), to some blocks of a length: index of the length, first block, number of blocks."""
SLOPE = 1.5
"""Log-odds by which the assumed curve falls for each octave."""
GRID_REPEATS = (1, 2, 4, 8, 16, 32, 64)


def rehearse(search: Search, ask: Ask) -> tuple[Step, np.ndarray, int, float]:
    """Runs a search to its end: the last step, blocks asked at each length (J,), rounds and tokens."""
    shape = search.block, len(search.lengths)
    right, asked, spent = np.zeros(shape), np.zeros(shape), 0.0
    for done in range(search.max_rounds + 1):
        used = asked[0] > 0
        counts = Counts(search.lengths[used], right[:, used], asked[:, used]) if used.any() else None
        step = next_step(search, counts, done, spent)
        if step.verdict:
            return step, asked[0], done, spent
        for j, blocks in step.blocks.items():
            right[:, j] += ask(j, int(asked[0, j]), blocks)
            asked[:, j] += blocks
            spent += blocks * search.block * search.costs[j]
    raise AssertionError("a search stops at its last round")


@dataclass(frozen=True)
class Rehearsed:
    """The median of several plays.

    Attributes:
        blocks: answers about each needle at each length, shape (J,); None where no number of them is enough.
        factor: width of the interval, upper over lower end; infinite if open.
        rounds: of a search.
    """

    blocks: np.ndarray | None
    factor: float
    rounds: int = 1


def assumed_curve(lengths: np.ndarray, score: float, spread: float, needles: int, rng: np.random.Generator) -> np.ndarray:
    """Probability of a right answer of each needle at each length, (K, J): a logistic curve with its middle in the middle of the octaves."""
    octaves = np.log2(lengths + (lengths[0] == 0))
    effects = rng.normal(0, spread, needles)
    top = max(score, 0.9)
    falling = -SLOPE * (octaves - (octaves[0] + octaves[-1]) / 2)
    return np.asarray(top / (1 + np.exp(-(falling + effects[:, None]))))


def _answers(rng: np.random.Generator, curve: np.ndarray, j: int, first: int, blocks: int) -> np.ndarray:
    return rng.binomial(blocks, curve[:, j])


def rehearsed_search(search: Search, score: float, spread: float, rng: np.random.Generator, plays: int = 7) -> Rehearsed:
    """What an adaptive search is expected to ask, and how wide its interval is expected to be."""
    ends = []
    for _ in range(plays):
        curve = assumed_curve(search.lengths, score, spread, search.block, rng)
        ends.append(rehearse(search, partial(_answers, rng, curve)))
    order = np.argsort([spent for *_, spent in ends])
    middle = ends[int(order[len(order) // 2])]
    return Rehearsed(middle[1], float(np.median([step.found.factor for step, *_ in ends])), middle[2])


def rehearsed_grid(
    lengths: np.ndarray,
    needles: int,
    each: int,
    criterion: Criterion,
    width: float,
    score: float,
    spread: float,
    rng: np.random.Generator,
    plays: int = 7,
) -> Rehearsed:
    """How often a grid with `each` answers about a needle at each length must be repeated for the wanted width, if that is ever enough."""
    factor = math.inf
    for repeats in GRID_REPEATS:
        count, factors = repeats * each, []
        for _ in range(plays):
            p = assumed_curve(lengths, score, spread, needles, rng)
            right = rng.binomial(count, p).astype(float)
            factors.append(crossing(Counts(lengths, right, np.full(right.shape, float(count))), criterion).factor)
        factor = float(np.median(factors))
        if factor <= width:
            return Rehearsed(np.full(len(lengths), float(count)), factor)
    return Rehearsed(None, factor)
