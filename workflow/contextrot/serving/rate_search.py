"""The highest rate of requests at which a percentile of every limited latency keeps its limit, found by measuring few rates.

The rate is doubled until a limit is broken, then the interval between the highest rate that keeps them and the lowest that does not is
halved on a log scale. Each measured rate gives each latency's percentile with its interval (see scores.tails); a rate whose
intervals hold a limit is undecided and measured again with more requests, up to `most` in one measurement.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Estimate = tuple[float | None, float | None, float | None]
"""A percentile with its interval, seconds; None where the data say nothing."""


@dataclass(frozen=True)
class Trial:
    """One measured rate.

    Attributes:
        rate: requests a second.
        requests: how many were sent.
        percentiles: of each limited latency.
        failed: how many had no whole answer, or one to a prompt that the server cut; they keep no limit.
        warm: whether prompts were read from a cache: their times tell nothing of the rate.
    """

    rate: float
    requests: int
    percentiles: dict[str, Estimate]
    failed: int = 0
    warm: bool | None = None

    def keeps(self, limits: Mapping[str, float]) -> bool | None:
        """Whether every percentile keeps its limit: False if one surely does not, None where an interval holds its limit, or a cache answered."""
        if self.warm:
            return None
        if self.failed or self.broken(limits):
            return False
        highs = [(self.percentiles[name][2], limit) for name, limit in limits.items()]
        return True if all(high is not None and high <= limit for high, limit in highs) else None

    def broken(self, limits: Mapping[str, float]) -> list[str]:
        """The latencies whose percentile surely breaks its limit."""
        lows = {name: self.percentiles.get(name, (None, None, None))[1] for name in limits}
        return [name for name, low in lows.items() if low is not None and low > limits[name]]


@dataclass(frozen=True)
class HighestRate:
    """What a search found.

    Attributes:
        rate: the highest rate that keeps the limits, requests a second; None if not even the lowest does.
        low, high: between these it lies: the highest rate that surely keeps them, the lowest that surely breaks one; None where
            none was found.
        broken_first: the latencies that broke their limits at `high`; `failed requests` where some had no answer.
        why: why the search ended.
        trials: every measured rate.
    """

    rate: float | None
    low: float | None
    high: float | None
    why: str
    broken_first: list[str] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)


def highest_rate(
    measure: Callable[[float, int], Trial],
    limits: Mapping[str, float],
    start: float,
    *,
    requests: int = 200,
    most: int = 20_000,
    precision: float = 0.02,
    doublings: int = 20,
) -> HighestRate:
    """Searches from a rate that should keep the limits.

    Args:
        measure: (rate, number of requests) -> a new measurement.
        limits: latency -> seconds that its percentile may have.
        start: the first rate, requests a second.
        requests: of the first measurement at a rate; doubled where an interval holds a limit.
        most: of one measurement.
        precision: the search ends when high / low - 1 is at most this.
        doublings: how often the rate is doubled (or halved) to find both sides.
    """
    trials: list[Trial] = []

    def decide(rate: float) -> bool | None:
        count = requests
        while True:
            trials.append(measure(rate, count))
            kept = trials[-1].keeps(limits)
            if kept is not None or count * 2 > most:
                return kept
            count *= 2

    def found(rate: float | None, why: str) -> HighestRate:
        last = next((t for t in reversed(trials) if t.rate == high and t.keeps(limits) is False), None)
        broken = [] if last is None else last.broken(limits) or ["failed requests"]
        return HighestRate(rate, low, high, why, broken, trials)

    low = high = None
    rate = start
    for _ in range(doublings):
        kept = decide(rate)
        if kept is None:
            return found(rate, f"at {rate:.4g}/s {trials[-1].requests} requests cannot tell")
        if kept:
            low, rate = rate, rate * 2
        else:
            high, rate = rate, rate / 2
        if low is not None and high is not None:
            break
    if low is None:
        return found(None, f"no rate down to {high:.4g}/s keeps the limits")
    if high is None:
        return found(low, f"no rate up to {low:.4g}/s breaks a limit")
    while high / low - 1 > precision:
        rate = math.sqrt(low * high)
        kept = decide(rate)
        if kept is None:
            return found(rate, f"at {rate:.4g}/s {trials[-1].requests} requests cannot tell")
        low, high = (rate, high) if kept else (low, rate)
    return found(math.sqrt(low * high), f"found within {precision:.0%}")
