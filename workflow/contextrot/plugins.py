"""Engines and judges are modules of a package, found by what they define; a helper beside them defines no such thing."""

from __future__ import annotations

import pkgutil
import re
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from contextrot.errors import unknown


@cache
def names(package: str, function: str) -> tuple[str, ...]:
    """Names of a package's modules (or packages) that define `function`, sorted; none of them is imported for it."""
    defines = re.compile(rf"^def {function}\(", re.MULTILINE)
    found = [one.name for one in pkgutil.iter_modules(import_module(package).__path__)]
    return tuple(sorted(name for name in found if defines.search(_source(f"{package}.{name}"))))


def _source(module: str) -> str:
    spec = find_spec(module)
    assert spec and spec.origin, module
    return Path(spec.origin).read_text(encoding="utf-8")


def load(package: str, function: str, kind: str, name: str) -> ModuleType:
    """The plug-in `name` of a package.

    Raises:
        ConfigError: if there is none of that name.
    """
    if name not in names(package, function):
        raise unknown(kind, name, names(package, function), "the config")
    return import_module(f"{package}.{name}")
