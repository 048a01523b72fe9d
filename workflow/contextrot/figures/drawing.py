"""Draws figures of one experiment from its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from contextrot.errors import unknown
from contextrot.figures import FigureContext
from contextrot.figures.style import save
from contextrot.scores.score import on_target


def draw_figures(
    functions: Mapping[str, Callable[[FigureContext], Any]],
    scores: str | Path,
    metrics: str | Path,
    outputs: Sequence[str | Path],
    titles: Mapping[str, str],
) -> None:
    """Draws the figures that the outputs are named for, in the formats of their endings.

    Args:
        functions: what draws each figure of the task, by its name.
        scores, metrics: scores.parquet and metrics.csv; what else a figure is drawn from stands beside the scores.
        titles: `model` and `experiment` for people, and `note`, what must be said of the model; see FigureContext.

    Raises:
        ConfigError: if the task has no figure of that name.
    """
    import pandas as pd

    names = [Path(output).stem for output in outputs]
    for name in names:
        if name not in functions:
            raise unknown("figure", name, functions, f"experiment {titles['experiment']!r}")
    table = pd.read_csv(metrics, keep_default_na=True)
    context = titled(titles, on_target(pd.read_parquet(scores)), table, Path(scores).parent)
    for name, output in zip(names, outputs, strict=True):
        save(functions[name](context), output)


def titled(titles: Mapping[str, str], scores: Any, metrics: Any, folder: Path) -> FigureContext:
    """A context with a model's and an experiment's titles, and of the model's note what stands before its colon."""
    return FigureContext(scores, metrics, folder, titles["model"], titles["experiment"], titles["note"].split(":")[0])
