"""Judge `match`: is the gold answer contained in the answer? Deterministic, free, and documented here in full.

Both texts are normalised: Unicode compatibility form, lower case, thousands separators and punctuation removed, number
words to twenty written as digits, articles dropped. The answer is right if

1. the gold answer's words stand in it, one after the other (`contained`), or
2. its content words (all but short function words; at least two of them) stand in it in that order with at most 3 other
   words between neighbours (`in order`), so that "inside the blue can, behind the heap" matches "in the blue can behind the heap".

It knows no synonyms and no negation: "not platform nine" is right to it. Where that matters, use an LLM judge beside it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from contextrot.judging import JudgingContext, Pair
from contextrot.records import Judgement

_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
).split()
_DIGITS = {word: str(number) for number, word in enumerate(_NUMBERS)}
_ARTICLES = {"a", "an", "the"}
_FUNCTION_WORDS = frozenset(
    "in on at of to by for from with into inside onto under over and or is are was were be been it its his her their my your our "
    "i you he she they we that this these those as".split()
)
MAX_GAP = 3


def normalize(text: str) -> list[str]:
    """Words of a text in the form in which they are compared."""
    text = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(r"'s\b", "", text)
    words = re.findall(r"\d+(?:\.\d+)?|[^\W\d_]+", text)
    return [_DIGITS.get(word, word) for word in words if word not in _ARTICLES]


def match(reference: str, answer: str) -> str | None:
    """The rule by which `reference` is found in `answer`: "contained", "in order", or None if it is not."""
    gold, words = normalize(reference), normalize(answer)
    if not gold:
        return None
    if any(words[i : i + len(gold)] == gold for i in range(len(words) - len(gold) + 1)):
        return "contained"
    content = [word for word in gold if word not in _FUNCTION_WORDS]
    if len(content) < 2:
        return None
    return "in order" if any(_follows(content, words[i:]) for i, word in enumerate(words) if word == content[0]) else None


def _follows(content: list[str], words: list[str]) -> bool:
    """Whether the content words stand in `words` from its start on, in order, with at most MAX_GAP words between."""
    position = 0
    for word in content[1:]:
        window = words[position + 1 : position + 2 + MAX_GAP]
        if word not in window:
            return False
        position += 1 + window.index(word)
    return True


def judge(pairs: Sequence[Pair], context: JudgingContext) -> list[Judgement]:
    """One judgement for each pair; never unjudged."""
    judgements = []
    for pair in pairs:
        rule = match(pair.reference, pair.answer)
        judgements.append(Judgement(pair.sample.sample_id, pair.turn, pair.item, context.name, rule is not None, rule))
    return judgements
