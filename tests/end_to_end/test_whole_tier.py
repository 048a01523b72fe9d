"""`snakemake` as a newcomer types it: the test tier of every task on the embedded model, up to the report."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml

from contextrot.project import Project
from tests.conftest import ROOT, run_snakemake

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tier")
    done = run_snakemake(folder=folder, timeout=1800)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return folder


@pytest.fixture(scope="module")
def project():
    return Project(yaml.safe_load((ROOT / "config/config.yaml").read_text()), ROOT)


def test_every_experiment_has_scores_without_a_failed_row_and_all_its_figures(folder, project):
    for experiment in project.selected_experiments:
        results = folder / "results/test/embedded" / experiment
        scores = pd.read_parquet(results / "scores.parquet")
        assert len(scores)
        assert not (scores["outcome"] == "failed").any()
        for figure in project.figures_of("embedded", experiment):
            assert (results / "figures" / f"{figure}.png").read_bytes().startswith(b"\x89PNG")


def test_the_server_counts_every_prompt_as_the_tokenizer_does(folder, project):
    for experiment in project.selected_experiments:
        scores = pd.read_parquet(folder / "results/test/embedded" / experiment / "scores.parquet")
        first = scores[(scores["turn"] == 0) & scores["server_prompt_tokens"].notna()]
        assert (first["prompt_tokens"] == first["server_prompt_tokens"]).all(), experiment


def test_the_needle_is_found_in_a_short_haystack_and_lost_near_the_window_s_end(folder):
    metrics = pd.read_csv(folder / "results/test/embedded/niah/metrics.csv")
    by_length = metrics[(metrics["grouping"] == "length") & (metrics["measure"] == "score")].set_index("length")["value"]
    assert by_length[256] >= 0.9
    assert by_length[4000] < 0.6


def test_the_report_and_the_tables_are_written(folder):
    for name in ("report.html", "index.html", "trust.csv", "summary.md", "summary.csv", "run_metadata.json"):
        assert (folder / "results/test" / name).stat().st_size


def test_a_second_run_does_nothing(folder):
    done = run_snakemake(folder=folder)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr
