"""What the benchmarks of a served model share: its settings, task samples, and our inference rule on a server that already runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow")]

import yaml  # noqa: E402

from contextrot import engines  # noqa: E402
from contextrot.engines import Endpoint  # noqa: E402
from contextrot.project import Project  # noqa: E402
from contextrot.randomness import generator_for  # noqa: E402
from contextrot.records import Sample, write_samples  # noqa: E402
from contextrot.responses.collect import collect_responses  # noqa: E402
from contextrot.samples.tokenizers import Tokenizer, load_tokenizer  # noqa: E402
from contextrot.settings import ModelSettings  # noqa: E402
from contextrot.task import SampleContext, Task  # noqa: E402


def model_settings(name: str, concurrency: int, **options: Any) -> ModelSettings:
    """A model of config/models.yaml with another concurrency and further engine options."""
    os.chdir(ROOT)
    model = Project(yaml.safe_load((ROOT / "config/config.yaml").read_text()), ROOT).models[name]
    return model.model_copy(update={"concurrency": concurrency, "engine_options": {**model.engine_options, **options}})


def tokenizer_of(model: ModelSettings) -> Tokenizer:
    return load_tokenizer(model.tokenizer or model.name, model.revision)


def build(task: Task, model: ModelSettings, seed: int = 1) -> list[Sample]:
    """The task's samples for this model that fit its window."""
    context = SampleContext(
        tokenizer_of(model), model.window, model.max_output_tokens, ROOT / "data", partial(generator_for, seed)
    )
    return [sample for sample in task.samples(context) if sample.fits_window]


@contextmanager
def on(endpoint: Endpoint) -> Iterator[None]:
    """Within, what would start the model's engine gets this server instead, which stays up."""

    @contextmanager
    def running(*_: Any) -> Iterator[Endpoint]:
        yield endpoint

    with patch.object(engines, "serve", running):
        yield


def ask(folder: Path, samples: Path, task: Task, model: ModelSettings, shard: int = 1, shards: int = 1) -> Path:
    """Runs the inference rule on a file of samples, with an empty request store in `folder`; the file of responses."""
    from contextrot.settings import Settings

    output = folder / "responses" / f"{shard}-of-{shards}.parquet"
    collect_responses(
        samples, output, task=task, model_name="model", model=model, settings=Settings(request_store=str(folder / "store")),
        experiment="benchmark", shard=shard, shards=shards, log=folder / "log",
    )  # fmt: skip
    return output


def write(folder: Path, samples: Sequence[Sample]) -> Path:
    """The file of samples in a folder of its own."""
    path = folder / "samples.parquet"
    write_samples(path, list(samples))
    return path
