"""Needle in a haystack: one planted fact in a long text, at a length and a depth.

Source: G. Kamradt (2023), Needle In A Haystack; conditions of Hong, Troynikov, Huber (2025), Context Rot (Chroma).
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import Field

from contextrot import prompts
from contextrot.corpus import read_documents
from contextrot.errors import ConfigError, DataError, unknown
from contextrot.haystack import Insertion, SentencePool
from contextrot.records import Sample
from contextrot.tasks import Parameters, SampleContext, Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext


class NeedleParameters(Parameters):
    """Parameters of task `niah`."""

    lengths: list[int] = [500, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 900_000]
    """Lengths of the rendered prompt, tokens."""
    depths: list[float] = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    """Where the needle stands, percent of the haystack's tokens before it."""
    needles: list[str] = ["writing_advice_high"]
    """Needle sets by name, from `needle_file`."""
    repeats: int = Field(1, ge=1)
    """Haystacks of each length, each from another place of the corpus."""
    topic: Literal["essays", "science"] = "essays"
    """The corpus that the haystack is made of."""
    order: Literal["original", "shuffled"] = "original"
    """Whether the haystack's sentences keep their order."""
    answer_tokens: int = Field(256, gt=0)
    """Limit of the answer, tokens."""
    needle_file: str = "tasks/needles.yaml"
    """File of needle sets, from the data folder."""


class NeedleInAHaystack(Task):
    """Can the model still find one fact as the text around it grows?"""

    Parameters = NeedleParameters
    version = 1
    groupings = [("length", "depth"), ("length",), ("depth",), ()]
    length_column = "length"

    def data_files(self, data: Path) -> list[Path]:
        return [data / self.parameters.needle_file, *sorted((data / self.parameters.topic).glob("*.txt"))]

    def samples(self, context: SampleContext) -> list[Sample]:
        p = self.parameters
        sets = read_needles(context.data / p.needle_file)
        for name in p.needles:
            if name not in sets:
                raise unknown("needle set", name, sets, str(context.data / p.needle_file))
        if any(not 0 <= depth <= 100 for depth in p.depths):
            raise ConfigError(f"depths = {p.depths}: each must be from 0 to 100, percent.")
        pool = SentencePool(read_documents(context.data / p.topic), context.tokenizer)
        output_tokens = context.output_tokens(p.answer_tokens)
        samples = []
        for repeat in range(p.repeats):
            rng = context.rng("haystack", p.topic, p.order, repeat)
            order = pool.original_order(rng) if p.order == "original" else pool.shuffled_order(rng)
            for name, length, depth in product(p.needles, p.lengths, p.depths):
                samples.append(self._sample(context, pool, order, sets[name], length, depth, repeat, output_tokens))
        return samples

    def _sample(
        self,
        context: SampleContext,
        pool: SentencePool,
        order: Any,
        needle: dict[str, Any],
        length: int,
        depth: float,
        repeat: int,
        output_tokens: int,
    ) -> Sample:
        def messages(haystack: str) -> list[dict[str, str]]:
            content = prompts.NEEDLE_IN_A_HAYSTACK.format(haystack=haystack, question=needle["question"])
            return [{"role": "user", "content": content}]

        haystack = None
        if context.fits(length, output_tokens):
            insertions = [Insertion(needle["needle"], depth / 100)]
            haystack = pool.compose(order, insertions, length, lambda text: context.tokenizer.count_chat(messages(text)))
            if haystack is None:
                raise ConfigError(
                    f"length {length} is too short for the prompt of needle set {needle['name']!r}; ask for more tokens."
                )
        return Sample(
            sample_id=f"{needle['name']}-{length:07d}-{depth:05.1f}-{repeat}",
            messages=messages(haystack.text) if haystack else [],
            references=[needle["answer"]],
            max_output_tokens=output_tokens,
            target_tokens=length,
            prompt_tokens=haystack.prompt_tokens if haystack else None,
            fits_window=haystack is not None,
            condition={
                "length": length,
                "depth": float(depth),
                "needle": needle["name"],
                "question": needle["question"],
                "repeat": repeat,
                "actual_depth": 100 * haystack.depths[0] if haystack else None,
                "prefix_group": f"{needle['name']}-{length}-{repeat}",
            },
        )


def draw_heatmap(context: FigureContext) -> Figure:
    """Share of right answers by length and depth."""
    from contextrot.figures.charts import heatmap
    from contextrot.figures.style import new_figure
    from contextrot.scoring import select

    cells = select(context.metrics, "score", "length", "depth").assign(never_sent=lambda rows: rows["over_window"] > 0)
    table = {column: cells.pivot(index="depth", columns="length", values=column) for column in ("value", "n", "never_sent")}
    figure, axes = new_figure(context)
    heatmap(
        axes, table["value"], table["n"], table["never_sent"], "needle depth (%)", "prompt length (tokens)", "right answers (share)",
        row_format="{:g}".format,
    )  # fmt: skip
    return figure


def draw_accuracy_by_length(context: FigureContext) -> Figure:
    """Share of right answers against length, with 95 % intervals."""
    from contextrot.figures.charts import line_with_interval, score_axis, token_axis
    from contextrot.figures.style import new_figure
    from contextrot.scoring import select

    rows = select(context.metrics, "score", "length").dropna(subset=["value"])
    figure, axes = new_figure(context)
    line_with_interval(axes, rows["length"], rows["value"], rows["low"], rows["high"], rows["n"])
    token_axis(axes, rows["length"], label="prompt length (tokens, log scale)")
    score_axis(axes, "right answers (share, 95 % interval)")
    axes.legend()
    return figure


NeedleInAHaystack.figures = {"heatmap": draw_heatmap, "accuracy_by_length": draw_accuracy_by_length}


def read_needles(path: Path) -> dict[str, dict[str, Any]]:
    """Needle sets by name.

    Raises:
        DataError: if the file is missing or a set lacks a field.
    """
    try:
        sets = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"needle file {path} does not exist; restore it, or name another in `needle_file`.") from error
    except yaml.YAMLError as error:
        raise DataError(f"needle file {path} is not valid YAML: {error}") from error
    for entry in sets:
        for field in ("name", "question", "needle", "answer"):
            if not entry.get(field):
                raise DataError(f"{path}: needle set {entry.get('name', '?')!r} has no {field!r}.")
    return {entry["name"]: {**entry, "needle": entry["needle"].strip()} for entry in sets}
