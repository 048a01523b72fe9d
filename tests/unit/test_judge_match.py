"""Judge `match`: the kinds of answers it must tell apart, and its agreement with labelled answers in six languages."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from contextrot.answer_forms import alternatives
from contextrot.judges.match import judge, match, normalize
from contextrot.judging import JudgingContext, Pair
from contextrot.records import Sample, write_samples
from contextrot.stats import cohen_kappa

LABELLED = Path(__file__).resolve().parents[1] / "fixtures" / "judge"
PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "reference" / "chroma" / "gpt_4_1_niah_evaluated.csv"
LANGUAGES = ["en", "zh", "ja", "ar", "hi", "de"]


@pytest.mark.parametrize(
    ("reference", "answer", "rule"),
    [
        ("Platform nine", "It leaves from platform 9.", "contained"),
        ("Platform nine", "It leaves from platform nineteen.", None),
        ("3", "I counted 13 of them", None),
        ("1,200", "about 1200 people", "value"),
        ("The Tin Heron", "Go to tin heron!", "contained"),
        ("In the blue can behind the heap", "It is kept inside the blue can, behind the compost heap", "in order"),
        ("In the blue can behind the heap", "behind the heap is a blue can", None),
        ("Write the ending first", "first you write the ending", None),
        ("Write the ending first", "I wrote the ending first", "contained"),
        ("yes", "Yesterday", None),
        ("3.5 km", "3.5km", "value"),
        ("café", "CAFÉ", "contained"),
        ("Café Müller", "Cafe Mueller", "contained"),
        ("A", "A", "contained"),
        ("the", "the", "contained"),
        ("किताब", "कातिब", None),
        ("किताब", "मेज़ पर किताब है", "contained"),
        ("10", "100个", None),
        ("パン", "パンダです", None),
        ("三", "三十个", None),
        ("三", "3个", "contained"),
        ("กรุงเทพ", "เขาอยู่ที่กรุงเทพมหานคร", "contained"),
        ("12345", "١٢٣٤٥", "value"),
    ],
)
def test_match(reference, answer, rule):
    assert match(reference, answer) == rule


def test_an_empty_reference_matches_nothing():
    assert match("", "anything") is None
    assert match("   ", "   ") is None


def test_normal_form():
    assert normalize("The cat’s 1,000 Toys; nine!") == ["cat", "1000", "toys", "9"]


@pytest.mark.parametrize(
    ("gold", "forms"),
    [
        ("5 days. 6 days (including the last day) is also acceptable.", ["5 days", "6 days"]),
        ("25 minutes and 50 seconds (or 25:50)", ["25 minutes and 50 seconds", "25:50"]),
        ("Dr. Smith", ["Dr. Smith"]),
        ("3.5 weeks", ["3.5 weeks"]),
    ],
)
def test_a_gold_answer_may_name_what_is_accepted_too(gold, forms):
    assert alternatives(gold) == forms


RESTAURANT = "Which restaurant did my neighbour recommend for a birthday dinner?"
RIVALS = [
    (
        "For a birthday dinner my dentist recommended a restaurant called the Plum Gate, which has a walled garden.",
        "The Plum Gate",
    ),
    (
        "For a birthday weekend my neighbour recommended a hotel called the Grey Anchor, with a view of the ferries.",
        "The Grey Anchor",
    ),
]


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("The Tin Heron", True),
        ("Your neighbour recommended the Tin Heron.", True),
        ("The Grey Anchor / The Tin Heron / The Plum Gate", False),
        ("The Tin Heron, the Grey Anchor, and the Plum Gate.", False),
        ("1. The Tin Heron\n2. The Plum Gate", False),
        ("The Tin Heron; the Plum Gate was your dentist's idea.", True),
        ("The Tin Heron, not the Grey Anchor.", True),
        ("It was not the Tin Heron.", False),
        ("The Plum Gate", False),
    ],
)
def test_an_answer_that_lists_the_distractors_answers_too_is_wrong(answer, right):
    assert (match("The Tin Heron", answer, RESTAURANT, RIVALS) is not None) == right


def _judged(folder, answer, haystack, reference="The Tin Heron", question=RESTAURANT, **condition):
    sample = Sample(
        "s",
        [{"role": "user", "content": f"{haystack}\n\n{question}"}],
        [reference],
        64,
        500,
        condition={"question": question, **condition},
    )
    write_samples(folder / "samples.parquet", [sample])
    context = JudgingContext(
        "match", SimpleNamespace(), SimpleNamespace(), SimpleNamespace(), folder / "log", samples_path=folder / "samples.parquet"
    )
    return judge([Pair(sample, 0, 0, reference, answer)], context)[0].verdict


FILLER = (
    "The lighthouse keeper wrote down the weather every morning and every evening, in a hand that grew smaller as the paper ran out. "
    "Nobody read the books until the museum opened, and then only a few people did, on rainy days when the ferry did not run. "
    "What they found was mostly wind. "
)
NEEDLE = "For a birthday dinner my neighbour recommended a restaurant called the Tin Heron, on the corner by the old ropeworks. "


def test_an_answer_that_copies_the_beginning_of_the_document_is_wrong_though_the_needle_stands_there(tmp_path):
    haystack = NEEDLE + FILLER * 2
    assert _judged(tmp_path, (NEEDLE + FILLER).strip(), haystack) is False
    assert _judged(tmp_path, f"The answer is in this text: {FILLER}{NEEDLE}", FILLER + NEEDLE + FILLER) is False


def test_an_answer_that_quotes_the_needle_or_explains_itself_at_length_is_right(tmp_path):
    haystack = FILLER + NEEDLE + FILLER
    assert _judged(tmp_path, f'The Tin Heron. The document says: "{NEEDLE.strip()}"', haystack) is True
    explained = (
        "Your neighbour recommended the Tin Heron for a birthday dinner. I looked through all that you sent me, and the rest of it is about "
        "other things, such as a lighthouse and what its keeper noted; none of that has to do with restaurants or with your neighbour."
    )
    assert _judged(tmp_path, explained, haystack) is True


def test_a_chinese_copy_is_wrong_and_a_short_answer_is_right(tmp_path):
    needle = "我的邻居推荐了一家叫锡鹭的餐馆。"
    filler = "灯塔看守人每天早晚都记下天气，纸越用越少，字也越写越小。直到博物馆开放之前，没有人读过那些本子，后来也只有几个人在渡轮停开的雨天里翻一翻，他们看到的大多是风。"
    given = {"reference": "锡鹭", "question": "邻居推荐了哪家餐馆？"}
    assert _judged(tmp_path, needle + filler, needle + filler * 2, **given) is False
    assert _judged(tmp_path, "邻居推荐的是锡鹭。", needle + filler * 2, **given) is True


def test_of_several_needles_only_the_own_distractors_count(tmp_path):
    questions = f"Which platform?\n{RESTAURANT}"
    condition = {
        "question": questions,
        "needle": "platform+restaurant",
        "distractor_names": ["platform:1", "restaurant:1"],
        "distractor_texts": ["The freight train leaves from platform four.", RIVALS[0][0]],
        "distractor_answers": ["Platform four", "The Plum Gate"],
    }
    sample = Sample("s", [], ["Platform nine", "The Tin Heron"], 64, 500, condition=condition)
    context = JudgingContext("match", SimpleNamespace(), SimpleNamespace(), SimpleNamespace(), tmp_path / "log")
    answer = "1. Platform four\n2. The Tin Heron"
    pairs = [Pair(sample, 0, item, reference, answer) for item, reference in enumerate(sample.references)]
    assert [judgement.verdict for judgement in judge(pairs, context)] == [False, True]


def labelled(name, half=None):
    rows = [json.loads(line) for line in (LABELLED / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if half in (None, row["half"])]


def verdicts(rows):
    return [match(row["gold"], row["answer"], row["question"]) is not None for row in rows]


def errors(rows):
    return [
        f"{'not recognised' if row['right'] else 'wrongly taken'}: {row['question']} | {row['gold']} | {row['answer']}"
        for row, verdict in zip(rows, verdicts(rows), strict=True)
        if verdict != row["right"]
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_agrees_with_199_labelled_answers_or_more_in_99_of_100(language):
    rows = labelled(language)
    found = errors(rows)
    assert len(rows) >= 199
    assert 1 - len(found) / len(rows) >= 0.99, "\n".join(found)


def test_it_agrees_with_labelled_answers_about_conversations():
    rows = labelled("conversation")
    given, told = verdicts(rows), [row["right"] for row in rows]
    counts = [[sum((a, b) == (x, y) for a, b in zip(given, told, strict=True)) for y in (True, False)] for x in (True, False)]
    assert cohen_kappa(counts).kappa >= 0.95, "\n".join(errors(rows))


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="the published GPT-4.1 answers are not beside this checkout")
def test_the_published_answers_are_judged_as_before():
    with PUBLISHED.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    given = [match("every week", row["output"], row["question"]) is not None for row in rows]
    told = [row["llm_judge_output"] == "true" for row in rows]
    assert sum(a == b for a, b in zip(given, told, strict=True)) == 87
