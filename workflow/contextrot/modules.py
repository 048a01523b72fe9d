"""Tasks, engines and judges are modules of a package, found by listing it."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from types import ModuleType

from contextrot.errors import unknown


@cache
def names(package: str) -> tuple[str, ...]:
    """Names of a package's modules, sorted."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(import_module(package).__path__)))


def load(package: str, kind: str, name: str) -> ModuleType:
    """The module `name` of a package.

    Raises:
        ConfigError: if there is none of that name.
    """
    if name not in names(package):
        raise unknown(kind, name, names(package), "the config")
    return import_module(f"{package}.{name}")
