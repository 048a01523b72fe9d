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
    from contextrot.settings import ModelSettings
    from contextrot.task import Task


def build_samples(task: Task, model: ModelSettings, data: Path, seed: int, output: Path) -> None:
    """Writes samples.parquet, the messages as they are to be sent (see Tokenizer.as_sent).

    Args:
        task: with its parameters.
        data: the project's data folder.
        seed: the config's, of which every sample's own generator is made.

    Raises:
        ConfigError: for parameters that no sample can satisfy.
        DataError: for input files that are missing or not in their format.
    """
    context = SampleContext(
        tokenizer=tokenizer_of(model),
        window=model.window,
        max_output_tokens=model.max_output_tokens,
        data=data,
        rng=partial(generator_for, seed),
    )
    samples = task.samples(context)
    for sample in samples:
        if not sample.later_prompts:  # a conversation is cut to the window before it is sent, its system message kept whole
            sample.messages = context.tokenizer.as_sent(sample.messages)
    write_samples(output, samples)
