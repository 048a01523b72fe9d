"""The adaptive search against the default grid, on known curves: coverage, and tokens for the same width. Both sides in one run.

    python benchmarks/adaptive.py --curves 200 --needles 8 --spread 0.7

Curves are logistic (2 of 5), a step, two slopes, or shifted by depth (U-shaped; 1 of 5 each), from 500 to 900,000 tokens, with a random
effect of every needle (logits). The truth is the curve's mean over needles of the kind and all depths. The grid asks 8 lengths x 11 depths
once of each needle; its interval is the same as the search's. Then the search is run again with the grid's width as the wanted one.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from contextrot.scores.adaptive import Search, Step, candidate_lengths, next_step
from contextrot.scores.length_curve import Counts, Criterion, Crossing, crossing

GRID = np.array([500, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 900_000], float)
DEPTHS = np.linspace(0, 1, 11)
ANSWER_TOKENS = 50
NOLIMA = Criterion(0.85, True)
KINDS, SHARES = ("logistic", "step", "two slopes", "U-shaped"), (0.4, 0.2, 0.2, 0.2)
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(25)

Curve = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Probability of a right answer by log2 length, depth (0 to 1) and the needle's effect, broadcast against each other."""


def random_curve(rng: np.random.Generator) -> tuple[str, Curve]:
    """One curve that crosses the threshold within the lengths, nearly always."""
    kind = str(rng.choice(KINDS, p=SHARES))
    ends = np.log2(GRID[[0, -1]])
    middle = rng.uniform(ends[0] + 1.5, ends[1] - 1)
    slope = math.log(2) * math.exp(rng.uniform(math.log(0.7), math.log(4)))  # logits an octave
    top, floor = rng.uniform(0.88, 0.995), rng.choice([0, 0.05, 0.2])
    kink, bend = middle - rng.uniform(0.5, 2), rng.uniform(2, 3)
    by_depth = rng.uniform(1, 3)

    def logits(z: np.ndarray, depth: np.ndarray) -> np.ndarray:
        if kind == "step":
            return np.where(z < middle, 6.0, -3.0)
        if kind == "two slopes":
            return 2.5 - slope * np.where(z < kink, 0.3, bend) * (z - kink)
        falling = -slope * (z - middle)
        return falling + by_depth * ((2 * depth - 1) ** 2 - 0.5) if kind == "U-shaped" else falling

    def probability(z: np.ndarray, depth: np.ndarray, effect: np.ndarray) -> np.ndarray:
        return floor + (top - floor) / (1 + np.exp(-(logits(z, depth) + effect + 0 * depth)))

    return kind, probability


def true_length(curve: Curve, spread: float) -> float:
    """Where the mean over needles of the kind and depths crosses; infinite if it never does."""
    z = np.linspace(*np.log2(GRID[[0, -1]]), 4000)
    effects, weights = spread * _NODES, _WEIGHTS / _WEIGHTS.sum()
    mean = np.mean([curve(z[:, None], np.array(depth), effects) @ weights for depth in DEPTHS], axis=0)
    below = mean < NOLIMA.threshold(mean[0])
    return float(2 ** z[np.argmax(below)]) if below.any() else math.inf


def ask(rng: np.random.Generator, curve: Curve, length: float, depths: np.ndarray, effects: np.ndarray) -> np.ndarray:
    """Right answers of each needle, shape (K,), at depths of shape (K, n)."""
    p = curve(np.log2(length), depths, effects[:, None])
    return (rng.random(p.shape) < p).sum(axis=1)


def search(rng: np.random.Generator, curve: Curve, effects: np.ndarray, plan: Search) -> tuple[Step, int, float]:
    """Runs a search to its end: the last step, rounds and tokens."""
    shape = len(effects), len(plan.lengths)
    right, asked, spent = np.zeros(shape), np.zeros(shape), 0.0
    for done in range(plan.max_rounds + 1):
        used = asked.sum(axis=0) > 0
        counts = Counts(plan.lengths[used], right[:, used], asked[:, used]) if used.any() else None
        step = next_step(plan, counts, done, spent)
        if step.verdict:
            return step, done, spent
        for j, blocks in step.blocks.items():
            places = np.arange(blocks)[None] * 4 + np.arange(len(effects))[:, None] + int(asked[0, j])
            right[:, j] += ask(rng, curve, plan.lengths[j], DEPTHS[places % len(DEPTHS)], effects)
            asked[:, j] += blocks
            spent += blocks * len(effects) * plan.costs[j]
    raise AssertionError("a search stops at its last round")


def grid(rng: np.random.Generator, curve: Curve, effects: np.ndarray) -> tuple[Crossing, float]:
    """The grid's crossing and tokens."""
    depths = np.tile(DEPTHS, (len(effects), 1))
    right = np.stack([ask(rng, curve, length, depths, effects) for length in GRID], axis=1).astype(float)
    counts = Counts(GRID, right, np.full(right.shape, float(len(DEPTHS))))
    return crossing(counts, NOLIMA), float(len(effects) * len(DEPTHS) * (GRID + ANSWER_TOKENS).sum())


def covers(found: Crossing, truth: float) -> bool:
    """Whether an interval holds the truth; open ends hold all beyond."""
    return (found.low is None or found.low <= truth) and (found.high is None or truth <= found.high)


def run(curves: int, needles: int, spread: float, seed: int) -> str:
    """One line of results."""
    lengths = np.array(candidate_lengths(GRID[0], GRID[-1]), float)
    plan = Search(NOLIMA, lengths, lengths + ANSWER_TOKENS, needles)
    hits, grid_hits, kinds, verdicts = Counter(), 0, Counter(), Counter()
    rounds, shares, same = [], [], []
    for number in range(curves):
        rng = np.random.default_rng([seed, needles, int(10 * spread), number])
        kind, curve = random_curve(rng)
        truth, effects = true_length(curve, spread), rng.normal(0, spread, needles)
        step, done, spent = search(rng, curve, effects, plan)
        found, grid_spent = grid(rng, curve, effects)
        hits[kind] += covers(step.found, truth)
        kinds[kind] += 1
        verdicts[step.verdict] += 1
        grid_hits += covers(found, truth)
        rounds.append(done)
        shares.append(spent / grid_spent)
        if math.isfinite(found.factor):
            again, _, spent = search(rng, curve, effects, replace(plan, width=found.factor))
            if again.found.factor <= found.factor:
                same.append(spent / grid_spent)
    by_kind = ", ".join(f"{kind} {hits[kind] / kinds[kind]:.2f}" for kind in KINDS if kinds[kind])
    return (
        f"needles {needles:2d} spread {spread:.1f}: coverage {sum(hits.values()) / curves:.3f} ({by_kind}), grid's {grid_hits / curves:.3f}; "
        f"tokens to a factor of {plan.width:g}: median {np.median(shares):.3f} of the grid's; for the grid's own width ({len(same)} of "
        f"{curves} curves): median {np.median(same) if same else math.nan:.3f}; rounds {np.mean(rounds):.1f}, at most {max(rounds)}; "
        f"{dict(verdicts)}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--curves", type=int, default=200)
    parser.add_argument("--needles", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--spread", type=float, nargs="+", default=[0.0, 0.7, 1.5])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for needles in given.needles:
        for spread in given.spread:
            print(run(given.curves, needles, spread, given.seed), flush=True)
