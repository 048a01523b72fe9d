"""Draws figures of one experiment from its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from contextrot.errors import unknown
from contextrot.figures import FigureContext
from contextrot.figures.style import save
from contextrot.scores.score import read_scores


def draw_figures(
    functions: Mapping[str, Callable[[FigureContext], Any]],
    scores: str | Path,
    metrics: str | Path,
    outputs: Sequence[str | Path],
    titles: Sequence[str],
) -> None:
    """Draws the figures that the outputs are named for, in the formats of their endings.

    Args:
        functions: what draws each figure of the task, by its name.
        scores, metrics: scores.parquet and metrics.csv; what else a figure is drawn from stands beside the scores.
        titles: of model and experiment, and what must be said of the model (empty if nothing).

    Raises:
        ConfigError: if the task has no figure of that name.
    """
    import pandas as pd

    names = [Path(output).stem for output in outputs]
    for name in names:
        if name not in functions:
            raise unknown("figure", name, functions, f"experiment {titles[1]!r}")
    table = pd.read_csv(metrics, keep_default_na=True)
    context = titled(titles, read_scores(scores), table, Path(scores).parent)
    for name, output in zip(names, outputs, strict=True):
        save(functions[name](context), output)


def titled(titles: Sequence[str], scores: Any, metrics: Any, folder: Path) -> FigureContext:
    """A context with titles of model and experiment, and of what must be said of the model what stands before its colon."""
    model, experiment, note = titles
    return FigureContext(scores, metrics, folder, model, experiment, note.split(":")[0])
