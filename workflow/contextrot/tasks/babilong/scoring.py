"""BABILong's way of reading an answer, and its published answers."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from contextrot.errors import DataError
from contextrot.files import Row, as_text, read_rows
from contextrot.samples.published import of_one_run

PLACES = frozenset({"bathroom", "bedroom", "garden", "hallway", "kitchen", "office"})
PUBLISHED_LABELS = {
    **dict.fromkeys(("qa1", "qa2", "qa3", "qa4"), PLACES),
    "qa5": frozenset({"Bill", "Fred", "Jeff", "Mary", "apple", "football", "milk"}),
    **dict.fromkeys(("qa6", "qa9"), frozenset({"no", "yes"})),
    "qa7": frozenset({"none", "one", "two"}),
    "qa10": frozenset({"maybe", "no", "yes"}),
}
"""Task -> all possible answers of bAbI's own texts, as published; qa8 has none there."""
_NAME = re.compile(r"(qa\d+)_(\d+)([km]?)(?=[_.]|$)", re.IGNORECASE)
_TIMES = {"": 1, "k": 1024, "m": 1024**2}


def is_right(answer: str, gold: str, question: str, labels: Collection[str]) -> bool:
    """Whether the first sentence of an answer names the gold label and no other, those of the question aside.

    Source: Y. Kuratov et al. (2024), BABILong (arXiv 2406.10149), babilong/metrics.py: lower case, cut at the first full stop and at a
    repeated <context> or <example>; labels are found as parts of words too.
    """
    said = re.split(r"\.|<context>|<example>", answer.lower(), maxsplit=1)[0]
    asked = question.lower()
    named = {label for label in map(str.lower, labels) if label in said and label not in asked}
    return named == {gold.lower()}


def read_published(folder: Path) -> dict[str, tuple[str, float, Row]]:
    """Rows of BABILong's result files by sample id: the task, the length in tokens, and the row (target, output, question).

    The files are named for task and length: qa1_4k....csv; 0k are the facts without filler.

    Raises:
        DataError: if there is none, or one has not the columns.
    """
    found: dict[str, tuple[str, float, Row]] = {}
    for (task, length), path in _result_files(folder).items():
        if task not in PUBLISHED_LABELS:
            raise DataError(f"{path}: no answers are known of {task}, only of {', '.join(PUBLISHED_LABELS)}; take the file away.")
        for place, row in enumerate(read_rows(path, "answers"), 1):
            for column in ("target", "output", "question"):
                if column not in row:
                    raise DataError(f"{row.where}: the column {column!r} is missing; there are {', '.join(row)}.")
                row[column] = as_text(row[column], row.where) or ""
            found[f"{task}-{length:07d}-{path.stem}-{place:04d}"] = (task, float(length), row)
    return found


def _result_files(folder: Path) -> dict[tuple[str, int], Path]:
    """Task and length, tokens -> the file of its answers."""
    named = []
    for path in sorted(folder.glob("**/*.csv")):
        if name := _NAME.search(path.name):
            task, number, times = map(str.lower, name.groups())
            named.append(((task, int(number) * _TIMES[times]), path))
    if not named:
        raise DataError(f"{folder} holds no result file of BABILong (qa1_4k_....csv and the like); check `answers`.")
    return of_one_run(folder, named)
