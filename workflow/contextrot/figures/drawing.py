"""Draws one figure of one experiment from its files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from contextrot.errors import unknown
from contextrot.figures import FigureContext
from contextrot.figures.style import save
from contextrot.summary import note_of

if TYPE_CHECKING:
    from contextrot.settings import Project


def draw_figure(project: Project, model: str, experiment: str, figure: str, folder: Path, output: Path) -> None:
    """Draws `figure` from the scores and metrics in `folder`, in the format of the output's ending.

    Raises:
        ConfigError: if the task has no figure of that name.
    """
    import pandas as pd

    task = project.task_class(experiment)
    if figure not in task.figures:
        raise unknown("figure", figure, task.figures, f"experiment {experiment!r}")
    context = FigureContext(
        scores=pd.read_parquet(folder / "scores.parquet"),
        metrics=pd.read_csv(folder / "metrics.csv", keep_default_na=True),
        folder=folder,
        model_title=project.title(model),
        experiment_title=project.title(experiment),
        note=note_of(project, model).split(":")[0],
    )
    save(task.figures[figure](context), output)
