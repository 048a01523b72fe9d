"""The account: sums that are exact, a ledger that outlives kills and is shared, unknown at its worst, a budget that ends."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from contextlib import suppress

import pytest

from contextrot.errors import RequestError, StoreError
from contextrot.responses.ledger_entries import Entries
from contextrot.responses.money import PICOS_A_USD, bill, bills, picos, usd, worst_case
from contextrot.responses.prices import FREE, Pricing, Rate
from contextrot.responses.spending import Account
from tests.odd_files import KINDS, make_odd_file

GPT_41 = Pricing(((0, Rate(2e-6, 0.5e-6, 8e-6)),))


def account(root=None, budget=None, part="1-of-1"):
    found = Account(None if budget is None else picos(budget))
    if root is not None:
        found.keep_in(root, "full", "gpt", "niah", part)
    return found


def spend(one, key, bound, billed):
    """Reserves, and settles what was billed; None loses it."""

    async def run():
        reservation = await one.reserve(key, picos(bound))
        one.lose(reservation) if billed is None else one.settle(reservation, picos(billed))

    asyncio.run(run())


def test_sums_of_many_prices_are_exactly_zero_again():
    one, rng = account(budget=1.0), random.Random(3)

    async def run():
        held = [await one.reserve(str(i), worst_case(GPT_41, rng.randint(1, 9000), 50)) for i in range(100)]
        rng.shuffle(held)
        for reservation in held:
            one.settle(reservation, 0)

    asyncio.run(run())
    assert (one._reserved, one.charged) == (0, 0)


def test_amounts_are_rounded_up_but_not_because_of_binary_fractions():
    assert picos(0.1 + 0.2) == 300_000_000_000
    assert picos(7 * 2e-6) == 14_000_000
    assert picos(1.5e-12) == 2
    assert usd(picos(0.30)) == 0.30
    assert picos(10**9) == 10**9 * PICOS_A_USD


@pytest.mark.parametrize(
    ("told", "usd_of", "at_most"),
    [
        ({"prompt_tokens": 100, "completion_tokens": 5}, (100, 5, 0), False),
        ({"prompt_tokens": 100, "completion_tokens": 5, "cached_tokens": 60}, (100, 5, 60), False),
        ({"prompt_tokens": None, "completion_tokens": None}, (90, 50, 0), True),
        ({"prompt_tokens": 0, "completion_tokens": 5}, (90, 5, 0), True),
        ({"prompt_tokens": -3, "completion_tokens": 5}, (90, 5, 0), True),
        ({"prompt_tokens": 100, "completion_tokens": 0}, (100, 50, 0), True),
        ({"prompt_tokens": 100, "completion_tokens": -1}, (100, 50, 0), True),
        ({"prompt_tokens": 1, "completion_tokens": 5}, (90, 5, 0), True),
        ({"prompt_tokens": 100.5, "completion_tokens": "5"}, (90, 50, 0), True),
        ({"prompt_tokens": True, "completion_tokens": 10**30}, (90, 50, 0), True),
        ({"prompt_tokens": 100, "completion_tokens": 5, "cached_tokens": 500}, (100, 5, 0), True),
        ({"prompt_tokens": 100, "completion_tokens": 5, "reasoning_tokens": 700}, (100, 705, 0), False),
    ],
    ids=str,
)
def test_what_a_server_does_not_tell_is_charged_by_the_own_count_or_the_worst_case(told, usd_of, at_most):
    found = bill(GPT_41, **told, own_prompt_tokens=90, counted=True, characters=20, output_limit=50)
    assert (found.usd, found.at_most) == (pytest.approx(GPT_41.cost(*usd_of)), at_most)


def test_an_uncounted_answer_longer_than_its_limit_is_charged_by_its_length():
    found = bill(
        GPT_41, prompt_tokens=9, completion_tokens=None, own_prompt_tokens=9, counted=True, characters=3000, output_limit=50
    )
    assert found.usd == pytest.approx(GPT_41.cost(9, 1000))


def test_what_bills_nothing_writes_nothing(tmp_path):
    assert not bills(None) and not bills(FREE) and bills(GPT_41)


def test_a_request_that_might_exceed_the_budget_is_refused():
    one = account(budget=1.0)
    spend(one, "a", 0.6, 0.5)
    spend(one, "b", 0.5, 0.5)
    with pytest.raises(RequestError, match=r"budget_usd is used up: 1\.0000 of 1\.0000 USD are spent, and the next request"):
        spend(one, "c", 0.01, 0.0)


def test_a_request_waits_while_only_others_under_way_stand_against_the_budget():
    one, order = account(budget=1.0), []

    async def request(name):
        reservation = await one.reserve(name, picos(0.8))
        order.append(f"{name} begins")
        await asyncio.sleep(0)
        order.append(f"{name} ends")
        one.settle(reservation, picos(0.2))

    async def run():
        await asyncio.gather(request("a"), request("b"))

    asyncio.run(run())
    assert order == ["a begins", "a ends", "b begins", "b ends"]
    assert usd(one.charged) == pytest.approx(0.4)


def test_what_was_perhaps_billed_counts_at_its_worst_and_is_said():
    one = account(budget=1.0)
    spend(one, "a", 0.9, None)
    with pytest.raises(RequestError, match=r"0\.9000 of them perhaps, for requests that brought no answer"):
        spend(one, "b", 0.2, 0.0)


def test_answers_beyond_what_was_expected_raise_what_later_ones_are_expected_to_cost():
    one = account(budget=10.0)
    spend(one, "a", 0.1, 0.49)

    async def run():
        return await one.reserve("b", picos(0.1))

    assert usd(asyncio.run(run()).amount) == pytest.approx(0.49)


def test_a_later_run_starts_from_what_earlier_ones_settled_lost_and_left_open(tmp_path):
    one = account(tmp_path)
    spend(one, "a" * 64, 0.1, 0.05)
    spend(one, "b" * 64, 0.1, None)
    asyncio.run(one.reserve("c" * 64, picos(0.1)))  # and is killed
    later = account(tmp_path, budget=0.3)
    assert usd(later.charged) == pytest.approx(0.25)
    later.stored("a" * 64, picos(0.05))  # paid for by this account
    later.stored("d" * 64, picos(0.02))  # of another experiment
    assert usd(later.charged) == pytest.approx(0.27)
    with pytest.raises(RequestError):
        spend(later, "e", 0.05, 0.05)


def test_a_surplus_is_remembered_by_later_runs(tmp_path):
    spend(account(tmp_path), "a", 0.1, 0.49)
    assert account(tmp_path, budget=10.0).ratio == pytest.approx(4.9)


def test_a_line_is_on_the_disk_before_the_request_is_sent(tmp_path):
    asyncio.run(account(tmp_path).reserve("f" * 64, 1234))
    [path] = tmp_path.rglob("*.jsonl")
    head, line = map(json.loads, path.read_text().splitlines())
    assert head["model"] == "gpt" and head["pid"] == os.getpid()
    assert line == {"id": 1, "state": "reserved", "pico_usd": 1234, "key": "f" * 16, "bound": 1234}


def test_two_jobs_at_once_share_one_budget(tmp_path):
    one, two = account(tmp_path, budget=1.0), account(tmp_path, budget=1.0)
    spend(one, "a", 0.6, 0.6)
    with pytest.raises(RequestError, match=r"0\.6000 of 1\.0000"):
        spend(two, "b", 0.6, 0.6)
    spend(two, "c", 0.3, 0.3)
    assert usd(one.charged) == pytest.approx(0.6)
    with pytest.raises(RequestError, match=r"0\.9000 of 1\.0000"):
        spend(one, "d", 0.2, 0.2)


def test_an_answer_of_a_job_at_the_same_time_counts_once(tmp_path):
    one, two = account(tmp_path, budget=1.0), account(tmp_path, budget=1.0)
    spend(one, "a" * 64, 0.3, 0.3)
    two.stored("a" * 64, picos(0.3))
    spend(two, "b" * 64, 0.1, 0.1)
    assert usd(two.charged) == pytest.approx(0.4)


def test_another_number_of_shards_inherits_what_was_spent_with_and_without_an_answer(tmp_path):
    for _ in range(2):
        one = account(tmp_path, part="1-of-1")
        spend(one, "a" * 64, 0.1, None)
        spend(one, "b" * 64, 0.1, 0.1)
        asyncio.run(one.reserve("c" * 64, picos(0.1)))
    four = account(tmp_path, part="2-of-4")
    assert usd(four.charged) == pytest.approx(0.6 / 4)
    four.stored("b" * 64, picos(0.1))
    assert usd(four.charged) == pytest.approx(0.6 / 4), "paid there, and counted there"
    assert account(tmp_path, part="judge-llm").charged == 0


@pytest.mark.parametrize("place", ["1-of-1/lock", "1-of-1/x.jsonl", "1-of-1", "1-of-2", "1-of-2/x.jsonl"])
@pytest.mark.parametrize("kind", KINDS)
def test_odd_files_in_the_ledger_hang_nobody_and_are_one_message_or_nothing(tmp_path, place, kind):
    path = tmp_path / "full/gpt/niah" / place
    make_odd_file(path, kind)
    with suppress(StoreError):
        one = account(tmp_path, budget=1.0)
        spend(one, "a", 0.1, 0.1)
        assert usd(one.charged) == 0.1


def test_a_full_disk_tears_no_line_but_its_own(tmp_path, monkeypatch):
    one, write = account(tmp_path), os.write
    spend(one, "a", 0.1, 0.1)
    monkeypatch.setattr(os, "write", lambda file, content: write(file, content[:9]))
    with pytest.raises(StoreError, match="No space left"):
        spend(one, "b", 0.1, 0.1)
    monkeypatch.setattr(os, "write", write)
    spend(one, "c", 0.1, None)
    assert usd(account(tmp_path).charged) == pytest.approx(0.2)


def test_what_was_billed_counts_though_its_reservation_cannot_be_read(tmp_path):
    spend(account(tmp_path), "a", 0.1, 0.05)
    [path] = tmp_path.rglob("*.jsonl")
    head, _, settled = path.read_text().splitlines()
    path.write_text(f"{head}\n{{half\n{settled}\n")
    assert usd(account(tmp_path).charged) == pytest.approx(0.05)


WRITER = """
import asyncio, sys
from pathlib import Path
from contextrot.responses.spending import Account
async def main():
    account = Account(10**12)
    account.keep_in(Path(sys.argv[1]), "full", "gpt", "niah", "1-of-1")
    while True:
        account.settle(await account.reserve(str(account._numbers), 10**9), 10**9)
        print(1, flush=True)
asyncio.run(main())
"""


def test_three_processes_on_one_budget_spend_it_exactly(tmp_path):
    environment = {**os.environ, "PYTHONPATH": "workflow"}
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(3)
    ]
    spent = [output.count(b"1") for output, error in (job.communicate(timeout=60) for job in jobs)]
    assert sum(spent) == 1000
    assert account(tmp_path).charged == PICOS_A_USD


@pytest.mark.parametrize(
    "line", ["{", "[]", "null", '{"id": 1}', '{"id": 9, "state": "paid", "pico_usd": 5}', "[" * 90_000, '{"id": "1"}', "\0\0"]
)
def test_a_line_that_cannot_be_read_is_left_out_with_a_warning(tmp_path, line, caplog):
    spend(account(tmp_path), "a", 0.1, 0.05)
    [path] = tmp_path.rglob("*.jsonl")
    with path.open("a") as file:
        file.write(f"{line}\n")
    assert usd(account(tmp_path).charged) == pytest.approx(0.05)
    assert "cannot be read" in caplog.text


def test_a_torn_last_line_leaves_its_reservation_open(tmp_path):
    spend(account(tmp_path), "a", 0.1, 0.05)
    [path] = tmp_path.rglob("*.jsonl")
    path.write_text(path.read_text()[:-10])
    assert usd(account(tmp_path).charged) == pytest.approx(0.1)


def test_a_pipe_among_the_ledgers_is_passed_over(tmp_path):
    spend(account(tmp_path), "a", 0.1, 0.05)
    [path] = tmp_path.rglob("*.jsonl")
    os.mkfifo(path.with_name("pipe.jsonl"))
    assert usd(account(tmp_path).charged) == pytest.approx(0.05)


def test_a_ledger_that_cannot_be_written_sends_nothing(tmp_path):
    (tmp_path / "full").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="the ledger"):
        spend(account(tmp_path), "a", 0.1, 0.1)


def test_reading_goes_on_where_it_stopped(tmp_path):
    one, entries = account(tmp_path), Entries()
    for key in "abc":
        spend(one, key, 0.1, 0.1)
        [path] = tmp_path.rglob("*.jsonl")
        entries.read(str(path))
    assert usd(entries.charged) == pytest.approx(0.3)
