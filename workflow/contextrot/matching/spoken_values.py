"""Numbers, durations, times, dates, money and shares as answers write them, read as values.

First every number that is written in words becomes digits (`with_digits`), then `VALUE` finds values in the text and `read` gives what
each one is worth. Words are known in English, German, Chinese, Japanese, Arabic and Hindi, and for small numbers in ten more
languages; digits are read in every script.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import regex

from contextrot.matching.language import fold
from contextrot.matching.number_words import with_digits

__all__ = ["VALUE", "Value", "duration_unit", "read", "same", "with_digits"]

_MONTHS = {
    1: "january jan januar يناير जनवरी janvier enero gennaio janeiro januari января", 2: "february feb februar فبراير फरवरी février febrero febbraio fevereiro februari февраля", 3: "march mar märz maerz marz مارس मार्च mars marzo março maart марта",
    4: "april apr ابريل अप्रैल avril abril aprile апреля", 5: "may mai مايو मई mayo maggio maio mei мая", 6: "june jun juni يونيو जून juin junio giugno junho июня", 7: "july jul juli يوليو जुलाई juillet julio luglio julho июля",
    8: "august aug اغسطس अगस्त août agosto augustus августа", 9: "september sept sep سبتمبر सितंबर septembre septiembre settembre setembro сентября", 10: "october oct oktober okt اكتوبر अक्टूबर octobre octubre ottobre outubro октября",
    11: "november nov نوفمبر नवंबर novembre noviembre novembro ноября", 12: "december dec dezember dez ديسمبر दिसंबर décembre diciembre dicembre dezembro декабря",
}  # fmt: skip
_MONTH_OF = {name: number for number, names in _MONTHS.items() for name in (*names.split(), *fold(names).split())}
_UNITS = {
    "year": (12, "month"), "yr": (12, "month"), "jahr": (12, "month"), "month": (1, "month"), "monat": (1, "month"),
    "week": (604_800, "second"), "wk": (604_800, "second"), "woche": (604_800, "second"), "day": (86_400, "second"), "tag": (86_400, "second"),
    "hour": (3_600, "second"), "hr": (3_600, "second"), "stunde": (3_600, "second"), "minute": (60, "second"), "min": (60, "second"),
    "second": (1, "second"), "sec": (1, "second"), "sekunde": (1, "second"),
}  # fmt: skip
_CURRENCIES = {
    "$": "$", "usd": "$", "dollar": "$", "dollars": "$", "bucks": "$", "us$": "$", "€": "€", "eur": "€", "euro": "€", "euros": "€", "£": "£", "gbp": "£",
    "₹": "₹", "rupees": "₹", "rupee": "₹", "रुपये": "₹", "रुपए": "₹", "¥": "¥", "円": "¥", "yen": "¥", "元": "元", "块钱": "元",
}  # fmt: skip
_SCALE = {"k": 1_000, "thousand": 1_000, "m": 1_000_000, "mn": 1_000_000, "million": 1_000_000, "bn": 10**9, "billion": 10**9}

LONGEST_NUMBER = 40
"""Characters from which on digits are compared as they are written."""
_GROUPED = regex.compile(r"\d{1,3}(?:,\d{2,3})*,\d{3}(?:\.\d+)?|\d{1,3}(?:\.\d{3})+(?:,\d+)?")
"""A number with its thousands marked, in whatever language."""
_NUMBER = r"\d+(?:[.,]\d+)*"
_MONTH = "|".join(sorted(_MONTH_OF, key=len, reverse=True))
_UNIT = "|".join(sorted(_UNITS, key=len, reverse=True))
_SUFFIX = r"(?:(?:\ ?(?:k|mn|bn|million|billion|thousand)|m(?!\ (?:tall|high|long|wide|deep|away)))(?![\p{L}\d]))?"
"""What multiplies a number; "1.8 m" are metres."""
_WORD_MONEY = "|".join(regex.escape(word) for word in sorted(_CURRENCIES, key=len, reverse=True))
_PART = rf"{_NUMBER}[\ -]?(?:{_UNIT})(?:s|n|e|en)?(?!\p{{L}})"
_PM = r"(?:a\.?\ ?m\b\.?|p\.?\ ?m\b\.?)"
_DAYTIME = r"(?:in\ the\ (?:early\ )?(?:morning|afternoon|evening)|at\ night|morgens|abends|nachmittags)"
_BEFORE = "上午|早上|凌晨|清晨|中午|下午|晚上|傍晚|午前|午後|朝|夜"

VALUE = regex.compile(
    rf"""
    (?<date>
        (?<!\d)\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}(?!\d) | (?<!\d)\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d{{4}}(?!\d)
      | \d{{4}}년\ ?\d{{1,2}}월\ ?\d{{1,2}}일 | (?<!\d)\d{{1,2}}월\ ?\d{{1,2}}일
      | (?<!\d)(?:19|20)\d{{2}}-(?:0[1-9]|1[0-2])(?![-\d])
      | \d{{4}}年\d{{1,2}}月\d{{1,2}}[日号] | (?<!\d)\d{{1,2}}月\d{{1,2}}[日号]
      | (?<![\d.,])\d{{1,2}}(?:st|nd|rd|th|\.)?\ (?:of\ |de\ |di\ )?(?:{_MONTH})(?!\p{{L}})\.?(?:,?\ (?:of\ |in\ |de\ |del\ |عام\ |سنه\ )?\d{{4}}(?!\d))?
      | (?<!\p{{L}})(?:{_MONTH})\.?\ (?:the\ )?\d{{1,2}}(?:st|nd|rd|th)?(?![\d:.,]?\d|\p{{L}})(?:,?\ (?:of\ |in\ )?\d{{4}}(?!\d))?
      | (?<!\p{{L}})(?:{_MONTH}),?\ (?:of\ )?\d{{4}}(?!\d)
    )
  | (?<time>
        (?:(?:오전|오후|새벽|아침|저녁|밤)\ ?)?(?<![\d.])\d{{1,2}}시(?!간)(?:\ ?\d{{1,2}}분|\ ?반(?!\p{{L}}))?
      | (?:{_BEFORE})?(?<![\d.])\d{{1,2}}[点點時时](?![間间])(?:\d{{1,2}}分?|半|钟)?
      | (?:{_BEFORE})(?<!\d)\d{{1,2}}:\d{{2}}
      | (?<![\d.:])\d{{1,2}}[:.]\d{{2}}\ ?(?:{_PM}|uhr\b) | (?<![\d.:])\d{{1,3}}:\d{{2}}(?::\d{{2}})?(?!\d)(?:\ {_DAYTIME})?
      | (?<![\d.:])\d{{1,2}}\ [0-5]\d\ ?(?:{_PM}|{_DAYTIME})
      | (?<![\d.:])\d{{1,2}}\ ?(?:{_PM}|uhr\b|o'clock\b)(?:\ {_DAYTIME})? | (?<![\d.:])\d{{1,2}}\ {_DAYTIME}
      | (?<![\d.])(?:half|quarter|5|10|20|25|\d{{1,2}}\ minutes)\ (?:past|to)\ (?:1[0-2]|[1-9])(?![\d:])(?:\ ?{_PM}|\ {_DAYTIME})?
      | (?:12\ )?\b(?:noon|midday|midnight|mitternacht)\b
    )
  | (?<share> %之{_NUMBER} | {_NUMBER}\ ?(?:%|percent(?:age)?\b|per\ cent\b|prozent\b|بالمي?ه|في\ الميه|प्रतिशत|パーセント) )
  | (?<money> (?:us\$|[$€£¥₹])\ ?{_NUMBER}{_SUFFIX} | {_NUMBER}{_SUFFIX}\ ?(?:{_WORD_MONEY})(?![\p{{Latin}}]) )
  | (?<duration> (?<![\p{{L}}\d]){_PART}(?:(?:,\ ?(?:and\ |und\ )?|\ and\ |\ und\ |\ ){_PART})* )
  | (?<ordinal> (?<![\p{{L}}\d])\d+(?:st|nd|rd|th)\b )
  | (?<number> (?<![\p{{Latin}}\d]){_NUMBER}{_SUFFIX} )
    """,
    regex.VERBOSE,
)
"""A value in a folded text whose number words are digits; the group that matched says of what kind it is."""


@dataclass(frozen=True)
class Value:
    """A value of an answer.

    Attributes:
        kind: number, ordinal, duration, time, date, money, share, or code (digits whose leading zeros matter).
        amount: what it is worth: a number (durations: in `unit`), minutes after midnight, (year, month, day), or the code's digits.
        unit: a currency; "second" or "month" for a duration; "am", "pm" or "" (may be either) for a time.
        count: the number as it was written, if there was one.
    """

    kind: str
    amount: Any
    unit: str = ""
    count: Fraction | None = None


def _is_numbering(digits: str) -> bool:
    """Whether digits are parted twice or more, and not as the thousands of a number: 192.168.0.10, 1.2.30."""
    return len(regex.findall("[.,]", digits)) > 1 and not _GROUPED.fullmatch(digits)


def _fraction(text: str, comma_decimal: bool) -> Fraction:
    if comma_decimal or regex.fullmatch(r"\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?|\d{1,3}(?:\.\d{3})+,\d+", text):
        grouped = regex.fullmatch(r"\d{1,3}(?:\.\d{3})+(?:,\d+)?", text)
        text = text.replace(".", "").replace(",", ".") if grouped else text.replace(",", ".")
    else:
        grouped = regex.fullmatch(r"\d{1,3}(?:,\d{2,3})*,\d{3}(?:\.\d+)?", text)
        text = text.replace(",", "") if grouped else text.replace(",", ".")
    whole, *rest = text.split(".")
    return Fraction(f"{whole}.{''.join(rest)}" if rest else whole)


def read(match: regex.Match, comma_decimal: bool = False) -> Value:
    """What a match of `VALUE` is worth.

    Args:
        comma_decimal: whether "3,5" is three and a half and "1.200" more than a thousand, as in German.
    """
    kind, text = match.lastgroup, match[0]
    if kind == "date":
        return _date(text)
    if kind == "time":
        return _time(text)
    first = regex.search(_NUMBER, text)
    assert first is not None
    if kind == "number" and len(first[0]) > 1 and first[0][0] == "0" and first[0].isdigit():
        return Value("code", first[0])
    if len(first[0]) > LONGEST_NUMBER or _is_numbering(first[0]):
        return Value("code", first[0])
    number = _fraction(first[0], comma_decimal)
    if kind == "ordinal":
        return Value("ordinal", number, count=number)
    scale = regex.search(r"(?<=\d\ ?)(k|mn|bn|(?<=\d)m|million|billion|thousand)(?!\p{L})", text)
    if kind in ("money", "number") and scale:
        number *= _SCALE[scale[1]]
    if kind == "money":
        sign = regex.sub(rf"{_NUMBER}(?:\ ?(?:k|m|mn|bn|million|billion|thousand)(?!\p{{L}}))?", "", text).strip()
        return Value("money", number, _CURRENCIES[sign], number)
    if kind == "share":
        return Value("share", number, count=number)
    if kind == "duration":
        return _duration(text, comma_decimal)
    return Value("number", number, count=number)


def _duration(text: str, comma_decimal: bool) -> Value:
    total, base, number = Fraction(0), None, Fraction(0)
    parts = regex.findall(rf"({_NUMBER})[\ -]?({_UNIT})", text)
    for amount, name in parts:
        size, of = _UNITS[name]
        number = _fraction(amount[:LONGEST_NUMBER], comma_decimal)
        if base not in (None, of):
            return Value("duration", (total, base, number * size, of), "mixed")
        base, total = of, total + number * size
    return Value("duration", total, base or "", number if len(parts) == 1 else None)


def duration_unit(word: str) -> tuple[int, str] | None:
    """Size and base of a unit of time, from its singular or plural."""
    return _UNITS.get(word) or _UNITS.get(word.removesuffix("s")) or _UNITS.get(regex.sub(r"(?:en|n|e)$", "", word))


def _time(text: str) -> Value:
    if regex.search(r"noon\b|midday", text) and not text.startswith("1 ") and "after" not in text:
        return Value("time", 720, "pm")
    if regex.search("midnight|mitternacht", text):
        return Value("time", 0, "am")
    numbers = [int(n) for n in regex.findall(r"\d+", text)]
    spoken = regex.match(r"(half|quarter|\d+)(?:\ minutes)?\ (past|to)\ (\d+)", text)
    if spoken:
        minutes = {"half": 30, "quarter": 15}.get(spoken[1]) or int(spoken[1])
        hour, minute = (int(spoken[3]), minutes) if spoken[2] == "past" else (int(spoken[3]) - 1, 60 - minutes)
    elif len(numbers) == 3:
        return Value("time", tuple(numbers), "clock")
    else:
        hour, minute = numbers[0], numbers[1] if len(numbers) > 1 else 30 * ("半" in text or "반" in text)
    half = ""
    if regex.search(r"p\.?\ ?m|afternoon|evening|night|abends|nachmittags|下午|晚上|傍晚|午後|夜|中午|오후|저녁|밤", text):
        half = "pm"
    elif regex.search(r"a\.?\ ?m|morning|morgens|上午|早上|凌晨|清晨|午前|朝|오전|아침|새벽", text):
        half = "am"
    if 12 < hour < 24 or "uhr" in text or regex.match(r"0\d|0:", text):
        half = "pm" if hour >= 12 else "am"
    if half and hour <= 12:
        hour = hour % 12 + (12 if half == "pm" else 0)
    return Value("time", hour * 60 + minute, half, Fraction(hour) if len(numbers) == 1 else None)


def _date(text: str) -> Value:
    name = regex.search(rf"(?<!\p{{L}})(?:{_MONTH})(?!\p{{L}})", text)
    numbers = [int(n) for n in regex.findall(r"\d+", text)]
    year = next((n for n in numbers if n > 31), None)
    rest = [n for n in numbers if n != year]
    if name:
        return Value("date", (year, _MONTH_OF[name[0]], rest[0] if rest else None))
    if len(rest) < 2:
        return Value("date", (year, rest[0] if rest else None, None))
    first, second = rest[:2]
    if numbers[0] == year or "月" in text or "월" in text:
        return Value("date", (year, first, second))
    if first > 12 or "." in text:
        return Value("date", (year, second, first))
    if second > 12:
        return Value("date", (year, first, second))
    return Value("date", (year, first, second), "either order")


def same(gold: Value, said: Value) -> bool:
    """Whether two values say the same; a date or time that leaves something open agrees with all that it allows."""
    if {gold.kind, said.kind} == {"time", "duration"}:
        clock, span = (gold, said) if gold.kind == "time" else (said, gold)
        return (
            span.unit == "second"
            and isinstance(clock.amount, int)
            and not clock.unit
            and span.amount in (clock.amount, clock.amount * 60)
        )
    if gold.kind != said.kind:
        return False
    if gold.kind == "date":
        orders = [said.amount] + ([(said.amount[0], said.amount[2], said.amount[1])] if said.unit else [])
        return any(_same_date(gold.amount, order) for order in orders)
    if gold.kind == "time" and "clock" not in (gold.unit, said.unit):
        if gold.unit and said.unit:
            return gold.amount == said.amount
        return (gold.amount - said.amount) % 720 == 0
    return gold.amount == said.amount and gold.unit == said.unit


def _same_date(gold: tuple, said: tuple) -> bool:
    """A day of the gold answer must be said; a year must not be contradicted."""
    (year, month, day), (said_year, said_month, said_day) = gold, said
    if month != said_month or (day is not None and day != said_day):
        return False
    return year is None or (said_year is None and day is not None) or year == said_year
