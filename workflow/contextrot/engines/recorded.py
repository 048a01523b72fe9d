"""Engine `recorded`: the answers of an earlier run, read from a file, so that they are judged and plotted as any others.

Nothing is served or asked. The task says where the answers are (`Task.recorded_answers`); a sample without one is `failed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from contextrot.engines import Engine
from contextrot.records import Response, Sample
from contextrot.settings import ModelSettings
from contextrot.task import Task
from contextrot.wire.thoughts import Thoughts


class Options(BaseModel):
    """This engine has no options."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


def answers(samples: Sequence[Sample], task: Task, model: ModelSettings, data: Path, usage: Any) -> dict[str, list[Response]]:
    """The recorded response of each sample, by its id, also of one that would not fit the window now.

    Args:
        data: the project's data folder, where the task says that the answers are.
        usage: a recorded answer uses nothing.

    Raises:
        ConfigError: if the task has no recorded answers.
        DataError: if their file is missing or not in its format.
    """
    recorded = task.recorded_answers(data)
    found, thoughts = {}, Thoughts.of(model)
    for sample in samples:
        name = sample.sample_id
        if name in recorded:
            found[name] = [thoughts.without(recorded[name].response(name, "recorded", model.name))]
        else:
            message = "the file of recorded answers has no row for this sample"
            found[name] = [
                Response(name, 0, "failed", engine="recorded", model=model.name, error_type="missing", error_message=message)
            ]
    return found


ENGINE = Engine(Options, answers=answers, counts_prompts=False)
