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
