from string import Formatter

import pytest

from contextrot.errors import ConfigError
from contextrot.files import read_text
from contextrot.matching.match import match
from contextrot.samples import prompts
from contextrot.tasks.niah.needles import followed_distractor, read_needles

FILES = {"en": "needles.yaml", "zh": "needles_zh.yaml", "ar": "needles_ar.yaml"}
IN_OTHER_WORDS = {"writing_advice_low", "night_train_low"}
"""Needles that tell the answer without its words."""


def shipped(data, language):
    return list(read_needles(data / "tasks" / FILES[language]).values())


@pytest.mark.parametrize("language", FILES)
def test_there_are_eight_questions_each_with_a_near_and_a_far_needle_and_four_distractors(language, data):
    sets = shipped(data, language)
    questions = {needles.question for needles in sets}
    assert len(questions) >= 8
    assert sorted((n.question, n.similarity) for n in sets) == sorted((q, s) for q in questions for s in ("high", "low"))
    for question in questions:
        assert len({needles.answer for needles in sets if needles.question == question}) == 1
        assert len({needles.needle for needles in sets if needles.question == question}) == 2
    assert {len(needles.distractors) for needles in sets} == {4}
    assert {needles.language for needles in sets} == {language}
    assert all(distractor.short != distractor.text for needles in sets for distractor in needles.distractors)


@pytest.mark.parametrize("language", FILES)
def test_judge_match_finds_each_gold_answer_in_itself_and_in_its_needle_and_in_no_distractors_answer(language, data):
    for needles in shipped(data, language):
        assert match(needles.answer, needles.answer), needles.name
        if needles.name not in IN_OTHER_WORDS:
            assert match(needles.answer, needles.needle), needles.name
        for distractor in needles.distractors:
            assert match(needles.answer, distractor.short) is None, distractor
            assert match(distractor.short, distractor.short), distractor
            assert match(distractor.short, needles.answer) is None, distractor
            assert match(needles.answer, distractor.text) is None, distractor


@pytest.mark.parametrize("language", FILES)
def test_a_distractor_that_an_answer_names_is_recognised_and_the_gold_answer_follows_none(language, data):
    for needles in shipped(data, language):
        known = f"{needles.question} {needles.answer}"
        assert followed_distractor(needles.answer, known, needles.distractors) is None, needles.name
        assert followed_distractor(needles.needle, known, needles.distractors) is None, needles.name
        for distractor in needles.distractors:
            assert followed_distractor(distractor.short, known, needles.distractors) == distractor.name, distractor
            assert followed_distractor(distractor.text, known, needles.distractors) == distractor.name, distractor


def shared(needle, question, language):
    """Share of the question's pairs of characters that stand in the needle."""
    pairs = {question[i : i + 2] for i in range(len(question) - 1)}
    return sum(pair in needle for pair in pairs) / len(pairs)


@pytest.mark.parametrize("language", ["zh", "ar"])
def test_a_near_needle_has_the_words_of_its_question_and_a_far_one_other_words(language, data):
    sets = shipped(data, language)
    near = {n.question: shared(n.needle, n.question, language) for n in sets if n.similarity == "high"}
    far = {n.question: shared(n.needle, n.question, language) for n in sets if n.similarity == "low"}
    for question, value in near.items():
        assert value > 0.55 and value > far[question] + 0.15, (question, value, far[question])


@pytest.mark.parametrize("language", ["zh", "ar"])
def test_the_corpus_of_a_language_is_original_text_of_a_few_thousand_tokens_and_answers_no_needle(language, data, o200k):
    files = sorted((data / language).glob("*.txt"))
    texts = [read_text(path) for path in files]
    joined = "\n".join(texts)
    assert len(files) >= 5
    assert len(o200k.encode(joined)) > 4_200
    paragraphs = [paragraph for text in texts for paragraph in text.split("\n\n")]
    assert len(paragraphs) == len(set(paragraphs))
    for needles in shipped(data, language):
        for answer in (needles.answer, *(distractor.short for distractor in needles.distractors)):
            assert answer not in joined, (needles.name, answer)


@pytest.mark.parametrize("language", prompts.NEEDLE_TEMPLATES)
def test_the_prompts_of_all_languages_have_the_same_fields_in_words_of_their_own(language):
    one, several, label = prompts.needle_templates(language)
    assert [field for _, field, _, _ in Formatter().parse(one) if field] == ["haystack", "question"]
    assert [field for _, field, _, _ in Formatter().parse(several) if field] == ["haystack", "questions"]
    assert len({prompts.needle_templates(other) for other in prompts.NEEDLE_TEMPLATES}) == len(prompts.NEEDLE_TEMPLATES)
    assert label in one


ENTRY = "- {name: a, question: q, needle: n, answer: b%s}"


@pytest.mark.parametrize(("given", "language"), [("", "en"), (", language: zh", "zh"), (", language: ''", "en")])
def test_a_set_may_name_its_language(tmp_path, given, language):
    (tmp_path / "mine.yaml").write_text(ENTRY % given)
    assert read_needles(tmp_path / "mine.yaml")["a"].language == language


def test_a_language_without_a_prompt_is_refused(tmp_path):
    (tmp_path / "mine.yaml").write_text(ENTRY % ", language: Chinese")
    with pytest.raises(ConfigError, match=r"unknown language 'Chinese' in .*needle set 'a'.* Known: ar, en, zh"):
        read_needles(tmp_path / "mine.yaml")
