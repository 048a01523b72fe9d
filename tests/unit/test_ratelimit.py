"""The token bucket by its own arithmetic (no waiting), its sharing, and the concurrency that adapts."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from contextrot.responses import ratelimit
from contextrot.responses.ratelimit import BURST_SECONDS, AdaptiveConcurrency, TokenBucket


class Clock:
    """Time that passes only by waiting for the bucket."""

    def __init__(self, monkeypatch):
        self.now = 1_000_000.0
        monkeypatch.setattr(time, "time", lambda: self.now)
        monkeypatch.setattr(asyncio, "sleep", self.sleep)

    async def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def seconds_for(clock, bucket, amounts):
    async def run():
        begin = clock.now
        for amount in amounts:
            await bucket.acquire(amount)
        return clock.now - begin

    return asyncio.run(run())


def test_the_rate_of_tokens_is_the_asked_one(clock):
    # 601 requests of 1,000 tokens at 60,000 a minute: the last goes out after 600 s, or a burst earlier
    took = seconds_for(clock, TokenBucket(60_000), [1000] * 601)
    assert took == pytest.approx(600, abs=BURST_SECONDS)


def test_the_rate_of_requests_is_the_asked_one(clock):
    took = seconds_for(clock, TokenBucket(None, 120), [10**6] * 241)
    assert took == pytest.approx(120, abs=BURST_SECONDS)


def test_the_stricter_of_two_limits_holds(clock):
    took = seconds_for(clock, TokenBucket(60_000, 30), [1000] * 61)
    assert took == pytest.approx(120, abs=BURST_SECONDS)


def test_a_prompt_larger_than_a_minutes_tokens_goes_out_and_is_paid_off_after(clock):
    bucket = TokenBucket(50_000)
    assert seconds_for(clock, bucket, [500_000]) == 0
    assert seconds_for(clock, bucket, [1]) == pytest.approx(600)


def test_answer_tokens_are_debited_when_they_are_known(clock):
    bucket = TokenBucket(60_000)
    seconds_for(clock, bucket, [1000])
    bucket.spend(59_000)
    assert seconds_for(clock, bucket, [1]) == pytest.approx(60)


def test_idle_time_is_not_saved_up(clock):
    bucket = TokenBucket(60_000)
    seconds_for(clock, bucket, [1])
    clock.now += 3600
    assert seconds_for(clock, bucket, [1000] * 61) == pytest.approx(60, abs=2 * BURST_SECONDS)


def test_without_limits_nothing_waits_but_for_a_pause(clock):
    bucket = TokenBucket()
    assert seconds_for(clock, bucket, [10**9] * 5) == 0
    bucket.pause(30)
    assert seconds_for(clock, bucket, [1]) == pytest.approx(30)


def test_two_jobs_on_one_model_share_its_rate(clock, tmp_path):
    one, two = (TokenBucket(60_000, shared=tmp_path / "m.json") for _ in range(2))

    async def run():
        begin = clock.now
        for _ in range(30):
            await one.acquire(1000)
            await two.acquire(1000)
        return clock.now - begin

    assert asyncio.run(run()) == pytest.approx(59, abs=BURST_SECONDS)
    two.pause(100)
    assert seconds_for(clock, one, [1]) >= 100


def test_small_requests_take_places_some_at_a_time_and_keep_the_rate_together(clock, tmp_path, monkeypatch):
    one, two = (TokenBucket(6_000_000, 120_000, shared=tmp_path / "m.json") for _ in range(2))
    locked, state = [], TokenBucket._state
    monkeypatch.setattr(TokenBucket, "_state", lambda bucket: locked.append(bucket) or state(bucket))

    async def run():
        begin = clock.now
        for _ in range(20_000):
            for bucket in (one, two):
                await bucket.acquire(10)
                bucket.spend(10)
        return clock.now - begin

    # 40,000 requests of 20 tokens, the answers' among them, at 100,000 tokens and 2,000 requests a second
    assert asyncio.run(run()) == pytest.approx(20, abs=BURST_SECONDS + 2 * ratelimit.LEASE_SECONDS)
    assert len(locked) < 20_000 / 40


def test_what_was_taken_ahead_lapses_with_idle_time_and_with_a_pause(clock, tmp_path):
    bucket = TokenBucket(6_000_000, shared=tmp_path / "m.json")
    seconds_for(clock, bucket, [10])
    bucket.pause(30)
    assert seconds_for(clock, bucket, [10]) == pytest.approx(30)
    clock.now += 3600
    assert seconds_for(clock, bucket, [1000] * 6000) == pytest.approx(60, abs=2 * BURST_SECONDS)


@pytest.mark.parametrize("content", ["", "{", "[1]", "null"])
def test_a_damaged_shared_file_is_begun_anew(clock, tmp_path, content):
    path = tmp_path / "m.json"
    path.write_text(content)
    assert seconds_for(clock, TokenBucket(60_000, shared=path), [1000]) == 0
    assert json.loads(path.read_text())["tokens"] == pytest.approx(clock.now + 1)


@pytest.mark.parametrize("shared", [False, True])
def test_a_clock_that_is_set_back_adds_no_waiting_and_forgives_no_debt(clock, tmp_path, shared):
    bucket, other = (TokenBucket(60_000, shared=tmp_path / "m.json" if shared else None) for _ in range(2))
    seconds_for(clock, bucket, [30_000])
    bucket.pause(10)
    clock.now -= 86_400
    assert seconds_for(clock, other if shared else bucket, [10]) == pytest.approx(30, abs=BURST_SECONDS)
    seconds_for(clock, bucket, [10])
    clock.now -= 86_400
    assert seconds_for(clock, bucket, [60_000] * 2) == pytest.approx(60, abs=2 * BURST_SECONDS)


def test_where_nothing_can_be_shared_a_job_keeps_the_limit_by_itself(clock, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    bucket = TokenBucket(60_000, shared=tmp_path / "file" / "m.json")
    assert seconds_for(clock, bucket, [1000, 1000]) == pytest.approx(1)
    assert "cannot be shared" in caplog.text


def test_a_429_halves_once_for_all_requests_that_were_under_way():
    concurrency = AdaptiveConcurrency(16)
    sent = time.monotonic()
    for _ in range(5):
        concurrency.rejected(sent)
    assert concurrency.limit == 8
    concurrency.rejected(time.monotonic() + 1)
    assert concurrency.limit == 4


def test_concurrency_never_falls_below_one_and_comes_back_as_answers_come():
    concurrency = AdaptiveConcurrency(4)
    for later in range(10):
        concurrency.rejected(time.monotonic() + later)
    assert concurrency.limit == 1
    for _ in range(100):
        concurrency.answered()
    assert concurrency.limit == 4


def test_exclusive_waits_for_those_under_way_and_lets_nobody_in():
    async def run():
        concurrency, seen = AdaptiveConcurrency(2), []
        entered, leave = asyncio.Event(), asyncio.Event()

        async def request(name):
            async with concurrency:
                seen.append(name)
                entered.set()
                await leave.wait()

        async def restart():
            async with concurrency.exclusive():
                seen.append("restart")

        first = asyncio.create_task(request("first"))
        await entered.wait()
        restarting = asyncio.create_task(restart())
        await asyncio.sleep(0)
        second = asyncio.create_task(request("second"))
        await asyncio.sleep(0)
        leave.set()
        await asyncio.gather(first, restarting, second)
        return seen

    assert asyncio.run(run()) == ["first", "restart", "second"]
