"""Texts cut into pieces that are the text again when joined: sentences by Unicode's rules, and long ones inside.

Sentence ends are those of UAX 29 (Sentence_Terminal characters of all scripts), with the usual abbreviations and numbers guarded. Each
piece carries the separator before it: a space, or nothing in scripts that put none between sentences.
"""

from __future__ import annotations

import regex

LONGEST_PIECE = 600
"""Characters of a piece that need not be cut inside: more than all but the longest sentences."""
_BLANK_LINE = regex.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")
_BOUNDARY = regex.compile(
    r"""(?<=[.!?])(?<!\bMr\.)(?<!\bMrs\.)(?<!\bDr\.)(?<!\bSt\.)[\"')\]]*+\s+(?=[\"'(\[]?[\p{Lu}\p{Lo}\p{Nd}¿¡«„“])
    |(?<=[。！？｡…؟۔।॥၊။។៕៖։።፧⸮‽])[\"'”’」』）)\]»]*+\s*(?=\S)""",
    regex.VERBOSE,
)
_CLAUSE = regex.compile(r"(?<=[,;:—–،؛，、；：)])(?=\s|[\p{Han}\p{Hiragana}\p{Katakana}])|(?<=[，、；：])")
_WORD = regex.compile(r"(?<=\S)(?=\s)")
_GRAPHEME = regex.compile(r"\X")
_NO_SPACES = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Block=CJK_Symbols_And_Punctuation}\p{Block=Halfwidth_And_Fullwidth_Forms}]"
)


def split_text(text: str) -> list[str]:
    """Pieces of a text, none longer than LONGEST_PIECE characters but for a single grapheme; joined they are the text with its white
    space folded to single spaces. A paragraph's end is a piece's end too, so that a heading stays apart.
    """
    pieces: list[str] = []
    for paragraph in _BLANK_LINE.split(text):
        folded = " ".join(paragraph.split())
        if not folded:
            continue
        if pieces:
            folded = separator(pieces[-1], folded) + folded
        start = 0
        for boundary in _BOUNDARY.finditer(folded):
            end = boundary.end() - (len(boundary.group()) - len(boundary.group().rstrip()))
            pieces += cut_long(folded[start:end])
            start = end
        pieces += cut_long(folded[start:]) if start < len(folded) else []
    return pieces


def cut_long(piece: str, most: int = LONGEST_PIECE) -> list[str]:
    """The parts of a piece, each of at most so many characters, cut at clause marks, else between words, else between graphemes."""
    parts = []
    while len(piece) > most:
        at = next((cut for kind in (_CLAUSE, _WORD) if (cut := _last(kind, piece, most)) is not None), None)
        at = at or _last_grapheme(piece, most)
        parts.append(piece[:at])
        piece = piece[at:]
    return [*parts, piece]


def cuts(piece: str) -> list[int]:
    """Every place where a piece may be cut, in order: between its graphemes (never before the first, nor after a lone separator)."""
    ends = [match.end() for match in _GRAPHEME.finditer(piece)]
    return [end for end in ends[:-1] if piece[:end].strip()]


def word_cuts(piece: str) -> list[int]:
    """The places between words, in order."""
    return [match.start() for match in _WORD.finditer(piece) if piece[: match.start()].strip()]


def separator(before: str, after: str) -> str:
    """What stands between two texts: nothing beside scripts that put no space between sentences, else a space."""
    last, first = before.rstrip()[-1:], after.lstrip()[:1]
    return "" if not last or not first or _NO_SPACES.match(last) or _NO_SPACES.match(first) else " "


def _last(kind: regex.Pattern, piece: str, most: int) -> int | None:
    """The last boundary of a kind in the second half of the first `most` characters."""
    found = [match.start() for match in kind.finditer(piece, most // 2, most)]
    return found[-1] if found else None


def _last_grapheme(piece: str, most: int) -> int:
    end = 0
    for match in _GRAPHEME.finditer(piece[: most + 50]):
        if match.end() > most and end:
            break
        end = match.end()
    return end
