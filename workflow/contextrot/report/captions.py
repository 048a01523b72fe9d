"""What the report says beside each figure and table."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot import tasks
from contextrot.records import SCORED_OUTCOMES
from contextrot.report.summary import note_of

if TYPE_CHECKING:
    from contextrot.project import Project


class Facts(dict[str, Any]):
    """What a caption says; as a parameter of a rule only what stands in the figure itself counts, so that no rewording of a
    caption draws a figure again, and the report's list of parameters stays short."""

    def __repr__(self) -> str:
        return " — ".join(self[name] for name in ("model", "experiment", "note") if self[name])


def experiment_facts(project: Project, tier: str, model: str, experiment: str, shows: Mapping[str, str]) -> Facts:
    """What is known from the config about an experiment's results.

    Args:
        shows: name of each figure or table -> what it shows.
    """
    settings = project.models[model]
    doc = inspect.getdoc(project.task_class(experiment)) or ""
    return Facts(
        {
            "shows": dict(shows),
            "model": project.title(model),
            "experiment": project.title(experiment),
            "question": doc.split("\n\n")[0].replace("\n", " "),
            "tier": f"{tier} ({project.settings.tiers[tier]})",
            "engine": f"{settings.engine}, {Path(settings.name).name if settings.name.startswith('/') else settings.name}",
            "judge": ", ".join(project.judges_of(experiment)) or "none: the task scores by itself",
            "note": note_of(project, model),
        }
    )


def figure_facts(project: Project, tier: str, model: str, experiment: str, figures: Sequence[str]) -> Facts:
    """As `experiment_facts`; what a figure shows is the first paragraph of its function's documentation."""
    declared = tasks.figures(project.experiments[experiment].task)
    shows = {name: declared[name].shows for name in figures}
    return experiment_facts(project, tier, model, experiment, shows)


def result_labels(name: str, folder: str | Path) -> dict[str, Any]:
    """The columns of the report's menu for one file: its name, the answers that count in it, and the day they were given.

    Read when the report is made, so that no figure is drawn again for it.

    Args:
        name: of the figure or table.
        folder: the experiment's folder.
    """
    labels: dict[str, Any] = {"result": name}
    scores = Path(folder) / "scores.parquet"
    if scores.exists():
        import pandas as pd

        labels["answers"] = int(pd.read_parquet(scores, columns=["outcome"])["outcome"].isin(SCORED_OUTCOMES).sum())
    responses = Path(folder) / "responses.parquet"
    newest = responses if responses.exists() else scores
    if newest.exists():
        labels["date"] = datetime.fromtimestamp(newest.stat().st_mtime, UTC).date().isoformat()
    return labels
