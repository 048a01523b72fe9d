"""An experiment as others publish and read data."""

import json

import pandas as pd
import pytest
import yaml

from contextrot.files import read_rows
from contextrot.files.shapes import records_of
from contextrot.records import Response, Sample
from contextrot.report.data_card import CONTEXT, About, Answers, export_data_set, export_lm_eval_samples
from tests.experiment_files import write_experiment

ABOUT = About("niah", "m", 'Needles: "odd"', "Model", "niah", "Is it found?", "test", "external", ["match"], "SIMULATED")


@pytest.fixture
def files(tmp_path):
    samples = [
        Sample(i, [{"role": "user", "content": f"Where is {i}?"}], ["here", "there"], 9, 5, later_prompts=["And now?"], condition={"length": 256, "names": ["x"]})
        for i in ("a", "b")
    ]  # fmt: skip
    texts = {("a", 0): "here", ("a", 1): "=1+1 </script>", ("b", 0): None}
    responses = [Response(i, t, "answered" if text else "failed", text, prompt_tokens=5) for (i, t), text in texts.items()]
    rows = [
        {
            "sample_id": i,
            "turn": t,
            "outcome": "answered" if text else "failed",
            "score": float(t == 0) if text else None,
            "length": 256,
        }
        for (i, t), text in texts.items()
    ]
    written = write_experiment(tmp_path, samples, responses, {}, rows)
    return written[0], written[1], written[3]


@pytest.fixture
def answers_read(files):
    return Answers.read(*files)


def test_the_card_names_its_file_and_the_answers_are_whole(answers_read, tmp_path):
    card, answers, croissant = (tmp_path / name for name in ("README.md", "answers.parquet", "croissant.json"))
    export_data_set(answers_read, ABOUT, card, answers, croissant)
    _, head, text = card.read_text().split("---\n", 2)
    said = yaml.safe_load(head)
    assert said["configs"][0]["data_files"][0]["path"] == "answers.parquet" and said["size_categories"] == ["n<1K"]
    assert "SIMULATED" in text and "3 answers, 2 of which count; mean score 0.500" in text
    table = pd.read_parquet(answers)
    assert table["prompt"].tolist() == ["Where is a?", "And now?", "Where is b?"] and table["answer"].tolist()[:2] == [
        "here",
        "=1+1 </script>",
    ]
    held = json.loads(croissant.read_text())
    assert held["@context"] == CONTEXT
    fields = {field["source"]["extract"]["column"]: field for field in held["recordSet"][0]["field"]}
    assert set(fields) == set(table.columns)
    assert (
        fields["references"]["repeated"]
        and fields["score"]["dataType"] == "sc:Float"
        and fields["turn"]["dataType"] == "sc:Integer"
    )


def test_the_same_answers_give_the_same_bytes(answers_read, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        export_data_set(answers_read, ABOUT, *(tmp_path / name / f for f in ("README.md", "answers.parquet", "croissant.json")))
    assert all((tmp_path / "one" / p.name).read_bytes() == p.read_bytes() for p in (tmp_path / "two").iterdir())


def test_croissants_own_library_reads_the_answers(answers_read, tmp_path):
    croissant = pytest.importorskip("mlcroissant")
    export_data_set(answers_read, ABOUT, *(tmp_path / f for f in ("README.md", "answers.parquet", "croissant.json")))
    records = list(croissant.Dataset(str(tmp_path / "croissant.json")).records("answers"))
    assert len(records) == 3 and {record["answers/turn"] for record in records} == {0, 1}


def test_samples_of_lm_eval_are_read_by_their_own_form(answers_read, tmp_path):
    export_lm_eval_samples(answers_read, tmp_path / "samples_niah.jsonl")
    records = records_of(read_rows(tmp_path / "samples_niah.jsonl"))
    assert [record.prediction for record in records] == ["here", "=1+1 </script>"]
    assert [record.scores for record in records] == [{"score": 1.0}, {"score": 0.0}]
    assert [record.question for record in records] == ["Where is a?", "And now?"] and records[0].references == ("here",)


def test_answers_without_a_score_are_no_rows_of_lm_eval(files, tmp_path):
    samples, responses, scores = files
    table = pd.read_parquet(scores)
    for kept, changed in (
        (1, table.assign(score=[1.0, None, None])),
        (1, table.assign(score=pd.Series([1.0, None, None], dtype=object))),
        (0, table.drop(columns="score")),
    ):
        changed.to_parquet(scores)
        export_lm_eval_samples(Answers.read(samples, responses, scores), tmp_path / "samples.jsonl")
        rows = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
        assert [row["score"] for row in rows] == [1.0] * kept
