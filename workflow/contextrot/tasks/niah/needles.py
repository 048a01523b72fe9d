"""Needle sets: a question, the sentence that answers it, and distractors that look like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contextrot.errors import DataError, unknown
from contextrot.files import as_text, read_yaml
from contextrot.samples.embeddings import embeddings
from contextrot.samples.prompts import NEEDLE_TEMPLATES

FOLLOWED_SHARE = 0.5
"""An answer with at least this share of a distractor's distinctive words follows it."""


@dataclass(frozen=True)
class Distractor:
    """A sentence that resembles the needle but does not answer the question.

    Attributes:
        name: `{needle set}:{number}`, numbers from 1.
        text: as planted.
        short: what an answer that follows it would say.
    """

    name: str
    text: str
    short: str


@dataclass(frozen=True)
class NeedleSet:
    """A question and what is planted for it.

    Attributes:
        similarity: how close the needle's wording is to the question's, as the file says (high, low); None if it does not.
        language: of the prompt around it, a key of prompts.NEEDLE_TEMPLATES.
    """

    name: str
    question: str
    needle: str
    answer: str
    similarity: str | None
    distractors: tuple[Distractor, ...]
    language: str = "en"


def read_needles(path: Path) -> dict[str, NeedleSet]:
    """Needle sets by name.

    Raises:
        DataError: if the file is missing or not in its format.
    """
    entries = read_yaml(path, "needle file")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise DataError(f"needle file {path} must hold a list of sets with name, question, needle and answer.")
    sets: dict[str, NeedleSet] = {}
    for number, entry in enumerate(entries, 1):
        named = f"{path}: needle set {str(entry.get('name') or number)[:80]!r}"
        given = {
            field: (as_text(entry.get(field), f"{named}, {field}") or "").strip()
            for field in ("name", "question", "needle", "answer", "similarity", "language")
        }
        for field in ("name", "question", "needle", "answer"):
            if not given[field]:
                raise DataError(f"{named} has no {field!r}.")
        if given["name"] in sets:
            raise DataError(f"{path}: two needle sets are named {given['name']!r}.")
        language = given["language"] or "en"
        if language not in NEEDLE_TEMPLATES:
            raise unknown("language", language, NEEDLE_TEMPLATES, named)
        distractors = tuple(_distractors(entry.get("distractors"), given["name"], named))
        sets[given["name"]] = NeedleSet(
            **given | {"similarity": given["similarity"] or None, "language": language}, distractors=distractors
        )
    return sets


def _distractors(entries: Any, name: str, named: str) -> list[Distractor]:
    if not isinstance(entries, list | None):
        raise DataError(f"{named}: `distractors` must be a list of texts, or of objects with text and short.")
    found = []
    for number, entry in enumerate(entries or [], 1):
        where = f"{named}, distractor {number}"
        given = entry if isinstance(entry, dict) else {"text": entry}
        text, short = ((as_text(given.get(field), f"{where}, {field}") or "").strip() for field in ("text", "short"))
        if not text:
            raise DataError(f"{where} has no 'text'.")
        found.append(Distractor(f"{name}:{number}", text, short or text))
    return found


def followed_distractor(answer: str, known: str, planted: Sequence[Distractor]) -> str | None:
    """Name of the planted distractor that a wrong answer follows; None if it follows none.

    It follows one if the judge `match` finds its short form in it, else if it holds most of the words that set the distractor
    apart: those that stand neither in `known` (question and gold answer) nor in another distractor. The nearest one is named.
    """
    from contextrot.matching.match import match, normalize  # late: see judging.judges.match

    said = set(normalize(answer))
    shares = {}
    for distractor in planted:
        others = " ".join([known, *(other.text for other in planted if other is not distractor)])
        own = set(normalize(f"{distractor.text} {distractor.short}")) - set(normalize(others))
        share = len(own & said) / len(own) if own else 0.0
        if match(distractor.short, answer):
            share += 1
        shares[distractor.name] = share
    best = max(shares, key=shares.__getitem__, default=None)
    return best if best is not None and shares[best] >= FOLLOWED_SHARE else None


def measured_similarity(sets: Sequence[NeedleSet], model: str) -> dict[str, float]:
    """Cosine of the embeddings of question and needle, by needle set.

    Args:
        model: name or folder of a sentence-transformers model.

    Raises:
        ConfigError: if sentence-transformers is not installed.
        DataError: if the model cannot be loaded.
    """
    questions = embeddings([needles.question for needles in sets], model)  # (sets, width)
    needles = embeddings([needles.needle for needles in sets], model)
    return {one.name: float(q @ n) for one, q, n in zip(sets, questions, needles, strict=True)}
