"""Sets of needles that share no word with their questions, of this project's file or of NoLiMa's own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contextrot.checked import Checked, validate
from contextrot.errors import DataError, unknown
from contextrot.files import read_json, read_yaml
from contextrot.samples.prompts import LATENT_NEEDLE

NAMES = (
    "Ottoline", "Balthasar", "Ginevra", "Caspian", "Thessaly", "Leopold", "Marisol", "Ignatius", "Rosalind", "Evander", "Calliope", "Florian",
    "Wilhelmina", "Lysander", "Octavia", "Bertrand", "Saskia", "Thaddeus", "Ingrid", "Ambrose",
)  # fmt: skip
SMALL = frozenset(
    "a an the of to in on at by for with from is are was were be been has have had not no and or as it that this which who what where when "
    "character should would could can cannot will do does did up".split()
)  # fmt: skip
"""Words that link nothing."""


@dataclass(frozen=True)
class LatentNeedle:
    """One needle with one question.

    Attributes:
        name: of the needle's set, and `hops`.
        needle: its text, {person} in it.
        question: what is asked.
        hops: "one" or "two" steps from needle to question.
        order: "plain", or "inverted" where the person stands at the needle's end.
        people: who may stand for {person}.
        template: the prompt, with {haystack} and {question}.
    """

    name: str
    needle: str
    question: str
    hops: str
    order: str
    people: tuple[str, ...]
    template: str


class NeedleBlock(Checked):
    """One set of the file."""

    needle: str
    """The needle, with {person}."""
    one_hop: str | None = None
    """The question that the needle answers by one step of common knowledge."""
    two_hop: str | None = None
    """The question that takes a step more."""
    inverted: str | None = None
    """The needle with the person at its end."""


def read_latent_needles(path: Path, chosen: Sequence[str], hops: Sequence[str], orders: Sequence[str]) -> list[LatentNeedle]:
    """The needles of a file: this project's YAML, or NoLiMa's needle_set.json.

    Args:
        chosen: names of sets; all if empty.

    Raises:
        DataError: if the file has another form, or a needle shares a word with its question.
    """
    papers = path.suffix.lower() == ".json"
    found = _nolima(read_json(path, "needle set"), path) if papers else _own(read_yaml(path), path)
    sets = list(dict.fromkeys(needle.name for needle in found))
    for name in chosen:
        if name not in sets:
            raise unknown("needle set", name, sets, str(path))
    return [one for one in found if (not chosen or one.name in chosen) and one.hops in hops and one.order in orders]


def _own(content: Any, path: Path) -> list[LatentNeedle]:
    if not isinstance(content, Mapping) or not content:
        raise DataError(f"{path} must map names to needles with `needle`, `one_hop` and `two_hop`.")
    found = []
    for name, block in content.items():
        known = validate(NeedleBlock, block, f"needle {name!r} in {path}")
        for order, text in (("plain", known.needle), ("inverted", known.inverted)):
            for hops, question in (("one", known.one_hop), ("two", known.two_hop)):
                if text is None or question is None:
                    continue
                if "{person}" not in text:
                    raise DataError(f"{path}: the needle of {name!r} has no {{person}}; write it where the name stands.")
                shared = shared_words(text, question)
                if shared:
                    raise DataError(f"{path}: needle and question of {name!r} share {', '.join(sorted(shared))}; say one in other words.")  # fmt: skip
                found.append(LatentNeedle(str(name), text, question, hops, order, NAMES, LATENT_NEEDLE))
    return found


def _nolima(content: Any, path: Path) -> list[LatentNeedle]:
    """NoLiMa's form: needle and questions with {CHAR}, {1}, {2}, ... and tests that fill the numbers."""
    found = []
    try:
        for block in content:
            order = "inverted" if str(block["id"]).lower().endswith("inv") else "plain"
            template = str(block["task_template"])
            for test, filled in block["tests"].items():
                values = [str(value) for value in filled["input_args"]]
                needle = _fill(str(block["needle"]), values).replace("{CHAR}", "{person}")
                for kind, question in block["questions"].items():
                    hops = "two" if "two" in kind else "one"
                    people = tuple(map(str, block["character_set"]))
                    found.append(LatentNeedle(f"{block['id']}_{test}", needle, _fill(str(question), values), hops, order, people, template))  # fmt: skip
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is no needle set of NoLiMa's form (id, needle, questions, character_set, task_template, tests with input_args): {error}."
        ) from error
    return found


def _fill(text: str, values: Sequence[str]) -> str:
    for number, value in enumerate(values, 1):
        text = text.replace(f"{{{number}}}", value)
    return text


def shared_words(needle: str, question: str) -> set[str]:
    """Words (their first five letters, so that sell and sells are one) that stand in both and say something."""
    stems = [{word[:5] for word in re.findall(r"[a-z]+", text.replace("{person}", " ").lower()) if word not in SMALL and len(word) > 2} for text in (needle, question)]  # fmt: skip
    return stems[0] & stems[1]
