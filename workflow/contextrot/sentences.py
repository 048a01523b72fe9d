"""Text cut into sentences, clauses and words by Unicode's rules (UAX 29), for scripts with and without spaces."""

from __future__ import annotations

import regex

_ABBREVIATIONS = r"(?<!\bMr\.)(?<!\bMrs\.)(?<!\bDr\.)(?<!\bSt\.)"
_BOUNDARY = regex.compile(
    rf"(?<=[.!?…]){_ABBREVIATIONS}[\"')\]»”’]*\s+(?=[\"'(\[«“‘¿¡]?[\p{{Lu}}\p{{Lo}}\p{{Nd}}])"  # needs a space and a capital
    r"|[。！？｡][」』”’）】]*\s*"  # full-width marks need neither
    r"|(?<=[।॥؟۔።])[\"')\]»”’]*\s+"
)
_CLAUSE = regex.compile(r"(?<=[,;:，、；：،؛—])\s*|\n")
_WORD = regex.compile(r"(?=\s)(?<=\S)")
_SPACELESS = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\u3000-\u303f\uff00-\uffef]")
_FOLDED_AWAY = regex.compile(
    r"(?<=[\p{Han}\p{Hiragana}\p{Katakana}\u3000-\u303f\uff00-\uffef])[ \n]+(?=[\p{Han}\p{Hiragana}\p{Katakana}])"
)


def with_separator(sentence: str, before: str = "") -> str:
    """The sentence with the space before it that its script asks for; white space of its own stays.

    Args:
        before: what it follows; after a script without spaces there is none.
    """
    if not sentence or sentence[0].isspace() or _SPACELESS.match(sentence) or (before and _SPACELESS.match(before[-1])):
        return sentence
    return " " + sentence


def split_sentences(text: str) -> list[str]:
    """Sentences of a text, white space folded; joined by what their script puts between them they are the text again.

    A paragraph's end is a sentence's end too, so that a heading stays apart.
    """
    sentences = []
    for paragraph in regex.split(r"\n\s*\n", text):
        folded, start = _FOLDED_AWAY.sub("", " ".join(paragraph.split())), 0
        for boundary in _BOUNDARY.finditer(folded):
            end = boundary.start() + len(boundary.group().rstrip())
            if end > start:
                sentences.append(folded[start:end])
            start = boundary.end()
        if start < len(folded):
            sentences.append(folded[start:])
    return sentences


def clause_boundaries(text: str) -> list[int]:
    """Offsets inside the text at which a clause begins, its white space included."""
    return [m.start() for m in _CLAUSE.finditer(text) if 0 < m.start() < len(text)]


def word_boundaries(text: str) -> list[int]:
    """Offsets inside the text at which a word begins, with the space before it; in scripts without spaces every character."""
    found = {m.start() for m in _WORD.finditer(text)}
    found |= {m.start() for m in _SPACELESS.finditer(text)}
    return sorted(offset for offset in found if 0 < offset < len(text))


def character_boundaries(text: str) -> list[int]:
    """Offsets inside the text between characters as people see them, so that no combining mark loses its letter."""
    return [m.start() for m in regex.finditer(r"\X", text)][1:]
