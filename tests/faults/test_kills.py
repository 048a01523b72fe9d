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
    shared = {"rows": 100, "together": 3, "store": tmp_path / "store", "book": tmp_path / "book"}
    # the longest are asked first, so that none waits for another's answer before its own server is asked
    shared["own"] = {"niah": 501, "one": 502, "two": 503}
    one, two = Run(tmp_path / "one", experiments=("niah", "one"), **shared), Run(tmp_path / "two", experiments=("two",), **shared)
    running = [one.start(experiments=("niah",)), one.start(experiments=("one",)), two.start()]
    assert [run.wait(timeout=280) for run in running] == [0, 0, 0]
    for run, other in ((one, two), (two, one)):
        counts = run.check(beside=other)
        assert counts["asked"] == counts["distinct"] == 100 + 3 * 5
        assert counts["servers"] == 3, "they did not ask at the same time"
