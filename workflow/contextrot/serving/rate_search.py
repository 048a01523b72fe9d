"""The highest rate of requests at which a percentile of a latency keeps its limit, found by measuring few rates.

The rate is doubled until the limit is broken, then the interval between the highest rate that keeps it and the lowest that does not is
halved on a log scale. Each measured rate gives the percentile with its interval (see tasks.serving.tails); a rate whose interval holds
the limit is undecided and measured again with more requests, up to `most` in all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

Estimate = tuple[float | None, float | None, float | None]


@dataclass(frozen=True)
class Trial:
    """One measured rate: requests a second, how many were sent, and the percentile with its interval, seconds."""

    rate: float
    requests: int
    value: float
    low: float | None
    high: float | None

    def keeps(self, limit: float) -> bool | None:
        """Whether the percentile keeps the limit; None where the interval holds it."""
        if self.high is not None and self.high <= limit:
            return True
        if self.low is not None and self.low > limit:
            return False
        return None


@dataclass(frozen=True)
class HighestRate:
    """What a search found.

    Attributes:
        rate: the highest rate that keeps the limit, requests a second; None if not even the lowest does.
        low, high: between these it lies: the highest rate that surely keeps the limit, the lowest that surely breaks it; None where
            none was found.
        why: why the search ended.
        trials: every measured rate.
    """

    rate: float | None
    low: float | None
    high: float | None
    why: str
    trials: list[Trial] = field(default_factory=list)


def highest_rate(
    measure: Callable[[float, int], Estimate],
    limit_seconds: float,
    start: float,
    *,
    requests: int = 200,
    most: int = 20_000,
    precision: float = 0.02,
    doublings: int = 20,
) -> HighestRate:
    """Searches from a rate that should keep the limit.

    Args:
        measure: (rate, number of requests) -> the percentile with its interval, seconds, of a new measurement.
        start: the first rate, requests a second.
        requests: of the first measurement at a rate; doubled where its interval holds the limit.
        most: of one rate, in all its measurements.
        precision: the search ends when high / low - 1 is at most this.
        doublings: how often the rate is doubled (or halved) to find both sides.
    """
    trials: list[Trial] = []

    def decide(rate: float) -> bool | None:
        count = requests
        while True:
            value, low, high = measure(rate, count)
            trials.append(Trial(rate, count, math.inf if value is None else value, low, high))
            kept = trials[-1].keeps(limit_seconds)
            if kept is not None or count * 2 > most:
                return kept
            count *= 2

    low = high = None
    rate = start
    for _ in range(doublings):
        kept = decide(rate)
        if kept is not False:
            low, rate = rate, rate * 2
            if high is not None:
                break
        else:
            high, rate = rate, rate / 2
            if low is not None:
                break
    if low is None:
        return HighestRate(None, None, high, f"no rate down to {rate * 2:.4g}/s keeps the limit", trials)
    if high is None:
        return HighestRate(low, low, None, f"no rate up to {low:.4g}/s breaks the limit", trials)
    while high / low - 1 > precision:
        rate = math.sqrt(low * high)
        kept = decide(rate)
        if kept is None:
            return HighestRate(rate, low, high, f"at {rate:.4g}/s {most} requests cannot tell", trials)
        low, high = (rate, high) if kept else (low, rate)
    return HighestRate(math.sqrt(low * high), low, high, f"found within {precision:.0%}", trials)
