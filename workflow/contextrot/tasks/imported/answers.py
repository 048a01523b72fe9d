"""Answers that other tools wrote, whatever the tool: Inspect's logs, lm-evaluation-harness's samples, evalscope's predictions and reviews,
Kamradt's results, Chroma's CSV files, and any table with a question and an answer.

Sources: https://inspect.aisi.org.uk (EvalLog); lm-evaluation-harness `--log_samples`; evalscope ModelResult and ReviewResult;
G. Kamradt (2023), LLMTest_NeedleInAHaystack, `results/*.json`; K. Hong, A. Troynikov, J. Huber (2025), Context Rot.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from contextrot.errors import ConfigError, DataError
from contextrot.files import Row, as_text, as_texts, read_json, read_rows
from contextrot.files.shapes import Record, records_of
from contextrot.records import OUTCOMES
from contextrot.samples import published

LENGTHS = ("length", "context_length", "approximate_input_length", "input_length", "target_tokens")
DEPTHS = ("depth", "depth_percent", "needle_depth")
INSPECT_VERDICTS = {"C": True, "I": False, "1": True, "0": False, "true": True, "false": False}
_BETWEEN = "\x1f"
"""Between several accepted answers of a row."""
INSPECT_ENDS = {"max_tokens": "truncated", "model_length": "truncated", "content_filter": "refused"}
NOT_MEASURED = -1
"""What lm-evaluation-harness's RULER writes of the lengths that a row has not."""
KAMRADT_RIGHT = 10
"""Kamradt's judge scores 1, 3, 5, 7 or 10; 10 is "completely accurate"."""


@dataclass(frozen=True)
class Answer:
    """One answer of an earlier run.

    Attributes:
        answer_id: unique in its file.
        question: what was asked; the whole prompt where nothing else is known.
        messages: the whole chat that was sent, if the file has it.
        references: accepted answers; none if the file has none.
        text: the answer; None if there was none, and `error` says why where the file does.
        outcome: as in records.OUTCOMES, where the file tells more than whether there is a text.
        tokens, completion_tokens: as the tool's server counted them.
        length, depth: of the context, where the file says it.
        verdict: right or wrong by the tool; None where it has none.
        tool_score: the tool's score, 0 to 1 where that is its range.
        seconds: until the answer was whole.
        columns: further conditions.
    """

    answer_id: str
    question: str
    messages: list[dict[str, str]] = field(default_factory=list)
    references: tuple[str, ...] = ()
    text: str | None = None
    error: str | None = None
    outcome: str | None = None
    tokens: int | None = None
    completion_tokens: int | None = None
    length: float | None = None
    depth: float | None = None
    verdict: bool | None = None
    tool_score: float | None = None
    seconds: float | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)


def read_answers(path: Path, scorer: str | None = None) -> list[Answer]:
    """The answers of one file.

    Args:
        scorer: whose score is read, of a tool that gives several; the first without it.

    Raises:
        ConfigError: if an Inspect log is to be read and Inspect is not installed.
        DataError: if the file is in none of the known forms; names file and row.
    """
    ending = path.suffix.lower()
    if ending == ".eval":
        return _on_one_scale(inspect_answers(path, scorer))
    if ending == ".json":
        held = read_json(path, "answers")
        if isinstance(held, Mapping) and isinstance(held.get("eval"), Mapping):
            return _on_one_scale(inspect_answers(path, scorer))
        rows = held if isinstance(held, list) else [held]
        if rows and all(isinstance(row, Mapping) and "model_response" in row for row in rows):
            return [kamradt_answer(row, f"{path}, row {i}", i) for i, row in enumerate(rows, 1)]
    if ending in (".csv", ".tsv"):
        return table_answers(published.read_rows(path, ("output",)), path)
    rows = read_rows(path, "answers")
    records = records_of(rows)
    if records is not None:
        return _on_one_scale([_of_record(record, row, scorer) for record, row in zip(records, rows, strict=True)])
    return table_answers(published.without_grades([_named(row) for row in rows]), path)


def _on_one_scale(answers: list[Answer]) -> list[Answer]:
    """The answers, without verdicts where the tool's scores are no shares: a 1 of 10 is not right."""
    if any(answer.tool_score is not None and not 0 <= answer.tool_score <= 1 for answer in answers):
        return [replace(answer, verdict=None) for answer in answers]
    return answers


def kamradt_answer(row: Mapping[str, Any], where: str, number: int) -> Answer:
    """One of Kamradt's results: the needle is what is expected."""
    score = row.get("score")
    try:
        value = None if score is None else float(score)
    except (TypeError, ValueError):
        raise DataError(f"{where}: score {score!r} is no number.") from None
    if value is not None and not 0 <= value <= KAMRADT_RIGHT:
        raise DataError(f"{where}: score {score!r} is not from 0 to {KAMRADT_RIGHT}, as Kamradt's judge gives them.")
    text = as_text(row.get("model_response"), f"{where}, model_response")
    length, depth = (as_text(row.get(name), where) for name in ("context_length", "depth_percent"))
    return Answer(
        answer_id=f"{length}-{depth}-{as_text(row.get('version'), where) or number}",
        question=as_text(row.get("retrieval_question") or row.get("question"), where) or "",
        references=as_texts(row.get("needle"), f"{where}, needle"),
        text=text,
        length=_number(length, where),
        depth=_number(depth, where),
        verdict=None if value is None else value >= KAMRADT_RIGHT,
        tool_score=None if value is None else value / KAMRADT_RIGHT,
        seconds=_number(as_text(row.get("test_duration_seconds"), where), where),
    )


def table_answers(rows: Sequence[Mapping[str, str]], path: Path) -> list[Answer]:
    """Rows with the columns of published.COLUMNS."""
    found = []
    for number, row in enumerate(rows, 1):
        said = published.recorded(row)
        where = f"{path}, row {number}"
        prompt = row.get("prompt") or ""
        found.append(
            Answer(
                answer_id=row.get("id") or str(number),
                question=row.get("question") or prompt,
                messages=[{"role": "user", "content": prompt}] if prompt else [],
                references=tuple(filter(None, (row.get("answer") or "").split(_BETWEEN))),
                text=said.text,
                error=said.error_message,
                tokens=said.tokens,
                length=_number(row.get("length"), where),
                depth=_number(row.get("depth"), where),
                verdict=said.verdict,
                columns={"type": row.get("type")},
            )
        )
    return found


def inspect_answers(path: Path, scorer: str | None) -> list[Answer]:
    """The samples of an Inspect log, each epoch one; lengths and depths are metadata of the sample."""
    try:
        from inspect_ai.log import read_eval_log
    except ImportError as error:
        raise ConfigError(f"{path} is a log of Inspect AI, which is not installed: pip install inspect-ai.") from error
    try:
        log = read_eval_log(str(path), resolve_attachments=True)
    except Exception as error:  # of whatever kind: the file is another's
        raise DataError(f"{path} is no log that Inspect can read: {str(error)[:200]}") from error
    found, epochs = [], max((sample.epoch for sample in log.samples or []), default=1)
    for sample in log.samples or []:
        scores = sample.scores or {}
        if scorer is not None and scorer not in scores and scores:
            raise DataError(f"{path}: no score {scorer!r}; there are: {', '.join(scores)}.")
        score = scores.get(scorer) if scorer else next(iter(scores.values()), None)
        sent = sample.input if isinstance(sample.input, str) else [(m.role, m.text) for m in sample.input]
        messages = [{"role": "user", "content": sent}] if isinstance(sent, str) else [{"role": r, "content": t} for r, t in sent]
        usage, metadata = sample.output.usage if sample.output else None, dict(sample.metadata or {})
        target = [sample.target] if isinstance(sample.target, str) else list(sample.target)
        text = sample.output.completion if sample.output and sample.output.choices else None
        question = str(metadata.get("question") or next((m["content"] for m in reversed(messages) if m["role"] == "user"), ""))
        several = epochs > 1
        found.append(
            Answer(
                answer_id=f"{sample.id}#{sample.epoch}" if several else str(sample.id),
                question=question,
                messages=messages,
                references=tuple(filter(None, target)),
                text=None if sample.error else text,
                error=sample.error.message if sample.error else None,
                outcome=_outcome(metadata.get("outcome"), None if text is None else sample.output.stop_reason),
                tokens=(usage.input_tokens + (usage.input_tokens_cache_read or 0) + (usage.input_tokens_cache_write or 0)) or None
                if usage
                else None,
                completion_tokens=usage.output_tokens if usage else None,
                length=_first(metadata, LENGTHS),
                depth=_first(metadata, DEPTHS),
                verdict=INSPECT_VERDICTS.get(_plain(score.value)) if score else None,
                tool_score=_as_share(score.value) if score else None,
                seconds=sample.output.time if sample.output else None,
            )
        )
    return found


def _outcome(written: Any, stop_reason: str | None) -> str | None:
    """The outcome that a log of this project's own says, else what the end of the answer means."""
    return written if written in OUTCOMES else INSPECT_ENDS.get(stop_reason or "")


def _of_record(record: Record, row: Row, scorer: str | None) -> Answer:
    scores = dict(record.scores or {})
    if scorer is not None and scorer not in scores and scores:
        raise DataError(f"{record.where}: no score {scorer!r}; there are: {', '.join(scores)}.")
    measured = {name: value for name, value in scores.items() if value != NOT_MEASURED}
    value = measured.get(scorer) if scorer else next(iter(measured.values()), None)
    held = row.get("doc") if isinstance(row.get("doc"), Mapping) else row
    held = {**held, **(row.get("metadata") if isinstance(row.get("metadata"), Mapping) else {})}
    return Answer(
        answer_id=record.record_id,
        question=record.question,
        messages=[{"role": "user", "content": record.question}],
        references=record.references,
        text=record.prediction,
        error=record.error,
        length=_first(held, LENGTHS),
        depth=_first(held, DEPTHS),
        verdict=None if value not in (0, 1) else bool(value),
        tool_score=value,
    )


def _named(row: Row) -> dict[str, str]:
    """A row of a plain JSONL or parquet table with the keys of published.COLUMNS, lists as one text."""
    found = {}
    for key, names in published.COLUMNS.items():
        name = next((name for name in names if name in row), None)
        if name is not None:
            value = row[name]
            if key == "verdict" and isinstance(value, Mapping):
                value = value.get("label")  # LongMemEval's evaluation
            found[key] = _BETWEEN.join(as_texts(value, row.where)) if isinstance(value, list) else as_text(value, row.where) or ""
    if "output" not in found:
        raise DataError(
            f"{row.where}: no answer; name its column one of {', '.join(published.COLUMNS['output'])}, or take a file of Inspect, "
            "lm-evaluation-harness, evalscope, Kamradt's or Chroma's."
        )
    return found


def _first(values: Mapping[str, Any], names: Sequence[str]) -> float | None:
    """The first of the named values that is a number."""
    written = (values.get(name) for name in names)
    numbers = (_finite(str(value)) for value in written if isinstance(value, str | int | float) and not isinstance(value, bool))
    return next((number for number in numbers if number is not None), None)


def _number(text: str | None, where: str) -> float | None:
    if text is None or not text.strip():
        return None
    number = _finite(text)
    if number is None:
        raise DataError(f"{where}: {text[:60]!r} is no number.")
    return number


def _finite(text: str) -> float | None:
    """The number that a text is, percent or not; None if it is none."""
    try:
        number = float(text.strip().removesuffix("%"))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _plain(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool | float) and value in (0, 1) else str(value)


def _as_share(value: Any) -> float | None:
    known = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
    if isinstance(value, str):
        return known.get(value)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
