"""Latent needles: a planted sentence and a question that share no word, linked by what everybody knows.

Source: A. Modarressi et al. (2025), NoLiMa: Long-Context Evaluation Beyond Literal Matching (arXiv 2502.05167). The needles of
data/tasks/latent_needles.yaml are this project's own; the paper's file is read where the user has it. README.md lists the deviations.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from contextrot.errors import ConfigError
from contextrot.files import in_data_or_here
from contextrot.records import SCORED_OUTCOMES, Response, Sample
from contextrot.samples.composed import Messages, haystack_of, sample_of_length
from contextrot.samples.corpus import corpus_path, document_paths, topic_documents
from contextrot.samples.haystack import DEPTH_TOLERANCE, Insertion, SentencePool
from contextrot.task import Parameters, SampleContext, Task
from contextrot.tasks.latent_needles.base_score import base_score
from contextrot.tasks.latent_needles.needles import LatentNeedle, read_latent_needles

if TYPE_CHECKING:
    import pandas as pd


class LatentNeedlesParameters(Parameters):
    """Parameters of task `latent_needles`."""

    may_be_empty = frozenset({"needles"})

    lengths: list[Annotated[int, Field(gt=0)]] = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000]
    """Lengths of the rendered prompt, tokens; those up to 1,000 make the base score."""
    depths: list[Annotated[float, Field(ge=0, le=100)]] = [0, 25, 50, 75, 100]
    """Where the needle stands, percent of the haystack's tokens before it (the paper: 26 depths)."""
    needle_file: str = "tasks/latent_needles.yaml"
    """File of the needles, from the data folder or the working folder: this project's form, or NoLiMa's needle_set.json."""
    needles: list[str] = Field(default_factory=list)
    """Needle sets by name; all of the file without it."""
    hops: list[Literal["one", "two"]] = ["one", "two"]
    """Steps from needle to question."""
    orders: list[Literal["plain", "inverted"]] = ["plain"]
    """Whether the person stands at the needle's beginning (plain) or end (inverted)."""
    topic: str = "essays"
    """The text around the needle, as of task niah."""
    order: Literal["original", "shuffled"] = "shuffled"
    """Whether the haystack's sentences keep their order (the paper shuffles)."""
    repeats: int = Field(1, ge=1, le=1_000)
    """Haystacks of each needle, question and length (the paper: 5)."""
    answer_tokens: int = Field(192, gt=0)
    """Limit of an answer, tokens."""


class LatentNeedles(Task):
    """Can the model find what is only implied?"""

    Parameters = LatentNeedlesParameters
    version = 1
    judged = False
    groupings = [("length",), ("hops", "length"), ("length", "depth"), ("pair",), ("word_order", "length"), ()]
    ranges = {"base_score": (0, 1)}
    length_column = "length"
    pair_columns = ["pair", "length", "depth", "repeat"]

    def _file(self, data: Path) -> Path:
        return in_data_or_here(self.parameters.needle_file, data)

    def data_files(self, data: Path) -> list[Path]:
        topic = corpus_path(self.parameters.topic, data)
        return [self._file(data), *(document_paths(topic) if topic is not None else [])]

    def samples(self, context: SampleContext) -> list[Sample]:
        p = self.parameters
        found = read_latent_needles(self._file(context.data), p.needles, p.hops, p.orders)
        if not found:
            raise ConfigError(f"hops = {p.hops}, orders = {p.orders}: {p.needle_file} has no such needle; ask for others.")
        documents = topic_documents(p.topic, context.data)
        text = " ".join("".join(document) for document in documents)
        pool = SentencePool(documents, context.tokenizer)
        samples = []
        for needle, length, repeat in product(found, p.lengths, range(p.repeats)):
            free = [name for name in needle.people if name not in text]
            if not free:
                raise ConfigError(f"topic {p.topic!r} holds all names of needle {needle.name!r}; take another topic.")
            samples += [self._sample(context, pool, needle, free, length, depth, repeat) for depth in p.depths]
        return samples

    def _sample(
        self,
        context: SampleContext,
        pool: SentencePool,
        needle: LatentNeedle,
        free: list[str],
        length: int,
        depth: float,
        repeat: int,
    ) -> Sample:
        pair = f"{needle.name}-{needle.hops}-{needle.order}"
        name = f"{pair}-{length:07d}-{depth:05.1f}-{repeat}"
        person = free[int(context.rng("person", needle.name, repeat).integers(len(free)))]
        planted = needle.needle.replace("{person}", person)

        def build() -> tuple[Messages, dict[str, Any]]:
            rng = context.rng("haystack", needle.name, length, repeat)
            order = pool.shuffled_order(rng) if self.parameters.order == "shuffled" else pool.original_order(rng)

            def messages(haystack: str) -> Messages:
                content = needle.template.replace("{question}", needle.question).replace("{haystack}", haystack)
                return [{"role": "user", "content": content}]

            found = haystack_of(context, pool, order, [Insertion(planted, depth / 100)], length, messages, name)
            on_target = abs(found.depths[0] - depth / 100) <= DEPTH_TOLERANCE + 1e-9
            return messages(found.text), {"actual_depth": 100 * found.depths[0], "on_target": on_target}

        condition = {
            "pair": pair,
            "needle": needle.name,
            "hops": needle.hops,
            "word_order": needle.order,
            "question": needle.question,
            "person": person,
            "length": length,
            "depth": float(depth),
            "repeat": repeat,
            "actual_depth": None,
            "on_target": None,
        }
        return sample_of_length(context, name, length, [person], self.parameters.answer_tokens, build, condition)

    def score(self, sample: Sample, response: Response, verdicts: list[bool | None]) -> dict[str, Any]:
        """1 if the answer holds the person's name, as it is written (NoLiMa's `contains`)."""
        return {"score": float(sample.references[0] in (response.text or ""))}

    def metrics(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Adds NoLiMa's base score; its interval is of the pairs' own best scores, drawn again and again."""
        import numpy as np
        import pandas as pd

        from contextrot.scores.score import averages, on_target
        from contextrot.scores.stats import mean_interval
        from contextrot.tasks.latent_needles.base_score import BASE_LENGTHS_UP_TO

        counted = on_target(scores)
        found = averages(self, counted)
        counted = counted[counted["outcome"].isin(SCORED_OUTCOMES)]
        short = counted[counted["length"] <= BASE_LENGTHS_UP_TO].dropna(subset=["score"])
        best = short.groupby(["pair", "length"])["score"].mean().groupby("pair").max() if len(short) else []
        _, low, high = mean_interval(np.array(best, float), (0, 1))
        row = {"grouping": "", "measure": "base_score", "value": base_score(counted), "low": low, "high": high, "n": len(best)}
        return pd.concat([found, pd.DataFrame([row]).reindex(columns=found.columns)], ignore_index=True)
