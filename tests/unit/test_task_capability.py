"""Benchmarks by their published scorers: values worked out by hand, and by the published code."""

import json
import sys
import types
import zipfile
from functools import partial

import pytest

from contextrot.checked import validate
from contextrot.errors import ConfigError, DataError
from contextrot.randomness import generator_for
from contextrot.records import Response, write_responses, write_samples
from contextrot.scores.score import read_scores, score_responses
from contextrot.task import SampleContext
from contextrot.tasks.capability import infinitebench, longbench
from contextrot.tasks.capability.items import published
from contextrot.tasks.capability.rouge import rouge_l_f
from contextrot.tasks.capability.task import Capability, CapabilityParameters

ROW = {
    "input": "Who?",
    "context": "Anna did. " * 400,
    "answers": ["Anna"],
    "length": 800,
    "dataset": "hotpotqa",
    "all_classes": None,
    "_id": "x",
}


def task(**parameters):
    return Capability(validate(CapabilityParameters, parameters, "a test"))


def build(of, tokenizer, data, window=4_000):
    return of.samples(SampleContext(tokenizer, window, 500, data, partial(generator_for, 1)))


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize(
    ("name", "answer", "golds", "classes", "score"),
    [
        ("hotpotqa", "It was Anna.", ["Anna"], [], 0.5),
        ("hotpotqa", "**Anna**", ["anna"], [], 1),
        ("hotpotqa", "", ["Anna"], [], 0),
        ("hotpotqa", "the", ["a"], [], 0),  # no word left on either side: 0 here, 1 in SQuAD
        ("narrativeqa", "the Red fox", ["a red fox", "wolf"], [], 1),
        ("triviaqa", "\n\nParis\nQuestion: where?", ["Paris"], [], 1),  # the first line alone counts
        ("hotpotqa", "Paris\nQuestion: where?", ["Paris"], [], 0.5),
        ("samsum", "Anna will call.\nDialogue: x", ["Anna will call."], [], 1),
        ("trec", "Number of something", ["Number of something"], ["Number of something", "Number", "Date"], 1),
        ("trec", "Number, Date", ["Date"], ["Number of something", "Number", "Date"], 0.5),
        ("trec", "number", ["Number"], ["Number", "Date"], 0),  # the case counts
        # the published loop passes over what follows a part that it takes out: "ab" stays
        ("trec", "abc", ["abc"], ["a", "ab", "abc"], 0.5),
        ("passage_count", "7 or 8, so 7", ["7"], [], 2 / 3),
        ("passage_count", "seven", ["7"], [], 0),
        ("passage_retrieval_en", "Paragraph 3 (not Paragraph 12)", ["Paragraph 3"], [], 0.5),
        ("passage_retrieval_zh", "段落3", ["段落3"], [], 1),
        ("lcc", "```python\n# next line\nreturn x", ["return x"], [], 1),
        ("lcc", "\n    return y", ["    return x"], [], 0.92),
        ("lcc_e", "# all is comment", ["return x"], [], 0),
        ("gov_report", "", ["A report."], [], 0),
        ("gov_report", "...", ["A report."], [], 0),
    ],
)  # fmt: skip
def test_longbench_scores_as_its_published_code(name, answer, golds, classes, score):
    assert longbench.score(name, answer, golds, classes) == pytest.approx(score, abs=1e-6)


@pytest.mark.parametrize(
    ("answer", "reference", "f"),
    [  # by package rouge 1.0.1
        ("the cat sat on the mat", "the cat sat on the mat", 0.999999995),
        ("a cat sat. it slept all day", "the cat slept. it sat all day", 0.8571428521428571),
        ("x x x", "x", 0.999999995),
        ("one two three", "three two one", 0.3333333283333334),
        ("one. two. three", "three. two. one", 0.999999995),
        ("x " * 990, "x " * 990, 0.999999995),
        ("x " * 991, "x " * 991, 0),  # there Python ends the package's recursion, and LongBench counts 0
    ],
)
def test_rouge_l_is_that_of_package_rouge(answer, reference, f):
    assert rouge_l_f(answer, reference) == pytest.approx(f, abs=1e-12)


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("The correct answer is (B)", "B"), ("**The correct answer is (C)**, as...", "C"), ("The correct answer is D.", "D"),
        ("The correct answer is **(A)**", "A"), ("the correct answer is (A)", None), ("(A)", None), ("", None),
        ("The correct answer is A, no: The correct answer is (B)", "B"), ("The correct answer is (E)", None), ("The correct ans", None),
    ],
)  # fmt: skip
def test_longbench_v2_reads_the_letter_as_its_published_code(answer, letter):
    assert longbench.chosen(answer) == letter


@pytest.mark.parametrize(
    ("name", "answer", "label", "score"),
    [
        ("passkey", "The pass key is 71432.", ["71432"], 1), ("passkey", "1. 71432", ["71432"], 0), ("passkey", "", ["71432"], 0),
        ("number_string", "0012", ["0012"], 1), ("number_string", "12", ["0012"], 0),
        ("kv_retrieval", '{"a": "b-1"}', ["b-1"], 1), ("kv_retrieval", "b-1x", ["b-1"], 0),
        ("longbook_choice_eng", "B", ["the fox", "B"], 1), ("longbook_choice_eng", "Both are", ["the fox", "B"], 1),
        ("longbook_choice_eng", "the fox", ["the fox", "B"], 1), ("longbook_choice_eng", "The answer is: C", ["the fox", "B"], 0),
        ("longbook_choice_eng", "I say the answer is B.", ["the fox", "B"], 1), ("longbook_choice_eng", "", ["the fox", "B"], 0),
        ("longbook_choice_eng", "**B**", ["the fox", "B"], 0), ("longbook_choice_eng", "maybe, B!", ["the fox", "B"], 1),
        ("longdialogue_qa_eng", "anna", ["ANNA"], 1), ("longdialogue_qa_eng", "Annabel", ["ANNA"], 0), ("longdialogue_qa_eng", "**ANNA**", ["ANNA"], 0),
        ("longbook_qa_eng", "the fox", ["a fox", "wolf"], 1), ("longbook_qa_eng", "red fox", ["fox"], 2 / 3),
        ("longbook_qa_chn", "他在北京。", ["北京"], 2 * 2 / 6), ("longbook_qa_chn", "", ["北京"], 0),
        ("math_find", "42", [42], 1), ("math_find", "The 42nd", [42], 1), ("math_find", "3.5", [3], 0), ("math_find", "-3.5", [3.5], 1),
        ("math_calc", "[1, 2, 9]", [1, 2, 3, 4], 0.5), ("math_calc", "x", [1], 0),
        ("code_run", "The return value is: -7.", [-7], 1), ("code_run", "7 is it", [7], 0), ("code_run", "", [7], 0),
        ("code_debug", "A. foo", ["foo", "A"], 1), ("code_debug", "A", ["foo", "A"], 0), ("code_debug", "The answer is: **A**", ["foo", "A"], 1),
        ("code_debug", "answer: foo", ["foo", "A"], 1), ("code_debug", "It is: B", ["foo", "A"], 0),
        ("longbook_sum_eng", "He left.\nShe stayed.", ["She stayed.\nHe left."], 1),
    ],
)  # fmt: skip
def test_infinitebench_scores_as_its_published_code(name, answer, label, score):
    assert infinitebench.score(name, answer, label) == pytest.approx(score)


def test_every_gold_answer_of_the_shipped_questions_scores_one_and_no_answer_zero(embedded_tokenizer, root):
    of = task(
        longbench="tasks/capability", longbench_sets=["hotpotqa", "trec", "passage_count", "lcc"], longbench_v2="tasks/capability",
        infinitebench="tasks/capability", infinitebench_sets=["passkey", "longbook_choice_eng"],
    )  # fmt: skip
    samples = build(of, embedded_tokenizer, root / "data")
    assert len(samples) == 16
    for sample in samples:
        gold = json.loads(sample.condition["gold"])
        said = f"The correct answer is ({gold[0]})" if sample.condition["benchmark"] == "longbench_v2" else gold[0]
        for text, wanted in ((said, 1), ("", 0), ("zzz", 0)):
            score = of.score(sample, Response(sample.sample_id, 0, "answered", text), [])["score"]
            assert score == wanted or (text == "zzz" and score < 0.2), sample.sample_id


def test_a_context_that_is_too_long_loses_its_middle_and_a_question_never(embedded_tokenizer, tmp_path):
    lines(tmp_path / "hotpotqa.jsonl", [ROW | {"context": "START " + ROW["context"] + " END"}])
    of = task(longbench=str(tmp_path), longbench_sets=["hotpotqa"], max_prompt_tokens=300)
    (sample,) = build(of, embedded_tokenizer, tmp_path)
    text = sample.messages[0]["content"]
    assert 280 <= sample.prompt_tokens <= 300
    assert "START" in text and "END" in text and "Question: Who?" in text
    assert sample.condition["cut"] is True
    (whole,) = build(task(longbench=str(tmp_path), longbench_sets=["hotpotqa"], max_prompt_tokens=300, cut="none"), embedded_tokenizer, tmp_path)  # fmt: skip
    assert not whole.fits_window and whole.prompt_tokens > 300


def test_no_prompt_is_counted_twice_and_a_question_that_does_not_go_in_is_refused(embedded_tokenizer, tmp_path, monkeypatch):
    lines(tmp_path / "hotpotqa.jsonl", [ROW])
    counted, count = [], embedded_tokenizer.count_chat
    monkeypatch.setattr(embedded_tokenizer, "count_chat", lambda messages: counted.append(str(messages)) or count(messages))
    for limit in (300, 3_000):
        counted.clear()
        (sample,) = build(
            task(longbench=str(tmp_path), longbench_sets=["hotpotqa"], max_prompt_tokens=limit), embedded_tokenizer, tmp_path
        )
        assert sample.condition["cut"] is (limit == 300) and len(counted) == len(set(counted))
        assert sample.prompt_tokens == count(sample.messages)
    with pytest.raises(ConfigError, match="length 5 is too short for the prompt without any context; ask for more tokens"):
        build(task(longbench=str(tmp_path), longbench_sets=["hotpotqa"], max_prompt_tokens=5), embedded_tokenizer, tmp_path)


def test_a_text_s_own_braces_are_text_and_longbench_s_prompts_can_be_asked(embedded_tokenizer, tmp_path):
    lines(tmp_path / "lcc.jsonl", [ROW | {"context": "x = {input} {} {context}", "input": "", "answers": ["y"]}])
    (tmp_path / "p.json").write_text(json.dumps({"lcc": "GO {context}<{input}>{other}"}))
    (sample,) = build(
        task(longbench=str(tmp_path), longbench_sets=["lcc"], longbench_prompts="p.json"), embedded_tokenizer, tmp_path
    )
    assert sample.messages[0]["content"] == "GO x = {input} {} {context}<>{other}"


def test_white_space_of_a_gold_line_of_code_counts_as_published(embedded_tokenizer, root):
    of = task(longbench="tasks/capability", longbench_sets=["lcc"])
    first, _ = build(of, embedded_tokenizer, root / "data")
    gold = json.loads(first.condition["gold"])[0]
    assert gold.startswith("    return")
    assert of.score(first, Response("", 0, "answered", gold.strip()), [])["score"] < 1


def test_chinese_sets_without_jieba_are_refused_before_anything_is_asked(embedded_tokenizer, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jieba", None)
    lines(tmp_path / "dureader.jsonl", [ROW])
    with pytest.raises(ConfigError, match="jieba, which is not installed"):
        build(task(longbench=str(tmp_path), longbench_sets=["dureader"]), embedded_tokenizer, tmp_path)


def test_chinese_words_are_those_that_jieba_parts(monkeypatch):
    """A stand-in that parts at spaces: 2 of 3 words said, all 2 wanted ones there: F1 = 2 * (2/3) / (5/3) = 0.8."""
    stand_in = types.SimpleNamespace(setLogLevel=lambda level: None, cut=lambda text, cut_all: iter(text.split(" ")))
    monkeypatch.setitem(sys.modules, "jieba", stand_in)
    assert longbench.score("multifieldqa_zh", "北京 是 首都。", ["北京， 首都"], []) == pytest.approx(0.8)
    assert longbench.score("dureader", "", ["北京"], []) == 0


def test_rows_are_read_from_longbench_s_archive(embedded_tokenizer, tmp_path):
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("data/hotpotqa.jsonl", json.dumps(ROW) + "\n")
    of = task(longbench=str(tmp_path), longbench_sets=["hotpotqa"])
    assert build(of, embedded_tokenizer, tmp_path)[0].condition["words"] == 800
    assert of.data_files(tmp_path) == [tmp_path / "data.zip"]
    with pytest.raises(DataError, match=r"has no qasper\.jsonl; it has hotpotqa\.jsonl"):
        build(task(longbench=str(tmp_path / "data.zip"), longbench_sets=["qasper"]), embedded_tokenizer, tmp_path)
    (tmp_path / "data.zip").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="no zip archive"):
        build(of, embedded_tokenizer, tmp_path)


def test_every_file_that_is_read_is_declared(embedded_tokenizer, tmp_path):
    """A loose file, one in data/, one in the archive alone, and the prompts."""
    (tmp_path / "set/data").mkdir(parents=True)
    lines(tmp_path / "set/hotpotqa.jsonl", [ROW])
    lines(tmp_path / "set/data/qasper.jsonl", [ROW])
    with zipfile.ZipFile(tmp_path / "set/data.zip", "w") as archive:
        archive.writestr("data/musique.jsonl", json.dumps(ROW) + "\n")
        archive.writestr("data/2wikimqa.jsonl", json.dumps(ROW) + "\n")
    (tmp_path / "prompts.json").write_text(json.dumps({"qasper": "{context} So, {input}"}))
    sets = ["hotpotqa", "qasper", "musique", "2wikimqa"]
    of = task(longbench="set", longbench_sets=sets, longbench_prompts="prompts.json")
    files = of.data_files(tmp_path)
    declared = ["set/hotpotqa.jsonl", "set/data/qasper.jsonl", "set/data.zip", "prompts.json"]
    assert [path.relative_to(tmp_path).as_posix() for path in files] == declared
    samples = build(of, embedded_tokenizer, tmp_path)
    assert [sample.condition["dataset"] for sample in samples] == sets
    assert samples[1].messages[0]["content"].endswith(" So, Who?")
    for path in files:  # each of them is read
        path.rename(path.with_suffix(".away"))
        with pytest.raises(DataError):
            build(of, embedded_tokenizer, tmp_path)
        path.with_suffix(".away").rename(path)
    assert task(longbench="set", longbench_sets=["qasper", "trec"]).data_files(tmp_path)[1:] == [tmp_path / "set/data.zip"]


def test_published_answers_of_all_three_are_scored(embedded_tokenizer, tmp_path):
    (tmp_path / "model").mkdir()
    lines(tmp_path / "model/qasper.jsonl", [{"pred": "yes", "answers": ["yes"], "all_classes": None, "length": 9}, {"pred": "", "answers": ["no"], "all_classes": None, "length": 9}])  # fmt: skip
    (tmp_path / "model/result.json").write_text('{"qasper": 50.0}')  # LongBench's scores, which are no answers
    lines(tmp_path / "preds_math_find.jsonl", [{"prediction": "42", "ground_truth": 42}])
    lines(tmp_path / "preds_math_calc.jsonl", [{"prediction": "3, 7", "ground_truth": [3, 7, 9]}])
    lines(tmp_path / "some-model.jsonl", [{"_id": "a", "answer": "C", "response": "The correct answer is (C)", "difficulty": "hard", "length": "long", "domain": "d"}])  # fmt: skip
    of = task(answers=str(tmp_path))
    samples, recorded = build(of, embedded_tokenizer, tmp_path), of.recorded_answers(tmp_path)
    responses = [recorded[sample.sample_id].response(sample.sample_id, "recorded", "m") for sample in samples]
    write_samples(tmp_path / "s.parquet", samples)
    write_responses(tmp_path / "r.parquet", responses)
    score_responses(of, tmp_path / "s.parquet", tmp_path / "r.parquet", [], tmp_path / "scores.parquet")
    scores = read_scores(tmp_path / "scores.parquet")
    assert dict(zip(scores["dataset"] + scores["item"].str[-1], scores["score"], strict=True)) == {"qasper1": 1, "qasper2": 0, "math_find1": 1, "math_calc1": 2 / 3, "longbench_v21": 1}  # fmt: skip
    assert dict(zip(scores["dataset"], scores["band"].astype(object), strict=True)) | {"math_find": None, "math_calc": None} == {"qasper": "0-4k", "longbench_v2": "long", "math_find": None, "math_calc": None}  # fmt: skip
    metrics = of.metrics(scores)
    averages = metrics[metrics["measure"] == "set_average"].set_index("benchmark")["value"]
    assert averages.to_dict() == {"infinitebench": pytest.approx(5 / 6), "longbench": 0.5, "longbench_v2": 1}
    bands = metrics[metrics["grouping"] == "benchmark,dataset,band"].dropna(subset=["band"])
    assert set(zip(bands["dataset"], bands["band"], bands["value"], strict=True)) == {
        ("qasper", "0-4k", 0.5),
        ("longbench_v2", "long", 1),
    }


def test_of_gpt4_s_published_values_the_first_is_left_out_as_in_the_published_code(tmp_path):
    for folder, score in (("gpt4", 2 / 3), ("kimi", 0)):
        (tmp_path / folder).mkdir()
        lines(tmp_path / folder / "preds_math_calc.jsonl", [{"prediction": "8: 3, 7", "ground_truth": [3, 7, 9]}])
        (item,) = published(tmp_path / folder)
        assert infinitebench.score("math_calc", item.answer, item.gold) == score


def test_two_runs_in_one_folder_are_refused_and_one_file_may_be_named(embedded_tokenizer, tmp_path):
    for folder in ("pred", "pred_e"):
        (tmp_path / folder).mkdir()
        lines(tmp_path / folder / "qasper.jsonl", [{"pred": "yes", "answers": ["yes"], "all_classes": None, "length": 9}])
    (tmp_path / "results").mkdir()
    for model in ("one", "two"):
        lines(tmp_path / f"results/{model}.jsonl", [{"_id": "a", "answer": "C", "response": "The correct answer is (C)"}])
    for place, twice in ((tmp_path / "results", "longbench_v2 twice: .*one.jsonl and .*two.jsonl"), (tmp_path, "qasper twice")):
        with pytest.raises(DataError, match=twice):
            build(task(answers=str(place)), embedded_tokenizer, tmp_path)
    of = task(answers=str(tmp_path / "results/two.jsonl"))
    assert [sample.sample_id for sample in build(of, embedded_tokenizer, tmp_path)] == ["two-0001"]
    assert of.data_files(tmp_path) == [tmp_path / "results/two.jsonl"]
    assert len(build(task(answers=str(tmp_path / "pred_e")), embedded_tokenizer, tmp_path)) == 1


@pytest.mark.parametrize(
    ("length", "words", "band"),
    [(4100, 4100, "4-8k"), (4100.0, 4100, "4-8k"), ("4100", 4100, "4-8k"), ("short", None, "short"), (None, None, None)],
)
def test_a_length_is_a_number_of_words_however_it_is_written(length, words, band, tmp_path):
    row = {"pred": "yes", "answers": ["yes"], "all_classes": None, "length": length, "difficulty": 3}
    lines(tmp_path / "qasper.jsonl", [row])
    (item,) = published(tmp_path)
    assert item.columns == {"words": words, "band": band, "difficulty": "3", "domain": None}


@pytest.mark.parametrize(("words", "band"), [(0, "0-4k"), (3_999, "0-4k"), (4_000, "4-8k"), (7_999, "4-8k"), (8_000, "8k+")])
def test_lengths_fall_into_longbench_e_s_ranges(words, band):
    assert longbench.band_of(words) == band


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "name at least one of"),
        ({"longbench": "x/y", "longbench_sets": ["quasper"]}, "'quasper' is none of narrativeqa"),
        ({"infinitebench": "x/y", "infinitebench_sets": ["passkeys"]}, "'passkeys' is none of passkey"),
    ],
)
def test_what_is_not_known_is_said(parameters, message):
    with pytest.raises(ConfigError, match=message):
        task(**parameters)


@pytest.mark.parametrize(
    ("name", "row", "message"),
    [
        ("hotpotqa.jsonl", {"input": "a", "answers": ["b"]}, "has no 'context'"),
        ("hotpotqa.jsonl", ROW | {"answers": []}, "has no answers"),
        ("data.json", [{"context": "c", "question": "q", "answer": "E"}], "'E' is none of A, B, C, D"),
        ("longbook_choice_eng.jsonl", {"context": "c", "input": "q", "answer": ["x"], "options": ["a", "b", "c", "d"]}, "'x' is none of the options"),
        ("longbook_choice_eng.jsonl", {"context": "c", "input": "q", "answer": ["a"], "options": ["a", "b"]}, "has 2 options"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_used_is_named(name, row, message, embedded_tokenizer, tmp_path):
    lines(tmp_path / name, [row])
    key = {"hotpotqa.jsonl": "longbench", "data.json": "longbench_v2"}.get(name, "infinitebench")
    sets = (
        {"longbench_sets": ["hotpotqa"]}
        if key == "longbench"
        else {"infinitebench_sets": [name[:-6]]}
        if key == "infinitebench"
        else {}
    )
    with pytest.raises(DataError, match=message):
        build(task(**{key: str(tmp_path)}, **sets), embedded_tokenizer, tmp_path)
