"""A text as the words and values by which answers are compared.

Words are those of UAX 29 where a script puts spaces between them; where it does not, each character is one, so that a short answer is
found inside a sentence. A run of digits, Latin letters or katakana is never cut: 10 is not in 100.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache

import regex

from contextrot.matching.language import SPACELESS, fold, forms, is_small
from contextrot.matching.spoken_values import VALUE, Value, read, same, with_digits

_WORD = regex.compile(
    rf"(?<one>[{SPACELESS}]\p{{M}}*)|(?<run>[\p{{Katakana}}ー]+)|(?<word>(?:(?![{SPACELESS}\p{{Katakana}}])[\p{{L}}\p{{M}}])"
    rf"(?:(?![{SPACELESS}\p{{Katakana}}])[\p{{L}}\p{{M}}\d])*)"
)
_ENGLISH_CONTRACTIONS = [
    (regex.compile(pattern), replacement)
    for pattern, replacement in [
        (r"\bcan't\b|\bcannot\b", "can not"),
        (r"\bwon't\b", "will not"),
        (r"n't\b", " not"),
        (r"'(?:s|re|ve|ll|d|m)\b", " "),
        (r"(?<=s)'(?=\s|$)", ""),
    ]
]
_SIGNS = [
    (regex.compile(pattern), replacement)
    for pattern, replacement in [
        (r"(?<=\p{L})\+(?=\W|$)", " plus"),
        (r"(?<=\b(?:[a-fo]|ab))[-−](?=[\s.,;)]|$)", " minus"),
        (r"\bv\.?\ ?(?=\d+\.\d)", ""),
        (r"\*\*|__|`", ""),
        (r"(?<=\d)\s?(?:°|º|degrees?)\s?(?:c|celsius|centigrade)\b", " celsius"),
        (r"(?<=\d)\s?(?:°|º|degrees?)\s?(?:f|fahrenheit)\b", " fahrenheit"),
        (r"(?<=\p{L})-(?=\p{L})", " "),
    ]
]
"""In any language."""
_NEGATIVE = regex.compile(r"(?:\A|(?<!\d)[ \t(=:~])[-−]\Z|(?<!\d[^.;:=\n]{0,40})\b(?:minus|negative) \Z")
"""What makes the number behind it negative: not the dash of a range or of a list, nor a sum's "minus"."""
LONGEST_SIGN = len("negative ")
_OF = regex.compile(
    r"(?<!\d[ -])\b(?!(?:instead|because|out|all|each|none|lot|cent|lots|ahead|front|kind|sort|one|some|any|both|many|most|percent|either|neither|\p{L}*day)\b)"
    r"(\p{L}+) of (?:the |an? |your |my )?(?!(?:the|an?|your|my|all|course|them|it|which|january|february|march|april|may|june|july|august|september|"
    r"october|november|december)\b)(\p{L}+)"
)
"""The "heap of compost" is the "compost heap"."""
_SHORT = {
    "km": "kilometre kilometres kilometer kilometers kilometern किलोमीटर किमी كيلومتر كم キロ キロメートル", "kg": "kilo kilos kilogram kilograms kilogramm",
    "m": "metre metres meter meters", "cm": "centimetre centimetres centimeter centimeters", "mile": "miles meile meilen mi",
    "lb": "lbs pound pounds", "gb": "gigabyte gigabytes", "tb": "terabyte terabytes", "mb": "megabyte megabytes", "ml": "millilitre milliliter millilitres milliliters",
    "l": "litre litres liter liters", "g": "gram grams gramm", "tonne": "tonnes tons ton",
    "gallon": "gallons", "ounce": "ounces oz", "inch": "inches", "acre": "acres", "degree": "degrees", "mbps": "mb/s", "celsius": "", "fahrenheit": "",
}  # fmt: skip
_ALIAS = {word: short for short, words in _SHORT.items() for word in [*fold(words).split(), short]}
MEASURES = frozenset(_SHORT)
"""Short names of units of measure; a number with another of them is another value."""
MULTIPLES: dict[str, tuple[str, Fraction]] = {
    unit: (base, Fraction(size))
    for base, sizes in {
        "metre": {"km": "1000", "m": "1", "cm": "0.01"}, "gram": {"tonne": "1000000", "kg": "1000", "g": "1"}, "litre": {"l": "1", "ml": "0.001"},
        "byte": {"tb": "1000000", "gb": "1000", "mb": "1"},
    }.items()
    for unit, size in sizes.items()
}  # fmt: skip
"""Units that are multiples of one base, so that 2 kg and 2,000 g are one value."""


Span = tuple[int, int]
"""Start and end of a place in a text."""


@dataclass(frozen=True)
class Token:
    """A word or a value of a text, with its place in `Words.text`.

    Attributes:
        forms: by which it may equal another word; empty for a value.
        small: whether it says nothing by itself.
        spaced: False for one character of a script without spaces.
    """

    text: str
    start: int
    end: int
    forms: frozenset[str] = frozenset()
    value: Value | None = None
    small: bool = False
    spaced: bool = True

    def equals(self, other: Token) -> bool:
        """Whether both say the same."""
        if self.value is not None or other.value is not None:
            return self.value is not None and other.value is not None and same(self.value, other.value)
        return not self.forms.isdisjoint(other.forms)


@dataclass(frozen=True)
class Words:
    """A text for comparing.

    Attributes:
        text: folded, its number words as digits, its list numbers and marks of emphasis gone.
        tokens: all words and values, in order.
    """

    text: str
    tokens: tuple[Token, ...]
    language: str

    @cached_property
    def content(self) -> tuple[Token, ...]:
        """The tokens that say something; all, if none does."""
        return tuple(token for token in self.tokens if not token.small) or self.tokens

    def after(self, place: int, count: int) -> tuple[Token, ...]:
        """The first tokens from a place in the text on."""
        first = bisect_left(self.tokens, place, key=lambda token: token.start)
        return self.tokens[first : first + count]


@lru_cache(4_096)
def words_of(text: str, language: str) -> Words:
    """The words and values of a text.

    Args:
        language: by which its words are stemmed; see `answer_language.language_of`.
    """
    text = fold(text, language)
    for pattern, replacement in [*(_ENGLISH_CONTRACTIONS if language == "en" else ()), *_SIGNS]:
        text = pattern.sub(replacement, text)
    text = _without_list_numbers(with_digits(text, language))
    if language == "en":
        text = _OF.sub(r"\2 \1", text)
    tokens, place = [], 0
    for found in VALUE.finditer(text):
        tokens += _words(text, place, found.start(), language)
        value = read(found, comma_decimal=language in ("de", "fr", "es", "it", "pt", "nl", "ru"))
        if value.kind in ("number", "share", "money") and _is_negative(text, found.start()):
            value = replace(value, amount=-value.amount, count=-value.count)
            tokens = tokens[:-1] if tokens and tokens[-1].text in ("minus", "negative") else tokens
        tokens.append(Token(found[0], found.start(), found.end(), value=value))
        place = found.end()
    tokens += _words(text, place, len(text), language)
    return Words(text, tuple(tokens), language)


def _is_negative(text: str, start: int) -> bool:
    """Whether what stands before the number there makes it negative; only the characters that can are looked at."""
    return bool(_NEGATIVE.search(text, max(0, start - LONGEST_SIGN), start))


def _words(text: str, start: int, end: int, language: str) -> list[Token]:
    tokens = []
    for found in _WORD.finditer(text, start, end):
        word = _ALIAS.get(found[0], found[0])
        if found.lastgroup == "word":
            tokens.append(Token(word, found.start(), found.end(), forms(word, language), None, is_small(word, language)))
        else:
            tokens.append(
                Token(
                    word, found.start(), found.end(), frozenset({word}), None, is_small(word, language), found.lastgroup == "run"
                )
            )
    return tokens


def _without_list_numbers(text: str) -> str:
    """The numbers of a list 1. 2. 3. are no values of the answer."""
    marks = list(regex.finditer(r"(?:^|(?<=[\n:;,.)]\s*))(\d{1,2})[.)]\s", text))
    numbers = [int(mark[1]) for mark in marks]
    if numbers[:2] != [1, 2]:
        return text
    begins, ends = [0, *(mark.end() for mark in marks)], [*(mark.start() for mark in marks), len(text)]
    return "; ".join(text[begin:end] for begin, end in zip(begins, ends, strict=True))


def find(gold: Sequence[Token], said: Sequence[Token]) -> list[tuple[int, int]]:
    """Where all of `gold` stands in `said`, one after the other: first and last index of each place."""
    size = len(gold)
    return [
        (i, i + size - 1)
        for i in range(len(said) - size + 1)
        if all(one.equals(other) for one, other in zip(gold, said[i : i + size], strict=True))
    ]


def find_in_order(gold: Sequence[Token], said: Sequence[Token], text: str, max_gap: int) -> list[tuple[int, int]]:
    """Where `gold` stands in `said` in its order, with at most `max_gap` tokens between neighbours and all in one sentence of `text`.

    If the gold answer has a value, no other value may stand between: "2 small dogs" is not in "2 cats and 3 small dogs".
    """
    found = []
    valued = any(token.value for token in gold)
    for i, first in enumerate(said):
        if not gold[0].equals(first):
            continue
        place = i
        for token in gold[1:]:
            step = next(
                (j for j in range(place + 1, min(place + 2 + max_gap, len(said))) if token.equals(said[j])),
                None,
            )
            if step is None or (valued and any(t.value for t in said[place + 1 : step])):
                break
            place = step
        else:
            if not regex.search(r"[.!?。！？।]\s", text[first.start : said[place].end]):
                found.append((i, place))
    return found
