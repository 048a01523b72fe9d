"""Engines and judges are modules of a package, found by the one object in which they say what they are; a helper beside them has none."""

from __future__ import annotations

import ast
import pkgutil
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from contextrot.errors import unknown


@cache
def names(package: str, declared: str) -> tuple[str, ...]:
    """Names of a package's modules (or packages) that assign `declared` at their top level, sorted; none of them is imported for it.

    Args:
        package: dotted name.
        declared: name of the object, such as `ENGINE`.
    """
    found = [one.name for one in pkgutil.iter_modules(import_module(package).__path__)]
    return tuple(sorted(name for name in found if declared in _assigned(f"{package}.{name}")))


def _assigned(module: str) -> set[str]:
    """Names that a module's top level assigns; what it imports from another is not its own."""
    spec = find_spec(module)
    statements = ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body if spec and spec.origin else []
    targets = [target for statement in statements if isinstance(statement, ast.Assign) for target in statement.targets]
    targets += [statement.target for statement in statements if isinstance(statement, ast.AnnAssign) and statement.value]
    return {target.id for target in targets if isinstance(target, ast.Name)}


@cache
def load(package: str, declared: str, kind: str, name: str) -> Any:
    """What the plug-in `name` of a package declares itself to be.

    Args:
        kind: what such a plug-in is called, in the error.

    Raises:
        ConfigError: if there is none of that name.
    """
    if name not in names(package, declared):
        raise unknown(kind, name, names(package, declared), "the config")
    return getattr(import_module(f"{package}.{name}"), declared)
