"""Judges decide whether an answer is right. One module here is one kind of judge.

A judge module has one function, `judge(pairs, settings) -> list[Judgement]`.
"""

from __future__ import annotations

from contextrot import plugins


def names() -> tuple[str, ...]:
    """Kinds of judges."""
    return plugins.names(__name__, "judge")


def load(name: str):
    """The module of a kind of judge.

    Raises:
        ConfigError: if there is no such kind.
    """
    return plugins.load(__name__, "judge", "kind of judge", name)
