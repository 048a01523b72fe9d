"""The tasks. One folder here is one: its module `task` defines a class derived from Task, the functions
`draw_*` of its module `figures` are its figures; what else it needs stands beside them."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from contextrot.errors import ConfigError, unknown
from contextrot.figures.declared import PREFIX, Figure, figures_in
from contextrot.records import Response, Sample
from contextrot.samples.reading import Reading
from contextrot.task import Parameters, SampleContext, Task


@cache
def names() -> tuple[str, ...]:
    """Names of all tasks."""
    return tuple(sorted(found.name for found in pkgutil.iter_modules(__path__) if found.ispkg))


@cache
def load(name: str) -> type[Task]:
    """The task of that name: the class derived from Task that its folder's module `task` defines.

    Raises:
        ConfigError: if there is no such folder.
    """
    if name not in names():
        raise unknown("task", name, names(), "the config")
    module = import_module(f"{__name__}.{name}.task")
    return next(
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Task) and kind.__module__ == module.__name__
    )


@cache
def figures(name: str) -> dict[str, Figure]:
    """What a task's figures.py draws, by the figures' names in its order; it is read, not imported."""
    if name not in names():
        raise unknown("task", name, names(), "the config")
    return figures_in(Path(__file__).parent / name / "figures.py")


def drawing(name: str) -> dict[str, Callable[..., Any]]:
    """The function that draws each figure of a task, by the figure's name."""
    declared = figures(name)
    return {figure: getattr(import_module(f"{__name__}.{name}.figures"), f"{PREFIX}{figure}") for figure in declared}


def has_questions(name: Any) -> bool:
    """Whether it is a task with questions of its own, which others may borrow."""
    return name in names() and not issubclass(load(name), BorrowingTask)


class BorrowingParameters(Parameters):
    """Parameters of a task that asks another task's questions."""

    of: str = "niah"
    """The task whose questions are asked."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """That task's parameters."""

    @model_validator(mode="after")
    def _of_a_task_with_questions(self) -> Self:
        if not has_questions(self.of):
            raise ValueError(
                f"of = {self.of!r} is no task with questions of its own; one of {', '.join(filter(has_questions, names()))}"
            )
        try:
            load(self.of).Parameters.model_validate(self.parameters)
        except ValidationError as error:
            lines = [f"parameters.{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
            raise ValueError("; ".join(lines)) from error
        return self


class BorrowingTask(Task):
    """Base of tasks that ask another task's questions, which their parameters name, and score as it does."""

    def borrowed_samples(self, context: SampleContext) -> list[Sample]:
        """The other task's samples.

        Raises:
            ConfigError: if they are conversations, which the other task holds itself.
        """
        samples = self.inner.samples(context)
        if self.inner.criteria or any(sample.later_prompts for sample in samples):
            raise ConfigError(
                f"of = {self.parameters.of!r}: its samples are conversations or are rated; take a task that asks single questions, such as niah."
            )
        return samples

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters)
        kind = load(parameters.of)
        self.inner = kind(kind.Parameters.model_validate(parameters.parameters))
        self.version = 1000 * type(self).version + self.inner.version  # both make the samples
        self.length_column, self.cluster_column = self.inner.length_column, self.inner.cluster_column

    @classmethod
    def is_judged(cls, parameters: Mapping[str, Any]) -> bool:
        inner, of = parameters.get("parameters"), parameters.get("of", "niah")  # as in the file: not checked yet
        return not has_questions(of) or load(of).is_judged(inner if isinstance(inner, Mapping) else {})

    @property
    def borrowed(self) -> list[type[Task]]:
        return [type(self.inner)]

    def data_files(self, data: Path) -> list[Path]:
        return self.inner.data_files(data)

    def request_options(self, sample: Sample) -> dict[str, Any]:
        return self.inner.request_options(sample)

    def passages(self, sample: Sample, data: Path) -> list[tuple[str, str]]:
        return self.inner.passages(sample, data)

    def reading(self, sample: Sample, data: Path, passage_words: int) -> Reading | None:
        return self.inner.reading(sample, data, passage_words)

    def score_turn(
        self, sample: Sample, response: Response, verdicts: list[bool | None], earlier: list[Response]
    ) -> dict[str, Any]:
        return self.inner.score_turn(sample, response, verdicts, earlier)
