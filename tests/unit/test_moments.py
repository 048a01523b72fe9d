"""Dates sort by time, whatever their form; what is not certain is refused."""

from __future__ import annotations

import pytest

from contextrot.errors import DataError
from contextrot.tasks.longmemeval.moments import moments


def in_order(*texts: str) -> list[str]:
    found = moments(texts, ["item"] * len(texts))
    return [texts[i] for i in sorted(range(len(texts)), key=found.__getitem__)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("11:00 AM", "02:00 PM"),
        ("12:30 am", "1:00 a.m."),
        ("2023/05/20 (Sat) 11:00 AM", "2023/05/20 (Sat) 02:00 PM"),
        ("2023/05/9 (Tue) 23:10", "2023/05/20 (Sat) 02:21"),
        ("2023-05-20", "2023-05-20T00:01:00"),
        ("20 May 2023", "May 21, 2023 9:00 AM"),
        ("2023-05-20T10:00:00+02:00", "2023-05-20T09:00:00Z"),
        ("Saturday, 20 May 2023 11:59 PM", "2023.05.21"),
        ("30/04/2023", "20/05/2023"),
    ],
)
def test_the_earlier_moment_comes_first(first, second):
    assert in_order(second, first) == [first, second]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("yesterday", "'yesterday' is not a date such as"),
        ("2023/02/31", "2023/02/31"),
        ("2023/05/20 14:00 PM", "14 is no hour before PM"),
        ("05/06/2023", "which is the day and which the month"),
        ("May 20", "year, month or day is missing"),
        ("20 May 2023 10:00 XYZ", "time zone is not known"),
        ("", "'' is not a date"),
        ("9" * 400, "is not a date"),
    ],
)
def test_what_is_no_certain_moment_is_refused_with_its_item(text, message):
    with pytest.raises(DataError, match=f"^session 's1': .*{message}"):
        moments([text], ["session 's1'"])


def test_a_time_without_a_date_is_not_compared_with_a_date():
    with pytest.raises(DataError, match=r"b: '2023/05/20' cannot be compared with '02:00 PM'"):
        moments(["02:00 PM", "2023/05/20"], ["a", "b"])
