"""A hash of the code that a rule runs: what its script calls, and all that this reaches by static imports; nothing is listed by hand.

The library is read as parsed code, definition by definition: a function, a class, a constant. A definition reaches the names that it
uses, in its own module or in those that it imports from (lazily or not). Comments, docstrings and annotations of functions do not
count. Config does not either (`settings`): what a rule takes from it are its params. Plug-ins, which no import names, are given.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[1]
SCRIPTS = LIBRARY.parent / "scripts"
PACKAGE = "contextrot"
NOT_FOLLOWED = frozenset(
    f"{PACKAGE}.{name}" for name in ("settings", "project", "reporting", "responses.collect", "responses.kept_servers")
)
"""Config enters by params; how a model is asked and served stays behind its answers, which versions keep."""
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

Definition = tuple[str, str]
"""A module's dotted name and a name in it: `function`, `Class`, `Class.member`."""


def code_hash(script: str | None, *plugins: str) -> str:
    """The hash for one rule's params.

    Args:
        script: a file of workflow/scripts without its ending; None for the plug-ins alone.
        plugins: what the script reaches by name alone: `tasks.niah.task:NeedleInAHaystack.score` for members of a class (as inherited, with
            all that they use of it), `judging.judges.match:judge`, or `judging.judges.match` for a whole module.

    Raises:
        ValueError: if a name is not in the library.
    """
    digest = hashlib.sha256()
    for where, code in sorted(_reached(_roots(script, plugins)).items()):
        digest.update(f"{where}\0{code}\0".encode())
    return digest.hexdigest()[:16]


def reached_modules(script: str, *plugins: str) -> set[str]:
    """Names of the modules that `code_hash` would look at; for tests and for finding out why a job runs again."""
    return {where.partition(":")[0] for where in _reached(_roots(script, plugins))}


def _roots(script: str | None, plugins: Iterable[str]) -> list[Definition]:
    roots = list(_uses(_script(script), _script(script).tree)) if script else []
    for plugin in plugins:
        module, _, name = f"{PACKAGE}.{plugin}".partition(":")
        found = _module(module)
        if found is None:
            raise ValueError(f"no module of the library is named {module!r}")
        roots += [(module, name)] if name else [(module, name) for name in found.definitions]
    return roots


@dataclass
class _Module:
    """One parsed file."""

    name: str
    tree: ast.Module
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    effects: list[ast.stmt] = field(default_factory=list)


@cache
def _module(name: str) -> _Module | None:
    relative = Path(*name.split(".")[1:])
    for path in (LIBRARY / relative.with_suffix(".py") if relative.parts else None, LIBRARY / relative / "__init__.py"):
        if path is not None and path.is_file():
            return _parse(name, path)
    return None


@cache
def _script(name: str) -> _Module:
    path = SCRIPTS / f"{name}.py"
    if not path.is_file():
        raise ValueError(f"no script is named {name!r} in {SCRIPTS}")
    return _parse(f"scripts.{name}", path)


def _parse(name: str, path: Path) -> _Module:
    tree = _Stripped().visit(ast.parse(path.read_text(encoding="utf-8")))
    module = _Module(name, tree)
    for statement in tree.body:
        if isinstance(statement, (*_FUNCTIONS, ast.ClassDef)):
            module.definitions.setdefault(statement.name, []).append(statement)
        elif isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in (part for t in targets for part in (t.elts if isinstance(t, ast.Tuple) else [t])):
                module.definitions.setdefault(ast.unparse(target), []).append(statement)
        elif not isinstance(statement, (ast.Import, ast.ImportFrom)):
            module.effects.append(statement)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE and not node.level:
            for alias in node.names:
                whole = _module(f"{node.module}.{alias.name}") if _is_module(f"{node.module}.{alias.name}") else None
                module.imports[alias.asname or alias.name] = (whole.name, None) if whole else (node.module or "", alias.name)
    return module


def _is_module(name: str) -> bool:
    path = LIBRARY / Path(*name.split(".")[1:])
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


class _Stripped(ast.NodeTransformer):
    """Takes out docstrings, annotations of functions, and what is imported for type checkers alone."""

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
        node.returns = None
        return self._body(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self.visit_FunctionDef(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._body(node)

    def visit_Module(self, node: ast.Module) -> ast.AST:
        return self._body(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        return None if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING" else self.generic_visit(node)

    def _body(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module) -> ast.AST:
        super().generic_visit(node)
        node.body = [statement for statement in node.body if not _is_text(statement)]
        return node


def _is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a text alone: a docstring."""
    return (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)
    )


def _uses(module: _Module, tree: ast.AST) -> Iterator[Definition]:
    """The definitions of the library that a piece of a module's code names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in module.imports:
            target, name = module.imports[node.value.id]
            yield (target, node.attr) if name is None else (target, name)
        elif isinstance(node, ast.Name):
            if node.id in module.definitions:
                yield module.name, node.id
            elif node.id in module.imports:
                target, name = module.imports[node.id]
                if name is not None:
                    yield target, name


def _reached(roots: Iterable[Definition]) -> dict[str, str]:
    """`module:definition` -> its code, for all that the roots reach."""
    found: dict[str, str] = {}
    waiting = list(roots)
    seen: set[Definition] = set()
    while waiting:
        place = waiting.pop()
        module = _module(place[0])
        if place in seen or module is None or place[0] in NOT_FOLLOWED:
            continue
        seen.add(place)
        name = place[1]
        if name not in module.definitions and name in module.imports:
            target, attribute = module.imports[name]
            waiting += [(target, attribute)] if attribute else []
            continue
        statements, more = _statements(module, name)
        for statement in [*statements, *module.effects]:
            more += _uses(module, statement)
        waiting += more
        found[f"{place[0]}:{name}"] = "\n".join(map(ast.unparse, statements))
        if module.effects:
            found[f"{place[0]}:"] = "\n".join(map(ast.unparse, module.effects))
    return found


def _statements(module: _Module, name: str) -> tuple[list[ast.stmt], list[Definition]]:
    """The code of a definition, and what else of its class belongs to it."""
    if name in module.definitions:
        return module.definitions[name], []
    owner, _, member = name.partition(".")
    holder = next((d for d in module.definitions.get(owner, []) if isinstance(d, ast.ClassDef)), None)
    if holder is None or not member:
        raise ValueError(f"{module.name} defines no {name!r}")
    mine = [s for s in holder.body if member in _names_of(s)]
    if not mine:
        return [], [(place, f"{base}.{member}") for place, base in _bases(module, holder)]
    siblings = {
        node.attr
        for statement in mine
        for node in ast.walk(statement)
        if isinstance(node, ast.Attribute) and _is_self(node.value) and node.attr != member
    }
    inherited = [(place, f"{base}.{member}") for place, base in _bases(module, holder) if _calls_super(mine)]
    known = _members(module, holder)
    return mine, [(module.name, f"{owner}.{name}") for name in siblings & known] + inherited


def _bases(module: _Module, holder: ast.ClassDef) -> list[Definition]:
    """The classes of the library that a class derives from."""
    return [place for base in holder.bases for place in _uses(module, base) if place[0] not in NOT_FOLLOWED]


def _members(module: _Module, holder: ast.ClassDef) -> set[str]:
    """Names of a class's members, inherited ones included."""
    names = {name for statement in holder.body for name in _names_of(statement)}
    names |= {name.partition(".")[2] for name in module.definitions if name.startswith(f"{holder.name}.")}
    for place, base in _bases(module, holder):
        above = _module(place)
        if above is not None:
            names |= {n for d in above.definitions.get(base, []) if isinstance(d, ast.ClassDef) for n in _members(above, d)}
    return names


def _names_of(statement: ast.stmt) -> list[str]:
    if isinstance(statement, (*_FUNCTIONS, ast.ClassDef)):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _is_self(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in ("type", "super")
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def _calls_super(statements: list[ast.stmt]) -> bool:
    return any(isinstance(n, ast.Name) and n.id == "super" for statement in statements for n in ast.walk(statement))
