"""Parts of a run killed, the real Snakemake and a server of its own among them: nothing is lost, asked twice at once, or left behind."""

from __future__ import annotations

import pytest

from tests.faults.kills import Run


@pytest.mark.slow
@pytest.mark.parametrize("parts", ["snakemake", "group", "job+server"])
def test_a_killed_run_leaves_no_process_and_goes_on_with_what_is_missing(tmp_path, parts):
    run = Run(tmp_path / "run", rows=300)
    run.kill(parts, 40)
    assert run.hit, "the kill came too late"
    run.finish()
    run.check()


@pytest.mark.slow
def test_runs_at_once_in_one_clone_and_in_two_on_one_store_ask_each_request_once(tmp_path):
    store, book = tmp_path / "store", tmp_path / "book"
    one, two = (
        Run(tmp_path / name, rows=100, seconds=1.0, store=store, book=book, experiments=("niah", name)) for name in ("one", "two")
    )
    running = [one.start(experiments=("niah",)), one.start(experiments=("one",)), two.start()]
    assert [run.wait(timeout=240) for run in running] == [0, 0, 0]
    counts = [run.check() for run in (one, two)]
    assert counts[0]["asked"] == counts[0]["distinct"] == 100
    assert counts[0]["servers"] >= 2, "they did not ask at the same time"
