"""The metadata of a GGUF file, such as its tokenizer; tensors are not read.

Source: the GGUF specification, https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any

from contextrot.errors import DataError

NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
MOST_ITEMS = 10_000_000
"""Longest array that is believed."""


def read_metadata(path: str | Path) -> dict[str, Any]:
    """Every key of a file's metadata with its value; arrays are lists, strings text (bytes that are no UTF-8 escaped).

    Raises:
        DataError: if it is no regular file, or not in the format.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path} does not exist, or is no file; name the GGUF file whose tokenizer is meant.")
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _Reader(content).metadata()
    except (ValueError, struct.error, OSError) as error:
        raise DataError(f"{path} is not a GGUF file that can be read: {error}. Download or convert it again.") from error


class _Reader:
    def __init__(self, content: mmap.mmap) -> None:
        self._content, self._at = content, 4
        if content[:4] != b"GGUF":
            raise ValueError("it does not begin with GGUF")
        version = self._number("I")
        if version not in (2, 3):
            raise ValueError(f"version {version} is not known (2 and 3 are)")

    def metadata(self) -> dict[str, Any]:
        _tensors, keys = self._number("Q"), self._number("Q")
        if keys > MOST_ITEMS:
            raise ValueError(f"it says that it has {keys} keys")
        return {self._string(): self._value(self._number("I")) for _ in range(keys)}

    def _number(self, kind: str) -> Any:
        (value,) = struct.unpack_from(f"<{kind}", self._content, self._at)
        self._at += struct.calcsize(f"<{kind}")
        return value

    def _string(self) -> str:
        size = self._number("Q")
        if size > len(self._content) - self._at:
            raise ValueError("it ends within a text")
        value = self._content[self._at : self._at + size]
        self._at += size
        return value.decode("utf-8", errors="backslashreplace")

    def _value(self, kind: int) -> Any:
        if kind == STRING:
            return self._string()
        if kind == ARRAY:
            item, count = self._number("I"), self._number("Q")
            if count > MOST_ITEMS:
                raise ValueError(f"an array says that it has {count} items")
            if item in NUMBERS:
                values = struct.unpack_from(f"<{count}{NUMBERS[item]}", self._content, self._at)
                self._at += struct.calcsize(f"<{count}{NUMBERS[item]}")
                return list(values)
            if item == STRING:
                return [self._string() for _ in range(count)]
        if kind not in NUMBERS:
            raise ValueError(f"a value's type {kind} is not known")
        return self._number(NUMBERS[kind])
