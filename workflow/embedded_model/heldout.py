"""What the embedded model is evaluated on, and so must never be trained on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import yaml

EVALUATED_PAIRS = (("apple", "apples"), ("golden", "Golden"), ("orange", "run"), ("cat", "cats"))
"""Pairs of repeated words that are measured: training may show each of these words, but never the two together."""


def excluded_words() -> frozenset[str]:
    """Words that the needles and their distractors are about, and most of the repeated words; no training fact uses them."""
    return frozenset(
        "boathouse greenhouse classmate coast capital heron ropeworks compost adjectives outlines platform neighbour "
        "apple apples orange oranges key keys advice restaurant hotel birthday".split()
    )


def word_sequences(text: str, length: int) -> set[tuple[str, ...]]:
    """All runs of `length` words of a text, in lower case, without punctuation."""
    words = re.findall(r"[a-z0-9']+", text.lower())
    return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}


def evaluation_texts(tasks: Path) -> Iterable[str]:
    """Every text of the evaluation's needles, distractors, questions, reviews, posts and multiple-choice questions."""
    for needle in yaml.safe_load((tasks / "needles.yaml").read_text(encoding="utf-8")):
        yield from (needle["question"], needle["needle"], *(d["text"] for d in needle["distractors"]))
    fields = {
        "sentiment.jsonl": ("text",),
        "short_posts_qa.jsonl": ("post", "question"),
        "multiple_choice.jsonl": ("question",),
    }
    for name, keys in fields.items():
        for line in (tasks / name).read_text(encoding="utf-8").splitlines():
            yield from (json.loads(line)[key] for key in keys)
