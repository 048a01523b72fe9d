"""What a language gives to generated text: templates and the words that fill them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Wording:
    """Templates and words of one language.

    Attributes:
        titles: templates of headings.
        scenes: each the steps of a paragraph, in order; a step is a list of templates of one sentence, of which one is drawn.
        words: what may fill a field. A field keeps its word for the paragraph, but for those whose names begin with `any_`.
            Days and years are in order; `past_year` is taken from `any_year`.
        of_document: fields that keep their word for the whole document.
        first_names: with the pronouns that go with them, as fields.
        full_name: template of first and last name.
        between: what stands between two sentences.
    """

    titles: tuple[str, ...]
    scenes: tuple[tuple[tuple[str, ...], ...], ...]
    words: Mapping[str, tuple[str, ...]]
    of_document: tuple[str, ...]
    first_names: tuple[tuple[str, Mapping[str, str]], ...]
    last_names: tuple[str, ...]
    full_name: str
    between: str


def listed(text: str, separator: str = ",") -> tuple[str, ...]:
    """The words of a comma-separated list."""
    return tuple(word.strip() for word in text.split(separator) if word.strip())


def numbers(first: int, last: int) -> tuple[str, ...]:
    """Whole numbers as they are written."""
    return tuple(str(number) for number in range(first, last + 1))
