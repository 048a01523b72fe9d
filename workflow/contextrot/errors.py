"""Exceptions that carry one message for a person.

ContextRotError
├── ConfigError      a setting is wrong: what, its value, what is allowed
├── DataError        an input file is missing or not in its format
├── EngineError      a server could not be started, or stopped by itself
├── RequestError     requests that no retry can mend (key, model name, budget), or rows that failed after all retries
└── StoreError       a result or the request store could not be written
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ContextRotError(Exception):
    """Base of all errors whose message is written for the user; shown without a traceback."""


class ConfigError(ContextRotError):
    """A setting is wrong."""


class DataError(ContextRotError):
    """An input file is missing or not in its format."""


class EngineError(ContextRotError):
    """A server could not be started, or stopped by itself."""


class RequestError(ContextRotError):
    """Requests failed in a way that no retry can mend."""


class StoreError(ContextRotError):
    """A result or the request store could not be written."""


def unknown(kind: str, name: str, known: Iterable[str], where: str) -> ConfigError:
    """The error for a name that is not among the known ones, with the nearest of them.

    Args:
        kind: what was named, such as "model".
        name: the name as given.
        known: all names that would have been accepted.
        where: the file or option to mend.
    """
    known = sorted(" ".join(str(name).split()) for name in known)
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return ConfigError(f"unknown {kind} {name!r} in {where}.{hint} Known: {', '.join(known) or 'none'}.")
