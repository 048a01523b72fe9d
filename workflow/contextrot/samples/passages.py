"""A passage of a question answering set as its authors publish it, as one text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TEXT_KEYS = ("text", "content", "page_content", "passage", "body", "paragraph_text", "passage_text")


def paragraph_of(passage: Any) -> str | None:
    """The text of one passage: a text, an object with `text` (or content, page_content, passage, body, MuSiQue's paragraph_text, MS MARCO's
    passage_text) and perhaps `title`, or HotpotQA's title and sentences, as a pair or an object; None if it is nothing of these.
    """
    if isinstance(passage, str):
        return passage
    if isinstance(passage, Mapping):
        texts = [passage[key] for key in TEXT_KEYS if isinstance(passage.get(key), str)]
        text = max(texts, key=bool, default=None)  # the first that is not empty
        return _under_title(passage.get("title"), _joined(passage.get("sentences")) if text is None else text)
    if isinstance(passage, list | tuple) and len(passage) == 2 and isinstance(passage[0], str):
        return _under_title(passage[0], _joined(passage[1]))
    return None


def _under_title(title: Any, text: str | None) -> str | None:
    return f"{title}\n{text}" if text is not None and title and isinstance(title, str) else text


def _joined(sentences: Any) -> str | None:
    """The text of a list of sentences; None if it holds anything else."""
    if not isinstance(sentences, list | tuple) or not all(isinstance(sentence, str) for sentence in sentences):
        return None
    return "".join(sentences)


def as_passages(value: Any) -> list[Any]:
    """A list of passages; of an object with a list for each of its keys (as the Hub has HotpotQA and MS MARCO), one passage for each place.

    Any other object is one passage.
    """
    if not isinstance(value, Mapping):
        return list(value)
    columns = [column for column in value.values() if isinstance(column, list | tuple)]
    if len(columns) < len(value) or len({len(column) for column in columns}) != 1 or not _lists_passages(value):
        return [value]
    return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]


def _lists_passages(value: Mapping[str, Any]) -> bool:
    """Whether the texts of an object of lists are a list, and not the sentences of one passage."""
    if any(key in value for key in TEXT_KEYS):
        return True
    return all(isinstance(sentences, list | tuple) for sentences in value.get("sentences", ["no list"]))
