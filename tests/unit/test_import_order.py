"""The library's rooms import in one direction only, lazily or not; what is imported for type checkers alone does not count."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

LIBRARY = ROOT / "workflow" / "contextrot"
GROUND = "errors records settings plugins randomness secrets api_keys checked printable jobs files"
ORDER = f"{GROUND}, matching, task, samples, scores, figures, wire, engines, responses, tasks, judging hidden_states serving, project, plan, report"
LEVELS = {room: level for level, rooms in enumerate(ORDER.split(", ")) for room in rooms.split()}


def modules() -> dict[str, Path]:
    """Dotted names within the library -> files; what runs inside vLLM's own process is no part of it."""
    paths = [path for path in sorted(LIBRARY.rglob("*.py")) if "vllm_side" not in path.parts]
    names = [".".join(path.relative_to(LIBRARY).with_suffix("").parts).removesuffix("__init__").rstrip(".") for path in paths]
    return dict(zip(names, paths, strict=True))


def imports(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules of the library that a file imports anywhere but under `if TYPE_CHECKING:`."""
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == "contextrot":
            whole = [f"{node.module}.{alias.name}".removeprefix("contextrot.") for alias in node.names]
            yield from (name if name in known else name.rpartition(".")[0] for name in whole)
        elif isinstance(node, ast.Import):
            yield from (alias.name.removeprefix("contextrot.") for alias in node.names if alias.name.startswith("contextrot."))
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path} imports by dots, whose room is not seen"


def room(name: str) -> str:
    return name.split(".")[0]


def upward(name: str, path: Path, known: dict[str, Path]) -> set[tuple[str, str]]:
    """A module's imports from a higher room, or of one task by another."""

    def forbidden(imported: str) -> bool:
        tasks = [one.split(".")[1] for one in (name, imported) if one.startswith("tasks.")]
        return LEVELS[room(imported)] > LEVELS[room(name)] or len(set(tasks)) > 1

    return {(name, imported) for imported in imports(path, known) if imported and forbidden(imported)}


def test_nothing_is_imported_upward_and_no_task_imports_another():
    known = modules()
    found = [upward(name, path, known) for name, path in known.items() if name]
    assert set().union(*found) == set()


def test_an_upward_import_is_seen_also_in_a_function_but_not_one_for_types(tmp_path):
    known = modules()
    lazy = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from contextrot.report import status\ndef f():\n    {}\n"
    for code, seen in (
        ("from contextrot.project import Project", "project"),
        ("from contextrot import engines", "engines"),
        ("import contextrot.plan.code_hash", "plan.code_hash"),
        ("from contextrot.tasks.niah import needles", "tasks.niah.needles"),
    ):
        (tmp_path / "one.py").write_text(lazy.format(code))
        place = "tasks.longmemeval.data" if seen.startswith("tasks") else "scores.stats"
        assert upward(place, tmp_path / "one.py", known) == {(place, seen)}


def test_the_rooms_are_few_and_their_files_short():
    top = [path.name for path in LIBRARY.glob("*.py")]
    assert len(top) <= 12, f"{len(top)} modules at the top of the library: {', '.join(sorted(top))}"
    long = {str(path.relative_to(ROOT)): n for path in LIBRARY.rglob("*.py") if (n := len(path.read_text().splitlines())) > 350}
    assert not long, f"files of more than 350 lines: {long}"
