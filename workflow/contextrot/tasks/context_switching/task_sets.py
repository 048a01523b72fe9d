"""Sets of task items for context switching: questions with answers, from data/tasks, from the Hugging Face Hub, or a user's own.

A set is described by where its rows are, which columns fill which field of a prompt template, and which column is the answer.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from contextrot.checked import Checked
from contextrot.errors import ConfigError, DataError, unknown
from contextrot.files import Row, as_text, as_texts, read_rows
from contextrot.files.tables import READERS, parse_json
from contextrot.samples import hub, prompts

LETTERS = ["A", "B", "C", "D"]


@dataclass(frozen=True)
class Item:
    """One question of a set.

    Attributes:
        item_id: unique in its set.
        prompt: what the user asks.
        answers: accepted answers; the first is the one that a history shows.
    """

    item_id: str
    prompt: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class TaskSet:
    """Items of one task.

    Attributes:
        name: as config refers to it.
        items: in the order of the source.
        labels: all possible answers; empty if the answer is free text.
        answer_tokens: limit of an answer.
    """

    name: str
    items: tuple[Item, ...]
    labels: tuple[str, ...]
    answer_tokens: int

    @property
    def metric_name(self) -> str:
        """`accuracy` for labels, `rouge` (ROUGE-L) for free answers."""
        return "accuracy" if self.labels else "rouge"


class TaskSetSettings(Checked):
    """One set of task items: where it is, and how a row becomes a question."""

    long_texts = frozenset({"template"})

    file: str | None = None
    """A JSONL, JSON, CSV, TSV or parquet file, from the data folder."""
    hub: str | None = None
    """Instead of `file`: a data set of the Hugging Face Hub, or a local folder that `datasets` can load."""
    subset: str | None = None
    """Configuration of the Hub's data set."""
    revision: str | None = None
    """Pinned revision of the Hub's data set."""
    split: str | None = None
    """Split of the Hub's data set unless a reference names another (`mmlu/validation`)."""
    where: str | None = None
    """Column that a reference with a colon selects by (`multiple_choice:logic`); without it the colon names a `subset`."""
    template: str
    """The question, with {fields} that columns fill."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Field of the template -> column, where they differ."""
    choices: str | None = None
    """Column with a list of four choices, for the fields {a}, {b}, {c}, {d}."""
    answer: str
    """Column of the answer: text, a list of accepted texts, an object as in SQuAD, or an index into `labels` where no label is a number."""
    labels: list[str] = Field(default_factory=list)
    """All possible answers; none if the answer is free text."""
    id: str | None = None
    """Column of a row's id; the row's number without it."""
    answer_tokens: int = Field(16, gt=0)
    """Limit of an answer, tokens."""

    @model_validator(mode="after")
    def _one_source(self) -> TaskSetSettings:
        if bool(self.file) == bool(self.hub):
            raise ValueError("give either `file` or `hub`")
        if self.hub and hub.is_file_name(self.hub):
            raise ValueError(f"hub = {self.hub!r} is a file or path, or does not exist; name it in `file`")
        try:
            parts = list(string.Formatter().parse(self.template))
        except ValueError as error:
            raise ValueError(f"template: {error}; a brace that is text is doubled") from error
        for _, field, form, conversion in parts:
            if field is not None and (form or conversion or field.isdigit() or not re.fullmatch(r"[^.\[\]]+", field)):
                raise ValueError(
                    f"template: {{{field}}} is no field; write a column's name in it, and double a brace that is text"
                )
        return self


BUILT_IN: dict[str, TaskSetSettings] = {
    "sentiment": TaskSetSettings(
        file="tasks/sentiment.jsonl", template=prompts.SENTIMENT, answer="label", labels=["positive", "negative"], id="id"
    ),
    "multiple_choice": TaskSetSettings(
        file="tasks/multiple_choice.jsonl", template=prompts.MULTIPLE_CHOICE, choices="choices", answer="answer", labels=LETTERS, id="id",
        where="subject",
    ),
    "short_posts_qa": TaskSetSettings(
        file="tasks/short_posts_qa.jsonl", template=prompts.SHORT_POST_QUESTION, answer="answers", id="id", answer_tokens=32
    ),
    "mmlu": TaskSetSettings(
        hub="cais/mmlu", subset="all", revision="c30699e8356da336a370243923dbaf21066bb9fe", split="test",
        template=prompts.MULTIPLE_CHOICE, choices="choices", answer="answer", labels=LETTERS,
    ),
    "rotten_tomatoes": TaskSetSettings(
        hub="cornell-movie-review-data/rotten_tomatoes", revision="aa13bc287fa6fcab6daf52f0dfb9994269ffea28", split="test",
        template=prompts.SENTIMENT, answer="label", labels=["negative", "positive"],
    ),
    "tweetqa": TaskSetSettings(
        hub="ucsbnlp/tweet_qa", revision="refs/convert/parquet", split="validation", template=prompts.SHORT_POST_QUESTION,
        columns={"post": "Tweet", "question": "Question"}, answer="Answer", id="qid", answer_tokens=32,
    ),
    "gigaword": TaskSetSettings(
        hub="Harvard/gigaword", revision="refs/convert/parquet", split="validation", template=prompts.HEADLINE, answer="summary", answer_tokens=32
    ),
}  # fmt: skip
"""Sets that need no config. Hub revisions are commits; the last two exist without code to run only in the Hub's own parquet
conversion, whose branch is the only stable name: the commit it stood for is recorded with the results."""


@dataclass(frozen=True)
class Reference:
    """A set as config names it: `name`, `name:selection`, `name/split` or `name:selection/split`."""

    name: str
    selection: str | None
    split: str | None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Raises ConfigError if the text is not of that form."""
        match = re.fullmatch(r"([A-Za-z0-9_.-]+)(?::([^/:]+))?(?:/([A-Za-z0-9_.\[\]:%-]+))?", text)
        if not match:
            raise ConfigError(
                f"{text!r} does not name a set of tasks; write name, name:selection, name/split or name:selection/split."
            )
        return cls(*match.groups())


def settings_of(reference: Reference, own: Mapping[str, TaskSetSettings]) -> TaskSetSettings:
    """The settings of a set: the user's own, or built in.

    Raises:
        ConfigError: if there is no set of that name.
    """
    known = BUILT_IN | dict(own)
    if reference.name not in known:
        raise unknown("set of tasks", reference.name, known, "`targets`, `distractors` or `sets`")
    return known[reference.name]


def load_task_set(text: str, data: Path, own: Mapping[str, TaskSetSettings] | None = None) -> TaskSet:
    """The set that `text` refers to.

    Raises:
        ConfigError: for a name, column, field or selection that is not there.
        DataError: if the file or the Hub's data set cannot be read, or has no usable row.
    """
    reference = Reference.parse(text)
    settings = settings_of(reference, own or {})
    rows = _read_file(data / settings.file, text) if settings.file else _read_hub(settings, reference, text)
    if reference.selection and settings.where:
        kinds = [as_text(_column(row, settings.where, text), f"{row.where}, {settings.where}") for row in rows]
        if reference.selection not in kinds:
            raise unknown(settings.where, reference.selection, {str(kind) for kind in kinds}, f"set {text!r}")
        rows = [row for row, kind in zip(rows, kinds, strict=True) if kind == reference.selection]
    elif reference.selection and settings.file:
        raise ConfigError(
            f"set {text!r}: {reference.name!r} has no column to select {reference.selection!r} by; add `where` to the set."
        )
    if reference.split and settings.file:
        raise ConfigError(f"set {text!r}: a file has no splits; write {reference.name!r}.")
    items = [item for number, row in enumerate(rows) if (item := _item(settings, row, number, text))]
    if not items:
        raise DataError(f"set {text!r} has no row with an answer; check its split (some test splits hold none).")
    places: dict[str, int] = {}
    for number, item in enumerate(items, 1):
        if item.item_id in places:
            raise DataError(
                f"set {text!r}: the id {item.item_id!r} stands twice, at items {places[item.item_id]} and {number}; "
                "give each its own, or leave `id` out."
            )
        places[item.item_id] = number
    return TaskSet(text, tuple(items), tuple(settings.labels), settings.answer_tokens)


def _read_file(path: Path, text: str) -> list[Row]:
    if path.suffix.lower() not in READERS:
        raise ConfigError(f"set {text!r}: {path} cannot be read. Endings that can: {', '.join(READERS)}.")
    return read_rows(path, f"set {text!r}:")


def _read_hub(settings: TaskSetSettings, reference: Reference, text: str) -> list[Row]:
    subset = settings.subset if settings.where or not reference.selection else reference.selection
    split = reference.split or settings.split or "test"
    rows = hub.load_rows(str(settings.hub), subset, split, settings.revision)
    return [Row(row, f"set {text!r}, row {number}") for number, row in enumerate(rows)]


def _column(row: Mapping[str, Any], column: str, text: str) -> Any:
    if column not in row:
        raise unknown("column", column, row, f"set {text!r}")
    return row[column]


def _item(settings: TaskSetSettings, row: Row, number: int, text: str) -> Item | None:
    """The question of a row; None if the row has no answer."""
    values: dict[str, str] = {}
    if settings.choices:
        choices = _choices(_column(row, settings.choices, text), f"{row.where}, {settings.choices}")
        if len(choices) != len(LETTERS):
            raise DataError(f"{row.where}: {len(choices)} choices instead of {len(LETTERS)}.")
        values |= dict(zip("abcd", choices, strict=True))
    for _, field, _, _ in string.Formatter().parse(settings.template):
        if field and field not in values:
            column = settings.columns.get(field, field)
            values[field] = as_text(_column(row, column, text), f"{row.where}, {column}") or ""
    answers = _answers(settings, _column(row, settings.answer, text), f"{row.where}, {settings.answer}")
    if not answers:
        return None
    name = as_text(_column(row, settings.id, text), f"{row.where}, {settings.id}") if settings.id else f"{number:06d}"
    if not name:
        raise DataError(f"{row.where}: the id ({settings.id}) is empty; give each row one, or leave `id` out.")
    return Item(name, settings.template.format(**values), answers)


def _choices(value: Any, where: str) -> list[str]:
    """A list of choices; in a CSV it is written as JSON."""
    if isinstance(value, str):
        value = parse_json(value, where) if value.lstrip().startswith("[") else value
    if isinstance(value, Mapping):
        value = value.get("text")
    if not isinstance(value, list):
        raise DataError(f'{where}: must be a list of choices; in a CSV file write ["one", "two", "three", "four"].')
    return [as_text(choice, where) or "" for choice in value]


def _answers(settings: TaskSetSettings, value: Any, where: str) -> tuple[str, ...]:
    """The accepted answers as they are written; an index becomes its label, if no label could be meant by its digits."""
    answers = as_texts(value, where)
    labels = settings.labels
    if not labels or not answers or answers[0] in labels:
        return answers
    if any(re.fullmatch(r"[-+]?[\d.]+", label) for label in labels) or not re.fullmatch(r"-1|0|[1-9]\d{0,8}", answers[0]):
        raise DataError(f"{where}: answer {answers[0][:80]!r} is none of `labels` {labels}.")
    index = int(answers[0])
    if index < 0:
        return ()  # the Hub's mark of a hidden answer
    if index >= len(labels):
        raise DataError(f"{where}: answer {index} has no label; `labels` names {len(labels)}.")
    return (labels[index],)


def resolved_revision(settings: TaskSetSettings) -> str | None:
    """The commit that a Hub revision stands for now, None if it is a file, a folder, or the Hub cannot say."""
    if not settings.hub or Path(settings.hub).is_dir():
        return None
    from huggingface_hub import HfApi

    try:
        return HfApi().dataset_info(settings.hub, revision=settings.revision).sha
    except Exception:  # the record is a courtesy; the data set itself was loaded from the cache
        return None
