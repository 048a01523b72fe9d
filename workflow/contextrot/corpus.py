"""Text corpora, cut once into documents and sentences."""

from __future__ import annotations

import re
from pathlib import Path

from contextrot.errors import DataError

_BOUNDARY = re.compile(r"(?<=[.!?])(?<!\bMr\.)(?<!\bMrs\.)(?<!\bDr\.)(?<!\bSt\.)[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9])")


def document_paths(folder: Path) -> list[Path]:
    """The text files of a corpus, sorted by name so that the order is the same on every machine.

    Raises:
        DataError: if the folder is missing or holds no text.
    """
    paths = sorted(folder.glob("*.txt"), key=lambda path: path.name)
    if not paths:
        raise DataError(f"corpus folder {folder} holds no .txt files; restore it, or name another topic.")
    return paths


def read_documents(folder: Path) -> list[list[str]]:
    """Documents of a corpus, each a list of its sentences.

    Raises:
        DataError: if the folder is missing or holds no text.
    """
    return [split_sentences(path.read_text(encoding="utf-8")) for path in document_paths(folder)]


def split_sentences(text: str) -> list[str]:
    """Sentences of a text, white space folded; joined by one space they are the text again.

    A paragraph's end is a sentence's end too, so that a heading stays apart.
    """
    sentences = []
    for paragraph in re.split(r"\n\s*\n", text):
        folded, start = " ".join(paragraph.split()), 0
        for boundary in _BOUNDARY.finditer(folded):
            end = boundary.end() - (len(boundary.group()) - len(boundary.group().rstrip()))
            sentences.append(folded[start:end])
            start = boundary.end()
        if start < len(folded):
            sentences.append(folded[start:])
    return sentences
