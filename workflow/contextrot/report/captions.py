"""What the report says beside each figure and table."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot import tasks
from contextrot.errors import unknown
from contextrot.figures.repeated_text import COLUMNS, repeated_text
from contextrot.plan.paths import EXPERIMENT
from contextrot.records import SCORED_OUTCOMES
from contextrot.scores.score import read_scores

if TYPE_CHECKING:
    from contextrot.plan.runs import Run


@dataclass(frozen=True)
class Facts:
    """What a caption says about an experiment's results.

    As a parameter of a rule it makes no job run again, for Snakemake compares only parameters of built-in types; what stands in a
    figure itself is a parameter of its own, `titles`.

    Attributes:
        model, experiment, tier, engine, judge: as a person calls them.
        question: what the experiment asks.
        note: what must be said beside every number, such as that it is simulated; "" if there is nothing.
        shows: name of each figure or table -> what it shows.
        scores: scores.parquet, looked at when the report is made.
    """

    model: str
    experiment: str
    question: str
    tier: str
    engine: str
    judge: str
    note: str
    shows: Mapping[str, str]
    scores: str = ""

    @property
    def repeated_text(self) -> str:
        """Whether the haystacks' own text repeats, in words; empty if not, or before there are scores."""
        return repeated_text(read_scores(self.scores, COLUMNS)) if self.scores and Path(self.scores).exists() else ""


def facts_of(run: Run, shows: Mapping[str, str]) -> Facts:
    """What is known from the config about an experiment's results.

    Args:
        shows: name of each figure or table -> what it shows.
    """
    settings, doc = run.settings, inspect.getdoc(type(run.task)) or ""
    return Facts(
        shows=dict(shows),
        model=run.model_title,
        experiment=run.experiment_title,
        question=doc.split("\n\n")[0].replace("\n", " "),
        tier=f"{run.tier} ({run.tier_description})",
        engine=f"{settings.engine}, {Path(settings.name).name if settings.name.startswith('/') else settings.name}",
        judge=", ".join(run.judges) or "none: the task scores by itself",
        note=run.note,
        scores=str(run.folder / "scores.parquet"),
    )


def figure_facts(run: Run, figures: Sequence[str]) -> Facts:
    """As `facts_of`; what a figure shows is the first paragraph of its function's documentation.

    Raises:
        ConfigError: if the task draws no such figure.
    """
    declared = tasks.figures(run.task_name)
    for name in figures:
        if name not in declared:
            raise unknown("figure", name, declared, f"experiment {run.experiment!r}")
    return facts_of(run, {name: declared[name].shows for name in figures})


class Captions:
    """What rules ask for: functions of a job's wildcards.

    Args:
        run_of: gives what config says of a tier, model and experiment.
    """

    def __init__(self, run_of: Callable[[str, str, str], Run]) -> None:
        self._run_of = run_of

    def _run(self, wildcards: Any) -> Run:
        return self._run_of(wildcards.tier, wildcards.model, wildcards.experiment)

    def titles(self, wildcards: Any) -> list[str]:
        """What stands in figures and pages: titles of model and experiment, and what must be said of the model."""
        return self._run(wildcards).titles

    def labels(self, result: str) -> Callable[[Any], dict[str, Any]]:
        """A result's columns in the report's menu; the result may be named by wildcards."""
        return lambda wildcards: result_labels(result.format(**wildcards), EXPERIMENT.format(**wildcards))

    def figures(self, figures: Sequence[str]) -> Callable[[Any], Facts]:
        """What the captions of some figures say."""
        return lambda wildcards: figure_facts(self._run(wildcards), figures)

    def figure(self, wildcards: Any) -> Facts:
        """What the caption of the job's figure says."""
        return figure_facts(self._run(wildcards), [wildcards.figure])

    def tables(self, shows: Mapping[str, str]) -> Callable[[Any], Facts]:
        """What the captions of an experiment's tables say."""
        return lambda wildcards: facts_of(self._run(wildcards), shows)


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
        labels["answers"] = int(read_scores(scores, ["outcome"])["outcome"].isin(SCORED_OUTCOMES).sum())
    responses = Path(folder) / "responses.parquet"
    newest = responses if responses.exists() else scores
    if newest.exists():
        labels["date"] = datetime.fromtimestamp(newest.stat().st_mtime, UTC).date().isoformat()
    return labels
