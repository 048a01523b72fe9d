"""Coherent filler text in any amount, made from templates: what stands in a haystack of one of the TOPICS.

A document is about one place and time; each of its paragraphs tells one occurrence in its order: who did what where, what went wrong, what
was done about it, and what came of it. The words are invented and hold nothing that a shipped needle asks for. No sentence stands twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Formatter

import numpy as np

from contextrot.errors import ConfigError, unknown
from contextrot.samples.filler.arabic import ARABIC
from contextrot.samples.filler.chinese import CHINESE
from contextrot.samples.filler.english import ENGLISH
from contextrot.samples.filler.wording import Wording

WORDINGS: Mapping[str, Wording] = {"en": ENGLISH, "zh": CHINESE, "ar": ARABIC}
LANGUAGES = tuple(WORDINGS)
TOPICS = {"generated": "en", "generated_zh": "zh", "generated_ar": "ar"}
"""Topics that name no folder, and the language in which their text is generated."""
PARAGRAPHS = (8, 16)
"""Paragraphs of a document: at least, and at most."""
PAST_YEARS, YEARS_TOLD = 25, 12
"""How far a document looks back from its year, and how far on."""
FIRST_DAYS, DAYS_ON = 200, 25
"""In how much of the year a paragraph begins, and how many days at most lie between two dates of it."""
_REDRAWN = 30
"""How often a sentence that stands already is drawn anew."""
_BLOCK = 8_192


def generated_documents(rng: np.random.Generator, sentences: int, language: str = "en") -> list[str]:
    """Documents of generated text with at least so many sentences, the last document not cut.

    Args:
        rng: all that is drawn; the same state gives the same texts.
        sentences: one holds about 24 tokens.
        language: one of LANGUAGES.

    Returns:
        Documents of a heading and paragraphs, with blank lines between them.

    Raises:
        ConfigError: if there are no templates in the language, or `sentences` is not positive.
    """
    if language not in WORDINGS:
        raise unknown("language", language, WORDINGS, "generated text")
    if sentences < 1:
        raise ConfigError(f"generated text of {sentences} sentences: ask for at least 1.")
    writer = _Writer(rng, WORDINGS[language])
    documents = []
    while len(writer.written) < sentences:
        documents.append(writer.document())
    return documents


class _Writer:
    """Fills templates with drawn words.

    Attributes:
        written: the sentences so far.
    """

    def __init__(self, rng: np.random.Generator, wording: Wording) -> None:
        self.wording = wording
        self.written: set[str] = set()
        self._rng = rng
        self._numbers: list[float] = []
        self._scenes = [[[_parts(text) for text in step] for step in scene] for scene in wording.scenes]
        self._titles = [_parts(text) for text in wording.titles]

    def document(self) -> str:
        known = {name: self.draw(self.wording.words[name]) for name in self.wording.of_document}
        years = len(self.wording.words["any_year"])
        self._year = PAST_YEARS + int(self._number() * (years - PAST_YEARS - YEARS_TOLD))
        self._restart()
        title = self._fill(self.draw(self._titles), known)
        fewest, most = PARAGRAPHS
        count = fewest + int(self._number() * (most - fewest + 1))
        return "\n\n".join([title, *(self._paragraph(known) for _ in range(count))])

    def draw(self, choices: Sequence):
        return choices[int(self._number() * len(choices))]

    def _number(self) -> float:
        if not self._numbers:
            self._numbers = self._rng.random(_BLOCK).tolist()
        return self._numbers.pop()

    def _paragraph(self, known: Mapping[str, str]) -> str:
        bound = {**known, **self._people()}
        self._restart()
        told = []
        for step in self.draw(self._scenes):
            for _ in range(_REDRAWN):
                fresh = dict(bound)
                sentence = self._fill(self.draw(step), fresh)
                if sentence not in self.written:
                    break
            self.written.add(sentence)
            bound = fresh
            told.append(sentence)
        return self.wording.between.join(told)

    def _restart(self) -> None:
        """A paragraph's time begins."""
        self._years_on, self._day = 0, int(self._number() * FIRST_DAYS)

    def _word(self, field: str) -> str:
        """A word for a field; dates and years of a paragraph only go forward."""
        words = self.wording.words
        if field == "any_name":
            return self._people()["name"]
        if field == "any_day":
            self._day = min(self._day + 1 + int(self._number() * DAYS_ON), len(words[field]) - 1)
            return words[field][self._day]
        if field == "any_year":
            self._years_on = min(self._years_on + int(self._number() * 3), YEARS_TOLD)
            return words[field][self._year + self._years_on]
        if field == "past_year":
            return words["any_year"][self._year - 1 - int(self._number() * PAST_YEARS)]
        return self.draw(words[field])

    def _people(self) -> dict[str, str]:
        """The person whom a paragraph is about, and the pronouns."""
        first, pronouns = self.draw(self.wording.first_names)
        last = self.draw(self.wording.last_names)
        return {"name": self.wording.full_name.format(first=first, last=last), "first": first, "last": last, **pronouns}

    def _fill(self, parts: Sequence[tuple[str, str | None]], bound: dict[str, str]) -> str:
        """The sentence; a word that is drawn for it stays for the paragraph, unless its name begins with `any_`."""
        texts = []
        for literal, field in parts:
            texts.append(literal)
            if field is None:
                continue
            word = bound.get(field)
            if word is None:
                word = self._word(field)
                if not field.startswith("any_"):
                    bound[field] = word
            texts.append(word)
        sentence = "".join(texts)
        return sentence[:1].upper() + sentence[1:]


def _parts(template: str) -> list[tuple[str, str | None]]:
    """Literal text and the field after it, in order."""
    return [(literal, field) for literal, field, _, _ in Formatter().parse(template)]
