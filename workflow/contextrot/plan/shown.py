"""What a tier's trust table and page show: each selected model's experiments, with their files and titles."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot.plan.stage import Stage, cached_hash

if TYPE_CHECKING:
    from contextrot.project import Project
    from contextrot.task import Task


@dataclass(frozen=True)
class ShownExperiment:
    """One model's experiment.

    Attributes:
        model, experiment: names in config.
        model_title, experiment_title: display names.
        question: what the experiment asks, one paragraph.
        note: what must be said beside it ("SIMULATED: ..."), else empty.
        hosted: whether a provider bills its requests.
        judges: names of its judges, that of the score first.
        task: the task with its parameters.
        data: the project's data folder.
        files: name of each file that is there (`scores.parquet`) -> its path.
        judgements: paths of the judgements, in the order of `judges`.
    """

    model: str
    experiment: str
    model_title: str
    experiment_title: str
    question: str
    note: str
    hosted: bool
    judges: list[str]
    task: Task
    data: Path
    files: dict[str, Path]
    judgements: list[Path] = field(default_factory=list)


def experiments_shown(project: Project, tier: str, paths: Iterable[str | Path]) -> list[ShownExperiment]:
    """Every selected model and experiment whose scores are among the paths.

    Args:
        paths: files `.../{model}/{experiment}/{name}` and `.../{model}/{experiment}/judgements/{judge}.parquet`.
    """
    files: dict[tuple[str, str], dict[str, Path]] = {}
    judgements: dict[tuple[str, str], dict[str, Path]] = {}
    for path in map(Path, paths):
        if path.parent.name == "judgements":
            folder = path.parents[1]
            judgements.setdefault((folder.parent.name, folder.name), {})[path.stem] = path
        elif len(path.parts) > 2:
            files.setdefault((path.parents[1].name, path.parent.name), {})[path.name] = path
    shown = []
    for experiment in project.selected_experiments:
        for model in project.selected_models:
            found = files.get((model, experiment), {})
            if "scores.parquet" not in found:
                continue
            judges = project.judges_of(experiment)
            question = inspect.getdoc(project.task_class(experiment)) or ""
            shown.append(
                ShownExperiment(
                    model,
                    experiment,
                    project.title(model),
                    project.title(experiment),
                    question.split("\n\n")[0].replace("\n", " "),
                    project.note(model),
                    project.models[model].hosted,
                    judges,
                    project.task(tier, model, experiment),
                    project.data,
                    found,
                    [by_judge[judge] for judge in judges if judge in (by_judge := judgements.get((model, experiment), {}))],
                )
            )
    return shown


class Shown(Stage):
    """metrics, scores, samples, responses, judgements/ of a tier -> trust.csv, trust.png, index.html."""

    def judgements(self, wildcards: Any) -> list[str]:
        """The judgements of every selected model and experiment."""
        judged = [
            (judge, experiment)
            for experiment in self.project.selected_experiments
            for judge in self.project.judges_of(experiment)
        ]
        return [
            f"results/{wildcards.tier}/{model}/{experiment}/judgements/{judge}.parquet"
            for model in self.project.selected_models
            for judge, experiment in judged
        ]

    def templates(self) -> list[Any]:
        """What the page is made with."""
        return self.here(self.project.root / "workflow/report" / f"page.{ending}" for ending in ("html.jinja2", "css", "js"))

    def code(self, script: str) -> str:
        """Hash of a script's code, with what it reaches of the tasks by name alone."""
        kinds = {self.project.task_class(experiment) for experiment in self.project.selected_experiments}
        members = sorted(
            f"{kind.__module__.removeprefix('contextrot.')}:{kind.__name__}.{member}"
            for kind in kinds
            for member in ("passages", "groupings", "length_column")
        )
        return cached_hash(script, *members)

    def limits(self) -> str:
        """The limits that are asked for, as JSON."""
        return self.project.settings.trust.model_dump_json()

    def facts(self) -> dict[str, str]:
        """What the figure of several models says in its band: the first words of their notes, with the names of those it is true of."""
        named: dict[str, list[str]] = {}
        for model in self.project.selected_models:
            if note := self.project.note(model):
                named.setdefault(note.split(":")[0], []).append(self.project.title(model))
        every = len(self.project.selected_models)
        parts = (note if len(models) == every else f"{note}: {', '.join(models)}" for note, models in named.items())
        return {"note": "; ".join(parts)}
