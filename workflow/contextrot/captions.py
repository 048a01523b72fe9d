"""What the report says beside each figure and table."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot.summary import note_of

if TYPE_CHECKING:
    from contextrot.settings import Project


def experiment_facts(project: Project, tier: str, model: str, experiment: str) -> dict[str, str]:
    """What is known from the config about an experiment's results: titles, task, engine, judge, note."""
    settings = project.models[model]
    doc = inspect.getdoc(project.task_class(experiment)) or ""
    return {
        "model": project.title(model),
        "experiment": project.title(experiment),
        "question": doc.split("\n\n")[0].replace("\n", " "),
        "tier": f"{tier} ({project.settings.tiers[tier]})",
        "engine": f"{settings.engine}, {Path(settings.name).name if settings.name.startswith('/') else settings.name}",
        "judge": ", ".join(project.judges_of(experiment)) or "none: the task scores by itself",
        "note": note_of(project, model),
    }


def figure_facts(project: Project, tier: str, model: str, experiment: str, figure: str) -> dict[str, str]:
    """As `experiment_facts`, with what the figure shows: the first paragraph of its function's documentation."""
    doc = inspect.getdoc(project.task_class(experiment).figures[figure]) or figure
    return experiment_facts(project, tier, model, experiment) | {"shows": doc.split("\n\n")[0].replace("\n", " ")}


def result_labels(name: str, folder: str | Path) -> dict[str, Any]:
    """The columns of the report's menu for one file: its name, the answers it rests on, and the day they were given.

    Read when the report is made, so that no figure is drawn again for it.

    Args:
        name: of the figure or table.
        folder: the experiment's folder.
    """
    labels: dict[str, Any] = {"result": name}
    scores = Path(folder) / "scores.parquet"
    if scores.exists():
        import pyarrow.parquet as pq

        labels["answers"] = pq.read_metadata(scores).num_rows
    responses = Path(folder) / "responses.parquet"
    newest = responses if responses.exists() else scores
    if newest.exists():
        labels["date"] = datetime.fromtimestamp(newest.stat().st_mtime, UTC).date().isoformat()
    return labels
