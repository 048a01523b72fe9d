"""Text corpora, cut once into documents and sentences: shipped folders, generated text, and any folder or file of the user's."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import numpy as np

from contextrot.errors import DataError
from contextrot.files import in_data_or_here, read_text
from contextrot.samples.filler import TOPICS, generated_documents
from contextrot.samples.sentences import cut_long, split_text

PROSE = (".txt", ".md", ".rst")
CODE = (".py", ".js", ".ts", ".java", ".c", ".h", ".cpp", ".hpp", ".cs", ".go", ".rs", ".rb", ".php", ".sh", ".r", ".sql", ".smk")
GENERATED_SENTENCES, GENERATED_SEED = 60_000, 1


def corpus_path(topic: str, data: Path) -> Path | None:
    """Folder or file of a topic, from the data folder or else the working folder; None for generated text."""
    return None if topic in TOPICS else in_data_or_here(topic, data)


def safe_name(topic: str) -> str:
    """The topic as it may stand in a sample's id."""
    return re.sub(r"[^\w.]+", "_", topic).strip("_.") or "text"


def document_paths(folder: Path) -> list[Path]:
    """The text files of a corpus, sorted by name so that the order is the same on every machine.

    Raises:
        DataError: if the folder is missing or holds no text.
    """
    if folder.is_file():
        return [folder]
    known = (*PROSE, *CODE)
    found = (path for path in folder.glob("**/*") if path.suffix.lower() in known and not _is_set_aside(path.relative_to(folder)))
    paths = sorted(filter(Path.is_file, found), key=str)
    if folder.is_dir():
        paths = [path for path in paths if path.name != "README.md"] or paths
    if not paths:
        what = "holds no text files" if folder.is_dir() else "does not exist"
        raise DataError(f"corpus {folder} {what} ({', '.join(known)} are read); name another `topic`.")
    return paths


def _is_set_aside(path: Path) -> bool:
    """Whether a file, or a folder above it, is hidden or holds others' code: .git, .venv, node_modules."""
    return any(part.startswith(".") or part in ("node_modules", "__pycache__") for part in path.parts)


def read_documents(folder: Path) -> list[list[str]]:
    """Documents of a corpus, each a list of its pieces (see `sentences.split_text`); source code is cut into lines that keep their line breaks.

    Raises:
        DataError: if the folder is missing or holds no text.
    """
    documents = []
    for path in document_paths(folder):
        text = read_text(path, "text")
        code = path.suffix.lower() in CODE
        documents.append(
            [part for line in text.rstrip("\n").split("\n") for part in cut_long("\n" + line)] if code else split_text(text)
        )
    found = [document for document in documents if any(sentence.strip() for sentence in document)]
    if not found:
        raise DataError(f"corpus {folder} holds no text: its files are empty; name another `topic`.")
    return found


def topic_documents(topic: str, data: Path) -> list[list[str]]:
    """Documents of a topic: generated ones, or those of its folder or file."""
    path = corpus_path(topic, data)
    return _generated(topic) if path is None else read_documents(path)


@lru_cache(maxsize=2)
def _generated(topic: str) -> list[list[str]]:
    """A million tokens or more of generated text, the same on every machine."""
    documents = generated_documents(np.random.default_rng(GENERATED_SEED), GENERATED_SENTENCES, TOPICS[topic])
    return [split_text(document) for document in documents]
