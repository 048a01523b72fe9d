"""Topics, languages and repeats of haystacks."""

import json
from functools import partial

import pytest

from contextrot.errors import ConfigError
from contextrot.randomness import generator_for
from contextrot.task import SampleContext
from contextrot.tasks import load
from contextrot.tasks.niah.needles import read_needles


def build(tokenizer, data, **parameters):
    task = load("niah")
    context = SampleContext(tokenizer, 200_000, 64, data, partial(generator_for, 1))
    return task(task.Parameters(**{"lengths": [900], "depths": [0, 50, 100]} | parameters)).samples(context)


@pytest.mark.parametrize("language", ["zh", "ar"])
def test_needles_and_prompts_of_other_languages_stand_in_text_of_theirs(o200k, data, language):
    file = f"tasks/needles_{language}.yaml"
    names = list(read_needles(data / file))
    samples = build(o200k, data, needle_file=file, needles=names, topic=f"generated_{language}", distractors=[2])
    for sample in samples:
        assert sample.condition["on_target"] is True
        assert o200k.count_chat(sample.messages) == sample.prompt_tokens
        assert abs(sample.condition["actual_depth"] - sample.condition["depth"]) <= 1
        assert "Read the document" not in sample.messages[0]["content"]
    if language == "zh":
        assert "。 " not in samples[0].messages[0]["content"]


def test_a_topic_may_be_a_file_of_code_whose_lines_stay(o200k, data, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("\n".join(f"def f{i}(x):\n    return x + {i}\n" for i in range(500)))
    sample = build(o200k, data, topic=str(path))[0]
    assert "\n    return x + " in sample.messages[0]["content"]
    assert "/" not in sample.sample_id


def test_hidden_folders_and_others_code_are_no_text_and_odd_line_ends_stay(o200k, data, tmp_path):
    for name in (".venv", ".git", "node_modules"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.py").write_text("other = 1\n" * 500)
    (tmp_path / "mine.py").write_text("".join(f"x{i} = 'a\u2028b'\n" for i in range(400)))
    text = build(o200k, data, topic=str(tmp_path))[0].messages[0]["content"]
    assert "a\u2028b" in text and "other" not in text


def test_a_text_that_repeats_is_reported_and_refused_where_asked(o200k, data, tmp_path):
    (tmp_path / "short.txt").write_text("A boat came home late. Nobody saw it arrive.")
    assert build(o200k, data, topic=str(tmp_path))[0].condition["repetitions"] > 10
    with pytest.raises(ConfigError, match="repeats"):
        build(o200k, data, topic=str(tmp_path), max_repetitions=1)
    for copy in "abc":  # the same text three times is three files, and one text
        (tmp_path / f"{copy}.txt").write_text("".join(f"The boat of house {i} came home late in the year. " for i in range(60)))
    (tmp_path / "short.txt").unlink()
    assert build(o200k, data, topic=str(tmp_path), lengths=[1_800])[0].condition["repetitions"] == pytest.approx(2.3, abs=0.5)
    assert build(o200k, data, lengths=[150_000], depths=[50], topic="generated")[0].condition["repetitions"] == 1


def test_eight_english_questions_ship(data):
    assert len({needle.question for needle in read_needles(data / "tasks/needles.yaml").values()}) == 8


@pytest.mark.parametrize("gap", [" ", "\n", "  \t"])
def test_a_needle_that_stands_in_the_text_is_refused(o200k, data, tmp_path, gap):
    needle = read_needles(data / "tasks/needles.yaml")["writing_advice_high"].needle
    (tmp_path / "a.txt").write_text(f"One. {needle} Two.")
    entry = {"name": "mine", "question": "What?", "needle": needle.replace(" ", gap), "answer": "It"}
    (tmp_path / "needles.json").write_text(json.dumps([entry]))
    with pytest.raises(ConfigError, match="already"):
        build(o200k, data, topic=str(tmp_path / "a.txt"), needle_file=str(tmp_path / "needles.json"), needles=["mine"])


def test_the_depths_of_one_haystack_are_one_prefix_group_whatever_the_needle_is_called(o200k, data, tmp_path):
    entry = {"name": "mine-050.0", "question": "What?", "needle": "The sea is grey.", "answer": "grey"}
    (tmp_path / "needles.json").write_text(json.dumps([entry]))
    samples = build(o200k, data, needle_file=str(tmp_path / "needles.json"), needles=["mine-050.0"])
    assert {sample.condition["prefix_group"] for sample in samples} == {"mine-050.0-0000900-d0-original-essays-0"}


def test_a_sample_off_its_target_fails_the_build_or_is_marked_and_stays_out_of_metrics(o200k, data, tmp_path, monkeypatch):
    import pandas as pd

    from contextrot.scores.score import summarize_scores

    monkeypatch.setattr("contextrot.tasks.niah.task.verify", lambda *_: ["depth 50.0 % asked, 42.0 % realised"])
    with pytest.raises(ConfigError, match=r"not what was asked: depth 50.0 % asked, 42.0 % realised.*off_target: mark"):
        build(o200k, data)
    assert {sample.condition["on_target"] for sample in build(o200k, data, off_target="mark")} == {False}
    task = load("niah")(load("niah").Parameters(needles=["restaurant_high"]))
    rows = [
        {"on_target": on, "score": score, "outcome": "answered", "length": 900, "depth": 50, "needle": "a", "similarity": "high"}
        | {"distractors": 0, "order": "original", "topic": "essays", "repeat": 0, "unjudged": False}
        for on, score in ((True, 1.0), (None, 1.0), (False, 0.0))
    ]
    pd.DataFrame(rows).to_parquet(tmp_path / "scores.parquet")
    summarize_scores(task, tmp_path / "scores.parquet", tmp_path / "metrics.csv")
    assert set(pd.read_csv(tmp_path / "metrics.csv")["n"]) == {2}
