"""Texts of others (answers, errors of servers) as they may be shown: nothing in them moves a cursor, colours or reorders what stands beside."""

from __future__ import annotations

import re

_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Control characters but tabs and line ends, marks of direction, and halves of characters."""
_FORMULA = re.compile(r"\s*[=+@|-]|[\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?%?$|-?inf$")


def printable(text: str) -> str:
    r"""The text with characters that act instead of being seen written out, such as `\x1b`; `\r\n` is a line end."""
    return _ACTING.sub(_written_out, text.replace("\r\n", "\n"))


def as_cell(text: str) -> str:
    """The text for a CSV file, where a spreadsheet takes no formula from it: what begins as one is led by an apostrophe."""
    text = printable(text)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.match(text) else text


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
