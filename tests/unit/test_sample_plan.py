"""The sample plan: prices and tokens are those of the answers it names, and what cannot be reached is said."""

from __future__ import annotations

import json

import pytest

from contextrot.plan.sample_plan import plan_rows, write_sample_plan
from contextrot.project import Project

MODELS = """
priced:
  engine: external
  name: some-model
  base_url: http://127.0.0.1:1/v1
  tokenizer: tiktoken:o200k_base
  window: 9000
  max_output_tokens: 100
  price: {input_usd_per_million_tokens: 2.0, output_usd_per_million_tokens: 10.0}
  tokens_per_minute: 60000
"""
NEEDLES = [f"{name}_{level}" for name in ("spare_key", "restaurant", "night_train", "parrot_name") for level in ("low", "high")]
"""Eight needles that answer four questions."""


@pytest.fixture
def project(tmp_path, monkeypatch):
    root = Project({}).root.resolve()
    parameters = {"lengths": [500, 2000, 8000, 64000], "depths": [0, 50, 100], "needles": NEEDLES}
    (tmp_path / "models.yaml").write_text(MODELS)
    (tmp_path / "experiments.yaml").write_text(
        json.dumps({"niah": {"task": "niah", "parameters": parameters}, "serving": {"task": "serving", "parameters": {}}})
    )
    monkeypatch.chdir(tmp_path)
    definitions = {f"{kind}_definitions": str(tmp_path / f"{kind}s.yaml") for kind in ("model", "experiment")}
    return Project(
        {"models": ["priced"], "tier": "full", "sample_plan": {"spread": 0.3, "interaction": 0.3}, **definitions}, root
    )


def test_the_grid_counts_the_answers_that_fit_the_window_at_their_price(project):
    row = plan_rows(project, "full", "priced", "niah")[0]
    answers = 3 * 3 * 8
    assert (row.way, row.needles, row.each, row.answers) == ("grid", 4, 6, answers)
    prompt = 3 * 8 * (500 + 2000 + 8000)
    assert row.tokens == prompt + answers * 64
    assert row.usd == pytest.approx((2 * prompt + 10 * answers * 64) / 1e6)
    assert row.hours == pytest.approx(row.tokens / 60_000 / 60, rel=0.01)


def test_a_length_that_no_grid_finds_is_found_by_the_search(project):
    rows = [row for row in plan_rows(project, "full", "priced", "niah") if row.aim.startswith("effective length")]
    assert [row.way for row in rows] == ["grid", "adaptive"]
    assert rows[0].answers is None
    assert "nothing is measured between them" in rows[0].note
    assert rows[1].answers > 0
    assert "rounds" in rows[1].note


def test_the_plan_says_what_is_left_out_and_what_is_assumed(project, tmp_path):
    write_sample_plan(project, "full", tmp_path / "plan.json", tmp_path / "plan.md")
    content = json.loads((tmp_path / "plan.json").read_text())
    assert content["assumed"]["spread"] == 0.3
    assert {row["experiment"] for row in content["rows"]} == {"niah"}
    assert "has no lengths" in content["left_out"][0]
    text = (tmp_path / "plan.md").read_text()
    assert "a difference of 0.1 at each length" in text
    assert "Left out: priced, serving" in text
