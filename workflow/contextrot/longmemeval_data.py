"""LongMemEval's questions with their chat histories: from the Hub, or from a local JSON file in the same format.

Source: D. Wu et al. (2025), LongMemEval, arXiv:2410.10813; data set cleaned in September 2025.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contextrot import hub, prompts
from contextrot.errors import DataError

QUESTION_TYPES = (
    "single-session-user",
    "single-session-assistant",
    "single-session-preference",
    "multi-session",
    "temporal-reasoning",
    "knowledge-update",
)
CHROMA_TYPES = ("multi-session", "temporal-reasoning", "knowledge-update")
"""The types of Chroma's subset."""

PUBLIC_DATASET = "xiaowu0162/longmemeval-cleaned"
PUBLIC_REVISION = "98d7416c24c778c2fee6e6f3006e7a073259d48f"

FIELDS = {
    "question_id": str,
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

_DATE = re.compile(r"(\d{4})[/-](\d{1,2})[/-](\d{1,2})(?:\D+?(\d{1,2}):(\d{2}))?")


@dataclass(frozen=True)
class ChatSession:
    """One earlier chat.

    Attributes:
        date: as the data set writes it, such as `2023/05/20 (Sat) 02:21`.
        turns: (role, text) in order.
        is_evidence: whether the answer rests on it.
    """

    date: str
    turns: tuple[tuple[str, str], ...]
    is_evidence: bool

    def text(self) -> str:
        """The session as it stands in the prompt: its date, then its turns."""
        turns = "\n".join(f"{role}: {content}" for role, content in self.turns)
        return prompts.DATED_SESSION.format(date=self.date, turns=turns)


@dataclass(frozen=True)
class Question:
    """One question and the history it is asked about.

    Attributes:
        abstains: whether the history does not hold the answer (`_abs` at the end of the id), so that saying so is right.
        sessions: by date, oldest first.
    """

    question_id: str
    question_type: str
    question: str
    answer: str
    date: str
    sessions: tuple[ChatSession, ...]

    @property
    def abstains(self) -> bool:
        return self.question_id.endswith("_abs")

    @property
    def evidence(self) -> tuple[ChatSession, ...]:
        """The answer sessions alone."""
        return tuple(session for session in self.sessions if session.is_evidence)

    def prompt(self, sessions: Sequence[ChatSession]) -> str:
        """The dated sessions, then the current date, then the question."""
        history = "\n\n".join(session.text() for session in sessions)
        return prompts.DATED_SESSIONS.format(sessions=history, date=self.date, question=self.question)


def load_questions(path: Path) -> list[Question]:
    """Questions of a JSON file.

    Raises:
        DataError: if it is missing or not in LongMemEval's format; names the question and the field.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; check `dataset`, or name a data set of the Hub.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not JSON: {error}. Is it whole? Download it again.") from error
    if not isinstance(entries, list) or not entries:
        raise DataError(f"{path} must hold a list of questions, but holds {type(entries).__name__} ({len(entries)} entries).")
    return parse_questions(entries, str(path))


def download_questions(name: str, file: str, revision: str, sha256: str | None = None) -> list[Question]:
    """Questions of a data set of the Hub, at one revision; its file is checked (hub.download) and kept in the `datasets` cache.

    Raises:
        DataError: if it cannot be had, or is not in LongMemEval's format.
    """
    import datasets

    path = hub.download(name, file, revision, sha256)
    try:
        table = datasets.load_dataset("json", data_files=str(path), split="train")
    except Exception as error:
        raise hub.explain("data set", f"{name!r} (file {file!r}, revision {revision[:12]})", error) from error
    return parse_questions(table, f"{name}/{file}")


def parse_questions(entries: Any, source: str) -> list[Question]:
    """Questions from entries of the public format.

    Raises:
        DataError: for the first entry that is not in the format, or an id that stands twice.
    """
    questions, seen = [], set()
    for number, entry in enumerate(entries, 1):
        question = _parse(entry, f"{source}, question {number}")
        if question.question_id in seen:
            raise DataError(f"{source}: two questions have the id {question.question_id!r}.")
        seen.add(question.question_id)
        questions.append(question)
    return questions


def _parse(entry: Any, where: str) -> Question:
    if not isinstance(entry, Mapping):
        raise DataError(f"{where}: must be an object with the fields {', '.join(FIELDS)}, but is a {type(entry).__name__}.")
    where += f" ({entry.get('question_id', 'no id')})"
    missing = [field for field in FIELDS if entry.get(field) is None]
    if missing:
        raise DataError(f"{where}: lacks {', '.join(missing)}. Fields of the format: {', '.join(FIELDS)}.")
    for field, kind in FIELDS.items():
        if not isinstance(entry[field], kind):
            raise DataError(
                f"{where}: {field} = {str(entry[field])[:60]!r} is a {type(entry[field]).__name__}, not as in the format."
            )
    if entry["question_type"] not in QUESTION_TYPES:
        raise DataError(f"{where}: question_type {entry['question_type']!r} is not one of {', '.join(QUESTION_TYPES)}.")
    ids, dates, sessions = entry["haystack_session_ids"], entry["haystack_dates"], entry["haystack_sessions"]
    if not len(ids) == len(dates) == len(sessions):
        raise DataError(
            f"{where}: {len(ids)} session ids, {len(dates)} dates and {len(sessions)} sessions; they must be as many."
        )
    answers = set(entry["answer_session_ids"])
    lost = answers - set(ids)
    if lost:
        raise DataError(f"{where}: answer session {sorted(lost)[0]!r} is not in the history.")
    history = [
        ChatSession(date, _turns(session, f"{where}, session {name!r}"), name in answers)
        for name, date, session in zip(ids, dates, sessions, strict=True)
    ]
    moments = [_moment(session.date, where) for session in history]
    in_time = sorted(range(len(history)), key=moments.__getitem__)
    return Question(
        question_id=entry["question_id"],
        question_type=entry["question_type"],
        question=entry["question"],
        answer=str(entry["answer"]),
        date=entry["question_date"],
        sessions=tuple(history[i] for i in in_time),
    )


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


def _moment(date: str, where: str) -> tuple[int, ...]:
    """A date as numbers that sort in time, whether or not its parts have leading zeros."""
    found = _DATE.search(date) if isinstance(date, str) else None
    if not found:
        raise DataError(f"{where}: {date!r} is not a date such as '2023/05/20 (Sat) 02:21'.")
    return tuple(int(part or 0) for part in found.groups())
