"""Dates and times of day as moments that can be sorted, whatever their zeros and whether they say AM or PM."""

from __future__ import annotations

import datetime
import re
import warnings
from collections.abc import Sequence

from contextrot.errors import DataError

_YEAR_FIRST = re.compile(
    r"(?P<year>\d{4})(?P<sign>[/.-])(?P<month>\d{1,2})(?P=sign)(?P<day>\d{1,2})"
    r"(?:[T\s,]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.\d+)?)?\s*(?P<half>[AaPp]\.?[Mm]\.?)?)?"
    r"\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?"
)
_CLOCK = re.compile(r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?\s*(?P<half>[AaPp]\.?[Mm]\.?)?")
_WEEKDAY = re.compile(
    r"[\s,]*\((?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*\)\.?\s*|^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,?\s+", re.IGNORECASE
)
_DAY_OR_MONTH_FIRST = re.compile(r"\b(\d{1,2})[/.-](\d{1,2})[/.-](\d{2}|\d{4})\b")
EXAMPLES = "'2023/05/20 (Sat) 02:21', '2023-05-20 02:21 PM', '20 May 2023'"


def moments(texts: Sequence[str | None], where: Sequence[str]) -> list[datetime.datetime]:
    """The moment of each text; all have a date, or all are times of one day.

    Args:
        texts: as people write them; a year goes first or its month has a name, so that day and month cannot be confused.
        where: what each one belongs to, for messages.

    Raises:
        DataError: for the first that is no date or time, does not exist, is ambiguous, or cannot be compared with the others.
    """
    found = [_moment(text, place) for text, place in zip(texts, where, strict=True)]
    for (has_date, moment), text, place in zip(found, texts, where, strict=True):
        if has_date != found[0][0] or (moment.tzinfo is None) != (found[0][1].tzinfo is None):
            raise DataError(
                f"{place}: {text!r} cannot be compared with {texts[0]!r}; give all a date, and all a time zone or none."
            )
    return [moment for _, moment in found]


def _moment(text: str | None, where: str) -> tuple[bool, datetime.datetime]:
    """Whether a text has a date, and its moment; a time alone is of the first day there is."""
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"{where}: {text!r} is not a date such as {EXAMPLES}.")
    plain = _WEEKDAY.sub(" ", text.strip()).strip()
    year_first, clock = _YEAR_FIRST.fullmatch(plain), _CLOCK.fullmatch(plain)
    try:
        if year_first or clock:
            return bool(year_first), _of_parts((year_first or clock).groupdict())
        numbers = _DAY_OR_MONTH_FIRST.search(plain)
        if numbers and int(numbers[1]) <= 12 and int(numbers[2]) <= 12 and numbers[1] != numbers[2]:
            raise DataError(f"{where}: in {text!r} it is not certain which is the day and which the month; write the year first.")
        return True, _by_dateutil(plain)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{where}: {text[:80]!r} is not a date such as {EXAMPLES} ({error}).") from error


def _of_parts(parts: dict[str, str | None]) -> datetime.datetime:
    hour, half = int(parts["hour"] or 0), (parts["half"] or "").replace(".", "").lower()
    if half:
        if not 1 <= hour <= 12:
            raise ValueError(f"{hour} is no hour before {half.upper()}")
        hour = hour % 12 + (12 if half == "pm" else 0)
    zone = parts.get("zone")
    return datetime.datetime(
        int(parts.get("year") or 1), int(parts.get("month") or 1), int(parts.get("day") or 1),
        hour, int(parts["minute"] or 0), int(parts["second"] or 0),
        tzinfo=datetime.datetime.strptime(zone.replace("Z", "+0000"), "%z").tzinfo if zone else None,
    )  # fmt: skip


def _by_dateutil(text: str) -> datetime.datetime:
    """Other forms, if the text names year, month and day: what it leaves out must not be guessed."""
    from dateutil import parser

    with warnings.catch_warnings():
        warnings.simplefilter("error", parser.UnknownTimezoneWarning)
        try:
            one, other = (parser.parse(text, default=datetime.datetime(*start)) for start in ((2000, 1, 1), (2001, 2, 2)))
        except parser.UnknownTimezoneWarning as warning:
            raise ValueError("its time zone is not known; write it as +02:00") from warning
    if one != other:
        raise ValueError("year, month or day is missing")
    return one
