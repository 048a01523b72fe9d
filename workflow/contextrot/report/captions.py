"""What the report says beside each figure and table."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot.records import SCORED_OUTCOMES
from contextrot.report.summary import note_of

if TYPE_CHECKING:
    from contextrot.project import Project


@dataclass(frozen=True)
class Facts:
    """What a caption says about an experiment's results.

    As a parameter of a rule it makes no job run again, for Snakemake compares only parameters of built-in types; what stands in a
    figure itself is a parameter of its own, `heading`.

    Attributes:
        model, experiment, tier, engine, judge: as a person calls them.
        question: what the experiment asks.
        note: what must be said beside every number, such as that it is simulated; "" if there is nothing.
        shows: name of each figure or table -> what it shows.
    """

    model: str
    experiment: str
    question: str
    tier: str
    engine: str
    judge: str
    note: str
    shows: Mapping[str, str]

    @property
    def heading(self) -> str:
        """What a figure says of itself."""
        return " — ".join(filter(None, (self.model, self.experiment, self.note)))


def experiment_facts(project: Project, tier: str, model: str, experiment: str, shows: Mapping[str, str]) -> Facts:
    """What is known from the config about an experiment's results.

    Args:
        shows: name of each figure or table -> what it shows.
    """
    settings = project.models[model]
    doc = inspect.getdoc(project.task_class(experiment)) or ""
    return Facts(
        shows=dict(shows),
        model=project.title(model),
        experiment=project.title(experiment),
        question=doc.split("\n\n")[0].replace("\n", " "),
        tier=f"{tier} ({project.settings.tiers[tier]})",
        engine=f"{settings.engine}, {Path(settings.name).name if settings.name.startswith('/') else settings.name}",
        judge=", ".join(project.judges_of(experiment)) or "none: the task scores by itself",
        note=note_of(project, model),
    )


def figure_facts(project: Project, tier: str, model: str, experiment: str, figures: Sequence[str]) -> Facts:
    """As `experiment_facts`; what a figure shows is the first paragraph of its function's documentation."""
    functions = project.task_class(experiment).figures
    shows = {name: (inspect.getdoc(functions[name]) or name).split("\n\n")[0].replace("\n", " ") for name in figures}
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
