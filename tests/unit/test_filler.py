import re
from itertools import chain
from string import Formatter

import numpy as np
import pytest

from contextrot.errors import ConfigError
from contextrot.samples.filler import LANGUAGES, WORDINGS, generated_documents
from contextrot.samples.sentences import split_text
from contextrot.tasks.niah.needles import read_needles

NEEDLE_FILES = {"en": "needles.yaml", "zh": "needles_zh.yaml", "ar": "needles_ar.yaml"}
HAN = re.compile(r"[\u4e00-\u9fff]")


def generated(sentences, language="en", seed=7):
    return generated_documents(np.random.default_rng(seed), sentences, language)


def sentences_of(documents):
    return [piece.strip() for document in documents for piece in split_text(document)]


def phrases(text, size):
    """Runs of `size` words, or of twice as many characters of Chinese."""
    if HAN.search(text):
        return {part[i : i + 2 * size] for part in re.findall(r"[\u4e00-\u9fff]+", text) for i in range(len(part) - 2 * size + 1)}
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_million_tokens_of_text_repeat_no_sentence(language, o200k):
    documents = generated(60_000, language)
    sentences = sentences_of(documents)
    assert len(sentences) >= 60_000
    assert len(sentences) - len(set(sentences)) < 0.001 * len(sentences)
    assert len(o200k.encode(documents[0])) / len(sentences_of(documents[:1])) > 17, "tokens of a sentence"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_seed_gives_the_same_text_and_another_seed_another(language):
    assert generated(300, language) == generated(300, language)
    assert not set(generated(300, language)) & set(generated(300, language, seed=8))


def test_a_longer_text_begins_with_the_shorter_one():
    assert generated(2_000)[:3] == generated(300)[:3]


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_in_it_answers_or_resembles_a_shipped_needle(language, data):
    text = "\n".join(generated(20_000, language))
    sets = read_needles(data / "tasks" / NEEDLE_FILES[language]).values()
    held = phrases(text, 4)
    for needles in sets:
        planted = [needles.needle, needles.question, *(distractor.text for distractor in needles.distractors)]
        shared = set(chain.from_iterable(phrases(one, 4) for one in planted)) & held
        assert not shared, (needles.name, shared)
        for answer in (needles.answer, *(distractor.short for distractor in needles.distractors)):
            assert answer.lower() not in text.lower(), (needles.name, answer)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_field_of_every_template_has_words(language):
    wording = WORDINGS[language]
    special = {"name", "first", "last", "any_name", "past_year", *chain.from_iterable(p for _, p in wording.first_names)}
    templates = [*wording.titles, *(text for scene in wording.scenes for step in scene for text in step)]
    used = {field for text in templates for _, field, _, _ in Formatter().parse(text) if field}
    assert used <= special | set(wording.words)
    assert set(wording.words) <= used | {"any_year"}, "words that nothing uses"


def test_a_paragraph_tells_of_one_person_and_dates_go_forward():
    months = "January February March April May June July August September October November December".split()
    for paragraph in "\n\n".join(generated(3_000)).split("\n\n"):
        if len(paragraph) < 200 or "receipt" in paragraph:
            continue
        found = re.findall(rf"(\d+) ({'|'.join(months)})", paragraph)
        days = [(months.index(month), int(day)) for day, month in found if "next year" not in paragraph]
        assert days == sorted(days), paragraph


def test_english_puts_no_a_before_a_vowel():
    assert not re.findall(r"\ba [aeiou]\w+", " ".join(generated(10_000)))


def test_a_language_without_templates_and_no_sentences_are_refused():
    with pytest.raises(ConfigError, match="'fr'.*en, zh"):
        generated(10, "fr")
    with pytest.raises(ConfigError, match="ask for at least 1"):
        generated(0)
