"""The open loop and the search of rates against queues whose waiting times are known (Kleinrock, Queueing Systems I, 1975).

What the loop measures is, request by request, Lindley's recursion on its arrivals, whose mean over millions of arrivals is then held to the
formulas: the loop itself would need as many requests near saturation, and `soak` sends them.
"""

import asyncio

import numpy as np
import pytest

from contextrot.engines import Endpoint
from contextrot.records import Sample
from contextrot.scores.tails import quantile_interval
from contextrot.serving import load
from contextrot.serving.arrivals import due_seconds
from contextrot.serving.load import LoadGenerator
from contextrot.serving.rate_search import Trial, highest_rate
from contextrot.serving.timings import Timing, Turn
from tests.virtual_loop import VirtualLoop

SERVICE_SECONDS = 0.01


class Queue:
    """One server, first come first served; service is deterministic or exponential."""

    def __init__(self, rng, exponential):
        self.rng, self.exponential = rng, exponential
        self.free = 0.0

    async def send(self, _session, _url, _body, sample_id):
        start = load.now()
        begin = max(self.free, start)
        self.free = begin + (self.rng.exponential(SERVICE_SECONDS) if self.exponential else SERVICE_SECONDS)
        await asyncio.sleep(self.free - start)
        end = load.now()
        return Timing(sample_id, start, end - start, end - start, 1, 1, None, "")


async def _connected(self, _):
    self._session = None


def sojourns(monkeypatch, rate, count, exponential, seed=0):
    """Seconds from due to answered of `count` requests."""
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(load, "send", Queue(rng, exponential).send)
    monkeypatch.setattr(LoadGenerator, "_connect", _connected)
    due = due_seconds(rate, count, 1.0, rng).tolist()
    sessions = [[Turn(Sample(f"s{i}", [], [], 1, 1, condition={}), at)] for i, at in enumerate(due)]
    with LoadGenerator(Endpoint("vllm", "m", "hosted_vllm"), loop=VirtualLoop) as generator:
        answers, _ = generator.play(sessions, {})
    return np.array([answer.end_to_end_seconds for answer in answers])


def waits(gaps, services):
    """Lindley's recursion W' = max(0, W + S - A), whole arrays at once: a random walk less its running minimum."""
    walk = np.concatenate([[0.0], np.cumsum(services[:-1] - gaps)])
    return walk - np.minimum.accumulate(np.minimum(walk, 0.0))


def known_wait(busy, exponential):
    """Pollaczek and Khinchine: W = rho s / (1 - rho), and half of it for deterministic service."""
    return busy * SERVICE_SECONDS / (1 - busy) * (1 if exponential else 0.5)


def service_times(rng, count, exponential):
    return rng.exponential(SERVICE_SECONDS, count) if exponential else np.full(count, SERVICE_SECONDS)


LOADS = [0.3, 0.5, 0.7, 0.8, 0.9]
KINDS = pytest.mark.parametrize("exponential", [False, True], ids=["M/D/1", "M/M/1"])


@pytest.mark.parametrize("busy", LOADS)
@KINDS
def test_arrivals_make_the_queue_s_mean_wait_within_5_percent(busy, exponential):
    rng, count = np.random.default_rng(1), 3_000_000
    gaps = np.diff(due_seconds(busy / SERVICE_SECONDS, count, 1.0, rng))
    found = waits(gaps, service_times(rng, count, exponential)).mean()
    assert found == pytest.approx(known_wait(busy, exponential), rel=0.05)


@pytest.mark.parametrize("busy", [0.3, 0.9, 0.97])
@KINDS
def test_every_wait_counts_from_when_it_was_due(monkeypatch, busy, exponential):
    """Nothing is left out because a sender waited itself (coordinated omission)."""
    rate, count = busy / SERVICE_SECONDS, 1500
    found = sojourns(monkeypatch, rate, count, exponential)
    rng = np.random.default_rng(0)
    gaps = np.diff(due_seconds(rate, count, 1.0, rng))
    services = [rng.exponential(SERVICE_SECONDS) if exponential else SERVICE_SECONDS for _ in range(count)]
    expected = waits(gaps, np.array(services)) + services
    assert found == pytest.approx(expected, abs=1e-6)
    assert busy < 0.9 or max(expected) > 5 * SERVICE_SECONDS


@pytest.mark.soak
@pytest.mark.parametrize("busy", LOADS)
@KINDS
def test_mean_waiting_times_of_the_loop_itself(monkeypatch, busy, exponential):
    count = 1_000_000 if busy > 0.8 else 200_000
    found = sojourns(monkeypatch, busy / SERVICE_SECONDS, count, exponential).mean() - SERVICE_SECONDS
    assert found == pytest.approx(known_wait(busy, exponential), rel=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_the_search_finds_the_known_limit_within_5_percent(seed):
    """In M/M/1 the sojourn is exponential with rate 1/s - lambda, so p95 = ln 20 / (1/s - lambda)."""
    limit = 0.06
    known = 1 / SERVICE_SECONDS - np.log(20) / limit
    rng = np.random.default_rng(seed)

    def measure(rate, count):
        services = service_times(rng, count, True)
        values = waits(np.diff(due_seconds(rate, count, 1.0, rng)), services) + services
        return trial(rate, count, quantile_interval(values, np.arange(count) * 10 // count, 0.95))

    found = highest_rate(measure, {"end_to_end_seconds": limit}, start=5.0, requests=2000, most=64_000, precision=0.05)
    assert found.rate == pytest.approx(known, rel=0.05)
    assert found.low <= found.rate <= found.high
    assert found.broken_first == ["end_to_end_seconds"]


def test_the_search_by_the_loop_itself_finds_where_a_deterministic_server_is_full(monkeypatch):
    """Where service always takes as long, no rate up to 1/s breaks a wide limit for ever, and each above does."""

    def measure(rate, count):
        values = sojourns(monkeypatch, rate, count, exponential=False)
        return trial(rate, count, quantile_interval(values, np.arange(count) * 10 // count, 0.95))

    found = highest_rate(measure, {"end_to_end_seconds": 0.1}, start=20.0, requests=500, most=2000)
    assert found.rate == pytest.approx(1 / SERVICE_SECONDS, rel=0.1)


def trial(rate, count, estimate, name="end_to_end_seconds", failed=0):
    return Trial(rate, count, {name: estimate}, failed)


def of(estimate):
    """A measurement that always finds the same."""
    return lambda rate, count: trial(rate, count, estimate)


LIMIT = {"end_to_end_seconds": 0.5}


def test_a_limit_that_no_rate_keeps_is_said():
    found = highest_rate(of((1.0, 0.9, 1.1)), LIMIT, start=8.0, doublings=3)
    assert (found.rate, found.high) == (None, 2.0)
    assert "keeps the limits" in found.why and found.broken_first == ["end_to_end_seconds"]


def test_a_limit_that_no_rate_breaks_is_said():
    found = highest_rate(of((0.1, 0.1, 0.1)), LIMIT, start=1.0, doublings=3)
    assert (found.rate, found.high) == (4.0, None)
    assert "breaks a limit" in found.why


def test_what_no_number_of_requests_decides_is_neither_kept_nor_broken():
    found = highest_rate(of((0.5, 0.4, 0.6)), LIMIT, start=1.0, requests=10, most=40)
    assert (found.rate, found.low, found.high) == (1.0, None, None)
    assert "40 requests cannot tell" in found.why


def test_requests_without_an_answer_keep_no_limit():
    found = highest_rate(lambda r, n: trial(r, n, (0.1, 0.1, 0.1), failed=int(r > 3)), LIMIT, start=1.0)
    assert 2.9 < found.rate < 3.1
    assert found.broken_first == ["failed requests"]


def test_the_rate_keeps_all_limits_and_the_one_that_breaks_first_is_named():
    def measure(rate, count):
        found = {"ttft_seconds": rate / 10, "tpot_seconds": rate / 1000}
        return Trial(rate, count, {name: (value, value, value) for name, value in found.items()})

    found = highest_rate(measure, {"ttft_seconds": 1.0, "tpot_seconds": 0.005}, start=1.0)
    assert found.rate == pytest.approx(5.0, rel=0.02)
    assert found.broken_first == ["tpot_seconds"]


def test_a_rate_whose_prompts_a_cache_held_is_neither_kept_nor_broken():
    found = highest_rate(lambda r, n: Trial(r, n, {"end_to_end_seconds": (0.1,) * 3}, warm=True), LIMIT, start=1.0, most=1000)
    assert (found.rate, found.low, found.high) == (1.0, None, None)


def test_undecided_rates_are_measured_with_more_requests():
    asked = []

    def measure(rate, count):
        asked.append((rate, count))
        return trial(rate, count, (rate, rate * (1 - 10 / count), rate * (1 + 10 / count)))

    found = highest_rate(measure, {"end_to_end_seconds": 3.0}, start=1.0, requests=10, most=100_000)
    assert found.rate == pytest.approx(3.0, rel=0.02)
    assert max(count for rate, count in asked if rate == 1.0) < max(count for rate, count in asked if 2.9 < rate < 3.1)
