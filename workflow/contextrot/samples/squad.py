"""Question answering sets as their authors publish them: SQuAD's nested file, and HotpotQA's list, as plain rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contextrot.files import Row


def flattened(rows: Sequence[Row]) -> list[Row]:
    """One row for each question of SQuAD's nested form (data > paragraphs > qas); rows of another form as they are.

    Each has `title`, `context`, `question`, `answers` (texts), `id` and `is_impossible`.
    """
    if not rows or not all(isinstance(row.get("paragraphs"), list) for row in rows):
        return list(rows)
    found = []
    for article in rows:
        for paragraph in article["paragraphs"]:
            for asked in paragraph.get("qas", ()):
                values = {
                    "title": article.get("title"),
                    "context": paragraph.get("context"),
                    "question": asked.get("question"),
                    "answers": [answer.get("text") for answer in asked.get("answers", ())],
                    "id": asked.get("id"),
                    "is_impossible": bool(asked.get("is_impossible")),
                }
                found.append(Row(values, f"{article.where}, question {asked.get('id')}"))
    return found


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
