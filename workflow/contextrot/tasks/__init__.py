"""The tasks. One folder here is one: its module `task` defines a class derived from Task; what else it needs stands beside it."""

from __future__ import annotations

import inspect
import pkgutil
from functools import cache
from importlib import import_module

from contextrot.errors import unknown
from contextrot.task import Task


@cache
def names() -> tuple[str, ...]:
    """Names of all tasks."""
    return tuple(sorted(found.name for found in pkgutil.iter_modules(__path__) if found.ispkg))


@cache
def load(name: str) -> type[Task]:
    """The task of that name: the class derived from Task that its folder's module `task` defines.

    Raises:
        ConfigError: if there is no such folder.
    """
    if name not in names():
        raise unknown("task", name, names(), "the config")
    module = import_module(f"{__name__}.{name}.task")
    return next(
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Task) and kind.__module__ == module.__name__
    )
