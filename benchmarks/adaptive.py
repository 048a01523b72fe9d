"""The adaptive search against the default grid, on known curves: coverage, and tokens for the same width. Both sides in one run.

    python benchmarks/adaptive.py --curves 200 --needles 4 8 16 --spread 0 0.7 1.5

Curves fall from 500 to 900,000 tokens: a logistic, a step, two slopes, U-shaped in depth, a probit, a Weibull curve, a straight line, two
steps, or a midpoint of each needle's own; needles differ by a random effect (logits). The truth is the curve's mean over needles of the kind
and all depths. The grid asks 8 lengths x 11 depths once of each needle; its interval is the same as the search's. Then the search is run
again with the grid's width as the wanted one. The grid's answers also give one length's score, and differences from a second model: one with
the same curve (false positives) and one with another (coverage), to each of which the needles are hard in its own way, by the same spread.
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
from scipy.special import ndtr

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from contextrot.scores.adaptive import Search, Step, candidate_lengths
from contextrot.scores.clusters import clustered_difference, clustered_mean
from contextrot.scores.length_curve import Counts, Criterion, Crossing, crossing
from contextrot.scores.rehearsal import rehearse

GRID = np.array([500, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 900_000], float)
DEPTHS = np.linspace(0, 1, 11)
ANSWER_TOKENS = 50
NOLIMA = Criterion(0.85, True)
KINDS = ("logistic", "step", "two slopes", "U-shaped", "probit", "Weibull", "line", "two steps", "own midpoints")
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(25)

Curve = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Probability of a right answer by log2 length, depth (0 to 1) and the needle's effect, broadcast against each other."""


def random_curve(rng: np.random.Generator) -> tuple[str, Curve]:
    """One curve that crosses the threshold within the lengths, nearly always."""
    kind = str(rng.choice(KINDS))
    ends = np.log2(GRID[[0, -1]])
    middle = rng.uniform(ends[0] + 1.5, ends[1] - 1)
    slope = math.log(2) * math.exp(rng.uniform(math.log(0.7), math.log(4)))  # logits an octave
    top, floor = rng.uniform(0.88, 0.995), rng.choice([0, 0.05, 0.2])
    kink, bend = middle - rng.uniform(0.5, 2), rng.uniform(2, 3)
    by_depth, reach = rng.uniform(1, 3), rng.uniform(1, 4)

    def logits(z: np.ndarray, depth: np.ndarray, effect: np.ndarray) -> np.ndarray:
        falling = -slope * (z - middle)
        if kind == "step":
            falling = np.where(z < middle, 6.0, -3.0)
        elif kind == "two steps":
            falling = np.where(z < middle, 6.0, np.where(z < middle + reach, 0.0, -3.0))
        elif kind == "two slopes":
            falling = 2.5 - slope * np.where(z < kink, 0.3, bend) * (z - kink)
        elif kind == "U-shaped":
            falling = falling + by_depth * ((2 * depth - 1) ** 2 - 0.5)
        elif kind == "probit":
            falling = _log_odds(ndtr(falling / 1.7))
        elif kind == "Weibull":
            falling = _log_odds(np.exp(-np.exp(-falling.clip(-8, 8) - 0.4)))
        elif kind == "line":
            falling = _log_odds(0.5 - (z - middle) / (2 * reach))
        elif kind == "own midpoints":
            return falling + effect / 1.5 * max(slope, 1.0)
        return falling + effect

    def probability(z: np.ndarray, depth: np.ndarray, effect: np.ndarray) -> np.ndarray:
        return floor + (top - floor) / (1 + np.exp(-logits(np.asarray(z, float), depth, effect)) + 0 * depth)

    return kind, probability


def _log_odds(share: np.ndarray) -> np.ndarray:
    share = np.clip(share, 1e-3, 1 - 1e-3)
    return np.log(share / (1 - share))


def true_mean(curve: Curve, spread: float, z: np.ndarray) -> np.ndarray:
    """Mean over needles of the kind and depths at each log2 length, shape (Z,)."""
    effects, weights = spread * _NODES, _WEIGHTS / _WEIGHTS.sum()
    return np.mean([curve(z[:, None], np.array(depth), effects) @ weights for depth in DEPTHS], axis=0)


def true_length(curve: Curve, spread: float) -> float:
    """Where that mean crosses; infinite if it never does."""
    z = np.linspace(*np.log2(GRID[[0, -1]]), 2000)
    mean = true_mean(curve, spread, z)
    threshold = NOLIMA.threshold(mean[0])
    below = mean < threshold
    if not below.any():
        return math.inf
    above, under = z[max(int(np.argmax(below)) - 1, 0)], z[np.argmax(below)]
    for _ in range(30):  # the very place, also of a step: tested lengths may lie next to it
        middle = (above + under) / 2
        above, under = (above, middle) if true_mean(curve, spread, np.array([middle]))[0] < threshold else (middle, under)
    return float(2**under)


def ask(rng: np.random.Generator, curve: Curve, length: float, depths: np.ndarray, effects: np.ndarray) -> np.ndarray:
    """Answers, right (1) or wrong, at depths of shape (K, n) for needles with effects of shape (K,)."""
    p = curve(np.log2(length), depths, effects[:, None])
    return (rng.random(p.shape) < p).astype(float)


def search(rng: np.random.Generator, curve: Curve, effects: np.ndarray, plan: Search) -> tuple[Step, int, float]:
    """Runs a search to its end: the last step, rounds and tokens."""

    def right(j: int, first: int, blocks: int) -> np.ndarray:
        places = np.arange(blocks)[None] * 4 + np.arange(len(effects))[:, None] + first
        return ask(rng, curve, plan.lengths[j], DEPTHS[places % len(DEPTHS)], effects).sum(axis=1)

    step, _, rounds, spent = rehearse(plan, right)
    return step, rounds, spent


def grid(rng: np.random.Generator, curve: Curve, effects: np.ndarray) -> np.ndarray:
    """The grid's answers, shape (lengths, K, depths)."""
    depths = np.tile(DEPTHS, (len(effects), 1))
    return np.stack([ask(rng, curve, length, depths, effects) for length in GRID])


def grid_crossing(answers: np.ndarray) -> tuple[Crossing, float]:
    """The grid's crossing and tokens."""
    _, needles, depths = answers.shape
    right = answers.sum(axis=2).T
    found = crossing(Counts(GRID, right, np.full(right.shape, float(depths))), NOLIMA)
    return found, float(needles * depths * (GRID + ANSWER_TOKENS).sum())


def of_one_length(rng: np.random.Generator, curve: Curve, spread: float, shared: np.ndarray, answers: np.ndarray) -> Counter:
    """How often the score of one length and differences from two other models cover, and equal models are called different."""
    hits: Counter = Counter()
    other = random_curve(rng)[1]
    first, equal, unequal = (grid(rng, c, shared + rng.normal(0, spread, len(shared))) for c in (curve, curve, other))
    z, both = np.log2(GRID), math.sqrt(2) * spread
    score, difference = true_mean(curve, spread, z), true_mean(curve, both, z) - true_mean(other, both, z)
    names = np.repeat(np.arange(len(shared)), len(DEPTHS))
    for i in range(len(GRID)):
        mean = clustered_mean(answers[i].ravel(), names, (0, 1))
        hits["score"] += mean.low <= score[i] <= mean.high
        same, apart = (clustered_difference(first[i].ravel(), one[i].ravel(), names) for one in (equal, unequal))
        hits["called different"] += same.p_value < 0.05
        hits["difference"] += apart.low <= difference[i] <= apart.high
    return hits


def covers(found: Crossing, truth: float) -> bool:
    """Whether an interval holds the truth; open ends hold all beyond."""
    return (found.low is None or found.low <= truth) and (found.high is None or truth <= found.high)


def run(curves: int, needles: int, spread: float, seed: int, width: float) -> str:
    """One line of results."""
    lengths = np.array(candidate_lengths(GRID[0], GRID[-1]), float)
    plan = Search(NOLIMA, lengths, lengths + ANSWER_TOKENS, needles, width)
    hits, sides, grid_hits, kinds, verdicts, single = Counter(), Counter(), 0, Counter(), Counter(), Counter()
    rounds, shares, same, excess, widths = [], [], [], [], []
    for number in range(curves):
        rng = np.random.default_rng([seed, needles, int(10 * spread), number])
        kind, curve = random_curve(rng)
        truth, effects = true_length(curve, spread), rng.normal(0, spread, needles)
        step, done, spent = search(rng, curve, effects, plan)
        answers = grid(rng, curve, effects)
        found, grid_spent = grid_crossing(answers)
        single += of_one_length(rng, curve, spread, effects, answers)
        hits[kind] += covers(step.found, truth)
        sides["above"] += step.found.low is not None and step.found.low > truth
        sides["below"] += step.found.high is not None and step.found.high < truth
        kinds[kind] += 1
        verdicts[step.verdict] += 1
        grid_hits += covers(found, truth)
        rounds.append(done)
        shares.append(spent / grid_spent)
        widths.append(step.found.factor)
        if math.isfinite(found.factor):
            again, _, spent = search(rng, curve, effects, replace(plan, width=found.factor))
            if again.found.factor <= found.factor:
                same.append(spent / grid_spent)
                excess.append(math.log(again.found.factor) / math.log(found.factor))
    by_kind = ", ".join(f"{kind} {hits[kind] / kinds[kind]:.2f}" for kind in KINDS if kinds[kind])
    covered = sum(hits.values()) / curves
    error = math.sqrt(covered * (1 - covered) / curves)  # Monte Carlo, one standard deviation
    share = {name: count / curves / len(GRID) for name, count in single.items()}
    return (
        f"needles {needles:2d} spread {spread:.1f}: coverage {covered:.3f} +- {error:.3f} ({by_kind}; interval above the truth "
        f"{sides['above'] / curves:.3f}, below {sides['below'] / curves:.3f}), grid's {grid_hits / curves:.3f}; one length's score "
        f"{share['score']:.3f}, differences {share['difference']:.3f}, equal models called different {share['called different']:.3f}; "
        f"tokens to a factor of {plan.width:g}: median {np.median(shares):.3f} of the grid's, mean {np.mean(shares):.3f}; for the grid's own width ({len(same)} of "
        f"{curves} curves): median {np.median(same) if same else math.nan:.3f}, its octaves {np.median(excess) if excess else math.nan:.2f} of the grid's; width reached: median {np.median(widths):.2f}; rounds "
        f"{np.mean(rounds):.1f}, at most {max(rounds)}; {dict(verdicts)}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--curves", type=int, default=200)
    parser.add_argument("--needles", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--spread", type=float, nargs="+", default=[0.0, 0.7, 1.5])
    parser.add_argument("--width", type=float, default=1.5)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for needles in given.needles:
        for spread in given.spread:
            print(run(given.curves, needles, spread, given.seed, given.width), flush=True)
