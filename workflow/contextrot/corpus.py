"""Text corpora: the texts below a folder, or one file, cut once into documents and pieces."""

from __future__ import annotations

from pathlib import Path

from contextrot.errors import DataError
from contextrot.files import read_text
from contextrot.sentences import split_text

TEXT_SUFFIXES = frozenset(
    ".txt .md .markdown .rst .tex .org .adoc .html .py .pyi .js .jsx .ts .tsx .java .c .h .cc .cpp .hpp .cs .go .rs .rb .php .swift .kt "
    ".scala .r .jl .lua .pl .sh .sql .css .vue .toml .ini .cfg .smk".split()
)
"""Files of a folder that are read as text: prose, Markdown and source code."""
GENERATED = "generated"
"""The topic that names no folder: filler text that is generated (see `filler`)."""


def corpus_path(topic: str, data: Path) -> Path:
    """Where a topic's texts are: a folder of the data folder (`essays`), or a folder or file of the user's."""
    inside = data / topic
    return inside if inside.exists() else Path(topic).expanduser()


def document_paths(path: Path) -> list[Path]:
    """The texts of a corpus: the file itself, or the folder's text files (deep), sorted so that the order is the same on every machine.

    Raises:
        DataError: if there is no such folder or file, or it holds no text.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(
            f"topic {str(path)!r} is neither a folder of the data folder nor a folder or file here; name a topic such as essays, or "
            "the path of your texts (plain text, Markdown or source code)."
        )
    hidden = [p for p in path.rglob("*") if p.suffix.lower() in TEXT_SUFFIXES and p.is_file()]
    paths = sorted((p for p in hidden if not any(part.startswith(".") for part in p.relative_to(path).parts)), key=str)
    if not paths:
        raise DataError(f"folder {path} holds no text files ({', '.join(sorted(TEXT_SUFFIXES)[:8])}, ...); name another topic.")
    return paths


def read_documents(path: Path) -> list[list[str]]:
    """Documents of a corpus, each a list of its pieces (see `sentences.split_text`).

    Raises:
        DataError: if there is no such folder or file, or all of its texts are empty.
    """
    paths = document_paths(path)
    documents = [pieces for file in paths if (pieces := split_text(read_text(file, "text")))]
    if not documents:
        raise DataError(f"the texts of {path} are empty; name another topic.")
    return documents
