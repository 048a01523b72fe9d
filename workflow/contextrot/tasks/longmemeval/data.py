"""LongMemEval's questions with their chat histories: from the Hub, or from a local JSON file in the same format.

Source: D. Wu et al. (2025), LongMemEval, arXiv:2410.10813; data set cleaned in September 2025.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from contextrot.errors import DataError
from contextrot.files import as_text, read_rows
from contextrot.files.text import check_text
from contextrot.samples import hub, prompts
from contextrot.tasks.longmemeval.moments import moments

log = logging.getLogger(__name__)

LARGE_BYTES = 500_000_000
"""Size of a JSON file from which on only the chosen questions are kept: longmemeval_m has 2.7 GB."""
_SPACE = re.compile(r"[ \t\r\n]*")
Chosen = Callable[[Mapping[str, Any]], bool]

QuestionType = Literal[
    "single-session-user",
    "single-session-assistant",
    "single-session-preference",
    "multi-session",
    "knowledge-update",
    "temporal-reasoning",
]
QUESTION_TYPES = get_args(QuestionType)
CHROMA_TYPES = ("multi-session", "temporal-reasoning", "knowledge-update")
"""The types of Chroma's subset."""

PUBLIC_REVISION = "98d7416c24c778c2fee6e6f3006e7a073259d48f"

FIELDS: dict[str, type | tuple[type, ...]] = {
    "question_id": (str, int),
    "question_type": str,
    "question": str,
    "answer": (str, int, float),
    "question_date": str,
    "haystack_session_ids": list,
    "haystack_dates": list,
    "haystack_sessions": list,
    "answer_session_ids": list,
}
"""Fields of a question -> their types; `answer` is a number in some questions of the public data set."""

DATES = ("question_date", "haystack_dates")
"""Fields that a whole data set may lack; a question's sessions then stand in the order of the file."""


@dataclass(frozen=True)
class ChatSession:
    """One earlier chat.

    Attributes:
        date: as the data set writes it, such as `2023/05/20 (Sat) 02:21`; None if it has no dates.
        turns: (role, text) in order.
        is_evidence: whether the answer rests on it.
    """

    date: str | None
    turns: tuple[tuple[str, str], ...]
    is_evidence: bool

    def text(self, number: int = 1) -> str:
        """The session as it stands in the prompt: its date, or its number where there is none, then its turns."""
        turns = "\n".join(f"{role}: {content}" for role, content in self.turns)
        if self.date is None:
            return prompts.UNDATED_SESSION.format(number=number, turns=turns)
        return prompts.DATED_SESSION.format(date=self.date, turns=turns)


@dataclass(frozen=True)
class Question:
    """One question and the history it is asked about.

    Attributes:
        date: when it is asked; None if the data set has no dates.
        sessions: by date, oldest first; in the order of the file without dates.
    """

    question_id: str
    question_type: str
    question: str
    answer: str
    date: str | None
    sessions: tuple[ChatSession, ...]

    @property
    def evidence(self) -> tuple[ChatSession, ...]:
        """The answer sessions alone."""
        return tuple(session for session in self.sessions if session.is_evidence)

    def prompt(self, sessions: Sequence[ChatSession]) -> str:
        """The dated sessions, then the current date, then the question; without dates numbered sessions and the question."""
        history = "\n\n".join(session.text(number) for number, session in enumerate(sessions, 1))
        if self.date is None:
            return prompts.UNDATED_SESSIONS.format(sessions=history, question=self.question)
        return prompts.DATED_SESSIONS.format(sessions=history, date=self.date, question=self.question)


def load_questions(path: Path, chosen: Chosen | None = None) -> list[Question]:
    """Questions of a JSON, JSONL or parquet file, those that are chosen; of a JSON file of more than LARGE_BYTES the others are not kept.

    Args:
        chosen: called once with each entry, in order; says whether it is wanted. All are, without it.

    Raises:
        DataError: if it is missing or not in LongMemEval's format; names the question and the field.
    """
    if chosen and path.suffix.lower() == ".json" and path.is_file() and path.stat().st_size > LARGE_BYTES:
        return parse_questions((entry for entry in entries_of(path) if chosen(entry)), str(path))
    rows = read_rows(path, "data set")
    if not rows:
        raise DataError(f"data set {path} must hold a list of questions, but is empty.")
    questions = parse_questions(rows, str(path))
    return [one for one, row in zip(questions, rows, strict=True) if chosen is None or chosen(row)]


def download_questions(
    name: str, file: str, revision: str, sha256: str | None = None, chosen: Chosen | None = None
) -> list[Question]:
    """Questions of a data set of the Hub, at one revision; its file is checked (hub.download) and kept in the Hub's cache.

    Args:
        chosen: as of `load_questions`.

    Raises:
        DataError: if it cannot be had, or is not in LongMemEval's format.
    """
    return load_questions(hub.download(name, file, revision, sha256), chosen)


def entries_of(path: Path, chunk: int = 1 << 24) -> Iterator[Any]:
    """The values of a file that is one JSON list, one after the other, so that the whole need not be in memory.

    Args:
        chunk: how many characters are read at once.

    Raises:
        DataError: if it is no such file, or is cut off.
    """
    decoder, buffer, place, started = json.JSONDecoder(), "", 0, False
    with path.open(encoding="utf-8") as content:
        while True:
            place = _SPACE.match(buffer, place).end()  # type: ignore[union-attr]
            if place < len(buffer):
                if not started:
                    if buffer[place] != "[":
                        raise DataError(
                            f"data set {path} must hold a list of questions, but begins with {buffer[place : place + 20]!r}."
                        )
                    started, place = True, place + 1
                    continue
                if buffer[place] == "]":
                    return
                if buffer[place] == ",":
                    place += 1
                    continue
                try:
                    value, place = decoder.raw_decode(buffer, place)
                    yield value
                    continue
                except json.JSONDecodeError:
                    pass  # perhaps only its beginning was read so far
            more = content.read(chunk)
            if not more:
                raise DataError(f"data set {path} is cut off, or no JSON, near its byte {content.tell():,}; get it again.")
            buffer, place = buffer[place:] + more, 0


def parse_questions(entries: Any, source: str) -> list[Question]:
    """Questions from entries of the public format.

    Raises:
        DataError: for the first entry that is not in the format, or an id that stands twice.
    """
    questions, places = [], {}
    for number, entry in enumerate(entries, 1):
        question = _parse(entry, f"{source}, question {number}")
        if question.question_id in places:
            raise DataError(
                f"{source}: two questions have the id {question.question_id!r}, {places[question.question_id]} and {number}; "
                "give each its own, or remove one."
            )
        places[question.question_id] = number
        questions.append(question)
    dated = [question.date is not None for question in questions]
    if questions and not all(dated):
        if any(dated):
            number = dated.index(not dated[0]) + 1
            raise DataError(
                f"{source}: some questions have dates and some have none, such as question {number}; give all or none."
            )
        log.warning("%s has no dates: sessions stand in the order of the file, and no prompt names a date.", source)
    return questions


def _parse(entry: Any, where: str) -> Question:
    if not isinstance(entry, Mapping):
        raise DataError(f"{where}: must be an object with the fields {', '.join(FIELDS)}, but is a {type(entry).__name__}.")
    where += f" ({str(entry.get('question_id', 'no id'))[:80]})"
    entry = _without_empty_dates(entry)
    empty = {field for field in FIELDS if entry.get(field) is None or not str(entry[field]).strip()}
    missing = [field for field in FIELDS if field in empty and (field not in DATES or any(entry.get(d) for d in DATES))]
    if missing:
        raise DataError(f"{where}: lacks {', '.join(missing)}. Fields of the format: {', '.join(FIELDS)}.")
    for field, kind in FIELDS.items():
        if field in DATES and entry.get(field) is None:
            continue
        if not isinstance(entry[field], kind) or isinstance(entry[field], bool):
            raise DataError(
                f"{where}: {field} = {str(entry[field])[:60]!r} is a {type(entry[field]).__name__}, not as in the format."
            )
    if entry["question_type"] not in QUESTION_TYPES:
        raise DataError(f"{where}: question_type {entry['question_type']!r} is not one of {', '.join(QUESTION_TYPES)}.")
    ids, sessions = [str(name) for name in entry["haystack_session_ids"]], entry["haystack_sessions"]
    dates = entry.get("haystack_dates") or [None] * len(sessions)
    if not len(ids) == len(dates) == len(sessions):
        raise DataError(
            f"{where}: {len(ids)} session ids, {len(dates)} dates and {len(sessions)} sessions; they must be as many."
        )
    answers = {str(name) for name in entry["answer_session_ids"]}
    lost = answers - set(ids)
    if lost:
        raise DataError(f"{where}: answer session {sorted(lost)[0]!r} is not in the history.")
    history = [
        ChatSession(date, _turns(session, f"{where}, session {name!r}"), name in answers)
        for name, date, session in zip(ids, dates, sessions, strict=True)
    ]
    in_time = list(range(len(history)))
    if entry.get("question_date") is not None:
        dated = moments(dates, [f"{where}, session {name!r}" for name in ids])
        in_time.sort(key=dated.__getitem__)
    return Question(
        question_id=str(entry["question_id"]),
        question_type=entry["question_type"],
        question=check_text(entry["question"], where),
        answer=as_text(entry["answer"], f"{where}, answer") or "",
        date=entry.get("question_date"),
        sessions=tuple(history[i] for i in in_time),
    )


def _without_empty_dates(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry whose dates are left out where none is given: null, empty, or a list of these."""
    given = dict(entry)
    for field in DATES:
        dates = given.get(field)
        if not dates or (isinstance(dates, list) and not any(dates)):
            given[field] = None
    return given


def _turns(session: Any, where: str) -> tuple[tuple[str, str], ...]:
    """Role and text of each turn; whatever else a turn holds, such as `has_answer`, is never shown to a model."""
    if not isinstance(session, Sequence) or isinstance(session, str):
        raise DataError(f"{where}: must be a list of turns, but is a {type(session).__name__}.")
    for turn in session:
        if (
            not isinstance(turn, Mapping)
            or not isinstance(turn.get("content"), str)
            or turn.get("role") not in ("user", "assistant")
        ):
            raise DataError(f"{where}: a turn must have a role (user or assistant) and a content, but is {str(turn)[:80]!r}.")
    return tuple((turn["role"], turn["content"].strip()) for turn in session)
