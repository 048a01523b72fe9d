"""Which of a set's labels an answer names: the label alone, or one label named anywhere in a sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence

ARTICLES = ("A", "I")
"""Letters that are words as well: "A good film" chooses nothing."""
_NEGATED = re.compile(
    r"(?:\b(?:not|no|nor|never|neither|isn't|wasn't|aren't|rather than|instead of)|n[’']t)\W+(?:(?:a|an|the|at all|really|very|so|[\"'“‘*(]+)\W*)?$"
)
_INTRODUCED = re.compile(
    r"(?:\b(?:answer|answers|option|choice|letter|is|be|was|choose|pick|select|say|with|therefore|thus|hence|so|but)\b|:|=|->|→)[\s\"'“‘*_(\[]*$",
    re.IGNORECASE,
)
_MARKED = "\"'“‘*_`([{"
_JOINS = r"[\s\"'”’*_)\]]*(?:/|,|\b(?:or|and)\b)\s*(?:(?:or|and)\s+)?[\"'“‘*_(\[]*"
"""What stands between two labels of a list: "A or B", "positive/negative"."""


def read_label(text: str, labels: Sequence[str]) -> str | None:
    """The label that an answer chooses; None, a format error, if it chooses none, or names several.

    A label at the beginning (after "Answer:", quotes or brackets) is the answer, whatever follows, unless "or", "and" or "/" puts
    another beside it. So is the one that the answer concludes with, whatever else it names: "The review is negative, but it has positive
    elements." Otherwise the one label that is named anywhere counts. A label that is denied is not named ("not positive").
    A single letter must stand as an option does: alone, in brackets or quotes, at the beginning of a line, or after words such as "the
    answer is"; so "A good film", "vitamin C" and "plan B" choose nothing. Case matters for single letters only.
    """
    text = text.strip()
    letters = all(len(label) == 1 for label in labels)
    return (
        _alone(text, labels)
        or _at_the_beginning(text, labels, letters)
        or _concluded(text, labels, letters)
        or _only_one(text, labels, letters)
    )


def _options(labels: Sequence[str]) -> str:
    return "|".join(re.escape(label) for label in sorted(labels, key=len, reverse=True))


def _alone(text: str, labels: Sequence[str]) -> str | None:
    """The label of an answer that is nothing else, in either case: "b", "Answer: (b)"."""
    found = re.fullmatch(
        rf"(?:(?:the )?(?:correct )?(?:answer|option|choice|letter)?(?: is)?[\s:]*)[^\w-]*({_options(labels)})\W*",
        text,
        re.IGNORECASE,
    )
    return _as_listed(found.group(1), labels) if found else None


def _concluded(text: str, labels: Sequence[str], letters: bool) -> str | None:
    """The one label of all statements that say which it is: "the answer is X", "the review is X", "X is right"."""
    options, flags = _options(labels), re.NOFLAG if letters else re.IGNORECASE
    mark = r"[\s\"'“‘*_(\[]*"
    said = re.compile(
        rf"(?i:\b(?:answer|option|choice|letter|sentiment|review|verdict|classification|it|this)\b(?:\s+(?!not\b)[\w’']+){{0,5}}?\s*(?:\bis|\bwould be|:|=))"
        rf"{mark}(?:(?i:overall|clearly|definitely|generally|mostly|mainly|option)\s+)?{mark}(?P<a>{options})(?![\w-])"
        rf"|(?<![\w-])(?P<b>{options})[\"'”’*_)\]]*\s+is\s+(?:the\s+)?(?:right|correct|best|answer)\b",
        flags,
    )
    named = set()
    for match in said.finditer(text):
        name, after = match.group("a") or match.group("b"), text[match.end() :]
        asked = re.match(r"[^.!?\n]*\?", after)
        article = (
            letters and name in ARTICLES and re.match(r"\s+[a-z]", after) and not re.match(r"\s+(?:because|since|as)\b", after)
        )
        if asked or article or re.match(rf"{_JOINS}(?:{options})(?!\w)", after, flags):
            continue
        named.add(_as_listed(name, labels))
    return named.pop() if len(named) == 1 else None


def _at_the_beginning(text: str, labels: Sequence[str], letters: bool) -> str | None:
    options, flags = _options(labels), re.NOFLAG if letters else re.IGNORECASE
    end = r"(?=\s*$|[.:,;)\]*\"'\n])" if letters else r"(?![\w-])"
    match = re.match(rf"(?i:(?:the )?(?:correct )?answer(?: is)?[\s:]*)?[^\w]*({options}){end}", text, flags)
    if not match:
        return None
    chosen, after = _as_listed(match.group(1), labels), text[match.end() :]
    beside = re.match(rf"{_JOINS}({options})(?!\w)", after, flags)
    listed = re.findall(rf"\n\W*({options})(?=[.:)])", after, flags) if letters else []
    others = {_as_listed(name, labels) for name in ([beside.group(1)] if beside else []) + listed}
    return chosen if others <= {chosen} else None


def _only_one(text: str, labels: Sequence[str], letters: bool) -> str | None:
    options, flags = _options(labels), re.NOFLAG if letters else re.IGNORECASE
    named = set()
    for match in re.finditer(rf"(?<![\w’'-])({options})(?![\w’'-])", text, flags):
        before, after = text[: match.start()], text[match.end() :]
        if letters and not _stands_as_option(match.group(1), before, after, options):
            continue
        if not _NEGATED.search(before[-40:].lower()):
            named.add(_as_listed(match.group(1), labels))
    return named.pop() if len(named) == 1 else None


def _stands_as_option(letter: str, before: str, after: str, options: str) -> bool:
    if re.match(rf"{_JOINS}(?:{options})(?!\w)", after) or re.search(rf"(?<!\w)(?:{options}){_JOINS}$", before):
        return True
    if letter in ARTICLES and re.match(r"\s+[a-z]", after):
        return bool(re.search(r"\b(?:answer|option|choice|letter)(?: is)?\W*$", before, re.IGNORECASE))
    begins_line = not before.strip() or before.rstrip(" \t*_([\"'").endswith("\n")
    marked = before[-1:] in _MARKED and re.match(r"[.:,;)\]}*\"'”’`]", after)
    return bool(begins_line or marked or _INTRODUCED.search(before))


def _as_listed(found: str, labels: Sequence[str]) -> str:
    return next(label for label in labels if label.lower() == found.lower())
