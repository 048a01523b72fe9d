"""Known shapes of data sets and of other tools' results, as records whose texts are texts.

Sources: SQuAD's JSON (Rajpurkar et al. 2016, arXiv:1606.05250) and its flat rows on the Hugging Face Hub; evalscope's
`predictions` and `reviews` (ModelResult and ReviewResult); lm-evaluation-harness's `--log_samples`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from contextrot.errors import DataError
from contextrot.files.tables import parse_json
from contextrot.files.values import Row, as_text, as_texts

CONTEXT_COLUMNS = ("context", "passage", "document", "article", "story")


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
        title: of the text, where it has one.
    """

    record_id: str
    question: str
    references: tuple[str, ...]
    where: str
    context: str | None = None
    prediction: str | None = None
    error: str | None = None
    scores: Mapping[str, float] | None = None
    title: str | None = None


def question_rows(rows: list[Row]) -> list[Row]:
    """Rows of one of the known shapes as plain rows with `context` (None where the question holds all), `question`, `answers`, `id` and
    whatever else the shape has: SQuAD's title, another tool's prediction, error and scores. Rows of another shape as they are.

    Raises:
        DataError: for what is not right in its shape, or ids that stand twice; names file and line.
    """
    records = records_of(rows)
    if records is None:
        return rows
    return [
        Row(
            {
                "id": record.record_id, "title": record.title, "context": record.context, "question": record.question,
                "answers": list(record.references), "prediction": record.prediction, "error": record.error,
                **{f"score_{name}": value for name, value in (record.scores or {}).items()},
            },
            record.where,
        )
        for record in records
    ]  # fmt: skip


def records_of(rows: list[Row]) -> list[Record] | None:
    """The records of rows that have one of the known shapes; None for others."""
    first = rows[0] if rows else {}
    if rows and all(isinstance(row.get("paragraphs"), list) and "question" not in row for row in rows):
        return squad(rows)
    if "resps" in first or "filtered_resps" in first:
        return lm_eval_samples(rows)
    if "sample_score" in first:
        return evalscope_reviews(rows)
    if "model_output" in first and "index" in first:
        return evalscope_predictions(rows)
    return None


def squad(articles: Iterable[Row]) -> list[Record]:
    """The questions of SQuAD's own JSON: data -> paragraphs -> qas. Impossible ones have no references.

    Raises:
        DataError: names article, paragraph and question.
    """
    found = []
    for a, article in enumerate(articles, 1):
        for p, paragraph in enumerate(_list(article, "paragraphs", article.where), 1):
            place = f"{article.where}, paragraph {p}"
            context = _needed(paragraph, "context", place)
            for q, asked in enumerate(_list(paragraph, "qas", place), 1):
                at = f"{place}, question {q}"
                answers = [] if asked.get("is_impossible") is True else asked.get("answers")
                record_id = as_text(asked.get("id"), at) or f"{a}.{p}.{q}"
                title = as_text(article.get("title"), f"{article.where}, title")
                texts = as_texts(answers, f"{at}, answers")
                found.append(Record(record_id, _needed(asked, "question", at), texts, at, context, title=title))
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
        while (
            isinstance(answers, list) and len(answers) >= 1 and isinstance(answers[0], list | str) and not _is_likelihood(answers)
        ):
            answers = answers[0]
        metrics = row.get("metrics")
        named = metrics if isinstance(metrics, list) else []
        held = row.get("doc")
        document: Mapping[str, Any] = held if isinstance(held, Mapping) else {}
        context = next((name for name in CONTEXT_COLUMNS if name in document), None)
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


def _is_likelihood(pair: list[Any]) -> bool:
    """Whether it is a choice's log-likelihood and whether greedy decoding would give it, which no model wrote."""
    if len(pair) != 2 or str(pair[1]) not in ("True", "False"):
        return False
    try:
        float(str(pair[0]))
    except ValueError:
        return False
    return True


def _lm_eval_prompt(row: Row) -> str:
    arguments = row.get("arguments")
    if isinstance(arguments, Mapping):
        arguments = next((part for name, part in arguments.items() if str(name).startswith("gen_args")), arguments)
        arguments = [arguments.get("arg_0")] if isinstance(arguments, Mapping) else arguments
    while isinstance(arguments, list) and arguments and isinstance(arguments[0], list | str):
        arguments = arguments[0]
    if not isinstance(arguments, str):
        raise DataError(f"{row.where}: `arguments` must hold the prompt, as lm-evaluation-harness writes it.")
    text = as_text(arguments, row.where) or ""
    if text.lstrip().startswith("[{"):  # a chat, as the harness's chat models are sent it
        with suppress(DataError):
            return _asked(parse_json(text, row.where), row.where)
    return text


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
    return {str(name): float(value) for name, value in given.items() if isinstance(value, int | float) and math.isfinite(value)}


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
