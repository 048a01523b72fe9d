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
    write_table(path / "scores.parquet", pd.DataFrame({"sample_id": ["a"], "turn": [0], "outcome": ["failed"], "score": [None]}))
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


def test_equal_names_of_unlike_questions_are_not_paired_and_a_folder_counts_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "a", "test", "m", "niah", 0.9)
    write_run(tmp_path / "b", "test", "m", "niah", 0.2)
    path = tmp_path / "b/test/m/niah/scores.parquet"
    rows = pd.read_parquet(path)
    write_table(path, rows.assign(cluster=[name if i < 20 else f"other {name}" for i, name in enumerate(rows["cluster"])]))
    standings, pairs = leaderboard(runs_in(["a", "a/", "b/../a", "b"]), 1)
    assert len(standings) == 2 and set(standings["common"]) == {20} and pairs["n"].tolist() == [20]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": "yes"}, "no numbers from 0 to 1"),
        ({"score": 5.0}, "no numbers from 0 to 1"),
        ({"turn": None}, "no column 'turn'"),
    ],
)
def test_a_run_of_another_form_is_refused_by_its_file(tmp_path, monkeypatch, change, message):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "results", "test", "m", "niah", 0.9)
    path = tmp_path / "results/test/m/niah/scores.parquet"
    rows = pd.read_parquet(path)
    write_table(path, rows.drop(columns="turn") if "turn" in change else rows.assign(**change))
    with pytest.raises(DataError, match=f"scores.parquet.*{message}"):
        leaderboard(runs_in(["results"]), 1)


def test_one_sample_of_many_turns_has_no_slope(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "results", "test", "m", "story", 0.6, rows=30)
    path = tmp_path / "results/test/m/story/scores.parquet"
    write_table(path, pd.read_parquet(path).assign(sample_id="s0", cluster="s0"))
    standings, _ = leaderboard(runs_in(["results"]), 1)
    assert "single sample" in standings["slope_reason"][0]


def test_a_runs_interval_is_that_of_its_metrics(tmp_path, monkeypatch):
    from contextrot.scores.score import aggregate

    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "results", "test", "m", "niah", 0.6, rows=60)
    path = tmp_path / "results/test/m/niah/scores.parquet"
    rows = pd.read_parquet(path)
    rows = rows.assign(cluster=[f"needle {i % 4}" for i in range(60)], score=[float(i % 4 < 2 or i < 9) for i in range(60)])
    write_table(path, rows)
    standings, _ = leaderboard(runs_in(["results"]), 1)
    whole = aggregate(rows, [()], ["score"]).iloc[0]
    assert standings.loc[0, ["score", "score_low", "score_high"]].tolist() == [whole["value"], whole["low"], whole["high"]]
