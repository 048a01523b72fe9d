"""Known shapes of data sets and of other tools' results, as records whose texts are texts.

Sources: SQuAD's JSON (Rajpurkar et al. 2016, arXiv:1606.05250) and its flat rows on the Hugging Face Hub; evalscope's
`predictions` and `reviews` (ModelResult and ReviewResult); lm-evaluation-harness's `--log_samples`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contextrot.errors import DataError
from contextrot.files.tables import read_json, read_rows
from contextrot.files.values import Row, as_text, as_texts

QUESTION_COLUMNS = ("question", "query", "input", "prompt")
ANSWER_COLUMNS = ("answers", "answer", "target", "references", "reference", "label", "output")
CONTEXT_COLUMNS = ("context", "passage", "document", "article", "story")
ID_COLUMNS = ("id", "_id", "question_id", "qid", "sample_id")


@dataclass(frozen=True)
class Record:
    """One question as another file has it.

    Attributes:
        record_id: unique in its file.
        question: what is asked; a whole prompt where the file has no question apart.
        references: accepted answers as they are written, each once; none if it cannot be answered or the file does not say.
        context: the text that it is asked about; None where there is none apart.
        prediction: a model's answer; None where the file holds none.
        error: why there is no answer, where the file says so.
        scores: by the names of the tool that gave them.
        where: file and line, for messages.
    """

    record_id: str
    question: str
    references: tuple[str, ...]
    where: str
    context: str | None = None
    prediction: str | None = None
    error: str | None = None
    scores: Mapping[str, float] | None = None


def read_records(path: str | Path, what: str = "") -> list[Record]:
    """The records of a file, by the shape that it has.

    Raises:
        DataError: if it has none of the known shapes, is not right in one of them, or two records share an id.
    """
    path = Path(path)
    if path.suffix.lower() == ".json":
        value = read_json(path, what)
        if isinstance(value, Mapping) and _is_squad(value):
            return squad(value, f"{what} {path}".strip())
    rows = read_rows(path, what)
    if not rows:
        raise DataError(f"{what} {path} holds no row.".lstrip())
    first = rows[0]
    if "resps" in first or "filtered_resps" in first:
        return lm_eval_samples(rows)
    if "sample_score" in first:
        return evalscope_reviews(rows)
    if "model_output" in first and "index" in first:
        return evalscope_predictions(rows)
    return flat(rows)


def _is_squad(value: Mapping[str, Any]) -> bool:
    articles = value.get("data")
    return isinstance(articles, list) and bool(articles) and isinstance(articles[0], Mapping) and "paragraphs" in articles[0]


def squad(value: Mapping[str, Any], where: str) -> list[Record]:
    """The questions of SQuAD's own JSON: data -> paragraphs -> qas. Impossible ones have no references.

    Raises:
        DataError: names article, paragraph and question.
    """
    found = []
    for a, article in enumerate(_list(value, "data", where), 1):
        for p, paragraph in enumerate(_list(article, "paragraphs", f"{where}, article {a}"), 1):
            place = f"{where}, article {a}, paragraph {p}"
            context = _needed(paragraph, "context", place)
            for q, asked in enumerate(_list(paragraph, "qas", place), 1):
                at = f"{place}, question {q}"
                answers = [] if asked.get("is_impossible") is True else asked.get("answers")
                record_id = as_text(asked.get("id"), at) or f"{a}.{p}.{q}"
                found.append(Record(record_id, _needed(asked, "question", at), as_texts(answers, f"{at}, answers"), at, context))
    return unique(found)


def flat(rows: Iterable[Row], columns: Mapping[str, str] | None = None) -> list[Record]:
    """Rows with a question and its answer, as most data sets of the Hub have them.

    Args:
        columns: `question`, `answers`, `context`, `id` -> the file's column, where it has another name than the usual ones.

    Raises:
        DataError: for a row without a question or an answer's column.
    """
    columns, found = columns or {}, []
    for number, row in enumerate(rows, 1):
        asked = _column(row, columns.get("question"), QUESTION_COLUMNS)
        answers = _column(row, columns.get("answers"), ANSWER_COLUMNS)
        if asked is None or answers is None:
            lacking, usual = ("question", QUESTION_COLUMNS) if asked is None else ("answer", ANSWER_COLUMNS)
            raise DataError(f"{row.where}: no column for the {lacking} ({' or '.join(usual)}); its columns: {', '.join(row)}.")
        context, name = _column(row, columns.get("context"), CONTEXT_COLUMNS), _column(row, columns.get("id"), ID_COLUMNS)
        found.append(
            Record(
                record_id=(as_text(row[name], f"{row.where}, {name}") if name else None) or f"{number - 1:06d}",
                question=_needed(row, asked, row.where),
                references=as_texts(row[answers], f"{row.where}, {answers}"),
                where=row.where,
                context=as_text(row[context], f"{row.where}, {context}") if context else None,
            )
        )
    return unique(found)


def evalscope_predictions(rows: Iterable[Row]) -> list[Record]:
    """evalscope's `predictions/*.jsonl`: what was asked and answered; it has no reference answers.

    Raises:
        DataError: for a row of another shape.
    """
    found = []
    for row in rows:
        output = row.get("model_output")
        if output is not None and not isinstance(output, Mapping):
            raise DataError(f"{row.where}: `model_output` must be an object, as evalscope writes it.")
        error = as_text((output or {}).get("error"), f"{row.where}, error")
        choices = (output or {}).get("choices") or []
        message = choices[0].get("message") if isinstance(choices, list) and choices and isinstance(choices[0], Mapping) else None
        answer = _content(message.get("content"), f"{row.where}, answer") if isinstance(message, Mapping) else None
        found.append(
            Record(
                record_id=_needed(row, "index", row.where),
                question=_asked(row.get("messages"), row.where),
                references=(),
                where=row.where,
                prediction=None if error else answer,
                error=error,
            )
        )
    return unique(found)


def evalscope_reviews(rows: Iterable[Row]) -> list[Record]:
    """evalscope's `reviews/*.jsonl`: input, target, the prediction that was scored, and its scores.

    Raises:
        DataError: for a row of another shape.
    """
    found = []
    for row in rows:
        reviewed = row.get("sample_score")
        score = reviewed.get("score") if isinstance(reviewed, Mapping) else None
        if not isinstance(score, Mapping):
            raise DataError(f"{row.where}: `sample_score` must hold a `score`, as evalscope writes it.")
        found.append(
            Record(
                record_id=_needed(row, "index", row.where),
                question=_asked(row.get("input"), row.where),
                references=as_texts(row.get("target"), f"{row.where}, target"),
                where=row.where,
                prediction=as_text(score.get("prediction"), f"{row.where}, prediction"),
                scores=_numbers(score.get("value")),
            )
        )
    return unique(found)


def lm_eval_samples(rows: Iterable[Row]) -> list[Record]:
    """lm-evaluation-harness's `samples_*.jsonl`: prompt, target, the filtered answer, and its metrics.

    A document that several filters judged stands once for each; the filter is then part of its id. A target of a choice is the
    choice's number as the harness writes it. Likelihoods of choices are no answers.

    Raises:
        DataError: for a row of another shape.
    """
    found, rows = [], list(rows)
    several = len({str(row.get("filter")) for row in rows}) > 1
    for row in rows:
        name = _needed(row, "doc_id", row.where) + (f"-{row.get('filter')}" if several else "")
        answers = row.get("filtered_resps", row.get("resps"))
        while isinstance(answers, list) and len(answers) >= 1 and isinstance(answers[0], list | str):
            answers = answers[0]
        metrics = row.get("metrics")
        named = metrics if isinstance(metrics, list) else []
        held = row.get("doc")
        document: Mapping[str, Any] = held if isinstance(held, Mapping) else {}
        context = _column(document, None, CONTEXT_COLUMNS)
        found.append(
            Record(
                record_id=name,
                question=_lm_eval_prompt(row),
                references=as_texts(row.get("target"), f"{row.where}, target"),
                where=row.where,
                context=as_text(document[context], f"{row.where}, {context}") if context else None,
                prediction=answers if isinstance(answers, str) else None,
                scores=_numbers({str(metric): row.get(str(metric)) for metric in named}),
            )
        )
    return unique(found)


def unique(records: list[Record]) -> list[Record]:
    """The records, unless two share an id.

    Raises:
        DataError: names both places.
    """
    places: dict[str, str] = {}
    for record in records:
        if record.record_id in places:
            raise DataError(
                f"{record.where}: the id {record.record_id[:80]!r} stands already at {places[record.record_id]}; give each its own, or remove one."
            )
        places[record.record_id] = record.where
    return records


def _lm_eval_prompt(row: Row) -> str:
    arguments = row.get("arguments")
    if isinstance(arguments, Mapping):
        arguments = next((part for name, part in arguments.items() if str(name).startswith("gen_args")), arguments)
        arguments = [arguments.get("arg_0")] if isinstance(arguments, Mapping) else arguments
    while isinstance(arguments, list) and arguments and isinstance(arguments[0], list | str):
        arguments = arguments[0]
    if not isinstance(arguments, str):
        raise DataError(f"{row.where}: `arguments` must hold the prompt, as lm-evaluation-harness writes it.")
    return as_text(arguments, row.where) or ""


def _asked(value: Any, where: str) -> str:
    """A prompt, or the last message of the user."""
    if isinstance(value, list):
        asked = [message for message in value if isinstance(message, Mapping) and message.get("role") == "user"]
        value = _content(asked[-1].get("content"), where) if asked else None
    text = as_text(value, where)
    if not text:
        raise DataError(f"{where}: no message of a user, nor a prompt.")
    return text


def _content(value: Any, where: str) -> str | None:
    """The text of a message whose content is a text, or a list of parts; reasoning is left out."""
    if isinstance(value, list):
        parts = [part.get("text") for part in value if isinstance(part, Mapping) and part.get("type", "text") == "text"]
        return "".join(as_text(part, where) or "" for part in parts)
    return as_text(value, where)


def _numbers(values: Any) -> dict[str, float]:
    given = values if isinstance(values, Mapping) else {}
    return {str(name): float(value) for name, value in given.items() if isinstance(value, int | float)}


def _column(row: Mapping[str, Any], named: str | None, usual: Iterable[str]) -> str | None:
    return next((name for name in ([named] if named else usual) if name in row), None)


def _list(value: Any, key: str, where: str) -> list[Mapping[str, Any]]:
    found = value.get(key) if isinstance(value, Mapping) else None
    if not isinstance(found, list) or not all(isinstance(part, Mapping) for part in found):
        raise DataError(f"{where}: `{key}` must be a list of objects, as in SQuAD.")
    return found


def _needed(value: Mapping[str, Any], key: str, where: str) -> str:
    text = as_text(value.get(key), f"{where}, {key}")
    if text is None or not text.strip():
        raise DataError(f"{where}: {key!r} is missing or empty.")
    return text
