"""Sheets of labels, blind and as people and their spreadsheets leave them."""

import csv

import numpy as np
import pytest

from contextrot import tasks
from contextrot.errors import DataError
from contextrot.judging import judges
from contextrot.judging.contract import JudgingContext
from contextrot.judging.judge import pairs_of
from contextrot.judging.labels import COLUMNS, draw, read_labels, write_label_sheet
from contextrot.records import Judgement, Response
from contextrot.settings import JudgeSettings
from tests.experiment_files import write_experiment
from tests.shown_files import needle_sample

ODD_IDS = ["=1+1", "'quoted", "a,b\nc", "line\r\nend", "2000-10-1", " spaced ", "'=x", "\u200emark"]


@pytest.fixture
def run(tmp_path):
    """Pairs of eight answers with odd sample ids, and the rows of their sheet."""
    samples = [needle_sample(500, 50, i) for i in range(len(ODD_IDS))]
    for sample, name in zip(samples, ODD_IDS, strict=True):
        sample.sample_id = name
    answers = [Response(s.sample_id, 0, "answered", text=f"answer {i}") for i, s in enumerate(samples)]
    paths = write_experiment(
        tmp_path, samples, answers, {"match": [Judgement(s.sample_id, 0, 0, "match", i % 2 == 0) for i, s in enumerate(samples)]}
    )
    sheet = tmp_path / "labels/answers.csv"
    sheet.parent.mkdir()
    write_label_sheet(*paths[:2], paths[2][0], sheet, tmp_path / "labels/answers.html", ("M", "E"), 100, np.random.default_rng(1))
    with sheet.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return pairs_of({s.sample_id: s for s in samples}, answers), rows, tmp_path / "filled.csv"


def write(path, rows, columns=COLUMNS, separator=",", encoding="utf-8", extra=""):
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, list(columns), delimiter=separator, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def judged(pairs, path):
    kind = tasks.load("niah")
    context = JudgingContext("human", JudgeSettings(kind="human", labels="labels"), kind(kind.Parameters()), files=[path])
    return {j.sample_id: j.verdict for j in judges.load("human").judge(pairs, context)}


def test_labels_come_back_whatever_the_ids_and_whatever_a_spreadsheet_does(run):
    pairs, rows, path = run
    assert not {"verdict", "score", "length"} & set(rows[0])
    truth = {pair.sample.sample_id: i % 3 == 0 for i, pair in enumerate(pairs)}
    by_answer = {f"answer {i}": truth[pair.sample.sample_id] for i, pair in enumerate(pairs)}
    words = {True: ("right", "TRUE", "1", "1.0", " WAHR "), False: ("wrong", "False", "0", "falsch", "W")}
    filled = [row | {"label": words[by_answer[row["answer"]]][i % 5]} for i, row in enumerate(rows)]
    assert judged(pairs, write(path, filled)) == truth
    spoilt = [
        row | {"sample_id": "10.01.2000", "turn": "", "item": "x", "answer_id": f" {row['answer_id']} "} for row in filled[::-1]
    ]
    columns = ["note", *reversed(COLUMNS)]
    assert judged(pairs, write(path, spoilt, columns, ";", "utf-8-sig")) == truth


def test_answers_without_a_label_are_unjudged(run):
    pairs, rows, path = run
    filled = [row | {"label": "right" if i == 0 else "?" if i == 1 else ""} for i, row in enumerate(rows)]
    assert sorted(judged(pairs, write(path, filled)).values(), key=str) == [None] * 7 + [True]


def test_labels_of_other_answers_are_told(run):
    pairs, rows, path = run
    filled = [row | {"label": "right"} for row in rows]
    filled[3]["answer_id"] = "8.72E+11"
    with pytest.raises(DataError, match=r"1 labels of .*filled.csv are of no answer of this run, such as 8.72E\+11"):
        judged(pairs, write(path, filled))
    changed = [pair.__class__(pair.sample, pair.turn, pair.item, pair.reference, pair.answer + "!") for pair in pairs]
    with pytest.raises(DataError, match="8 labels"):
        judged(changed, write(path, [row | {"label": "right"} for row in rows]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": "maybe"}, "label 'maybe' is none"),
        ({"answer_id": "x1", "label": "wrong"}, "stands twice with different labels"),
    ],
)
def test_a_fault_in_a_sheet_names_its_row(run, change, message):
    _, rows, path = run
    filled = [row | {"label": "right", "answer_id": "x1"} for row in rows[:2]]
    filled[1] |= change
    with pytest.raises(DataError, match=f"filled.csv.*3.*{message}"):
        read_labels(write(path, filled))
    with pytest.raises(DataError, match="lack the column 'answer_id'"):
        read_labels(write(path, rows, [name for name in COLUMNS if name != "answer_id"]))


def test_half_of_what_is_drawn_was_called_right_and_all_lengths_alike():
    verdicts = {(f"s{i}", 0, 0): i % 10 != 0 for i in range(1000)}
    lengths = {key: float(i // 250) for i, key in enumerate(verdicts)}
    keys = draw(verdicts, lengths, 100, np.random.default_rng(3))
    assert len(set(keys)) == 100 and sum(verdicts[key] for key in keys) == 50
    counts = [sum(lengths[key] == length and verdicts[key] for key in keys) for length in range(4)]
    assert max(counts) - min(counts) <= 1
    assert len(draw(verdicts, lengths, 5000, np.random.default_rng(3))) == 1000
