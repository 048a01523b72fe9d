"""A search's files before and after anything is asked: what a choice holds, what the end says in words, and what is refused."""

from __future__ import annotations

import json

import pytest

from contextrot.errors import ContextRotError
from contextrot.plan.effective_length import choose_round, goes_on, in_words, write_effective_length
from contextrot.project import Project

MODELS = """
some:
  engine: external
  name: some-model
  base_url: http://127.0.0.1:1/v1
  tokenizer: tiktoken:o200k_base
  window: 9000
  max_output_tokens: 100
"""
PLACE = "full", "some", "niah"


def project_with(folder, monkeypatch, search: dict, lengths: tuple[int, ...] = (500, 2000, 8000)) -> Project:
    root = Project({}).root.resolve()
    experiments = {"niah": {"task": "niah", "parameters": {"lengths": lengths}}, "serving": {"task": "serving", "parameters": {}}}
    (folder / "models.yaml").write_text(MODELS)
    (folder / "experiments.yaml").write_text(json.dumps(experiments))
    monkeypatch.chdir(folder)
    definitions = {f"{kind}_definitions": str(folder / f"{kind}s.yaml") for kind in ("model", "experiment")}
    return Project({"models": ["some"], "tier": "full", "effective_length": {"niah": search}, **definitions}, root)


def first_choice(folder, monkeypatch, **search) -> tuple[Project, dict]:
    project = project_with(folder, monkeypatch, search)
    choose_round(project, *PLACE, 1, [], folder / "choice.json")
    return project, json.loads((folder / "choice.json").read_text())


def test_the_first_choice_asks_whole_blocks_from_the_shortest_length_on_and_goes_on(tmp_path, monkeypatch):
    _, choice = first_choice(tmp_path, monkeypatch)
    assert goes_on(tmp_path / "choice.json")
    assert "500" in choice["blocks"]
    assert all(first == 0 and last > 0 for first, last in choice["blocks"].values())
    assert max(map(int, choice["blocks"])) <= 8900


def test_a_cap_that_pays_for_no_round_stops_at_once_and_claims_no_length(tmp_path, monkeypatch):
    project, choice = first_choice(tmp_path, monkeypatch, max_tokens=100)
    assert choice["verdict"] == "cap"
    assert "100 tokens" in choice["reason"]
    write_effective_length(project, *PLACE, [tmp_path / "choice.json"], tmp_path / "end.json", tmp_path / "end.md")
    text = (tmp_path / "end.md").read_text()
    assert "unknown: nothing was asked" in text
    assert "longest" not in text


@pytest.mark.parametrize("search", [{"width": 1.0}, {"width": 0}, {"max_rounds": 9}, {"criterion": "share"}, {"level": 0.5}])
def test_what_no_search_can_do_is_refused_with_its_name(tmp_path, monkeypatch, search):
    with pytest.raises(ContextRotError, match="effective_length"):
        project_with(tmp_path, monkeypatch, search)


def test_a_single_length_is_refused_with_what_to_set(tmp_path, monkeypatch):
    project = project_with(tmp_path, monkeypatch, {}, lengths=(500,))
    with pytest.raises(ContextRotError, match="must be above the shortest, 500; set `shortest` and `longest`"):
        choose_round(project, *PLACE, 1, [], tmp_path / "choice.json")


def test_lengths_that_the_task_does_not_take_are_refused_before_anything_is_built(tmp_path, monkeypatch):
    project = project_with(tmp_path, monkeypatch, {"shortest": 0})
    with pytest.raises(ContextRotError, match=r"`shortest` \(0\).*lengths.0 = 0"):
        choose_round(project, *PLACE, 1, [], tmp_path / "choice.json")


def test_a_task_without_lengths_is_refused(tmp_path, monkeypatch):
    with pytest.raises(ContextRotError, match="'serving'.*has no lengths"):
        choose_round(project_with(tmp_path, monkeypatch, {}), "full", "some", "serving", 1, [], tmp_path / "choice.json")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"length": 8123.4, "low": 7000.2, "high": 9000.0, "status": "within"}, "8,123 tokens [7,000, 9,000]"),
        ({"length": 8123.4, "low": 7000.2, "status": "within"}, "8,123 tokens [7,000, open]"),
        ({"low": 64_000, "status": "beyond_longest"}, "beyond the longest length [64,000, open]"),
        ({"high": 500, "status": "below_shortest"}, "below the shortest length [open, 500]"),
        ({"status": "unknown", "why_unknown": "only one length"}, "unknown: only one length"),
        ({"status": "within", "verdict": "dead"}, "no length is effective"),
        ({"status": "within", "verdict": "never_passes"}, "no length is effective"),
        ({"status": "within", "verdict": "not_monotone"}, "there is no one effective length"),
    ],
)
def test_the_end_in_words_says_what_is_open_and_what_is_unknown(found, words):
    empty = {"length": None, "low": None, "high": None, "verdict": "found", "why_unknown": ""}
    assert in_words({**empty, **found}) == words
