"""Judges decide whether an answer is right. One module here is one kind of judge; see judging.contract."""

from __future__ import annotations

from contextrot import plugins
from contextrot.judging.contract import Judge


def names() -> tuple[str, ...]:
    """Kinds of judges."""
    return plugins.names(__name__, "JUDGE")


def load(name: str) -> Judge:
    """What a kind of judge says it is.

    Raises:
        ConfigError: if there is no such kind.
    """
    return plugins.load(__name__, "JUDGE", "kind of judge", name)
