"""Prompts to read: what was planted and what is right marked, the middle folded, cut to a number of characters.

Texts of models and corpora are not to be trusted: characters that would move, hide or colour other text are made visible.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

Mark = tuple[str, str]
"""Kind (`needle`, `distractor`, `answer`) and text of something that is marked in a prompt."""
Segment = tuple[str, str | int]
"""Kind and text: a mark's kind, `` for plain text, `fold` for text that is folded, `gone` with the number of characters left out."""
PRIORITY = ("answer", "needle", "distractor")
MAX_MARKS = 24
"""Places that are marked in one prompt; a text that repeats one word ten thousand times is no use to mark."""
SHORTEST_FOLD = 80

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)
_PICTURES = {**{chr(code): chr(0x2400 + code) for code in range(0x20)}, "\x7f": "␡", "\r": ""}
"""Unicode's own pictures of control characters."""


def visible(text: str) -> str:
    """Text whose control characters (NUL, ANSI's escape), overrides of direction and invisible tags are shown as signs."""
    return _UNSAFE.sub(lambda match: _PICTURES.get(match[0], f"⟨U+{ord(match[0]):04X}⟩"), text)


@dataclass(frozen=True)
class Detail:
    """How much of a text is kept, characters.

    Attributes:
        around: at the start, at the end, and on both sides of the ends of each mark.
        folded: at most this much of each stretch between is kept to unfold.
        answer: of an answer, and of what was expected or thought.
    """

    around: int
    folded: int
    answer: int


DETAILS = (
    Detail(1_200, 30_000, 12_000),
    Detail(800, 4_000, 6_000),
    Detail(500, 0, 3_000),
    Detail(250, 0, 1_200),
    Detail(120, 0, 500),
    Detail(60, 0, 240),
    Detail(25, 0, 100),
)
"""From much to little."""


def shortened(text: str, characters: int) -> str:
    """A text's beginning and end, made visible, with the number of characters between them that are left out."""
    if len(text) <= characters + SHORTEST_FOLD:
        return visible(text)
    start, end = characters - characters // 3, characters // 3
    return f"{visible(text[:start])} […{len(text) - start - end:,} characters…] {visible(text[len(text) - end :])}"


def places(text: str, marks: Iterable[Mark]) -> list[tuple[int, int, str]]:
    """Start, end and kind of every mark in a text, in order. An answer that stands in a needle is marked there alone."""
    found: list[tuple[int, int, str]] = []
    by_kind: dict[str, dict[str, None]] = {kind: {} for kind in reversed(PRIORITY)}
    for kind, what in marks:
        if what.strip():
            by_kind[kind][what] = None
    for kind, texts in by_kind.items():
        needles = [(start, end) for start, end, other in found if other == "needle"] if kind == "answer" else []
        for what in texts:
            pattern = re.compile(re.escape(what), re.IGNORECASE if kind == "answer" else 0)
            matches = [match for start, end in needles for match in pattern.finditer(text, start, end)]
            found += [(m.start(), m.end(), kind) for m in matches or islice(pattern.finditer(text), MAX_MARKS)]
    return sorted(found)[:MAX_MARKS]


def excerpt(text: str, marked: Sequence[tuple[int, int, str]], detail: Detail) -> list[Segment]:
    """The segments of a prompt, which joined are the whole of it but for what is `gone`.

    Args:
        marked: as `places` gives them.
    """
    around = detail.around
    zones = [(0, around), (len(text) - around, len(text))]
    for start, end, _ in marked:
        zones += [(start - around, start + around), (end - around, end + around)]
    shown = _merged([(max(0, a), min(len(text), b)) for a, b in zones])
    segments: list[Segment] = []
    at = 0
    for start, end in [*shown, (len(text), len(text))]:
        if start > at:
            folded = text[at:start]
            keep = len(folded) <= detail.folded
            segments.append(("fold", visible(folded)) if keep else ("gone", len(folded)))
        segments += _painted(text, start, end, marked)
        at = end
    return segments


def _painted(text: str, start: int, end: int, marked: Sequence[tuple[int, int, str]]) -> list[Segment]:
    """A stretch of the text, split where a mark begins or ends."""
    edges = {start, end} | {edge for a, b, _ in marked for edge in (a, b) if start < edge < end}
    cuts: list[int] = sorted(edges)
    segments: list[Segment] = []
    for a, b in pairwise(cuts):
        kinds = {kind for s, e, kind in marked if s <= a and b <= e}
        kind = next((kind for kind in PRIORITY if kind in kinds), "")
        segments.append((kind, visible(text[a:b])))
    return segments


def _merged(zones: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Zones in order, those that touch or leave next to nothing between them joined."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(zones):
        if merged and start <= merged[-1][1] + SHORTEST_FOLD:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        elif end > start:
            merged.append((start, end))
    return merged
