"""What the request store gives back is checked like a server's reply: a record that is odd is asked again, not believed.

A file of the store may be of an older version, damaged, or edited by hand. Whatever passes here can be written to every later file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from contextrot.records import OUTCOMES, Response, field_types

NEVER_STORED = ("failed", "over_window")
LARGEST_COUNT = 10**9
LARGEST_NUMBER = 1e9
"""Of seconds and USD."""
_REPEATED = ("outcome", "finish_reason", "engine", "model", "upstream", "server_fingerprint")
_KINDS = {name: kind for name, kind in field_types(Response).items() if name not in ("sample_id", "turn", "cached")}


def checked(values: Any) -> dict[str, Any]:
    """The fields of a stored response, each of its type; fields that are unknown are left out, half characters replaced.

    Raises:
        ValueError: if it is no response, or a field holds what it cannot.
    """
    if not isinstance(values, dict):
        raise ValueError("its response is no object")
    found: dict[str, Any] = {}
    for name, value in values.items():
        kind = _KINDS.get(name)
        if kind is not None and value is not None:
            found[name] = _CHECKS[kind](name, value)
    outcome, text = found.get("outcome"), found.get("text")
    if outcome not in OUTCOMES or outcome in NEVER_STORED:
        raise ValueError(f"outcome {outcome!r:.40} is not that of an answer")
    if outcome == "answered" and not (text or "").strip():
        raise ValueError("it is answered but holds no answer")
    if details := found.get("details"):
        json.loads(details)
    for name in _REPEATED:
        if name in found:
            found[name] = sys.intern(found[name])  # 100,000 rows share one text
    return found


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _count(name: str, value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_COUNT:
        raise ValueError(f"{name} is no count")
    return value


def _number(name: str, value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= LARGEST_NUMBER:
        raise ValueError(f"{name} is no number that it may be")
    return float(value)


def _truth(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} is neither true nor false")
    return value


_CHECKS: dict[type, Callable[[str, Any], Any]] = {str: _text, int: _count, float: _number, bool: _truth}
