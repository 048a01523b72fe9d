"""Which figures a task has: the `draw_*` functions of its figures.py, read without importing it (nor what it draws with).

`def draw_heatmap(context)` is the figure `heatmap`; the first paragraph of its docstring is what the report says beneath it. What a
figure needs beside scores and metrics stands in the module's `NEEDS`, by the figure's name.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PREFIX = "draw_"
WEIGHTS = "weights"
JUDGE = "judge"
OF_LAYERS = ("cosines.parquet", "likelihoods.parquet")
"""Files that there are for models whose weights are here alone."""


@dataclass(frozen=True)
class Figure:
    """One figure of a task.

    Attributes:
        name: of its file and its short target.
        shows: what it shows, a sentence or two.
        needs: each `weights` (a model that runs here), `judge` (of whatever kind), a file of the experiment's folder, or the name of an
            attribute of the task that is true, or names such files.
    """

    name: str
    shows: str
    needs: tuple[str, ...] = ()

    def files(self, task: Any) -> list[str] | None:
        """Files of the experiment's folder that it is drawn from beside scores and metrics; None if the task has nothing to draw."""
        files = []
        for need in self.needs:
            if "." in need:
                files.append(need)
            elif need not in (WEIGHTS, JUDGE):
                said = getattr(task, need)
                if not said:
                    return None
                files += said if isinstance(said, list) else []
        return files

    def drawn(self, task: Any, weights: bool, judged: bool) -> bool:
        """Whether there is something to draw.

        Args:
            task: with its parameters.
            weights: whether the model's weights are here.
            judged: whether the experiment has a judge.
        """
        files = self.files(task)
        if files is None or (JUDGE in self.needs and not judged):
            return False
        return weights or not (WEIGHTS in self.needs or set(OF_LAYERS) & set(files))


def figures_in(path: Path) -> dict[str, Figure]:
    """Figures that a module draws, by name in the order of their functions; none if there is no such file.

    Raises:
        ValueError: if `NEEDS` names a figure that is not drawn.
    """
    body = ast.parse(path.read_text(encoding="utf-8")).body if path.is_file() else []
    drawn = {
        node.name.removeprefix(PREFIX): node
        for node in body
        if isinstance(node, ast.FunctionDef) and node.name.startswith(PREFIX)
    }
    needs = next((ast.literal_eval(node.value) for node in body if isinstance(node, ast.Assign) and _name(node) == "NEEDS"), {})
    if strange := sorted(set(needs) - set(drawn)):
        raise ValueError(f"{path}: NEEDS names {strange[0]!r}, but there is no function {PREFIX}{strange[0]}.")
    return {name: Figure(name, _shows(node) or name, tuple(needs.get(name, ()))) for name, node in drawn.items()}


def _name(assignment: ast.Assign) -> str:
    return ast.unparse(assignment.targets[0])


def _shows(function: ast.FunctionDef) -> str:
    return (ast.get_docstring(function) or "").split("\n\n")[0].replace("\n", " ")
