"""A user's rows as items: a context (or a conversation), a question, accepted answers."""

from __future__ import annotations

import logging
import re
import string
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot.errors import ConfigError, DataError, unknown
from contextrot.files import Row, as_text, as_texts, in_data_or_here, question_rows, read_rows
from contextrot.files.tables import parse_json
from contextrot.matching.scorers import SCORERS
from contextrot.samples import hub
from contextrot.samples.passages import TEXT_KEYS, as_passages, paragraph_of

if TYPE_CHECKING:
    from contextrot.tasks.dataset.task import DatasetParameters

log = logging.getLogger(__name__)

Message = dict[str, str]
ROLES = {
    "system": "system", "developer": "system", "user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant",
    "model": "assistant", "ai": "assistant", "bot": "assistant",
}  # fmt: skip
"""A chat's word for who speaks -> the role that is sent."""
LETTERS = string.ascii_uppercase
_PYTHON_TEXT = re.compile(r"\s*(?:\[\s*'|\{\s*'\w+':)")
WHY_NONE = {
    "numeric": "holds no number",
    "multiple_choice": "names no letter",
    "rouge_l": "has no word of Latin letters or digits, which alone ROUGE counts",
    "exact": "is made of articles and signs, which SQuAD's scores leave out, so that an empty answer is right",
    "f1": "is made of articles and signs, which SQuAD's scores leave out, so that an empty answer is right",
}
"""Scorer -> why an accepted answer may be none that it can tell right from wrong by."""
_CARRY_TEXT = frozenset({*TEXT_KEYS, "sentences", "messages", "conversations"})


@dataclass(frozen=True)
class Item:
    """One question of a data set.

    Attributes:
        item_id: unique in the set.
        context: the text that is asked about; empty for a conversation.
        history: the conversation, if the item is one; the question is not among it.
        values: fields of the prompt's template beside `context`.
        answers: accepted answers; all of them are wanted by scorer contains_all.
        columns: the conditions, and `own_length` and `own_depth` where config names their columns.
    """

    item_id: str
    context: str
    history: tuple[Message, ...]
    values: dict[str, str]
    answers: tuple[str, ...]
    columns: dict[str, Any] = field(default_factory=dict)


def read_items(p: DatasetParameters, data: Path) -> list[Item]:
    """The items that the parameters describe, in the file's order.

    Raises:
        ConfigError: for a column that is not there.
        DataError: for a file or row that cannot be used; says which, and what to do.
    """
    rows = _rows(p, data)
    if not rows:
        raise DataError(f"{_source(p)} has no rows.")
    items = [_item(p, row, number) for number, row in enumerate(rows, 1)]
    kept = [item for item in items if item is not None]
    if not kept:
        raise DataError(
            f"{_source(p)} has no row with an answer in column {p.references!r}; check `references` (and `split`: some test splits "
            "hold no answers)."
        )
    if len(kept) < len(items):
        log.warning(
            "%s: %d of %d rows have no answer (as impossible questions) and are left out",
            _source(p),
            len(items) - len(kept),
            len(items),
        )
    places: dict[str, int] = {}
    for number, item in enumerate(kept, 1):
        if item.item_id in places:
            raise DataError(
                f"{_source(p)}: the id {item.item_id!r} stands twice, at rows {places[item.item_id]} and {number}; name another `id` "
                "column, or leave it out to number the rows."
            )
        places[item.item_id] = number
    return kept[:: p.every][: p.items]


def file_of(p: DatasetParameters, data: Path) -> Path | None:
    """The file that is read, from the data folder or else the working folder; None for the Hub's."""
    return None if p.file is None else in_data_or_here(p.file, data)


def _source(p: DatasetParameters) -> str:
    return p.file or " ".join(filter(None, [p.hub, p.subset and f"({p.subset})", f"split {p.split}"]))


def _rows(p: DatasetParameters, data: Path) -> list[Row]:
    path = file_of(p, data)
    if path is not None:
        return question_rows(read_rows(path, "data set"))
    rows = hub.load_rows(str(p.hub), p.subset, p.split, p.revision)
    return question_rows([Row(row, f"{_source(p)}, row {number}") for number, row in enumerate(rows, 1)])


def _column(row: Row, name: str, key: str) -> Any:
    """A column's value; a dot leads into an object ("metadata.topic"). Spaces around a name and the way an accent is written do not count.

    Raises:
        ConfigError: names the row and the columns that there are.
    """
    if name in row:
        return row[name]
    alike = [column for column in row if _plain(str(column)) == _plain(name)]
    if len(alike) == 1:
        return row[alike[0]]
    value: Any = row
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise unknown("column", name, row, f"`{key}`, {row.where}")
        value = value[part]
    return value


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def _parsed(value: Any, where: str) -> Any:
    """A list of texts or objects, or an object with a `text`, that a CSV file holds as JSON; every other value as it is: [3, 4] is text.

    Raises:
        DataError: for the Python text of such a list or object, which pandas writes into CSV files.
    """
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return value
    try:
        found = parse_json(value, where)
    except DataError:
        if _PYTHON_TEXT.match(value):
            raise DataError(
                f"{where}: {value[:60]!r} is the Python text of a list or object; write the column as JSON (json.dumps), or the file as "
                "parquet or JSONL."
            ) from None
        return value
    if isinstance(found, dict):
        return found if _CARRY_TEXT.intersection(found) else value
    return found if found and all(isinstance(part, str | dict) or paragraph_of(part) for part in found) else value


def _item(p: DatasetParameters, row: Row, number: int) -> Item | None:
    """The item of a row; None if it has no answer."""
    context = "" if p.context is None else context_text(_column(row, p.context, "context"), f"{row.where}, {p.context}")
    history = () if p.messages is None else conversation(_column(row, p.messages, "messages"), f"{row.where}, {p.messages}")
    question = None if p.question is None else as_text(_column(row, p.question, "question"), f"{row.where}, {p.question}")
    if history and question is None:
        if history[-1]["role"] != "user":
            raise DataError(
                f"{row.where}, {p.messages}: the conversation ends with the {history[-1]['role']}'s words, so nothing is asked; name a "
                "`question` column, or leave the last answer out."
            )
        question, history = history[-1]["content"], history[:-1]
    at = f"{row.where}, {p.references}"
    # a line of code keeps its indent
    answers = as_texts(_parsed(_column(row, p.references, "references"), at), at, strip=p.scorer != "code")
    if not answers:
        return None
    values = {"question": question or ""}
    if p.choices is not None:
        options, labels = _options(_column(row, p.choices, "choices"), f"{row.where}, {p.choices}")
        answers = tuple(_letter(answer, options, labels, at) for answer in answers)
        values["choices"] = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))
    answers = _that_tell(p.scorer, answers, at)
    for _, name, _, _ in string.Formatter().parse(p.prompt_template):
        if name and name not in values and name != "context":
            values[name] = as_text(_column(row, name, "template"), f"{row.where}, {name}") or ""
    columns: dict[str, Any] = {name: as_text(_column(row, name, "conditions"), f"{row.where}, {name}") for name in p.conditions}
    for own, name in (("own_length", p.length), ("own_depth", p.depth)):
        columns[own] = None if name is None else _number(_column(row, name, own[4:]), f"{row.where}, {name}")
    item_id = f"{number:06d}" if p.id is None else as_text(_column(row, p.id, "id"), f"{row.where}, {p.id}")
    if not item_id:
        raise DataError(f"{row.where}: the id ({p.id}) is empty; give each row one, or leave `id` out.")
    if not context and not history and p.context is not None:
        raise DataError(f"{row.where}: the context ({p.context}) is empty; leave the row out, or name another column.")
    return Item(item_id, context, history, values, answers, columns)


def context_text(value: Any, where: str) -> str:
    """A context as one text: a text, or a list of passages (texts, objects with a text, HotpotQA's pairs) under each other."""
    value = _parsed(value, where)
    if not isinstance(value, list | tuple | Mapping):
        return as_text(value, where) or ""
    parts = as_passages(value)
    passages = [paragraph_of(part) for part in parts]
    if None in passages:
        raise DataError(
            f"{where}: a passage of the context is neither a text nor an object with `text` or `content`: "
            f"{str(parts[passages.index(None)])[:80]}"
        )
    return "\n\n".join(passage for passage in passages if passage)


def conversation(value: Any, where: str) -> tuple[Message, ...]:
    """A chat as messages: objects with role and content, or from and value.

    Raises:
        DataError: if it is no such list, or a role is unknown.
    """
    value = _parsed(value, where)
    if isinstance(value, dict):
        value = value.get("messages", value.get("conversations"))
    if not isinstance(value, list | tuple) or not value or not all(isinstance(one, Mapping) for one in value):
        raise DataError(f"{where}: must be a list of messages, each {{role, content}}, but is {str(value)[:80]!r}.")
    found: list[Message] = []
    for one in value:
        said, role = one.get("content", one.get("value")), str(one.get("role", one.get("from")))
        if role.lower() not in ROLES:
            raise DataError(f"{where}: the role {role!r} is not accepted; allowed: {', '.join(ROLES)}.")
        text = context_text(said, where)
        found.append({"role": ROLES[role.lower()], "content": text})
    return tuple(found)


def _that_tell(scorer: str, answers: tuple[str, ...], where: str) -> tuple[str, ...]:
    """The accepted answers that their own scorer takes for right, and an empty answer for wrong: no alias in Greek for ROUGE's words.

    Raises:
        DataError: if it is none of them.
    """
    if scorer not in WHY_NONE:
        return answers
    score = SCORERS[scorer]
    found = tuple(answer for answer in answers if score(answer, [answer]) > 0 and score("", [answer]) == 0)
    if not found:
        raise DataError(f"{where}: {answers[0][:80]!r} {WHY_NONE[scorer]}; mend the answer, or take another `scorer`.")
    return found


def _options(value: Any, where: str) -> tuple[list[str], list[str]]:
    """The choices, and what the file calls each where it does: ARC's {text: [...], label: [...]}, a list of {text, label}, or an object of letters."""
    if isinstance(value, str):
        value = parse_json(value, where) if value.lstrip()[:1] == "[" else _parsed(value, where)
    labels: Any = None
    if isinstance(value, Mapping):
        labels, value = (value.get("label"), value["text"]) if "text" in value else (list(value), list(value.values()))
    elif isinstance(value, list | tuple) and value and all(isinstance(one, Mapping) for one in value):
        labels, value = ([one.get(key) for one in value] for key in ("label", "text"))
    if isinstance(value, str):
        value = value.split("|")
    if not isinstance(value, list | tuple) or not 2 <= len(value) <= len(LETTERS):
        raise DataError(f"{where}: must be a list of 2 to {len(LETTERS)} choices (in a CSV file as JSON, or parted by |).")
    options = [(as_text(option, where) or "").strip() for option in value]
    if "" in options:
        raise DataError(f"{where}: choice {options.index('') + 1} of {len(options)} is empty; leave it out.")
    return options, [as_text(label, where) or "" for label in labels] if isinstance(labels, list | tuple) else []


def _letter(answer: str, options: Sequence[str], labels: Sequence[str], where: str) -> str:
    """The letter of an answer that is a choice's text, the file's own label of it, a letter, or a number counted from 0."""
    letters = LETTERS[: len(options)]
    for names in (labels, options) if len(labels) == len(options) else (options,):
        if names.count(answer) > 1:
            raise DataError(f"{where}: {answer[:80]!r} stands among the choices twice; leave one out.")
        if answer in names:
            return letters[names.index(answer)]
    if len(answer) == 1 and answer.upper() in letters:
        return answer.upper()
    if answer.isdecimal() and int(answer) < len(options):
        return letters[int(answer)]
    raise DataError(
        f"{where}: {answer[:80]!r} is none of the {len(options)} choices; write its letter, its text, or its number counted from 0."
    )


def _number(value: Any, where: str) -> float | None:
    text = as_text(value, where)
    try:
        return None if text is None or not text.strip() else float(text)
    except ValueError:
        raise ConfigError(f"{where}: {text[:80]!r} is no number; `length` and `depth` name columns of numbers.") from None
