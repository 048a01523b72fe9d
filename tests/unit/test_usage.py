"""The ledger: totals survive a resume, the budget waits and stops, unknown is not zero, the dashboard follows `tail -f`."""

from __future__ import annotations

import asyncio
import json
import os

import pytest

from contextrot.records import Response, write_responses
from contextrot.responses import usage
from contextrot.responses.money import picos
from contextrot.responses.prices import FREE, Pricing, Rate
from contextrot.responses.usage import Ledger, read_parts, summarize, write_dashboard

CENT_A_TOKEN = Pricing(((0, Rate(0.01, 0.001, 0.01)),))


def answer(**values):
    defaults = {"prompt_tokens": 1000, "completion_tokens": 50, "cached_tokens": 100, "cost_usd": 0.5}
    return Response("s", 0, "answered", **(defaults | values))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "test" / "llama" / "niah"


@pytest.fixture(autouse=True)
def no_throttle(monkeypatch):
    monkeypatch.setattr(usage, "SECONDS_BETWEEN_WRITES", 0.0)


def ledger(folder, part="1-of-1", model="llama", pricing=FREE, **values):
    return Ledger(folder, part, model, pricing, **values)


def test_the_dashboard_is_written_every_ten_calls_and_at_the_end(folder):
    one = ledger(folder)
    for i in range(9):
        one.record(f"k{i}", answer())
    assert not (folder / "token_dashboard.txt").exists()
    one.record("k9", answer())
    assert "API calls: 10 " in (folder / "token_dashboard.txt").read_text()
    one.record("k10", answer())
    one.write()
    assert "API calls: 11 " in (folder / "token_dashboard.txt").read_text()


def test_dashboard_and_summary_show_the_same_figures(folder):
    one = ledger(folder)
    for i in range(2):
        one.record(f"k{i}", answer())
    one.write()
    text = (folder / "token_dashboard.txt").read_text()
    summary = json.loads((folder / "token_summary.json").read_text())
    assert (summary["calls"], summary["input_tokens"], summary["output_tokens"], summary["cached_tokens"]) == (2, 2000, 100, 200)
    assert (summary["total_tokens"], summary["cost_usd"]) == (2100, 1.0)
    for line in (
        "Token Usage Dashboard - test/llama/niah",
        "Input tokens: 2,000",
        "Output tokens: 100",
        "Cached tokens: 200",
        "Total tokens: 2,100",
        "Estimated cost: $1.0000",
        "PER-MODEL BREAKDOWN:",
        "  llama:",
        f"tail -f {folder / 'token_dashboard.txt'}",
    ):
        assert line in text


def test_the_dashboard_grows_in_place_so_that_tail_follows_it(folder):
    one = ledger(folder)
    one.write()
    path = folder / "token_dashboard.txt"
    before, inode = path.read_text(), path.stat().st_ino
    one.write()
    assert path.stat().st_ino == inode
    assert path.read_text().startswith(before)


def test_the_rate_counts_what_was_asked_in_this_run_only(folder):
    one = ledger(folder)
    one._begin -= 60
    one.record("a", answer(cached=True))
    one.record("b", answer())
    one.write()
    summary = summarize(folder)
    assert summary["total_tokens"] == 2100
    assert summary["tokens_per_minute"] == pytest.approx(1050, rel=0.2)


def test_totals_survive_a_resume(folder):
    one = ledger(folder)
    for i in range(5):
        one.record(f"k{i}", answer())
    one.write()
    again = ledger(folder)
    for i in range(5):
        again.record(f"k{i}", answer(cached=True))
    again.record("k5", answer())
    again.write()
    summary = summarize(folder)
    assert (summary["calls"], summary["from_store"], summary["run_calls"], summary["cost_usd"]) == (6, 5, 1, 3.0)


def test_an_answer_that_is_replayed_counts_once(folder):
    one = ledger(folder)
    one.record("same", answer(cached=True))
    one.record("same", answer(cached=True))
    assert one.counts["calls"] == 1


def test_one_unknown_price_makes_the_sum_unknown_and_shows_the_known_part(folder):
    known, unknown = ledger(folder, "1-of-1"), ledger(folder, "judge-llm", "gpt", None)
    known.record("a", answer(cost_usd=1.25))
    unknown.record("b", answer(cost_usd=None))
    known.write()
    unknown.write()
    summary = summarize(folder)
    assert summary["cost_usd"] is None
    assert summary["known_cost_usd"] == 1.25
    assert summary["models"]["llama"]["cost_usd"] == 1.25
    assert summary["models"]["gpt"]["cost_usd"] is None
    assert "Estimated cost: unknown (known part $1.2500)" in (folder / "token_dashboard.txt").read_text()


def test_shards_and_judges_add_up_by_model(folder):
    for part, model in (("1-of-2", "llama"), ("2-of-2", "llama"), ("judge-llm", "gpt")):
        one = ledger(folder, part, model)
        one.record("k", answer())
        one.write()
    summary = summarize(folder)
    assert (summary["calls"], summary["models"]["llama"]["calls"], summary["models"]["gpt"]["calls"]) == (3, 2, 1)


def test_parts_of_another_number_of_shards_count_no_answer_twice(folder):
    for part in ("1-of-1", "1-of-2", "2-of-2", "judge-llm"):
        one = ledger(folder, part)
        one.record("k", answer())
        one.write()
    write_dashboard(folder / "responses.parquet", 2, "llama")
    assert [part["part"] for part in read_parts(folder)] == ["1-of-2", "2-of-2", "judge-llm"]
    assert json.loads((folder / "token_summary.json").read_text())["calls"] == 3
    assert (folder / "token_dashboard.txt").read_text().count("TOTALS:") == 1


def test_a_half_written_part_is_left_out(folder):
    ledger(folder).write()
    (folder / ".usage" / "2-of-2.json").write_text('{"part": "2-o')
    (folder / ".usage" / "3-of-2.json").write_text('{"foreign": 1}')
    whole = json.loads((folder / ".usage" / "1-of-1.json").read_text())
    for number, (name, odd) in enumerate(
        {"calls": "7", "input_tokens": [1], "started": None, "known_cost_usd": {}, "model": 3}.items()
    ):
        (folder / ".usage" / f"odd-{number}.json").write_text(json.dumps({**whole, name: odd}))
    (folder / ".usage" / "nested.json").write_text("[" * 100_000)
    os.mkfifo(folder / ".usage" / "pipe.json")
    assert len(read_parts(folder)) == 1


def test_where_no_part_came_along_the_answers_themselves_are_counted(folder):
    """Jobs that share no folder leave their parts where they ran."""
    folder.mkdir(parents=True)
    ledger(folder, "1-of-2").write()
    rows = [
        Response(f"s{i}", 0, "answered", "x", prompt_tokens=100, completion_tokens=5, cost_usd=0.25, attempts=1) for i in range(3)
    ]
    rows.append(Response("long", 0, "over_window"))
    write_responses(folder / "responses.parquet", rows)
    write_dashboard(folder / "responses.parquet", 2, "llama")
    summary = json.loads((folder / "token_summary.json").read_text())
    assert (summary["calls"], summary["input_tokens"], summary["output_tokens"], summary["cost_usd"]) == (3, 300, 15, 0.75)
    assert [part["part"] for part in read_parts(folder)] == ["all-of-2"]


def test_what_a_provider_may_have_billed_for_a_lost_answer_is_part_of_the_cost(folder):
    one = ledger(folder, pricing=CENT_A_TOKEN)
    one.record("a", answer(cost_usd=0.5))

    async def lose():
        one.account.lose(await one.account.reserve("b", picos(0.9)))

    asyncio.run(lose())
    one.write()
    assert summarize(folder)["cost_usd"] == pytest.approx(1.4)
