"""Which option of a multiple choice an answer settles on."""

from __future__ import annotations

import re

_LETTER = r"(?<![^\W_])(?:\(([A-Z])\)|\[([A-Z])\]|\*\*\(?([A-Z])\)?(?:[.):][^*]*)?\*\*|([A-Z])(?![\w'’]))"
_CUE = re.compile(
    r"(?:\b(?:answer|choice|option)\b(?:\s+(?:is|would\s+be|must\s+be))?\s*[:=]?\s*(?:\**\s*)?(?:option\s+)?|\\boxed\{\s*)"
    + _LETTER,
    re.IGNORECASE,
)
_ALONE = re.compile(r"\s*(?:" + _LETTER + r")\s*(?:[.):,\-–—\n]|$)")
_MARKED = re.compile(r"\(([A-Z])\)|(?<![^\W_])([A-Z])[.):](?=\s|$)")


def chosen_option(answer: str) -> str | None:
    """The letter, upper case, or None if the answer settles on none.

    In this order: the last letter behind "answer is", "option" and the like; a letter that the answer begins with; the last marked
    letter, as in (C) or "C."; a letter alone in its last line.
    """
    text = answer.strip()
    if re.fullmatch(r"[a-z]", text):
        return text.upper()
    # "the answer is a dog" names no letter, "the answer is b." does
    cued = [_of(found) for found in _CUE.finditer(text) if _of(found).isupper() or not text[found.end() :].strip(" .)*\n")]
    if cued:
        return cued[-1].upper()
    first = _ALONE.match(text)
    if first:
        return _of(first)
    marked = list(_MARKED.finditer(text))
    if marked:
        return _of(marked[-1])
    last = _ALONE.match(text.splitlines()[-1]) if text else None
    return _of(last) if last else None


def _of(found: re.Match[str]) -> str:
    return next(letter for letter in found.groups() if letter)
