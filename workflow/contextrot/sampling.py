"""Builds the samples of one tier, model and experiment."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from contextrot.random_streams import generator_for
from contextrot.records import write_samples
from contextrot.settings import ModelSettings, Project
from contextrot.tasks import SampleContext
from contextrot.tokenizers import Tokenizer, load_tokenizer


def tokenizer_of(model: ModelSettings) -> Tokenizer:
    """The model's tokenizer, with the template arguments that its engine will be given."""
    arguments = model.engine_options.get("chat_template_kwargs")
    return load_tokenizer(model.tokenizer or model.name, model.revision, arguments)


def build_samples(project: Project, tier: str, model: str, experiment: str, output: Path) -> None:
    """Writes samples.parquet.

    Raises:
        ConfigError: for parameters that no sample can satisfy.
        DataError: for input files that are missing or not in their format.
    """
    settings = project.models[model]
    context = SampleContext(
        tokenizer=tokenizer_of(settings),
        window=settings.window,
        max_output_tokens=settings.max_output_tokens,
        data=project.data,
        rng=partial(generator_for, project.settings.seed),
    )
    write_samples(output, project.task(tier, model, experiment).samples(context))
