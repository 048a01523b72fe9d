"""docs/architecture.md tells the way of one score as it is in the code."""

from __future__ import annotations

import ast
import re

import pytest

from tests.conftest import ROOT

LIBRARY = ROOT / "workflow" / "contextrot"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
WAY = re.findall(r"^\| `([\w/]+\.py)` \| `(\w+)` \|", PAGE, re.MULTILINE)


def names(file: str) -> tuple[set[str], set[str]]:
    """What a file of the library defines, and what it names."""
    nodes = list(ast.walk(ast.parse((LIBRARY / file).read_text(encoding="utf-8"))))
    defined = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    used = {node.id for node in nodes if isinstance(node, ast.Name)} | {
        node.attr for node in nodes if isinstance(node, ast.Attribute)
    }
    return defined, used


def test_the_way_of_one_score_is_at_most_twelve_files():
    assert len(WAY) >= 8
    assert len({file for file, _ in WAY}) <= 12


@pytest.mark.parametrize(("file", "function"), WAY)
def test_each_step_is_there(file, function):
    assert function in names(file)[0]


def test_each_step_is_called_by_an_earlier_one_or_by_a_rules_script():
    scripts = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "workflow" / "scripts").glob("*.py"))
    for place, (file, function) in enumerate(WAY):
        earlier = {known for before, _ in [*WAY[:place], (file, "")] for known in names(before)[1]}
        assert function in earlier or f"{function}(" in scripts, f"nothing calls {function} of {file}"


def test_every_room_stands_in_the_drawing():
    rooms = {path.name for path in LIBRARY.iterdir() if path.is_dir() and path.name != "__pycache__"}
    missing = {room for room in rooms if not re.search(rf"\b{room}\b", PAGE)}
    assert not missing
