"""Values as they were written: numbers that keep their text, and rows that know where they stand."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Mapping
from typing import Any

from contextrot.errors import DataError
from contextrot.files.text import check_text


class WrittenInt(int):
    """A whole number that prints as it was written: 0042, +1, 0x1F."""

    text: str

    def __new__(cls, text: str, value: int) -> WrittenInt:
        made = super().__new__(cls, value)
        made.text = text
        return made

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[Any, ...]:
        return WrittenInt, (self.text, int(self))

    def __format__(self, spec: str) -> str:
        return format(int(self), spec) if spec else self.text


class WrittenFloat(float):
    """A number that prints as it was written: 1.50, 1e3, .inf."""

    text: str

    def __new__(cls, text: str, value: float | None = None) -> WrittenFloat:
        made = super().__new__(cls, text if value is None else value)
        made.text = text
        return made

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[Any, ...]:
        return WrittenFloat, (self.text, float(self))

    def __format__(self, spec: str) -> str:
        return format(float(self), spec) if spec else self.text


def whole(text: str) -> int:
    """A whole number that prints as `text`; a plain int where that does so by itself."""
    value = int(text)
    return value if int.__str__(value) == text else WrittenInt(text, value)


def real(text: str) -> float:
    """A number that prints as `text`; a plain float where that does so by itself."""
    value = float(text)
    return value if float.__repr__(value) == text else WrittenFloat(text)


def plain(value: Any) -> Any:
    """A value whose numbers are Python's own, for libraries that know no others."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, WrittenInt):
        return int(value)
    return float(value) if isinstance(value, WrittenFloat) else value


class Row(dict[str, Any]):
    """One record of a file.

    Attributes:
        where: the file and the line or row, for messages.
    """

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        super().__init__(values)
        self.where = where


def as_text(value: Any, where: str) -> str | None:
    """A single value as it was written; None for none, which a table's NaN is too.

    Raises:
        DataError: for a list, a mapping or bytes that are no text, which have no text of their own.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return check_text(value, where)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value != value and not isinstance(value, WrittenFloat):
        return None
    if isinstance(value, int | float | decimal.Decimal):
        return str(value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes):
        try:
            return check_text(value.decode("utf-8"), where)
        except UnicodeDecodeError as error:
            raise DataError(f"{where}: the bytes {value[:20]!r} are not UTF-8; write the column as text.") from error
    kind = "list" if isinstance(value, list | tuple) else type(value).__name__
    raise DataError(f"{where}: must be one text or number, but is a {kind}: {str(value)[:80]}.")


def as_texts(value: Any, where: str, strip: bool = True) -> tuple[str, ...]:
    """All texts of an answer, each once, without those that are empty; without the white space at their ends unless told.

    An answer is one value, a list of them, or an object in the manner of SQuAD: {"text": [...], "answer_start": [...]}, or of
    TriviaQA: {"value": ..., "aliases": [...]}, or a list of such objects.

    Raises:
        DataError: for anything else.
    """
    if isinstance(value, Mapping):
        if "value" in value and isinstance(value.get("aliases"), list):  # TriviaQA
            return as_texts([value["value"], *value["aliases"]], where, strip)
        if "text" not in value:
            raise DataError(
                f"{where}: an answer that is an object must have `text`, as in SQuAD, but has {', '.join(map(str, value)) or 'nothing'}."
            )
        return as_texts(value["text"], where, strip)
    if isinstance(value, list | tuple):
        found = [
            text
            for part in value
            for text in (as_texts(part, where, strip) if isinstance(part, Mapping) else [as_text(part, where)])
        ]
    else:
        found = [as_text(value, where)]
    return tuple(dict.fromkeys(text.strip() if strip else text for text in found if text and text.strip()))
