"""Scores of an answer against the accepted ones, by name, each from 0 to 1, as the benchmarks that are known for them compute them.

Every scorer takes the best of several accepted answers, but for `contains_all`, whose answers are all asked for. They look at text
alone: who says the same in other words needs a judge.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from contextrot.matching.choice_letter import chosen_option

Scorer = Callable[[str, Sequence[str]], float]

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_NUMBER = re.compile(r"(?<![\w.])[-+−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?(?!\w*\d)|(?<![\w.])[-+−]?\.\d+")
_ANSWER_IS = re.compile(r"(?:\banswer\b\s*(?:is|are|:|=)|####|\\boxed\{)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f]")


def squad_normalised(text: str) -> str:
    """Lower case, without punctuation, articles and extra white space. Source: SQuAD's evaluation (Rajpurkar et al. 2016)."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact(answer: str, accepted: Sequence[str]) -> float:
    """1 if the normalised texts are equal (SQuAD's exact match)."""
    said = squad_normalised(answer)
    return float(any(said == squad_normalised(gold) for gold in accepted))


def token_f1(answer: str, accepted: Sequence[str]) -> float:
    """Best harmonic mean of precision and recall over normalised words (SQuAD's F1); two texts without a word are equal."""
    return max((_f1(squad_normalised(answer).split(), squad_normalised(gold).split()) for gold in accepted), default=0.0)


def _f1(said: Sequence[str], gold: Sequence[str]) -> float:
    if not said or not gold:
        return float(said == gold)
    common = sum((Counter(said) & Counter(gold)).values())
    return 2 * common / (len(said) + len(gold)) if common else 0.0


@cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=False)


def rouge_l(answer: str, accepted: Sequence[str]) -> float:
    """Best ROUGE-L F (Lin 2004; package rouge-score, no stemming)."""
    return max((float(_rouge().score(gold, answer)["rougeL"].fmeasure) for gold in accepted), default=0.0)


def last_number(text: str) -> float | None:
    """The number that a text ends up with: the first after its last "answer is" (or ####, or box), else its last number.

    Thousands may be parted by commas; a unit, a currency or a percent sign beside the number is ignored.
    """
    cues = list(_ANSWER_IS.finditer(text))
    behind = _NUMBER.search(text, cues[-1].end()) if cues else None
    found = behind or next(iter(reversed(list(_NUMBER.finditer(text)))), None)
    return float(found[0].replace(",", "").replace("−", "-")) if found else None


def numeric(answer: str, accepted: Sequence[str]) -> float:
    """1 if the number that the answer ends up with equals an accepted one (to a millionth of it)."""
    said = last_number(answer)
    golds = [number for gold in accepted if (number := last_number(gold)) is not None]
    return float(said is not None and any(abs(said - gold) <= 1e-6 * max(1.0, abs(gold)) for gold in golds))


def multiple_choice(answer: str, accepted: Sequence[str]) -> float:
    """1 if the letter that the answer settles on is an accepted one."""
    said = chosen_option(answer)
    return float(said is not None and any(said == chosen_option(gold) for gold in accepted))


def cleaned(answer: str) -> str:
    """An answer as RULER looks at it: control characters are line breaks."""
    return _CONTROL.sub("\n", answer.strip()).strip()


def contains_all(answer: str, accepted: Sequence[str]) -> float:
    """Share of the wanted texts that stand in the answer, whatever their case (RULER's string_match_all)."""
    said = cleaned(answer).lower()
    return sum(gold.lower() in said for gold in accepted) / len(accepted) if accepted else 0.0


def contains_any(answer: str, accepted: Sequence[str]) -> float:
    """1 if any accepted text stands in the answer, whatever its case (RULER's string_match_part)."""
    said = cleaned(answer).lower()
    return float(any(gold.lower() in said for gold in accepted))


def code(answer: str, accepted: Sequence[str]) -> float:
    """Best edit similarity of the first line of code with an accepted one (LongBench: lines with `, # or // are no code).

    Source: Y. Bai et al. (2023), LongBench, which rounds fuzzywuzzy's ratio to whole percents, as is done here.
    """
    from difflib import SequenceMatcher

    lines = answer.lstrip("\n").split("\n")
    said = next((line for line in lines if not any(mark in line for mark in ("`", "#", "//"))), "")
    return max((_percent(SequenceMatcher(None, said, gold).ratio()) if said and gold else float(said == gold) for gold in accepted), default=0.0)  # fmt: skip


def _percent(share: float) -> float:
    return round(100 * share) / 100


def levenshtein(answer: str, accepted: Sequence[str]) -> float:
    """Best of 1 - edit distance / length of the longer text, in characters, without white space at the ends."""
    import Levenshtein

    said, best = answer.strip(), 0.0
    for gold in (text.strip() for text in accepted):
        longer = max(len(said), len(gold))
        best = max(best, 1 - Levenshtein.distance(said, gold) / longer if longer else 1.0)
    return best


SCORERS: dict[str, Scorer] = {
    "exact": exact,
    "f1": token_f1,
    "rouge_l": rouge_l,
    "numeric": numeric,
    "multiple_choice": multiple_choice,
    "contains_all": contains_all,
    "contains_any": contains_any,
    "code": code,
    "levenshtein": levenshtein,
}
"""Name -> scorer(answer, accepted answers)."""
