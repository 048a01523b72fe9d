"""Draws figures of one experiment from its files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from contextrot.errors import unknown
from contextrot.figures import FigureContext
from contextrot.figures.style import save
from contextrot.report.summary import note_of
from contextrot.scores.score import on_target

if TYPE_CHECKING:
    from contextrot.project import Project


def draw_figures(project: Project, model: str, experiment: str, folder: Path, outputs: Sequence[str | Path]) -> None:
    """Draws from the scores and metrics in `folder` the figures that the outputs are named for, in the formats of their endings.

    Raises:
        ConfigError: if the task has no figure of that name.
    """
    import pandas as pd

    task = project.task_class(experiment)
    names = [Path(output).stem for output in outputs]
    for name in names:
        if name not in task.figures:
            raise unknown("figure", name, task.figures, f"experiment {experiment!r}")
    context = FigureContext(
        scores=on_target(pd.read_parquet(folder / "scores.parquet")),
        metrics=pd.read_csv(folder / "metrics.csv", keep_default_na=True),
        folder=folder,
        model_title=project.title(model),
        experiment_title=project.title(experiment),
        note=note_of(project, model).split(":")[0],
    )
    for name, output in zip(names, outputs, strict=True):
        save(task.figures[name](context), output)
