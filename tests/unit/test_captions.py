"""The report's captions, rendered as Snakemake renders them."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from docutils.core import publish_parts
from jinja2 import Environment

from contextrot.errors import ConfigError
from contextrot.plan.runs import run_of
from contextrot.project import Project
from contextrot.records import write_table
from contextrot.report.captions import Captions, Facts, result_labels

FACTS = Facts(
    model="Odd*_name_|x| `y`_", experiment="Needles_", question="Is it found?", tier="test (few)", engine="simulated, curve_",
    judge="match", note="SIMULATED: answers_", shows={"heatmap": "Share of *right* answers.", "other": "Something else."},
)  # fmt: skip


WILDCARDS = SimpleNamespace(tier="test", model="embedded", experiment="niah")


def niah_of(model):
    return run_of(Project({}), "test", model, "niah")


def captions_of(run):
    return Captions(lambda *names: run)


def render(root, name: str, facts=FACTS, extra=()) -> str:
    """A caption as HTML, for one figure among the report's results."""
    job = SimpleNamespace(params={"facts": facts})
    record = SimpleNamespace(
        path=Path("a/heatmap.png"), labels={"result": "heatmap", "answers": 44, "date": "2026-11-21"}, job=job
    )
    other = [SimpleNamespace(path=Path("b.png"), labels={}, job=SimpleNamespace(params=params)) for params in extra]
    snakemake = SimpleNamespace(
        params=SimpleNamespace(facts=facts),
        output=["a/heatmap.png"],
        wildcards=SimpleNamespace(tier="test", figure="heatmap"),
        config={"tier": "test", "seed": 1},
    )
    environment = Environment(trim_blocks=True, lstrip_blocks=True)
    template = (root / "workflow" / "report" / f"{name}.rst").read_text(encoding="utf-8")
    text = environment.from_string(template).render(
        snakemake=snakemake, categories={"m": {"e": [record, *other]}}, files=[record]
    )
    return publish_parts(text, writer="html", settings_overrides={"report_level": 2, "warning_stream": False})["html_body"]


@pytest.mark.parametrize("name", ["figure", "table", "summary", "metadata", "workflow"])
def test_a_caption_is_sound_whatever_stands_in_a_title(root, name):
    assert "system-message" not in render(root, name)


def test_a_figure_s_caption_says_what_is_shown_n_interval_judge_engine_and_date(root):
    html = render(root, "figure")
    for words in (
        "SIMULATED",
        "Share of *right* answers.",
        "44 answers count, given on 2026-11-21",
        "95 %",
        "Wilson",
        "match",
        "curve_",
    ):
        assert words in html


def test_the_report_opens_with_its_notes_each_once_and_none_where_there_is_none(root):
    html = render(root, "workflow", extra=[{"facts": FACTS}, {"code": "x"}, {}, {"facts": {"notes": "n", "title": "t"}}])
    assert html.count("SIMULATED") == 1
    assert html.index("SIMULATED") < html.index("This report shows")
    assert "<strong>" not in render(root, "workflow", replace(FACTS, note=""))


def test_rewording_a_caption_draws_no_figure_again_but_another_title_does():
    """Snakemake compares parameters of built-in types alone, which a caption is not, but the titles are."""
    assert type(FACTS).__mro__ == (Facts, object)
    run = niah_of("embedded")
    assert captions_of(run).titles(WILDCARDS) == [run.model_title, run.experiment_title, run.note]
    assert captions_of(replace(run, model_title="Other")).titles(WILDCARDS)[0] == "Other"


def test_a_caption_says_from_which_length_on_haystacks_repeat(root, tmp_path):
    path = tmp_path / "scores.parquet"
    assert "Haystacks" not in render(root, "figure", replace(FACTS, scores=str(path)))
    rows = {"outcome": ["answered"] * 3, "length": [500, 8_000, 32_000], "repetitions": [0.2, 1.5, 6.0]}
    write_table(path, pd.DataFrame(rows))
    assert "text repeats from 8,000 tokens on, up to 6.0 times" in render(root, "figure", replace(FACTS, scores=str(path)))
    write_table(path, pd.DataFrame(rows).drop(columns="repetitions"))
    assert "Haystacks" not in render(root, "figure", replace(FACTS, scores=str(path)))


def test_a_figure_that_the_task_does_not_draw_names_those_that_it_draws():
    with pytest.raises(ConfigError, match="unknown figure 'heatmp'.*Did you mean 'heatmap'"):
        captions_of(niah_of("embedded")).figures(["heatmp"])(WILDCARDS)


def test_answers_off_their_target_are_not_among_those_that_count(tmp_path):
    write_table(tmp_path / "scores.parquet", pd.DataFrame({"outcome": ["answered"] * 3, "on_target": [True, None, False]}))
    assert result_labels("heatmap", tmp_path)["answers"] == 2


def test_labels_count_the_answers_that_count_and_give_the_day_of_the_answers(tmp_path):
    assert result_labels("heatmap", tmp_path) == {"result": "heatmap"}
    write_table(tmp_path / "scores.parquet", pd.DataFrame({"outcome": ["answered", "truncated", "over_window", "failed"]}))
    labels = result_labels("heatmap", tmp_path)
    assert labels["answers"] == 2
    assert labels["date"].startswith("20")
