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
        text = next((passage[key] for key in TEXT_KEYS if passage.get(key)), None)
        if text is None and isinstance(passage.get("sentences"), list | tuple):
            text = "".join(map(str, passage["sentences"]))
        if not isinstance(text, str):
            return None
        return f"{passage['title']}\n{text}" if isinstance(passage.get("title"), str) and passage["title"] else text
    if isinstance(passage, list | tuple) and len(passage) == 2 and isinstance(passage[0], str) and isinstance(passage[1], list):
        return f"{passage[0]}\n{''.join(map(str, passage[1]))}"
    return None


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
