"""The page's file: within its size, inert whatever a model said, every answer with what is needed to judge it."""

import json
import re

import pandas as pd
import pytest

from contextrot.records import Response
from contextrot.report.charts import chart_of, specifications
from contextrot.report.page import page
from contextrot.report.page_rows import Room, json_in_html
from contextrot.settings import TrustSettings
from tests.shown_files import DISTRACTOR, NEEDLE, REFERENCE, needle_sample, write_needles

HOSTILE = "</script><script>alert(1)</script><!-- <img src=http://evil.example/x onerror=alert(2)> \x1b[31mred\x00 \u202eevil"
TIER = ("test", "a subset")


def answered(sample, text, **more):
    given = {"total_seconds": 1.5, "first_token_seconds": 0.5, "cost_usd": 0.01, "prompt_tokens": sample.prompt_tokens}
    return Response(sample.sample_id, 0, "answered", text=text, **given | more)


def page_of(shown, **more):
    return page(shown, TrustSettings(), 1, TIER, **more)


def data_of(text, name):
    return json.loads(re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', text, re.DOTALL)[1])


@pytest.fixture(scope="module")
def grid(tmp_path_factory, root):
    """4 lengths-and-depths with and without a distractor; every second answer is right."""
    samples = [
        needle_sample(length, depth, i, distractor)
        for length in (1_000, 4_000) for depth in (0, 50) for distractor in (False, True) for i in range(2)
    ]  # fmt: skip
    return write_needles(
        tmp_path_factory.mktemp("grid"), root, samples, lambda s, n: answered(s, REFERENCE if n % 2 else "no idea"),
        models=("hosted", "local"), judges=("match", "second"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def text(grid):
    return page_of(grid)


def test_every_answer_is_there_with_prompt_verdicts_of_all_judges_and_outcome(text, grid):
    rows = data_of(text, "answers-0")
    assert len(rows) == 16
    right = next(row for row in rows if row["answer"] == REFERENCE)
    assert right["outcome"] == "answered"
    assert right["problem"] is None
    assert [verdict[:2] for verdict in right["verdicts"]] == [["match", True], ["second", True]]
    assert right["expected"] == [REFERENCE]
    assert 0.5 in right["measured"]
    assert 0.01 in right["measured"]


def test_needle_answer_and_distractor_are_marked_in_the_prompt(text):
    rows = data_of(text, "answers-0")
    marked = next(row["prompt"] for row in rows if row["id"] == "needle-0004000-050.0-d1-0")
    by_kind = {kind: "".join(part for of, part in marked if of == kind) for kind, _ in marked if kind not in ("", "fold", "gone")}
    assert by_kind["distractor"] == DISTRACTOR
    assert by_kind["answer"].lower() == REFERENCE.lower()
    assert by_kind["needle"] == NEEDLE.replace(by_kind["answer"], "")


def test_each_answer_belongs_to_the_cell_in_which_it_is_counted(text):
    view, rows = data_of(text, "data")["views"][0], data_of(text, "answers-0")
    for cell in view["cells"]:
        here = [row for row in rows if row["cell"] == cell["cell"]]
        assert len(here) == cell["answers"] == cell["n"] == 2
        assert sum(row["score"] for row in here) / 2 == cell["value"]


def test_a_needle_experiment_is_a_heatmap_for_each_of_its_conditions(grid):
    chart = chart_of(grid[0].task, pd.read_parquet(grid[0].files["scores.parquet"]))
    assert (chart.x, chart.y, chart.series) == ("length", "depth", ["distractors"])
    assert [spec["title"] for spec in specifications(chart)] == ["distractors: 0", "distractors: 1"]


def test_an_experiment_without_a_second_scale_is_a_curve(grid):
    scores = pd.read_parquet(grid[0].files["scores.parquet"])
    chart = chart_of(grid[0].task, scores[scores["depth"] == 0])
    assert chart.y is None
    (spec,) = specifications(chart)
    assert {layer["mark"]["type"] for layer in spec["layer"]} == {"rule", "line", "point"}


def test_models_of_one_experiment_stand_in_one_section_and_a_note_on_top(text):
    data = data_of(text, "data")
    assert [view["title"] for view in data["experiments"][0]["views"]] == ["Hosted", "Local"]
    assert text.index("DEMONSTRATION MODEL") < text.index("<h1>")


def test_what_a_model_said_cannot_become_markup_or_move_text(tmp_path, root):
    samples = [needle_sample(1_000, 0, 0, prompt=HOSTILE + NEEDLE)]
    shown = write_needles(tmp_path, root, samples, lambda s, n: answered(s, HOSTILE, reasoning=HOSTILE), explanation=HOSTILE)
    text = page_of(shown)
    around = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert "<script>alert" not in around
    assert "<img" not in around
    assert not {"\0", "\x1b", "\u202e"} & set(around)
    block = re.search(r'id="answers-0">(.*?)</script>', text, re.DOTALL)[1]
    assert "<" not in block
    (row,) = json.loads(block)
    assert "<img src=http://evil.example/x onerror=alert(2)>" in row["answer"]


def test_the_policy_forbids_the_network_and_every_script_but_the_pages_own(text):
    import base64
    import hashlib

    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'")
    assert "connect-src" not in policy
    assert "unsafe-eval" not in policy
    assert "script-src 'unsafe-inline'" not in policy
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy


def test_the_page_names_no_file_or_address_that_it_would_load(text):
    start = text[: text.index('<script type="application/json"')]
    assert not re.search(r"(src|href)=(?!\"#)", start)
    assert "@import" not in text
    assert "url(" not in start


@pytest.mark.parametrize("character", ["w", "字", "<", "\x00"])
def test_prompts_are_cut_so_that_the_page_keeps_its_size(tmp_path, root, character):
    prompt = character * 20_000 + NEEDLE + character * 20_000
    samples = [needle_sample(10_000, 0, i, prompt=prompt) for i in range(200)]
    shown = write_needles(tmp_path, root, samples, lambda s, n: answered(s, character * 5_000))
    text = page_of(shown, page_bytes=2_300_000)
    assert len(text.encode()) < 2_300_000
    rows = data_of(text, "answers-0")
    assert len(rows) == 200
    assert all("gone" in [kind for kind, _ in row["prompt"]] for row in rows)
    assert all(any(kind in ("needle", "answer") for kind, _ in row["prompt"]) for row in rows)


def test_more_answers_than_there_is_room_for_are_drawn_evenly_and_said(tmp_path, root):
    samples = [needle_sample(length, 0, i, prompt=NEEDLE) for length in (1_000, 2_000) for i in range(300)]
    shown = write_needles(tmp_path, root, samples, lambda s, n: answered(s, "x" * 300))
    text = page_of(shown, page_bytes=2_200_000)
    rows = data_of(text, "answers-0")
    assert 100 < len(rows) < 600
    by_cell = pd.Series([row["cell"] for row in rows]).value_counts()
    assert by_cell.max() - by_cell.min() <= 1
    assert f"{len(rows)} of them can be read here" in text
    assert [cell["n"] for cell in data_of(text, "data")["views"][0]["cells"]] == [300, 300]


def test_a_failed_request_shows_its_error_and_no_answer(tmp_path, root):
    def fails(sample, number):
        return Response(sample.sample_id, 0, "failed", error_type="Timeout", error_message="no answer after 600 s")

    (row,) = data_of(page_of(write_needles(tmp_path, root, [needle_sample(1_000, 0, 0)], fails)), "answers-0")
    assert (row["answer"], row["error"], row["problem"], row["verdicts"]) == (None, "no answer after 600 s", "failed", [])


def test_a_tier_without_scores_is_a_page_all_the_same():
    assert "0 answers" in page_of([])


def test_room_is_shared_by_the_answers_that_are_left():
    room = Room(10_000, 4)
    assert room.every == 1
    assert room.of_next == 2_500
    assert room.take(1_000)
    assert room.of_next == 3_000
    assert not room.take(9_001)


def test_json_in_a_script_element_cannot_end_it():
    value = ["</script>", "<!--", "\u2028"]
    assert "<" not in json_in_html(value)
    assert json.loads(json_in_html(value)) == value
