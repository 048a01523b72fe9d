import pandas as pd
import pytest

from contextrot.records import Judgement, Response, Sample
from contextrot.report.captions import Facts
from contextrot.report.failures import MAX_ROWS, list_failures, problem_of, write_failures_page
from contextrot.report.html_table import html_table, shown
from tests.experiment_files import write_experiment

FACTS = Facts(
    model="M", experiment="E", question="Q?", tier="test", engine="simulated", judge="match", note="SIMULATED", shows=""
)


def row(outcome="answered", score=1.0, unjudged=False):
    return {"outcome": outcome, "score": score, "unjudged": unjudged}


@pytest.fixture
def experiment(tmp_path):
    """Three samples: one right, one wrong, one failed; and one answer that tries to be HTML."""
    samples = [
        Sample(
            name,
            [{"role": "user", "content": "long " * 200 + f"Question {name}?"}],
            ["gold"],
            10,
            100,
            condition={"length": length},
        )
        for name, length in (("right", 256), ("wrong", 1024), ("broken", 1024))
    ]
    responses = [
        Response("right", 0, "answered", "gold"),
        Response("wrong", 0, "answered", "<script>alert(1)</script>"),
        Response("broken", 0, "failed", error_type="Timeout", error_message="no answer after 5 attempts"),
    ]
    judgements = [
        Judgement("right", 0, 0, "match", True, "found"),
        Judgement("wrong", 0, 0, "match", False, "no part of it was found"),
    ]
    scores = [
        {"sample_id": "right", "turn": 0, "length": 256, "verdict_match": 1.0, **row()},
        {"sample_id": "wrong", "turn": 0, "length": 1024, "verdict_match": 0.0, **row(score=0.0)},
        {"sample_id": "broken", "turn": 0, "length": 1024, "verdict_match": None, **row("failed", None)},
    ]
    return write_experiment(tmp_path, samples, responses, {"match": judgements}, scores)


def test_only_what_is_not_simply_right_is_listed_with_its_reason(experiment):
    table = list_failures(*experiment)
    assert list(table["sample"]) == ["wrong", "broken"]
    assert list(table["problem"]) == ["wrong", "failed"]
    assert table["why"].tolist() == ["match: no part of it was found", "no answer after 5 attempts"]
    assert table["asked (end)"][0].endswith("Question wrong?")
    assert len(table["asked (end)"][0]) < 300
    assert "turn" not in table


def test_an_answer_that_holds_html_is_shown_and_not_run(experiment, tmp_path):
    write_failures_page(list_failures(*experiment), experiment[3], FACTS, tmp_path / "failures.html")
    page = (tmp_path / "failures.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "SIMULATED" in page
    assert "2 of 3 answers" in page
    assert "http" not in page.replace("http-equiv", "")


def test_an_experiment_without_failures_says_there_are_none(experiment, tmp_path):
    write_failures_page(pd.DataFrame(), experiment[3], FACTS, tmp_path / "failures.html")
    assert "There are none." in (tmp_path / "failures.html").read_text()


def test_a_page_of_very_many_failures_is_cut_and_says_so(experiment, tmp_path):
    table = pd.DataFrame({"problem": ["wrong"] * (MAX_ROWS + 1), "sample": range(MAX_ROWS + 1)})
    write_failures_page(table, experiment[3], FACTS, tmp_path / "failures.html")
    page = (tmp_path / "failures.html").read_text()
    assert page.count("<tr><td") == MAX_ROWS
    assert f"The first {MAX_ROWS} are shown" in page


@pytest.mark.parametrize(
    ("scored", "verdicts", "problem"),
    [
        (row(), [1.0], None),
        (row(), [1.0, 0.0], "judges disagree"),
        (row(), [1.0, None], None),
        (row(), [1.0, float("nan")], None),
        (row(score=0.5), [], "wrong"),
        (row(score=None), [], None),
        (row(unjudged=True, score=0.0), [None], "unjudged"),
        (row("truncated", 1.0), [1.0], "truncated"),
        (row("over_window", None), [], "over_window"),
    ],
)
def test_each_kind_of_problem_has_its_name(scored, verdicts, problem):
    assert problem_of(scored, verdicts) == problem


def test_missing_is_shown_as_missing_and_zero_as_zero():
    page = html_table(pd.DataFrame({"a": [0.0, None]}), "T")
    assert '<td class="number">0</td>' in page
    assert '<td class="missing"></td>' in page


@pytest.mark.parametrize(
    ("value", "text"), [(1234567, "1,234,567"), (0.123456, "0.1235"), ([1, 2], "1, 2"), (True, "yes"), (None, "")]
)
def test_values_are_shown_as_people_write_them(value, text):
    assert shown(value) == text
