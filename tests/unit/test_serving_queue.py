"""The open loop and the search of rates against queues whose waiting times are known (Kleinrock, Queueing Systems I, 1975)."""

import asyncio

import numpy as np
import pytest

from contextrot.engines import Endpoint
from contextrot.records import Sample
from contextrot.serving import load
from contextrot.serving.arrivals import due_seconds
from contextrot.serving.load import LoadGenerator, Timing
from contextrot.serving.rate_search import highest_rate
from contextrot.tasks.serving.tails import quantile_interval
from tests.virtual_loop import VirtualLoop

SERVICE_SECONDS = 0.01


class Queue:
    """One server, first come first served; service is deterministic or exponential."""

    def __init__(self, rng, exponential):
        self.rng, self.exponential = rng, exponential
        self.free = 0.0

    async def send(self, _session, _endpoint, sample, _options):
        start = load.now()
        begin = max(self.free, start)
        self.free = begin + (self.rng.exponential(SERVICE_SECONDS) if self.exponential else SERVICE_SECONDS)
        await asyncio.sleep(self.free - start)
        end = load.now()
        return Timing(sample.sample_id, start, end - start, end - start, 1, 1, None, "")


async def _connected(self, _):
    self._session = None


def sojourns(monkeypatch, rate, count, exponential, seed=0):
    """Seconds from due to answered of `count` requests."""
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(load, "_send", Queue(rng, exponential).send)
    monkeypatch.setattr(LoadGenerator, "_connect", _connected)
    samples = [Sample(f"s{i}", [], [], 1, 1, condition={}) for i in range(count)]
    with LoadGenerator(Endpoint("vllm", "m", "hosted_vllm"), loop=VirtualLoop) as generator:
        answers, _ = generator.open_loop(samples, due_seconds(rate, count, 1.0, rng).tolist(), {})
    return np.array([answer.end_to_end_seconds for answer in answers])


@pytest.mark.parametrize("busy", [0.3, 0.6])
@pytest.mark.parametrize("exponential", [False, True], ids=["M/D/1", "M/M/1"])
def test_mean_waiting_times_are_those_of_the_queue(monkeypatch, busy, exponential):
    """Pollaczek and Khinchine: W = rho s / (1 - rho), and half of it for deterministic service."""
    known = busy * SERVICE_SECONDS / (1 - busy) * (1 if exponential else 0.5)
    runs = [sojourns(monkeypatch, busy / SERVICE_SECONDS, 40_000, exponential, seed) for seed in range(3 if exponential else 1)]
    assert np.mean(runs) - SERVICE_SECONDS == pytest.approx(known, rel=0.05)


def test_near_saturation_every_wait_counts_from_when_it_was_due(monkeypatch):
    """Lindley's recursion on the same arrivals: nothing is left out because a sender waited itself (coordinated omission)."""
    found = sojourns(monkeypatch, 0.95 / SERVICE_SECONDS, 5000, exponential=False)
    due = due_seconds(0.95 / SERVICE_SECONDS, 5000, 1.0, np.random.default_rng(0))
    wait, expected = 0.0, []
    for gap in np.diff(due, prepend=due[0]):
        wait = max(0.0, wait + (SERVICE_SECONDS if expected else 0.0) - gap)
        expected.append(wait + SERVICE_SECONDS)
    assert found == pytest.approx(expected, abs=1e-6)
    assert max(expected) > 10 * SERVICE_SECONDS


def test_the_search_finds_the_known_limit(monkeypatch):
    """In M/M/1 the sojourn is exponential with rate 1/s - lambda, so p95 = ln 20 / (1/s - lambda)."""
    limit = 0.06
    known = 1 / SERVICE_SECONDS - np.log(20) / limit

    def measure(rate, count):
        measure.calls += 1
        values = sojourns(monkeypatch, rate, count, True, seed=measure.calls)
        return quantile_interval(values, np.repeat(np.arange(10), -(-count // 10))[:count], 0.95)

    measure.calls = 0
    found = highest_rate(measure, limit, start=5.0, requests=2000, most=16_000, precision=0.05)
    assert found.low < known < found.high or found.rate == pytest.approx(known, rel=0.05)
    assert found.rate == pytest.approx(known, rel=0.05)


def test_a_limit_that_no_rate_keeps_is_said():
    found = highest_rate(lambda *_: (1.0, 0.9, 1.1), 0.5, start=8.0, doublings=3)
    assert (found.rate, found.high) == (None, 2.0)
    assert "keeps the limit" in found.why


def test_a_limit_that_no_rate_breaks_is_said():
    found = highest_rate(lambda *_: (0.1, 0.1, 0.1), 0.5, start=1.0, doublings=3)
    assert (found.rate, found.high) == (4.0, None)
    assert "breaks the limit" in found.why


def test_undecided_rates_are_measured_with_more_requests():
    asked = []

    def measure(rate, count):
        asked.append((rate, count))
        return (rate, rate * (1 - 10 / count), rate * (1 + 10 / count))

    found = highest_rate(measure, 3.0, start=1.0, requests=10, most=100_000)
    assert found.rate == pytest.approx(3.0, rel=0.02)
    assert max(count for rate, count in asked if rate == 1.0) < max(count for rate, count in asked if 2.9 < rate < 3.1)
