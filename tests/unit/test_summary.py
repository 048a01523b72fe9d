import json
from pathlib import Path

import pandas as pd
import pytest

from contextrot.plan.runs import runs_of
from contextrot.project import Project
from contextrot.records import Response, write_responses, write_table
from contextrot.report.captions import Facts
from contextrot.report.estimates import estimate_table
from contextrot.report.summary import summarize_tier, write_metrics_page, write_summary
from contextrot.report.summary_words import duration, few_note, readable
from contextrot.scores.score import aggregate

MODELS = """
local:
  title: A | B
  engine: external
  name: some-model
  base_url: http://127.0.0.1:1/v1
  tokenizer: tiktoken:o200k_base
  window: 4096
  max_output_tokens: 100
hosted: {engine: external, name: gpt, provider: openai, tokenizer: "tiktoken:o200k_base", window: 4096, max_output_tokens: 9}
drawn: {engine: simulated, name: curve, tokenizer: "tiktoken:o200k_base", window: 4096, max_output_tokens: 9}
"""
EXPERIMENTS = "niah: {task: niah, title: Needles}"


def files():
    """What the rule declares as its inputs."""
    return sorted(path for path in Path("results/test").glob("*/niah/*") if path.is_file())


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Three models with results: 8 of 8 right at 256 tokens, 2 of 8 at 1,024, and two rows over the window."""
    root = Project({}).root.resolve()
    (tmp_path / "models.yaml").write_text(MODELS)
    (tmp_path / "experiments.yaml").write_text(EXPERIMENTS)
    monkeypatch.chdir(tmp_path)
    definitions = {f"{kind}_definitions": str(tmp_path / f"{kind}s.yaml") for kind in ("model", "experiment")}
    project = Project({"models": ["local", "hosted", "drawn"], **definitions}, root)
    rows = [
        {"sample_id": f"{length}-{i}", "turn": 0, "length": length, "depth": 0.0, "outcome": "answered", "unjudged": False,
         "score": float(length == 256 or i < 2)}
        for length in (256, 1024) for i in range(8)
    ]  # fmt: skip
    rows += [
        {
            "sample_id": f"4096-{i}",
            "turn": 0,
            "length": 4096,
            "depth": 0.0,
            "outcome": "over_window",
            "unjudged": False,
            "score": None,
        }
        for i in range(2)
    ]
    scores = pd.DataFrame(rows)
    for model in project.selected_models:
        folder = tmp_path / "results" / "test" / model / "niah"
        folder.mkdir(parents=True)
        write_table(folder / "scores.parquet", scores)
        write_table(folder / "metrics.csv", aggregate(scores, [("length",), ()], ["score"]))
        responses = [
            Response(row["sample_id"], 0, row["outcome"], engine="e" if row["score"] is not None else None, total_seconds=10.0)
            for row in rows
        ]
        write_responses(folder / "responses.parquet", responses)
    return project


def test_scores_at_the_ends_are_those_of_the_ends_with_answers(project):
    row = summarize_tier(runs_of(project), project.settings.seed, files()).iloc[0]
    assert (row["shortest_length"], row["shortest_score"], row["shortest_score_n"]) == (256, 1.0, 8)
    assert (row["longest_length"], row["longest_score"]) == (1024, 0.25)
    assert row["overall_score"] == pytest.approx(10 / 16)
    assert (row["answers"], row["over_window"], row["failed"]) == (18, 2, 0)


def test_no_effective_length_is_given_where_the_limit_cut_thoughts(project):
    folder = Path("results/test/local/niah")
    scores = pd.read_parquet(folder / "scores.parquet")
    cut = scores["length"] == 1024
    scores.loc[cut, "outcome"] = "truncated"
    write_table(folder / "scores.parquet", scores)
    responses = [Response(row.sample_id, 0, row.outcome, None, engine="e") for row in scores.itertuples()]
    write_responses(folder / "responses.parquet", responses)
    row = summarize_tier(runs_of(project), project.settings.seed, files()).iloc[0]
    assert row["model"] == "local" and row["cut_unsaid"] == 8
    assert pd.isna(row["effective_length_ruler_status"]) and pd.isna(row["effective_length_ruler"])


def test_the_effective_length_lies_between_the_length_that_passes_and_the_one_that_fails(project):
    row = summarize_tier(runs_of(project), project.settings.seed, files()).iloc[0]
    assert 256 < row["effective_length_ruler"] < 1024
    assert row["effective_length_ruler_status"] == "within"
    text = readable(summarize_tier(runs_of(project), project.settings.seed, files()))["Effective length (RULER)"][0]
    assert text.endswith("1,024]")


def needles_asked(project, count):
    """The summary's first row and notes where the rows are of so many needles."""
    path = Path("results/test/local/niah/scores.parquet")
    scores = pd.read_parquet(path)
    needles = [f"needle {i % count}" for i in range(len(scores))]
    write_table(path, scores.assign(question=needles, cluster=needles))
    return summarize_tier(runs_of(project), project.settings.seed, files()).iloc[0].to_dict()


def test_intervals_say_what_they_speak_for_and_what_the_run_could_have_seen(project):
    row = needles_asked(project, 8)
    assert (row["population"], row["clusters"]) == ("kind", 8)
    assert 0 < row["smallest_difference"] < 1
    assert few_note(row) == ""
    assert readable(pd.DataFrame([row]))["Intervals for"][0] == "the kind of 8 needles or items"


def test_too_few_needles_are_warned_of(project):
    assert "4 needles or items only" in few_note(needles_asked(project, 4))
    row = needles_asked(project, 1)
    assert "these prompts alone" in few_note(row)
    assert row["smallest_difference"] is None or row["smallest_difference"] != row["smallest_difference"]
    assert readable(pd.DataFrame([row]))["Could have seen"][0] == ""


def test_an_unknown_price_is_unknown_and_a_model_of_ones_own_is_not_billed(project):
    cost = readable(summarize_tier(runs_of(project), project.settings.seed, files()))["Cost (USD)"].tolist()
    assert cost == ["not billed", "unknown", "not billed"]


def test_the_summary_is_one_markdown_table_that_says_simulated_and_escapes_titles(project, tmp_path):
    write_summary(
        runs_of(project),
        project.settings.seed,
        files(),
        tmp_path / "summary.csv",
        tmp_path / "summary.md",
        tmp_path / "summary.html",
    )
    text = (tmp_path / "summary.md").read_text()
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 3
    assert {line.replace("\\|", "").count("|") for line in table} == {table[0].count("|")}
    assert text.split("|")[0].count("**") == 2
    assert "SIMULATED" in text.split("|")[0]
    assert "2 over window of 18" in table[2]
    assert "SIMULATED" in (tmp_path / "summary.html").read_text()
    assert len(pd.read_csv(tmp_path / "summary.csv")) == 3


def test_a_page_of_metrics_leaves_out_columns_that_say_nothing(project, tmp_path):
    facts = Facts(**dict.fromkeys(("model", "experiment", "question", "engine", "judge", "tier", "note"), "x"), shows={})
    write_metrics_page("results/test/local/niah/metrics.csv", facts, tmp_path / "metrics.html")
    page = (tmp_path / "metrics.html").read_text()
    assert "<th>over_window</th>" in page
    assert "<th>refused</th>" not in page


def test_the_embedded_and_the_simulated_model_say_what_they_are_and_others_nothing(project):
    assert Project({}).note("embedded").startswith("DEMONSTRATION MODEL")
    assert [project.note(model)[:9] for model in ("local", "hosted", "drawn")] == ["", "", "SIMULATED"]


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (45, "45 s"), (720, "12 min"), (12_000, "3 h 20 min")])
def test_times_are_said_as_people_say_them(seconds, text):
    assert duration(seconds) == text


def test_conditions_that_are_no_one_thing_are_a_line_each(project, tmp_path, monkeypatch):
    (tmp_path / "experiments.yaml").write_text("chats: {task: longmemeval, title: Chats}")
    definitions = {f"{kind}_definitions": str(tmp_path / f"{kind}s.yaml") for kind in ("model", "experiment")}
    chats = Project({"models": ["hosted"], **definitions}, project.root)
    rows = [
        {"sample_id": f"q{i}-{history}", "turn": 0, "history": history, "question_type": "t", "abstention": False, "outcome": outcome,
         "unjudged": False, "score": None if outcome == "over_window" else float(history == "focused" or i < 2), "cost_usd": 0.5, "total_seconds": 2.0}
        for history in ("focused", "full") for i in range(8) for outcome in ["over_window" if history == "full" and i == 7 else "answered"]
    ]  # fmt: skip
    folder = tmp_path / "results/test/hosted/chats"
    folder.mkdir(parents=True)
    scores = pd.DataFrame(rows)
    write_table(folder / "scores.parquet", scores)
    write_table(folder / "metrics.csv", aggregate(scores, [("history",), ()], ["score"]))
    responses = [Response(row["sample_id"], 0, row["outcome"], engine="e", total_seconds=2.0, cost_usd=0.5) for row in rows]
    write_responses(folder / "responses.parquet", responses)
    summary = summarize_tier(runs_of(chats), 1, sorted(folder.glob("*"))).set_index("condition")
    assert summary["overall_score"].to_dict() == {"focused": 1.0, "full": pytest.approx(2 / 7)}
    assert summary["overall_score_n"].to_dict() == {"focused": 8, "full": 7}
    assert summary["answers"].tolist() == [8, 8] and summary["over_window"].tolist() == [0, 1]
    assert summary["cost_usd"].tolist() == [4.0, 3.5]
    assert summary["samples"].tolist() == [8, 8]
    assert readable(summary.reset_index())["Experiment"].tolist() == ["Chats: focused", "Chats: full"]


def test_intervals_stay_in_one_line_of_the_page(project, tmp_path):
    write_summary(
        runs_of(project), project.settings.seed, files(), *(tmp_path / f"summary.{kind}" for kind in ("csv", "md", "html"))
    )
    page = (tmp_path / "summary.html").read_text()
    assert "0.62\u00a0[" in page and "n\u00a0=\u00a016" in page and "\u00a0" not in (tmp_path / "summary.md").read_text()


def test_what_was_used_stands_beside_what_was_estimated(project, tmp_path):
    run = runs_of(project, "test")[0]
    about = {"model": run.model, "experiment": run.experiment, "judge": None, "basis": "gold answers and limits"}
    estimate = {**about, "calls": 4, "prompt_tokens": 900, "output_tokens": 100, "usd": 0.5}
    (tmp_path / "cost.json").write_text(json.dumps({"estimates": [{**estimate, "judge": "strict", "usd": 9}, estimate]}))
    counts = {"calls": 5, "input_tokens": 1000, "output_tokens": 100, "cost_usd": None, "total_tokens": 1100}
    (tmp_path / "token_summary.json").write_text(json.dumps({"answers": counts}))
    files = {(run.model, run.experiment): {"token_summary.json": tmp_path / "token_summary.json"}}
    [row] = estimate_table([run], files, tmp_path / "cost.json").to_dict("records")
    assert (row["Requests"], row["Tokens"], row["Output tokens"]) == ("5 (+25%)", "1,100 (+10%)", "100 (+0%)")
    assert (row["USD"], row["Output expected from"]) == ("unknown", "gold answers and limits")
    assert estimate_table([run], {(run.model, run.experiment): {}}, tmp_path / "cost.json").empty
