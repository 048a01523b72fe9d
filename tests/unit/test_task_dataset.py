"""A user's own data: five files of different shape, padded, cut, and each message for what is wrong with them."""

import csv
import json
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contextrot import tasks
from contextrot.checked import validate
from contextrot.errors import ConfigError, DataError
from contextrot.randomness import generator_for
from contextrot.records import Response, read_samples, write_responses, write_samples
from contextrot.samples.composed import cut_to
from contextrot.scores.score import score_responses, select, summarize_scores
from contextrot.task import SampleContext
from contextrot.tasks.dataset.data import context_text, conversation, read_items
from contextrot.tasks.dataset.task import Dataset, DatasetParameters

PLACES = ["Harrow Mill", "Lindholm", "Cape Ardent", "Sant Odile", "Brackwater", "Tallow Green"]
FACTS = [f"The ferry of {place} is painted {color} and carries {n} people." for n, (place, color) in enumerate(zip(PLACES, ["crimson", "turquoise", "mustard", "violet", "ivory", "charcoal"], strict=True), 30)]  # fmt: skip


def task(**parameters):
    return Dataset(validate(DatasetParameters, parameters, "a test"))


@pytest.fixture
def build(data, embedded_tokenizer, tmp_path):
    def built(window=8192, **parameters):
        of = task(**{k: str(tmp_path / v) if k == "file" else v for k, v in parameters.items()})
        return of, of.samples(SampleContext(embedded_tokenizer, window, 1024, data, partial(generator_for, 1)))

    return built


def squad(tmp_path):
    """SQuAD's own nested JSON."""
    paragraphs = [
        {"context": fact, "qas": [{"id": f"q{i}", "question": f"What colour is the ferry of {place}?", "answers": [{"text": fact.split()[7], "answer_start": 0}]}]}
        for i, (place, fact) in enumerate(zip(PLACES, FACTS, strict=True))
    ]  # fmt: skip
    (tmp_path / "squad.json").write_text(json.dumps({"version": "1.1", "data": [{"title": "Ferries", "paragraphs": paragraphs}]}))
    return {"file": "squad.json", "id": "id"}


def rag_log(tmp_path):
    """One object a line, the context as retrieved passages, the gold answers all wanted, a condition in an object."""
    rows = [
        {"query": f"Colour and capacity at {place}?", "retrieved": [{"text": FACTS[(i + 1) % 6], "score": 0.2}, {"text": FACTS[i]}],
         "gold": [FACTS[i].split()[7], str(30 + i)], "meta": {"store": "north" if i % 2 else "south"}}
        for i, place in enumerate(PLACES)
    ]  # fmt: skip
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return {
        "file": "log.jsonl", "context": "retrieved", "question": "query", "references": "gold", "scorer": "contains_all",
        "conditions": ["meta.store"],
    }  # fmt: skip


def choices(tmp_path):
    """A CSV with the choices as JSON and the answer as a number from 0."""
    with open(tmp_path / "exam.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["passage", "stem", "options", "key"])
        for i, place in enumerate(PLACES):
            writer.writerow([FACTS[i], f"How many does the ferry of {place} carry?", json.dumps(["12", str(30 + i), "99"]), 1])
    return {"file": "exam.csv", "context": "passage", "question": "stem", "choices": "options", "references": "key", "scorer": "multiple_choice"}  # fmt: skip


def code(tmp_path):
    """A parquet file of code to be completed, without a question; braces are text."""
    rows = {
        "prefix": [f"def ferry_{i}(seats):\n    # {{seats}} in a row\n    total = seats * {i}\n" for i in range(6)],
        "next_line": [f"    return total + {i}" for i in range(6)],
    }
    pq.write_table(pa.table(rows), tmp_path / "code.parquet")
    return {"file": "code.parquet", "context": "prefix", "question": None, "references": "next_line", "scorer": "code", "template": "Next line of this code:\n{context}"}  # fmt: skip


def chat(tmp_path):
    """Conversations whose last message asks."""
    rows = [
        {"turns": [{"role": "system", "content": "Be brief."}, {"from": "human", "value": fact}, {"role": "assistant", "content": "Noted."}, {"role": "user", "content": f"What colour is the ferry of {place}?"}],
         "answer": fact.split()[7], "hours": 30}
        for place, fact in zip(PLACES, FACTS, strict=True)
    ]  # fmt: skip
    (tmp_path / "chat.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return {"file": "chat.jsonl", "messages": "turns", "references": "answer", "scorer": "exact"}


SHAPES = [squad, rag_log, choices, code, chat]


@pytest.mark.parametrize("shape", SHAPES)
def test_five_shapes_are_asked_as_they_are(shape, tmp_path, build):
    of, samples = build(**shape(tmp_path))
    assert len(samples) == 6
    for sample in samples:
        assert sample.messages[-1]["role"] == "user" and sample.fits_window
        assert of.score(sample, Response(sample.sample_id, 0, "answered", " ".join(sample.references)), [])["score"] == 1
        assert of.score(sample, Response(sample.sample_id, 0, "empty", ""), [])["score"] == 0
        wrong = {"multiple_choice": "C"}.get(of.parameters.scorer, "zzz")
        assert of.score(sample, Response(sample.sample_id, 0, "answered", wrong), [])["score"] == 0


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pad_with", ["others", "essays"])
def test_five_shapes_are_padded_to_the_token_with_the_context_at_its_depth(shape, pad_with, tmp_path, build, embedded_tokenizer):
    _, samples = build(**shape(tmp_path), pad_with=pad_with, lengths=[400, 900], depths=[0, 50, 100])
    assert len(samples) == 6 * 2 * 3
    for sample in samples:
        assert sample.target_tokens - 8 <= embedded_tokenizer.count_chat(sample.messages) <= sample.target_tokens
        assert abs(sample.condition["actual_depth"] - sample.condition["depth"]) < 12 / sample.target_tokens * 100
        text = "\n".join(message["content"] for message in sample.messages)
        if shape is squad:
            place = sample.condition["question"].removeprefix("What colour is the ferry of ").rstrip("?")
            assert text.count(f"The ferry of {place} is") == 1
        if shape is code:
            assert "# {seats} in a row\n    total" in text
        if shape is chat:
            assert sample.messages[0] == {"role": "system", "content": "Be brief."}
            roles = [message["role"] for message in sample.messages[1:]]
            assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]


def test_a_filler_that_says_an_answer_is_told(tmp_path, build):
    rows = [{"context": f"Word {i} is alpha.", "question": "?", "answers": "harbour"} for i in range(3)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "text.txt").write_text("The harbour is calm. " * 40)
    _, samples = build(file="a.jsonl", pad_with=str(tmp_path / "text.txt"), lengths=[300])
    assert all(sample.condition["answer_in_filler"] for sample in samples)


def test_other_documents_that_hold_the_answer_are_no_filler(tmp_path, build):
    rows = [{"context": f"Number {i}: the quay is granite.", "question": "?", "answers": "granite"} for i in range(2)]
    rows += [{"context": f"Number {i}: the quay is wooden.", "question": "?", "answers": "wooden"} for i in range(2, 9)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    _, samples = build(file="a.jsonl", pad_with="others", lengths=[400])
    first = samples[0]
    assert first.messages[-1]["content"].count("granite") == 1 and not first.condition["answer_in_filler"]


def test_the_haystack_is_the_same_at_every_depth_and_other_for_every_row(tmp_path, build):
    _, samples = build(**squad(tmp_path), pad_with="essays", lengths=[600], depths=[0, 100])
    own = [sample.messages[-1]["content"] for sample in samples]
    words = [set(text.replace(FACTS[i // 2], "").split()) for i, text in enumerate(own)]
    assert len(words[0] & words[1]) > 0.9 * len(words[0]) and len(words[0] & words[2]) < 0.9 * len(words[0])


@pytest.mark.parametrize("where", ["start", "middle", "end"])
def test_a_long_context_is_cut_where_asked_and_to_the_token(where, tmp_path, build, embedded_tokenizer):
    words = " ".join(f"w{i}" for i in range(600))
    (tmp_path / "a.jsonl").write_text(json.dumps({"context": f"BEGIN {words} FINISH", "question": "?", "answers": "x"}))
    _, (sample,) = build(file="a.jsonl", cut=where, lengths=[300])
    text = sample.messages[-1]["content"]
    assert 292 <= embedded_tokenizer.count_chat(sample.messages) <= 300
    assert ("BEGIN" in text, "FINISH" in text) == (where != "start", where != "end")
    assert sample.condition["treatment"] == "cut"


def test_text_without_spaces_is_cut_inside(embedded_tokenizer):
    text = "漢字かな交じり文" * 100
    kept = cut_to(text, "middle", 200, lambda part: len(embedded_tokenizer.encode(part)))
    assert 190 <= len(embedded_tokenizer.encode(kept)) <= 200


def test_rows_that_are_longer_than_the_shortest_length_are_left_out_of_all(tmp_path, build, caplog):
    rows = [{"context": "short " * n, "question": "?", "answers": "x"} for n in (5, 400)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    _, samples = build(file="a.jsonl", pad_with="essays", lengths=[200, 2000])
    assert {sample.condition["item"] for sample in samples} == {"000001"}
    assert "1 of 2 rows" in caplog.text


def test_a_prompt_over_the_window_is_not_sent_unless_it_may_be_cut(tmp_path, build):
    (tmp_path / "a.jsonl").write_text(json.dumps({"context": "long " * 2000, "question": "?", "answers": "x"}))
    assert not build(window=1000, file="a.jsonl")[1][0].fits_window
    _, (sample,) = build(window=1000, file="a.jsonl", cut="middle")
    assert sample.fits_window and sample.prompt_tokens + sample.max_output_tokens <= 1000


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"context": "contxt"}, "contxt.*context"),
        ({"question": "query"}, "unknown column 'query'"),
        ({"references": "gold"}, "unknown column 'gold'.*references"),
        ({"conditions": ["topic"]}, "unknown column 'topic'"),
        ({"template": "{context} {autor}"}, "unknown column 'autor'"),
        ({"file": "none.jsonl"}, "none.jsonl"),
        ({"file": "notes.docx"}, "ending"),
        ({"lengths": [20], "pad_with": "essays"}, "no row's prompt fits into 20 tokens"),
        ({"pad_with": "nowhere", "lengths": [500]}, "nowhere"),
        ({"id": "answers"}, "stands twice"),
    ],
)
def test_a_bad_column_or_file_is_said_in_one_message(parameters, said, tmp_path, build):
    rows = [{"context": fact, "question": "Which?", "answers": "same"} for fact in FACTS]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "notes.docx").write_text("x")
    with pytest.raises((ConfigError, DataError), match=f"(?s){said}") as error:
        build(**{"file": "a.jsonl"} | parameters)
    assert "\n" not in str(error.value).strip()


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "either `file` or `hub`"),
        ({"file": "a.csv", "hub": "b/c"}, "either `file` or `hub`"),
        ({"file": "a.csv", "lengths": [100]}, "pad_with"),
        ({"file": "a.csv", "conditions": ["score"]}, "rename"),
        ({"file": "a.csv", "scorer": "multiple_choice"}, "choices"),
        ({"file": "a.csv", "scorer": "bleu"}, "bleu"),
        ({"file": "a.csv", "template": "{question}"}, "context"),
        ({"file": "a.csv", "template": "{context"}, "template"),
    ],
)
def test_parameters_that_do_not_go_together_are_refused(parameters, said):
    with pytest.raises(ConfigError, match=said):
        task(**parameters)


def test_choices_may_be_named_by_letter_number_or_text(tmp_path, build):
    rows = [{"context": "c", "question": "q", "o": "red|green|blue", "answers": key} for key in ("b", "1", "green")]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    _, samples = build(file="a.jsonl", choices="o", scorer="multiple_choice")
    assert [sample.references for sample in samples] == [["B"]] * 3
    assert "A. red\nB. green\nC. blue" in samples[0].messages[-1]["content"]


def test_a_choice_that_is_none_is_refused(tmp_path, build):
    (tmp_path / "a.jsonl").write_text(json.dumps({"context": "c", "question": "q", "o": ["x", "y"], "answers": "2"}))
    with pytest.raises(DataError, match="none of the 2 choices"):
        build(file="a.jsonl", choices="o", scorer="multiple_choice")


def test_contexts_of_many_forms_are_read():
    assert context_text("plain", "w") == "plain"
    assert context_text('["a", "b"]', "w") == "a\n\nb"
    assert context_text([["Title", ["One. ", "Two."]], ["Other", ["Three."]]], "w") == "Title\nOne. Two.\n\nOther\nThree."
    assert context_text([{"title": "T", "page_content": "x"}], "w") == "T\nx"
    assert context_text("[not JSON", "w") == "[not JSON"
    with pytest.raises(DataError, match="passage"):
        context_text([{"score": 1}], "w")


def csv_of(folder, **row):
    with (folder / "t.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerow(row)
    return {"file": "t.csv"}


@pytest.mark.parametrize(
    ("cell", "answers"),
    [
        ("21:15", ["21:15"]), ("0042", ["0042"]), ("1e5", ["1e5"]), ("NULL", ["NULL"]), ("true", ["true"]), ("+49 30 12", ["+49 30 12"]),
        ("2024-01-31", ["2024-01-31"]), ("1.10", ["1.10"]), ("[3, 4]", ["[3, 4]"]), ("[1]", ["[1]"]), ("{x}", ["{x}"]), ("[12:30]", ["[12:30]"]),
        ('["x", "1.10"]', ["x", "1.10"]), ('{"text": ["Oslo"], "answer_start": [3]}', ["Oslo"]),
    ],
)  # fmt: skip
def test_an_answer_in_a_csv_file_is_text_or_a_list_of_texts_in_json(tmp_path, build, cell, answers):
    _, samples = build(**csv_of(tmp_path, context="A text.", question="?", answers=cell))
    assert samples[0].condition["answers"] == answers


@pytest.mark.parametrize("cell", ["['Oslo', 'Bergen']", "{'text': array(['Oslo'], dtype=object), 'answer_start': array([3])}"])
def test_the_python_text_of_a_list_is_refused(tmp_path, build, cell):
    with pytest.raises(DataError, match=r"t\.csv, line 2, answers: .*Python text.*as JSON"):
        build(**csv_of(tmp_path, context="A text.", question="?", answers=cell))


@pytest.mark.parametrize("text", ['{"a": [1, 2]}', "[1, 2]", "[[1, 2], [3, 4]]", "[a link](b)", "{% if x %}"])
def test_a_context_that_only_looks_like_a_list_is_text(tmp_path, build, text):
    _, samples = build(**csv_of(tmp_path, context=text, question="?", answers="x"))
    assert text in samples[0].messages[-1]["content"]


def test_a_role_that_nobody_knows_is_refused():
    with pytest.raises(DataError, match="wizard"):
        conversation([{"role": "wizard", "content": "x"}], "w")


def test_scorer_judge_asks_the_judges_and_accepts_any_answer():
    of = task(file="a.csv", scorer="judge")
    assert Dataset.is_judged({"scorer": "judge"}) and not Dataset.is_judged({})
    assert of.score(None, Response("a", 0, "answered", "x"), [False, True])["score"] == 1


def test_scores_are_averaged_by_the_user_s_own_conditions_and_drawn(tmp_path, build):
    import pandas as pd

    from contextrot.figures import FigureContext
    from contextrot.figures.style import save

    of, samples = build(**rag_log(tmp_path), pad_with="others", lengths=[300, 600], depths=[0, 100])
    write_samples(tmp_path / "samples.parquet", samples)
    samples = read_samples(tmp_path / "samples.parquet")
    answers = [s.references[0] if s.condition["meta.store"] == "north" else "no" for s in samples]
    write_responses(tmp_path / "responses.parquet", [Response(s.sample_id, 0, "answered", a) for s, a in zip(samples, answers, strict=True)])  # fmt: skip
    score_responses(of, tmp_path / "samples.parquet", tmp_path / "responses.parquet", [], tmp_path / "scores.parquet")
    summarize_scores(of, tmp_path / "scores.parquet", tmp_path / "metrics.csv")
    scores, metrics = pd.read_parquet(tmp_path / "scores.parquet"), pd.read_csv(tmp_path / "metrics.csv")
    by_store = select(metrics, "score", "meta.store").set_index("meta.store")["value"]
    assert by_store.to_dict() == {"north": 0.5, "south": 0.0}
    for name, draw in tasks.drawing("dataset").items():
        save(draw(FigureContext(scores, metrics, tmp_path, "A model", "Mine")), tmp_path / f"{name}.png")
    assert tasks.figures("dataset")["heatmap"].drawn(of, weights=True, judged=False)
    assert not tasks.figures("dataset")["heatmap"].drawn(task(file="a.csv"), weights=True, judged=False)


def test_a_context_that_stands_elsewhere_than_asked_counts_in_no_mean():
    import pandas as pd

    row = {"length": 100, "depth": 50, "outcome": "answered", "unjudged": False}
    scores = pd.DataFrame([row | {"score": 1.0, "on_target": True}, row | {"score": 0.0, "on_target": False}])
    whole = select(task(file="a.csv").metrics(scores), "score")
    assert whole["value"].tolist() == [1.0] and whole["n"].tolist() == [1]


def test_a_line_of_code_keeps_its_indent_and_other_answers_do_not(tmp_path):
    row = {"context": "def f():", "question": "next line?", "answers": ["    return 1 "]}
    (tmp_path / "code.jsonl").write_text(json.dumps(row))
    for scorer, answer in (("code", "    return 1 "), ("exact", "return 1")):
        (item,) = read_items(validate(DatasetParameters, {"file": "code.jsonl", "scorer": scorer}, "a test"), tmp_path)
        assert item.answers == (answer,)


def test_rows_without_an_answer_are_told_in_the_log(tmp_path, data, caplog):
    rows = [{"context": "It is blue.", "question": f"{n}?", "answers": answers} for n, answers in enumerate((["blue"], [], None))]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert len(read_items(validate(DatasetParameters, {"file": str(tmp_path / "a.jsonl")}, "a test"), data)) == 1
    assert "2 of 3 rows have no answer" in caplog.text
