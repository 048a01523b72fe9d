"""Chroma's CSV files: prompts, answers, and answers with a judge's verdicts, so that old runs are judged and plotted again.

Columns are found by name, whatever their case and order; see COLUMNS. Traps of these files that are handled here:

- An answer that begins with ERROR or FUTURE_ERROR is a failure of the run, not an answer.
- `token_count` is 100 in every row of some judged files: it was overwritten, so it is taken as not known.
- A verdict may be written True, true or TRUE; anything but true or false is no verdict.
- Rows may be missing or in another order than in the prompts file: rows are joined by what they ask, never by position.

Source: K. Hong, A. Troynikov, J. Huber (2025), Context Rot; https://github.com/chroma-core/context-rot.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from contextrot.errors import DataError
from contextrot.files import read_table
from contextrot.records import Response

COLUMNS = {
    "id": ("custom_id", "question_id", "id", "sample_id"),
    "type": ("question_type", "type", "category"),
    "prompt": ("prompt", "focused_prompt", "full_prompt"),
    "question": ("question",),
    "answer": ("answer", "correct_answer", "gold", "reference", "answers", "references", "target"),
    "tokens": ("token_count", "tokens", "prompt_tokens"),
    "length": ("approximate_input_length", "input_length", "target_tokens", "context_length", "length"),
    "depth": ("needle_depth", "depth", "depth_percent"),
    "output": ("output", "model_output", "response", "hypothesis", "prediction"),
    "verdict": ("llm_judge_output", "judge_output", "judge", "verdict", "autoeval_label", "is_correct"),
}
"""What is read -> the column names it may have, the usual one first."""

OVERWRITTEN_TOKENS = "100"
K = TypeVar("K", bound=tuple[Hashable, ...])
_FAILED = re.compile(r"(FUTURE_ERROR|ERROR(?:_[A-Z]+)*)(?=[:\s]|$)")


@dataclass(frozen=True)
class Recorded:
    """The answer of an earlier run to one sample, and what its judge said.

    Attributes:
        outcome: as in records.OUTCOMES.
        text: the answer; None if there was none.
        verdict: the judge's; None if there is none, or it is neither true nor false.
        tokens: length of the prompt as the file has it.
        error_type, error_message: why there is no answer.
    """

    outcome: str
    text: str | None = None
    verdict: bool | None = None
    tokens: int | None = None
    error_type: str | None = None
    error_message: str | None = None

    def response(self, sample_id: str, engine: str, model: str) -> Response:
        """As the response to a sample."""
        return Response(
            sample_id,
            turn=0,
            outcome=self.outcome,
            text=self.text,
            prompt_tokens=self.tokens,
            engine=engine,
            model=model,
            error_type=self.error_type,
            error_message=self.error_message,
        )


def read_rows(path: str | Path, needed: Iterable[str], prefer: Mapping[str, str] | None = None) -> list[dict[str, str]]:
    """Rows of a file, with the keys of COLUMNS for the columns that it has; every value is text.

    Args:
        needed: keys without which the file is refused.
        prefer: key -> column name to be taken before the others, such as {"prompt": "full_prompt"}.

    Raises:
        DataError: if the file is missing, empty, cut off, or lacks a needed column.
    """
    header, lines = read_table(path)
    found = _find_columns(header, prefer or {})
    missing = [key for key in needed if key not in found]
    if missing:
        wanted = ", ".join(" or ".join(repr(name) for name in COLUMNS[key]) for key in missing)
        raise DataError(
            f"{path} lacks the column {wanted}. Its columns: {', '.join(' '.join(name.split()) for name in header) or 'none'}."
        )
    places = {key: header.index(name) for key, name in found.items()}
    rows = [{key: values[place] for key, place in places.items()} for _, values in lines]
    if not rows:
        raise DataError(f"{path} has a header but no row.")
    if len(rows) > 1 and all(row.get("tokens") == OVERWRITTEN_TOKENS for row in rows):
        for row in rows:
            del row["tokens"]
    return without_grades(rows)


def without_grades(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows, without verdicts if any of them is a number that is neither 0 nor 1: a 1 of 10 is not right."""
    if any(_is_grade(row.get("verdict", "")) for row in rows):
        return [{key: value for key, value in row.items() if key != "verdict"} for row in rows]
    return rows


def _is_grade(text: str) -> bool:
    try:
        return float(text) not in (0, 1)
    except ValueError:
        return False


def of_one_run(place: Path, named: Iterable[tuple[K, Path]]) -> dict[K, Path]:
    """The files of one run, by what each holds the answers to.

    Raises:
        DataError: if two hold answers to the same: of two models, or of one that was asked in two ways.
    """
    found: dict[K, Path] = {}
    for key, path in named:
        if key in found:
            held = ", ".join(map(str, key))
            raise DataError(f"{place} holds answers to {held} twice: {found[key]} and {path}; `answers` must name one run alone.")
        found[key] = path
    return found


def _find_columns(names: Iterable[str], prefer: Mapping[str, str]) -> dict[str, str]:
    """Key of COLUMNS -> the file's own name of that column."""
    normalized = {re.sub(r"[\s-]+", "_", name.strip().lower()): name for name in names if name}
    found = {}
    for key, known in COLUMNS.items():
        candidates = (prefer[key],) if key in prefer else ()
        name = next((n for n in (*candidates, *known) if n in normalized), None)
        if name is None and key in ("output", "verdict"):
            judged = [n for n in normalized if n.endswith("output") and ("judge" in n) == (key == "verdict")]
            name = judged[0] if len(judged) == 1 else None
        if name is not None:
            found[key] = normalized[name]
    return found


def recorded(row: Mapping[str, str]) -> Recorded:
    """The answer that a row holds."""
    text, tokens = row["output"], whole_number(row.get("tokens"))
    failed = _FAILED.match(text)
    if failed:
        kind = failed.group(1)
        if kind == "ERROR_NO_CONTENT":
            return Recorded("empty", tokens=tokens)
        return Recorded("failed", tokens=tokens, error_type=kind, error_message=text)
    if not text.strip():
        return Recorded("failed", tokens=tokens, error_type="missing", error_message="the file holds no answer for this row")
    return Recorded("answered", text=text, verdict=parse_verdict(row.get("verdict")), tokens=tokens)


def parse_verdict(text: str | None) -> bool | None:
    """True or false as the judge wrote it; None for anything else."""
    return {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}.get(
        (text or "").strip().rstrip(".").lower()
    )


def whole_number(text: str | None) -> int | None:
    """A count, also one that a spreadsheet wrote as 500.0; None if it is none, or has more digits than any count."""
    match = re.fullmatch(r"\s*(\d{1,15})(?:\.0*)?\s*", text or "")
    return int(match.group(1)) if match else None


def keyed(rows: Iterable[Mapping[str, str]], keys: Iterable[str]) -> dict[tuple, Mapping[str, str]]:
    """Rows by the values of `keys` and how often these stood before, so that two files are joined whatever their order."""
    keys, seen, found = tuple(keys), Counter(), {}
    for row in rows:
        asked = tuple(row.get(key, "").strip() for key in keys)
        found[*asked, seen[asked]] = row
        seen[asked] += 1
    return found
