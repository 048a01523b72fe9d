"""Needle sets: a question, the sentence that answers it, and distractors that look like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from contextrot.errors import ConfigError, DataError, unknown
from contextrot.judges.match import match, normalize
from contextrot.prompts import NEEDLE_TEMPLATES

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
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"needle file {path} does not exist; restore it, or name another in `needle_file`.") from error
    except yaml.YAMLError as error:
        raise DataError(f"needle file {path} is not valid YAML: {error}") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DataError(f"needle file {path} must hold a list of sets with name, question, needle and answer.")
    sets: dict[str, NeedleSet] = {}
    for entry in entries:
        for field in ("name", "question", "needle", "answer"):
            if not entry.get(field):
                raise DataError(f"{path}: needle set {entry.get('name', '?')!r} has no {field!r}.")
        if entry["name"] in sets:
            raise DataError(f"{path}: two needle sets are named {entry['name']!r}.")
        language = entry.get("language", "en")
        if language not in NEEDLE_TEMPLATES:
            raise unknown("language", str(language), NEEDLE_TEMPLATES, f"{path} (needle set {entry['name']!r})")
        sets[entry["name"]] = NeedleSet(
            language=language,
            name=entry["name"],
            question=entry["question"].strip(),
            needle=entry["needle"].strip(),
            answer=str(entry["answer"]).strip(),
            similarity=entry.get("similarity"),
            distractors=tuple(_distractors(entry, path)),
        )
    return sets


def _distractors(entry: dict[str, Any], path: Path) -> list[Distractor]:
    found = []
    for number, distractor in enumerate(entry.get("distractors") or [], 1):
        text, short = (distractor, None) if isinstance(distractor, str) else (distractor.get("text"), distractor.get("short"))
        if not text:
            raise DataError(f"{path}: distractor {number} of needle set {entry['name']!r} has no 'text'.")
        found.append(Distractor(f"{entry['name']}:{number}", text.strip(), (short or text).strip()))
    return found


def followed_distractor(answer: str, known: str, planted: Sequence[Distractor]) -> str | None:
    """Name of the planted distractor that a wrong answer follows; None if it follows none.

    It follows one if the judge `match` finds its short form in it, else if it holds most of the words that set the distractor
    apart: those that stand neither in `known` (question and gold answer) nor in another distractor. The nearest one is named.
    """
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
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ConfigError(
            f"similarity_model = {model!r} needs sentence-transformers: pip install '.[similarity]', or leave it out."
        ) from error
    try:
        encoder = SentenceTransformer(model)
    except (OSError, ValueError) as error:
        raise DataError(f"the embedding model {model!r} could not be loaded: {str(error).splitlines()[0]}") from error
    questions = encoder.encode([needles.question for needles in sets], normalize_embeddings=True)  # (sets, width)
    needles = encoder.encode([needles.needle for needles in sets], normalize_embeddings=True)
    return {one.name: float(q @ n) for one, q, n in zip(sets, questions, needles, strict=True)}
