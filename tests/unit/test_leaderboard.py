"""All runs of some results folders, ranked on the questions they share."""

import numpy as np
import pandas as pd
import pytest

from contextrot.errors import DataError
from contextrot.records import write_table
from contextrot.report.leaderboard import leaderboard, runs_in, write_leaderboard


def write_run(folder, tier, model, experiment, share, rows=120, first=0, text=""):
    rng = np.random.default_rng(int(100 * share) + len(model))
    scores = pd.DataFrame(
        [
            {"sample_id": f"q{i}", "turn": 0, "outcome": "answered", "score": float(rng.random() < share), "length": 500.0 * (1 + i % 2),
             "cluster": f"q{i}", "unjudged": False}
            for i in range(first, first + rows)
        ]
    )  # fmt: skip
    path = folder / tier / f"{model}{text}" / experiment
    path.mkdir(parents=True)
    write_table(path / "scores.parquet", scores)


def test_runs_of_several_folders_are_ranked_on_what_they_share(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "ours", "test", "good", "niah", 0.95)
    write_run(tmp_path / "ours", "test", "poor", "niah", 0.3, rows=200)
    write_run(tmp_path / "theirs", "full", "good", "niah", 0.6)
    write_run(tmp_path / "theirs", "full", "good", "alone", 0.6)
    standings, pairs = leaderboard(runs_in(["ours", "theirs"]), 1)
    of_niah = standings[standings["experiment"] == "niah"]
    assert of_niah["title"].tolist() == ["good (test, ours)", "good (full, theirs)", "poor (test, ours)"]
    assert of_niah["rank"].tolist() == [1, 2, 3] and set(of_niah["common"]) == {120}
    assert len(pairs) == 3
    row = pairs.set_index(["first", "second"]).loc["good (test, ours)", "poor (test, ours)"]
    assert row["difference"] > 0.5 and row["p_holm"] < 1e-6 and row["n"] == 120
    assert row["second_worse"] > 60 and row["second_better"] < 10


def test_the_page_is_whole_and_escapes_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "results", "test", "a", "niah", 0.5, text="<script>x")
    write_run(tmp_path / "results", "test", "b", "niah", 0.5, first=1_000)
    write_leaderboard(["results"], 1, *(tmp_path / f for f in ("t.csv", "d.csv", "p.html")))
    page = (tmp_path / "p.html").read_text()
    assert "<script>x" not in page and "&lt;script&gt;x" in page
    assert "share no question" in page and len(pd.read_csv(tmp_path / "t.csv")) == 2


def test_folders_without_runs_and_runs_without_scores_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="nowhere holds no"):
        runs_in(["nowhere"])
    path = tmp_path / "results/test/m/e"
    path.mkdir(parents=True)
    write_table(path / "scores.parquet", pd.DataFrame({"sample_id": ["a"], "outcome": ["failed"], "score": [None]}))
    with pytest.raises(DataError, match="no run has a score"):
        leaderboard(runs_in(["results"]), 1)


def test_arms_are_ranked_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for model in ("a", "b"):
        write_run(tmp_path / "results", "test", model, "helps", 0.5)
        path = tmp_path / "results/test" / model / "helps/scores.parquet"
        rows = pd.read_parquet(path)
        write_table(path, rows.assign(arm=["full" if i % 2 else "none" for i in range(len(rows))]))
    standings, pairs = leaderboard(runs_in(["results"]), 1)
    assert set(standings["experiment"]) == {"helps: full", "helps: none"} and set(standings["n"]) == {60} and len(pairs) == 2
