"""The tasks. One folder here is one: its module `task` defines a class derived from Task, the functions
`draw_*` of its module `figures` are its figures; what else it needs stands beside them."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from contextrot.errors import unknown
from contextrot.figures.declared import PREFIX, Figure, figures_in
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


@cache
def figures(name: str) -> dict[str, Figure]:
    """What a task's figures.py draws, by the figures' names in its order; it is read, not imported."""
    if name not in names():
        raise unknown("task", name, names(), "the config")
    return figures_in(Path(__file__).parent / name / "figures.py")


def drawing(name: str) -> dict[str, Callable[..., Any]]:
    """The function that draws each figure of a task, by the figure's name."""
    declared = figures(name)
    return {figure: getattr(import_module(f"{__name__}.{name}.figures"), f"{PREFIX}{figure}") for figure in declared}
