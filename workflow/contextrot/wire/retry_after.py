"""How long a server asks to wait, in whatever way it says so.

Sources: RFC 9110 10.2.3 (Retry-After, in seconds or as a date, which is UTC also where it does not say so); `retry-after-ms` of OpenAI and Azure; `google.rpc.RetryInfo` of Google's error model; "Please try again in
9m38.016s" of OpenAI's and Groq's messages; `estimated_time` of Hugging Face while a model loads; `metadata.headers` of OpenRouter's errors. Gateways
give dates as ISO 8601 or as seconds of the epoch. Limits that say when they begin anew, for those with nothing left: OpenAI and Groq
`x-ratelimit-reset-requests` ("6m0s"), Anthropic `anthropic-ratelimit-tokens-reset` (RFC 3339), IETF drafts `RateLimit-Reset` (seconds) and
`RateLimit`.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

LONGEST_SECONDS = 86_400.0
EPOCH_SECONDS, EPOCH_MILLISECONDS = 1e9, 1e12
"""A larger number is a moment, not a duration."""
_PARTS = re.compile(
    r"(\d+(?:\.\d+)?)\s*(ms|milliseconds?|h|hours?|hrs?|m|mins?|minutes?|s|secs?|seconds?)(?![a-z])", re.IGNORECASE
)
_SAID = re.compile(
    r"(?:try again|retry|wait|available|resets?)[^.\d]{0,30}?((?:\d+(?:\.\d+)?\s*(?:ms|[hms])[a-z]*\s*)+)", re.IGNORECASE
)
_SAID_ALONE = re.compile(r"retry[-_ ]?after[\"']?\s*[:=]\s*(\d+(?:\.\d+)?)(?![\d.]*\s*[a-z])", re.IGNORECASE)
_USED_UP, _BEGINS = re.compile(r"\b(?:r|remaining)=0(?!\d)"), re.compile(r"\b(?:t|reset)=(\d+)")
_NAMED = {
    "retrydelay",
    "retryafter",
    "retryafterseconds",
    "retryafters",
    "retryin",
    "retryinseconds",
    "estimatedtime",
    "waitseconds",
}
_NAMED_MILLISECONDS = {"retryafterms", "retryaftermilliseconds", "retrydelayms", "retryinms"}
_UNITS = {"ms": 0.001, "mil": 0.001, "h": 3600.0, "m": 60.0, "s": 1.0}


def seconds_of(headers: Mapping[str, str], details: list[dict[str, Any]], message: str) -> float | None:
    """Seconds to wait: by the headers, else by the error's fields, else by its words; None if nothing is said.

    Args:
        headers: of the answer, their names in any case.
        details: the objects of the error's body.
        message: its words.
    """
    for seconds in (of_headers(headers), _of_details(details)):
        if seconds is not None:
            return seconds
    return _duration_said(message)


def of_headers(headers: Mapping[str, Any]) -> float | None:
    """Seconds to wait by the headers alone."""
    named = {str(name).lower(): str(value) for name, value in headers.items()}
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        if (milliseconds := _number(named.get(name))) is not None:
            return _bounded(milliseconds / 1000)
    if (asked := _wait(named.get("retry-after"))) is not None:
        return asked
    limits = re.split(
        r",\s*(?=\")", named.get("ratelimit", "")
    )  # IETF draft: `"burst";r=0;t=30`, before that `remaining=0, reset=30`
    begins = [_number(reset[1]) for limit in limits if _USED_UP.search(limit) and (reset := _BEGINS.search(limit))]
    used_up = begins + [
        _wait(value)
        for name, value in named.items()
        if "ratelimit" in name and "reset" in name and _number(named.get(re.sub("reset(-after)?", "remaining", name))) == 0
    ]
    return max((seconds for seconds in used_up if seconds is not None), default=None)


def _wait(value: Any) -> float | None:
    """Seconds of a number, a moment (HTTP's date, ISO 8601, seconds or milliseconds of the epoch) or a duration ("6m0s")."""
    if (number := _number(value)) is not None:
        since = number / 1000 if number >= EPOCH_MILLISECONDS else number
        return _bounded(since - time.time() if number >= EPOCH_SECONDS else number)
    if isinstance(value, dict):  # google.protobuf.Duration
        return _number(value.get("seconds"))
    if not isinstance(value, str):
        return None
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(value.strip())
            return _bounded((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - time.time())
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
    return _duration(value)


def _of_details(details: list[dict[str, Any]]) -> float | None:
    for entry in details:
        for name, value in entry.items():
            plain = re.sub(r"[-_]", "", str(name)[:40]).lower()
            if plain in _NAMED_MILLISECONDS and (number := _number(value)) is not None:
                return _bounded(number / 1000)
            if plain in _NAMED and (asked := _wait(value)) is not None:
                return asked
        headers = entry.get("headers")
        if isinstance(headers, dict):
            asked = of_headers(headers)
            if asked is None:  # OpenRouter gives no count beside it
                asked = _wait(headers.get("X-RateLimit-Reset"))
            if asked is not None:
                return asked
    return None


def _duration_said(message: str) -> float | None:
    if alone := _SAID_ALONE.search(message):
        return _wait(alone[1])
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
