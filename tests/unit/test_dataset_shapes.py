"""Files as other people's tools write them: the right value, or one message that names file and row."""

import json
import unicodedata
from functools import partial

import pytest

from contextrot.checked import validate
from contextrot.errors import ConfigError, DataError
from contextrot.randomness import generator_for
from contextrot.records import Response
from contextrot.task import SampleContext
from contextrot.tasks.dataset.task import Dataset, DatasetParameters

ROW = {"context": "Anna did it.", "question": "Who?", "answers": "Anna"}
CHOICES = {"context": "Anna did it.", "question": "Who?", "choices": ["Bea", "Anna", "Cid"]}
LETTER = {"choices": "choices", "scorer": "multiple_choice"}


@pytest.fixture
def asked(tmp_path, embedded_tokenizer, data):
    def built(rows, window=4096, **parameters):
        path = tmp_path / "mine.jsonl"
        if isinstance(rows, str):
            path = tmp_path / "mine.csv"
            path.write_text(rows, encoding="utf-8")
        else:
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        of = Dataset(validate(DatasetParameters, {"file": str(path)} | parameters, "a test"))
        return of, of.samples(SampleContext(embedded_tokenizer, window, 1024, data, partial(generator_for, 1)))

    return built


@pytest.mark.parametrize(
    ("context", "text"),
    [
        ({"title": ["T", "U"], "sentences": [["One. ", "Two."], ["Three."]]}, "T\nOne. Two.\n\nU\nThree."),  # HotpotQA on the Hub
        ({"is_selected": [0, 1], "passage_text": ["Bea did.", "Anna did."]}, "Bea did.\n\nAnna did."),  # MS MARCO
        ([{"idx": 0, "title": "T", "paragraph_text": "Anna.", "is_supporting": True}], "T\nAnna."),  # MuSiQue
        ({"title": "T", "sentences": ["One. ", "Two."]}, "T\nOne. Two."),
        ([{"page_content": "Anna.", "metadata": {"source": "x"}}], "Anna."),
        ([["T", ["One. ", "Two."]]], "T\nOne. Two."),
        ('{"title": ["T"], "sentences": [["One."]]}', "T\nOne."),
        ({"title": ["T", "U", "V"], "sentences": [["One."], [], ["Three."]]}, "T\nOne.\n\nU\n\n\nV\nThree."),
        ([{"title": "T", "text": ""}, {"text": "", "content": "Anna."}, {"text": ""}], "T\n\n\nAnna."),
    ],
)  # fmt: skip
def test_passages_in_the_forms_of_published_sets_are_one_text(context, text, asked):
    _, (sample,) = asked([ROW | {"context": context}])
    assert f"<text>\n{text}\n</text>" in sample.messages[0]["content"]


def test_a_column_of_paragraphs_beside_a_question_is_no_squad_file(asked):
    _, (sample,) = asked([{"question": "Who?", "answers": "Anna", "paragraphs": [{"paragraph_text": "Anna did."}]}], context="paragraphs")  # fmt: skip
    assert "Anna did." in sample.messages[0]["content"]


@pytest.mark.parametrize(
    ("choices", "answer", "letter"),
    [
        (["Bea", "Anna", "Cid"], "B", "B"), (["Bea", "Anna", "Cid"], 1, "B"), (["Bea", "Anna", "Cid"], "Anna", "B"),
        ({"text": ["Bea", "Anna", "Cid"], "label": ["1", "2", "3"]}, "2", "B"),  # ARC counts from 1
        ({"text": ["Bea", "Anna"], "label": ["A", "B"]}, "B", "B"), ({"A": "Bea", "B": "Anna"}, "B", "B"), ({"x": "Bea", "y": "Anna"}, "y", "B"),
        ([{"text": "Bea", "label": "1"}, {"text": "Anna", "label": "2"}], "2", "B"),
        ({"text": ["Bea", "Anna"], "label": None}, "b", "B"), ({"text": ["Bea", "Anna"], "label": 7}, 1, "B"),
        ([3, 1, 2], 1, "B"),  # a choice's text before its number
        ("Bea|Anna", "b", "B"),
    ],
)  # fmt: skip
def test_the_letter_of_a_choice_however_the_file_names_it(choices, answer, letter, asked):
    of, (sample,) = asked([CHOICES | {"choices": choices, "answers": answer}], **LETTER)
    assert list(sample.condition["answers"]) == [letter]
    assert of.score(sample, Response("", 0, "answered", f"The answer is {letter}."), [])["score"] == 1


@pytest.mark.parametrize(
    ("scorer", "answers", "told"),
    [
        ("rouge_l", ["安娜", "Anna"], ["Anna"]), ("numeric", ["twelve", "12"], ["12"]), ("f1", ["The", "The The band"], ["The The band"]),
        ("exact", ["?", "a", "An"], None), ("f1", "A", None), ("contains_any", ["a", "?"], ["a", "?"]),
    ],
)  # fmt: skip
def test_of_the_accepted_answers_those_stay_that_tell_an_empty_answer_from_a_right_one(scorer, answers, told, asked):
    if told is None:
        with pytest.raises(DataError, match="line 1, answers: .* is made of articles and signs"):
            asked([ROW | {"answers": answers}], scorer=scorer)
        return
    of, (sample,) = asked([ROW | {"answers": answers}], scorer=scorer)
    assert list(sample.condition["answers"]) == told
    assert [of.score(sample, Response("", 0, "answered", text), [])["score"] for text in ("", told[0])] == [0, 1]


@pytest.mark.parametrize("header", [unicodedata.normalize("NFD", "Textstück,Prüffrage,Antwort"), " Textstück , Prüffrage ,Antwort", "\ufeffTextstück;Prüffrage;Antwort"])  # fmt: skip
def test_a_column_is_found_whatever_the_way_its_accents_and_spaces_are_written(header, asked):
    mark = ";" if ";" in header else ","
    named = {"context": "Textstück", "question": "Prüffrage", "references": "Antwort"}
    _, (sample,) = asked(f"{header}\n{mark.join(['Anna tat es.', 'Wer?', 'Anna'])}\n", **named)
    assert "Anna tat es." in sample.messages[0]["content"] and sample.references == ["Anna"]


@pytest.mark.parametrize(
    ("rows", "parameters", "message"),
    [
        ([ROW | {"id": "a"}, ROW], {"id": "id"}, r"unknown column 'id' in `id`, data set .*mine\.jsonl, line 2\. Known: answers, context"),
        ([ROW, {"question": "Who?", "answers": "x"}], {}, r"unknown column 'context' .*line 2"),
        ([ROW, ROW | {"context": None}], {}, r"line 2: the context \(context\) is empty"),
        ([ROW | {"context": [["T", ["Anna", None]]]}], {}, "line 1, context: a passage of the context is neither"),
        ([ROW | {"context": {"title": "T", "sentences": [["Anna"], 3]}}], {}, "line 1, context: a passage of the context is neither"),
        ([CHOICES | {"choices": ["Bea", "", "Anna"], "answers": "A"}], LETTER, "line 1, choices: choice 2 of 3 is empty"),
        ([CHOICES | {"choices": [{"name": "Bea"}, {"name": "Anna"}], "answers": "A"}], LETTER, "line 1, choices: choice 1 of 2 is empty"),
        ([ROW | {"context": ["Anna", None]}], {}, "line 1, context: a passage of the context is neither"),
        ([ROW | {"answers": {"value": "Anna"}}], {}, "line 1, answers: an answer that is an object must have `text`"),
        ([ROW], {"scorer": "numeric"}, "line 1, answers: 'Anna' holds no number"),
        ([ROW | {"answers": "安娜"}], {"scorer": "rouge_l"}, "line 1, answers: '安娜' has no word of Latin letters"),
        ([ROW], {"scorer": "multiple_choice", "template": "{context}"}, "line 1, answers: 'Anna' names no letter"),
        ([CHOICES | {"choices": ["Anna", "Anna"], "answers": "Anna"}], LETTER, "line 1, answers: 'Anna' stands among the choices twice"),
        ([CHOICES | {"answers": "3"}], LETTER, "line 1, answers: '3' is none of the 3 choices"),
        ([CHOICES | {"answers": "²"}], LETTER, "line 1, answers: '²' is none of the 3 choices"),
        ([], {}, r"mine\.jsonl has no rows"),
        ("context,question,answers\n", {}, r"mine\.csv has no rows"),
        ("context,question,answers\na,b\n", {}, "line 2: the row has not as many fields"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said_with_file_and_row(rows, parameters, message, asked):
    with pytest.raises((ConfigError, DataError), match=message):
        asked(rows, **parameters)


@pytest.mark.parametrize("cut", ["start", "middle", "end"])
def test_of_a_context_of_megabytes_what_is_asked_for_is_found_without_counting_it_over_and_over(cut, asked, embedded_tokenizer, monkeypatch):  # fmt: skip
    text = " ".join(f"w{i}" for i in range(120_000))
    counted, count = [], embedded_tokenizer.count_chat
    monkeypatch.setattr(embedded_tokenizer, "count_chat", lambda messages: counted.append(len(str(messages))) or count(messages))
    _, (sample,) = asked([ROW | {"context": text}], cut=cut, lengths=[500])
    assert 492 <= sample.prompt_tokens <= 500
    body = sample.messages[0]["content"].partition("<text>\n")[2].partition("\n</text>")[0]
    assert text.startswith(body[:40]) == (cut != "start") and text.endswith(body[-10:]) == (cut != "end")
    assert sum(length > len(text) / 4 for length in counted) <= 3
