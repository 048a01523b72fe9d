"""A passage of a question answering set as its authors publish it, as one text."""

from __future__ import annotations

from typing import Any


def paragraph_of(passage: Any) -> str | None:
    """The text of one passage: a text, an object with `text` (or content, page_content, passage, body) and perhaps `title`, or
    HotpotQA's [title, [sentences]]; None if it is nothing of these.
    """
    if isinstance(passage, str):
        return passage
    if isinstance(passage, dict):
        text = next((passage[key] for key in ("text", "content", "page_content", "passage", "body") if passage.get(key)), None)
        if not isinstance(text, str):
            return None
        return f"{passage['title']}\n{text}" if isinstance(passage.get("title"), str) and passage["title"] else text
    if isinstance(passage, list | tuple) and len(passage) == 2 and isinstance(passage[0], str) and isinstance(passage[1], list):
        return f"{passage[0]}\n{''.join(map(str, passage[1]))}"
    return None
