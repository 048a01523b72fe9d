"""Judges decide whether an answer is right. One module here is one kind of judge.

A judge module has one function, `judge(pairs, settings) -> list[Judgement]`.
"""

from __future__ import annotations

from contextrot import modules


def names() -> tuple[str, ...]:
    """Kinds of judges."""
    return modules.names(__name__)


def load(name: str):
    """The module of a kind of judge.

    Raises:
        ConfigError: if there is no such kind.
    """
    return modules.load(__name__, "kind of judge", name)
