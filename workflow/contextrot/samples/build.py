"""Builds the samples of one tier, model and experiment."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from contextrot.randomness import generator_for
from contextrot.records import write_samples
from contextrot.samples.tokenizers import tokenizer_of
from contextrot.task import SampleContext

if TYPE_CHECKING:
    from contextrot.project import Project


def build_samples(project: Project, tier: str, model: str, experiment: str, output: Path) -> None:
    """Writes samples.parquet, the messages as they are to be sent (see Tokenizer.as_sent).

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
    samples = project.task(tier, model, experiment).samples(context)
    for sample in samples:
        if not sample.later_prompts:  # a conversation is cut to the window before it is sent, its system message kept whole
            sample.messages = context.tokenizer.as_sent(sample.messages)
    write_samples(output, samples)
