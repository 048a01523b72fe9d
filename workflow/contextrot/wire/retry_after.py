"""How long a server asks to wait, in whatever way it says so.

Sources: RFC 9110 10.2.3 (Retry-After, in seconds or as a date, which is UTC also where it does not say so); `retry-after-ms` of OpenAI and Azure; `google.rpc.RetryInfo` of Google's error model; "Please try again in
9m38.016s" of OpenAI's and Groq's messages; `estimated_time` of Hugging Face while a model loads; `metadata.headers` of OpenRouter's errors.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

LONGEST_SECONDS = 86_400.0
_PARTS = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|milliseconds?|h|hours?|m|min|minutes?|s|sec|seconds?)(?![a-z])", re.IGNORECASE)
_SAID = re.compile(r"(?:try again|retry|wait|available)[^.\d]{0,30}?((?:\d+(?:\.\d+)?\s*(?:ms|[hms])[a-z]*\s*)+)", re.IGNORECASE)
_UNITS = {"ms": 0.001, "mil": 0.001, "h": 3600.0, "m": 60.0, "s": 1.0}


def seconds_of(headers: Mapping[str, str], details: list[dict[str, Any]], message: str) -> float | None:
    """Seconds to wait: by the headers, else by the error's fields, else by its words; None if nothing is said.

    Args:
        headers: of the answer, their names in any case.
        details: the objects of the error's body.
        message: its words.
    """
    for seconds in (_of_headers(headers), _of_details(details)):
        if seconds is not None:
            return seconds
    return _duration_said(message)


def _of_headers(headers: Mapping[str, Any]) -> float | None:
    named = {str(name).lower(): str(value) for name, value in headers.items()}
    milliseconds = _number(named.get("retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    value = named.get("retry-after")
    if value is None:
        return None
    if (number := _number(value)) is not None:
        return _bounded(number)
    if (duration := _duration(value)) is not None:
        return duration
    try:
        moment = parsedate_to_datetime(value)
        return _bounded((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _of_details(details: list[dict[str, Any]]) -> float | None:
    for entry in details:
        for name in ("retryDelay", "retry_after", "retryAfter", "retry_after_seconds", "estimated_time"):
            value = entry.get(name)
            if (number := _number(value)) is not None:
                return _bounded(number)
            if isinstance(value, str) and (duration := _duration(value)) is not None:
                return duration
        headers = entry.get("headers")
        if isinstance(headers, dict):
            reset = _number(headers.get("X-RateLimit-Reset"))  # OpenRouter: milliseconds of the epoch
            asked = _of_headers(headers) or (_bounded(reset / 1000 - time.time()) if reset and reset > 1e12 else None)
            if asked is not None:
                return asked
    return None


def _duration_said(message: str) -> float | None:
    said = _SAID.search(message)
    return _duration(said[1]) if said else None


def _duration(text: str) -> float | None:
    """Seconds of "9m38.016s", "34s", "120ms"."""
    parts = _PARTS.findall(text)
    if not parts:
        return None
    return _bounded(
        sum(float(number) * _UNITS["mil" if unit.lower().startswith("mil") else _unit(unit)] for number, unit in parts)
    )


def _unit(name: str) -> str:
    return "ms" if name.lower() == "ms" else name[0].lower()


def _number(value: Any) -> float | None:
    try:
        number = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_SECONDS)
