"""Judge `match`: the kinds of answers it must tell apart, and its agreement with labelled answers in six languages."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contextrot.judging.contract import JudgingContext, Pair
from contextrot.judging.judge import judge_responses
from contextrot.judging.judges.match import judge
from contextrot.matching.claim import claim_of
from contextrot.matching.forms import alternatives
from contextrot.matching.match import match, normalize
from contextrot.records import Response, Sample, read_judgements, write_responses, write_samples
from contextrot.scores.stats import cohen_kappa
from contextrot.settings import JudgeSettings
from contextrot.task import Parameters, Task

LABELLED = Path(__file__).resolve().parents[1] / "fixtures" / "judge"
PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "reference" / "chroma" / "gpt_4_1_niah_evaluated.csv"
MATCH = JudgeSettings(kind="match")
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
        ("-5", "5", None),
        ("5", "It was -5.", None),
        ("-5", "It was minus five.", "value"),
        ("minus 5 °C", "−5 °C", "value"),
        ("5²", "52", None),
        ("192.168.0.1", "192.168.0.10", None),
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
        ("The Grey Anchor, the Tin Heron, the Red Lion", False),
        ("1. The Grey Anchor\n2. The Tin Heron\n3. The Red Lion", False),
        ("- The Tin Heron\n- The Red Lion\n- The Grey Anchor", False),
        ("The Grey Anchor, the Red Lion, and the Tin Heron", False),
        ("The Tin Heron, on the corner, by the old ropeworks", True),
        ("The Tin Heron, Harbour Street, Bergen", True),
        ("I thought about the river, the market and the harbour.\nThe Tin Heron is the one.\nIt is good.", True),
    ],
)
def test_a_bare_list_of_candidates_is_no_answer(answer, right):
    assert (match("The Tin Heron", answer, RESTAURANT) is not None) == right


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
    context = JudgingContext("match", MATCH, Task(Parameters()), samples_path=folder / "samples.parquet")
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
    context = JudgingContext("match", MATCH, Task(Parameters()))
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


@pytest.mark.parametrize(
    ("answer", "claim"),
    [
        ("Monday. No wait, Tuesday.", "Tuesday."),
        ("Monday. Wait, let me check: yes, Monday.", "let me check: yes, Monday."),
        ("It is Monday. Correction: yes, that is right.", "It is Monday. Correction: yes, that is right."),
        ("You have to wait, then ring.", "You have to wait, then ring."),
        ("8 pm? The text says 7 pm.", "The text says 7 pm."),
        ("Is it the Merlin? No. Is it the Kestrel? Yes.", "No. Is it the Kestrel. Yes."),
        ("Vela?", "Vela?"),
        ("At the mill... I mean the forge.", "the forge."),
        ("It was Rosa; I misread it as Rona.", "It was Rosa; I misread it as Rona."),
        ("17, sorry, 71.", "71."),
        ("There is no key, sorry, as the text shows at length.", "There is no key, sorry, as the text shows at length."),
        ("How about sea kayaking? You like it.", "How about sea kayaking? You like it."),
        ("Oslo</think>\n\nBergen", "\n\nBergen"),
        ('```json\n{"note": "not Vela", "answer": {"value": "Orion"}}\n```', "Orion"),
        ('{"answer": null, "note": "Vela"}', "unknown"),
        ('{"a": 1, "b": 2}', '{"a": 1, "b": 2}'),
        (r"so \(\boxed{\frac{1}{2}}\)", "1/2"),
        ("$x^2$ and $5 and $6", "x^2 and $5 and $6"),
        ("10^6", "1000000"),
        ("~~Orion~~ Vela", " Vela"),
        ("> The Vela left.", "> The Vela left."),
    ],
)
def test_what_an_answer_claims(answer, claim):
    assert claim_of(answer) == claim


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_agrees_with_200_labelled_answers_or_more_in_99_of_100(language):
    rows = labelled(language)
    found = errors(rows)
    assert len(rows) >= 200
    assert 1 - len(found) / len(rows) >= 0.99, "\n".join(found)


@pytest.mark.parametrize(
    ("name", "kappa"),
    [
        ("conversation", 0.95),
        ("conversation_second", 0.95),
        ("conversation_third", 0.9),
        ("conversation_fourth", 0.9),
        ("conversation_fifth", 0.85),
        ("conversation_sixth", 0.9),
        ("conversation_seventh", 0.9),
        ("conversation_eighth", 0.9),
        ("conversation_ninth", 0.77),
        ("conversation_tenth", 0.8),
        ("conversation_eleventh", 0.85),
        ("languages_second", 0.95),
        ("other_scripts", 0.95),
    ],
)
def test_it_agrees_with_labelled_answers_about_conversations(name, kappa):
    rows = labelled(name)
    found, told = verdicts(rows), [row["right"] for row in rows]
    counts = [[sum((a, b) == (x, y) for a, b in zip(found, told, strict=True)) for y in (True, False)] for x in (True, False)]
    assert cohen_kappa(counts).kappa >= kappa, "\n".join(errors(rows))


@pytest.mark.parametrize(
    ("question", "gold", "right", "wrong"),
    [
        ("Where was my stepsister born?", "You did not tell me", "I don't have that information.", "It was Galway."),
        ("On which date did I insulate the attic?", "2023/04/19", "On Wednesday, April 19, 2023.", "April 22, 2023"),
        ("How many things did I buy at the flea market?", "three things", "3 items", "13 items"),
        ("How many things did I buy at the flea market?", "one thing", "You bought one item.", "You bought five things."),
        ("When is my vaccination?", "Thursday at noon", "Thursday, 12:00", "Thursday at 10"),
        ("What is the code of my laptop?", "5058", "Your code: **5058**.", "It used to be 5058, but now it is 4711."),
        (
            "Where do my tenant and my flatmate live?",
            "Krakow and your flatmate lives in Tromso",
            "Tenant: Krakow\nFlatmate: Tromsø",
            "Your flatmate lives in Krakow and your tenant lives in Tromso.",
        ),
        (
            "Which did I do first: repair the kayak or frame the watercolour?",
            "framed the watercolour",
            "You framed the watercolor before you repaired the kayak.",
            "You repaired the kayak first, then framed the watercolour.",
        ),
    ],
)
def test_gold_answers_of_the_generated_conversations_are_found_in_other_wording(question, gold, right, wrong):
    assert match(gold, right, question) is not None
    assert match(gold, wrong, question) is None
    assert match(gold, question, question) is None


@pytest.mark.parametrize(
    ("gold", "answer"),
    [("dứa", "Đó là dừa."), ("má", "Tôi mua mạ."), ("किताब", "कातिब"), ("มะลิ", "มะละ"), ("나비", "나방입니다")],
)
def test_a_mark_or_letter_that_makes_another_word_is_kept(gold, answer):
    assert match(gold, answer) is None
    assert match(gold, gold) is not None


def test_an_accent_that_a_language_may_leave_out_is_none():
    assert match("Café Müller", "im Cafe Mueller", "Wo?") and match("Νεφέλη", "Τη λένε Νεφελη.")
    assert match("Phở Hòa", "It is called Pho Hoa.", "What is the name of the restaurant that we visited?")


@pytest.mark.parametrize(
    ("question", "gold", "right", "wrong"),
    [
        ("Which address?", "https://example.org/a", "See https://example.org/a.", "See https://example.org/ab."),
        ("Which file?", "config/app.yaml", "It is `config/app.yaml`.", "It is not config/app.yaml."),
        ("Which version?", "1.10", "It was v1.10.", "It was 1.1."),
        ("Which language?", "C#", "C#, of course", "C"),
    ],
)
def test_names_of_letters_and_signs_count_as_they_are_written(question, gold, right, wrong):
    assert match(gold, right, question) and not match(gold, wrong, question)


TEXTS = st.text(st.sampled_from("a1 0.,:/-=$%()\n?三十一か는ض٣नौपाँ½²ß'\u2028\ud800") | st.characters(), max_size=60)
SPOKEN = st.lists(
    st.sampled_from(
        "three an hour and half past noon 12:30 9am $5 2023/04/19 may 3 first not or either between million 1..2 1,,2 00:00 98時 3つ 一千 سبعة عشر सौ no. = 1. 2.".split()
    )
    | TEXTS,
    max_size=12,
).map(" ".join)


@settings(max_examples=300, deadline=None)
@example("three", "three \U00011f50", "\U00011f50")
@given(SPOKEN, SPOKEN, SPOKEN)
def test_any_text_is_judged_without_a_fault(reference, answer, question):
    assert match(reference, answer, question) is None or reference.strip()
    assert match(reference, answer, question, [(answer, question)], prompt=answer) is None or reference.strip()


@pytest.mark.parametrize("word", ["3 ", "a or b / c ", "三，", "no ", "1 hour ", "do not ", "1"])
def test_a_very_long_answer_is_judged_in_its_length(word):
    # quadratic work would take minutes here
    assert match("4 doctors", word * 15_000, "How many doctors?") is None
    assert match("Tin Heron", word * 15_000) is None


def test_judging_a_file_reads_prompts_of_long_answers_only(tmp_path):
    samples = [
        Sample(
            name,
            [{"role": "user", "content": f"{NEEDLE}{FILLER}\n{RESTAURANT}"}],
            ["The Tin Heron"],
            64,
            500,
            condition={"question": RESTAURANT},
        )
        for name in ("copied", "short", "failed")
    ]
    texts = {"copied": NEEDLE + FILLER, "short": "The Tin Heron", "failed": None}
    responses = [
        Response(sample.sample_id, 0, "answered" if texts[sample.sample_id] else "failed", texts[sample.sample_id])
        for sample in samples
    ]
    write_samples(tmp_path / "samples.parquet", samples)
    write_responses(tmp_path / "responses.parquet", responses)
    context = JudgingContext("match", MATCH, Task(Parameters()))
    output = tmp_path / "judgements" / "match.parquet"
    output.parent.mkdir()
    judge_responses(tmp_path / "samples.parquet", tmp_path / "responses.parquet", output, context)
    found = {judgement.sample_id: judgement.verdict for judgement in read_judgements(output)}
    assert found == {"copied": False, "short": True}


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="the published GPT-4.1 answers are not beside this checkout")
def test_the_published_answers_are_judged_as_before():
    with PUBLISHED.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = [match("every week", row["output"], row["question"]) is not None for row in rows]
    told = [row["llm_judge_output"] == "true" for row in rows]
    assert sum(a == b for a, b in zip(found, told, strict=True)) == 87


@pytest.mark.parametrize(
    ("gold", "answer", "question", "right"),
    [
        ("B+", "Die Note war B.", "Welche Note bekam sie?", False),
        ("B plus", "Die Note war B+.", "Welche Note bekam sie?", True),
        ("Canal+", "C'est Canal.", "Quelle est la chaîne ?", False),
        ("Canal+", "C'est Canal+.", "Quelle est la chaîne ?", True),
        ("A-", "La nota fue A.", "¿Qué nota obtuvo?", False),
    ],
)
def test_signs_are_words_in_any_language(gold, answer, question, right):
    assert (match(gold, answer, question) is not None) is right
