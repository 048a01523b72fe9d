"""Read the document and answer the question in one sentence, using only the document.

<document>
For a birthday dinner my neighbour recommended a restaurant called the Tin Heron, on the corner by the old ropeworks. The
Invention of the Weekend Nothing in the sky lasts for two days out of seven. [...]
</document>

Question: Which restaurant did my neighbour recommend for a birthday dinner?
-> For a birthday dinner my neighbour recommended a restaurant called the Tin Heron, on the corner by the old ropeworks.

Needle in a haystack: one planted fact (or several) in a long text, at a length and a depth.

Source: G. Kamradt (2023), Needle In A Haystack; conditions of K. Hong, A. Troynikov, J. Huber (2025), Context Rot (Chroma):
needle-question similarity, distractors, order and topic of the haystack. Deviations: the length is that of the whole
rendered prompt, distractors included; needles and distractors stand on sentence boundaries; every draw is seeded.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from contextrot.errors import ConfigError, DataError, unknown
from contextrot.records import Response, Sample
from contextrot.samples import published
from contextrot.samples.corpus import corpus_path, document_paths, safe_name, topic_documents
from contextrot.samples.haystack import Haystack, SentencePool
from contextrot.samples.published import Recorded
from contextrot.samples.realised import verify
from contextrot.task import Parameters, SampleContext, Task
from contextrot.tasks.niah.needles import Distractor, NeedleSet, followed_distractor, measured_similarity, read_needles
from contextrot.tasks.niah.plan import NeedlePlan, spread

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_log = logging.getLogger(__name__)

CONDITIONS = ("similarity", "distractors", "order", "topic")
"""What may differ between the samples of one experiment beside needle, length, depth and repeat."""

PLANTED = ("needle_depths", "distractor_names", "distractor_depths", "distractor_texts", "distractor_answers")
"""Columns that hold one value for each needle or distractor."""
ASKED = ("length", "depth", "question")
"""Columns of Chroma's files by which rows are joined."""


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


_needle_sets = cache(read_needles)
"""A page looks at the same file for every prompt."""


class NeedleParameters(Parameters):
    """Parameters of task `niah`."""

    long_texts = frozenset({"csv_answer"})

    lengths: list[Annotated[int, Field(gt=0)]] = [500, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 900_000]
    """Lengths of the rendered prompt, tokens."""
    depths: list[Annotated[float, Field(ge=0, le=100)]] = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    """Where the needle stands, percent of the haystack's tokens before it."""
    needles: list[str] = ["writing_advice_high"]
    """Needle sets by name, from `needle_file`."""
    needles_at_once: int = Field(1, ge=1)
    """How many of the needles, in their order, are planted and asked for in one prompt; the others stand evenly spread from the depth on."""
    distractors: Annotated[list[Annotated[int, Field(ge=0)]], BeforeValidator(_as_list)] = [0]
    """How many of each needle's distractors are planted, at random sentence boundaries and within the length; several numbers are compared."""
    repeats: int = Field(1, ge=1, le=10_000)
    """Haystacks of each length, each from another place of the corpus."""
    topic: Annotated[list[str], BeforeValidator(_as_list)] = ["essays"]
    """The text that the haystack is made of, or a list: essays, science, generated (also generated_zh, generated_ar: about a million tokens
    without a repeated sentence), or a folder or file of text, Markdown or source code, from the data folder or the working folder."""
    max_repetitions: float | None = Field(None, ge=1)
    """How often a haystack's text may repeat; above it the samples are refused. Without it repeats are reported only."""
    off_target: Literal["fail", "mark"] = "fail"
    """What becomes of a sample that is over 8 tokens too short or a planted text over 1 % from its depth: the build fails, or the sample is
    marked (`on_target` false) and stays out of all metrics."""
    order: Annotated[list[Literal["original", "shuffled"]], BeforeValidator(_as_list)] = ["original"]
    """Whether the haystack's sentences keep their order: original, shuffled, or a list of both."""
    answer_tokens: int = Field(256, gt=0)
    """Limit of the answer to one question, tokens."""
    needle_file: str = "tasks/needles.yaml"
    """File of needle sets, from the data folder."""
    similarity_model: str | None = None
    """A sentence-transformers model by which the similarity of needle and question is measured (column `measured_similarity`)."""
    prompts_csv: str | None = None
    """Chroma's CSV of prompts (prompt, question, answer, approximate_input_length, needle_depth), in place of all of the above; from the
    data folder."""
    answers_csv: str | None = None
    """CSV of an earlier run's answers (question, answer, output, perhaps llm_judge_output, ...), for engine `recorded`."""
    csv_answer: str | None = None
    """Gold answer in place of that of the CSV files, which is the whole needle: judge `match` needs the shortest right answer."""


class NeedleInAHaystack(Task):
    """Can the model still find one fact as the text around it grows?"""

    Parameters = NeedleParameters
    version = 5
    groupings = [("length", "depth"), ("length",), ("depth",), (*CONDITIONS, "length"), ("needle",), ()]
    length_column = "length"
    pair_columns = ["needle", "length", "depth", "repeat"]

    @property
    def _reads_tables(self) -> bool:
        return bool(self.parameters.prompts_csv or self.parameters.answers_csv)

    def data_files(self, data: Path) -> list[Path]:
        p = self.parameters
        if self._reads_tables:
            return [data / name for name in (p.prompts_csv, p.answers_csv) if name]
        folders = [corpus_path(topic, data) for topic in p.topic]
        return [data / p.needle_file, *(path for folder in folders if folder is not None for path in document_paths(folder))]

    def samples(self, context: SampleContext) -> list[Sample]:
        p = self.parameters
        if self._reads_tables:
            return self._samples_from_table(context)
        groups = self._groups(read_needles(context.data / p.needle_file), context.data / p.needle_file)
        similarity = {}
        if p.similarity_model:
            similarity = measured_similarity([needle for group in groups for needle in group], p.similarity_model)
        samples: list[Sample] = []
        warned: set[tuple[str, int]] = set()
        names = [safe_name(topic) for topic in p.topic]
        if len(set(names)) < len(names):
            raise ConfigError(f"topic = {p.topic}: two of them have the same name in samples ({', '.join(names)}); rename one.")
        for topic in p.topic:
            documents = topic_documents(topic, context.data)
            _refuse_planted(documents, groups, topic)
            pool = SentencePool(documents, context.tokenizer)
            for order, repeat, group, length in product(p.order, range(p.repeats), groups, p.lengths):
                # one haystack for all depths and distractors, another for each length: what one text happens to say is no trend
                rng = context.rng("haystack", topic, order, repeat, group[0].name, length)
                sentences = pool.original_order(rng) if order == "original" else pool.shuffled_order(rng)
                for planted, depth in product(p.distractors, p.depths):
                    plan = NeedlePlan(context, group, planted, length, depth, order, topic, repeat)
                    samples.append(self._sample(context, pool, sentences, plan, similarity))
                repetitions = samples[-1].condition["repetitions"]
                if repetitions and repetitions > 1 and (topic, length) not in warned:
                    warned.add((topic, length))
                    _log.warning("topic %s at %d tokens: the haystack's text repeats %.1f times", topic, length, repetitions)
        return samples

    def _groups(self, sets: Mapping[str, NeedleSet], path: Path) -> list[tuple[NeedleSet, ...]]:
        """The needles that are asked for together."""
        p = self.parameters
        for name in p.needles:
            if name not in sets:
                raise unknown("needle set", name, sets, str(path))
            if len(sets[name].distractors) < max(p.distractors):
                raise ConfigError(
                    f"distractors = {p.distractors}: needle set {name!r} has only {len(sets[name].distractors)} in {path}."
                )
        size = p.needles_at_once
        if len(p.needles) % size:
            raise ConfigError(f"needles_at_once = {size}: {len(p.needles)} needles cannot be asked for in groups of {size}.")
        groups = [tuple(sets[name] for name in p.needles[at : at + size]) for at in range(0, len(p.needles), size)]
        for group in groups:
            if len({needle.question for needle in group}) < size:
                names = ", ".join(needle.name for needle in group)
                raise ConfigError(f"needles_at_once = {size}: {names} share a question, so they cannot stand in one haystack.")
        return groups

    def _sample(
        self, context: SampleContext, pool: SentencePool, order: np.ndarray, plan: NeedlePlan, similarity: Mapping[str, float]
    ) -> Sample:
        output_tokens = context.output_tokens(self.parameters.answer_tokens * len(plan.group))
        haystack = None
        if context.fits(plan.length, output_tokens):
            haystack = pool.compose(
                order, plan.insertions(), plan.length, lambda text: context.tokenizer.count_chat(plan.messages(text))
            )
            if haystack is None:
                raise ConfigError(
                    f"length {plan.length} is too short for the prompt of {plan.name!r} with {plan.planted} distractors; "
                    "ask for more tokens."
                )
        on_target = self._on_target(haystack, plan) if haystack else None
        depths = [100 * depth for depth in haystack.depths] if haystack else []
        size = len(plan.group)
        measured = [similarity[needle.name] for needle in plan.group if needle.name in similarity]
        return Sample(
            sample_id=plan.sample_id,
            messages=plan.messages(haystack.text) if haystack else [],
            references=[needle.answer for needle in plan.group],
            max_output_tokens=output_tokens,
            target_tokens=plan.length,
            prompt_tokens=haystack.prompt_tokens if haystack else None,
            fits_window=haystack is not None,
            condition={
                "length": plan.length,
                "depth": float(plan.depth),
                "needle": plan.name,
                "question": plan.questions(),
                "similarity": "+".join(dict.fromkeys(needle.similarity or "not given" for needle in plan.group)),
                "measured_similarity": sum(measured) / len(measured) if measured else None,
                "distractors": plan.planted,
                "order": plan.order,
                "topic": plan.topic,
                "repeat": plan.repeat,
                "on_target": on_target,
                "repetitions": haystack.repetitions if haystack else None,
                "actual_depth": depths[0] if depths else None,
                "needle_depths": depths[:size],
                "distractor_names": [distractor.name for distractor in plan.distractors],
                "distractor_depths": depths[size:],
                "distractor_texts": [distractor.text for distractor in plan.distractors],
                "distractor_answers": [distractor.short for distractor in plan.distractors],
                "prefix_group": plan.prefix_group,
            },
        )

    def _on_target(self, haystack: Haystack, plan: NeedlePlan) -> bool:
        """Whether the sample is what was asked.

        Raises:
            ConfigError: if it is not and `off_target` is fail, or its text repeats more than `max_repetitions`.
        """
        p = self.parameters
        if p.max_repetitions is not None and haystack.repetitions > p.max_repetitions:
            raise ConfigError(
                f"max_repetitions = {p.max_repetitions:g}: at {plan.length} tokens the text of topic {plan.topic!r} repeats "
                f"{haystack.repetitions:.1f} times; ask for shorter lengths, or take a longer text (topic: generated)."
            )
        faults = verify(haystack, plan.insertions(), plan.length, plan.messages(haystack.text), plan.context.tokenizer)
        if faults and (p.off_target == "fail" or haystack.prompt_tokens > plan.length):
            raise ConfigError(
                f"sample {plan.sample_id} is not what was asked: {'; '.join(faults)}. Ask for longer prompts or another topic, or set "
                "off_target: mark, which keeps such samples out of the metrics."
            )
        return not faults

    def _samples_from_table(self, context: SampleContext) -> list[Sample]:
        """Chroma's prompts, or an earlier run's rows where there are no prompts."""
        p = self.parameters
        if p.prompts_csv:
            rows = _read_table(context.data / p.prompts_csv, "prompt")
        else:
            rows = _read_table(context.data / p.answers_csv, "output")
        output_tokens, samples = context.output_tokens(p.answer_tokens), []
        for name, row in rows.items():
            length, depth = published.whole_number(row["length"]), float(row["depth"])
            messages, fits, tokens = [], True, published.whole_number(row.get("tokens"))
            if p.prompts_csv:
                messages = [{"role": "user", "content": row["prompt"]}]
                tokens = context.tokenizer.count_chat(messages)
                fits = context.fits(tokens, output_tokens)
            samples.append(
                Sample(
                    sample_id=name,
                    messages=messages if fits else [],
                    references=[p.csv_answer or row["answer"]],
                    max_output_tokens=output_tokens,
                    prompt_tokens=tokens,
                    fits_window=fits,
                    condition={
                        "length": length,
                        "depth": depth,
                        "needle": None,
                        "question": row["question"],
                        **dict.fromkeys(("similarity", "measured_similarity", "distractors", "order", "topic", "repeat")),
                        "on_target": None,
                        "repetitions": None,
                        "actual_depth": None,
                        **{name: [] for name in PLANTED},
                        "prefix_group": None,
                    },
                )
            )
        return samples

    def passages(self, sample: Sample, data: Path) -> list[tuple[str, str]]:
        found = [("distractor", text) for text in sample.condition["distractor_texts"]]
        if not self._reads_tables:
            sets = _needle_sets(data / self.parameters.needle_file)
            found += [("needle", sets[name].needle) for name in sample.condition["needle"].split("+") if name in sets]
        return [*found, *super().passages(sample, data)]

    def recorded_answers(self, data: Path) -> dict[str, Recorded]:
        if not self.parameters.answers_csv:
            raise ConfigError("there are no recorded answers: give `answers_csv` in the experiment's parameters.")
        rows = _read_table(data / self.parameters.answers_csv, "output")
        return {name: published.recorded(row) for name, row in rows.items()}

    def score(self, sample: Sample, response: Response, verdicts: list[bool | None]) -> dict[str, Any]:
        """Share of the needles found, each needle's own score, and the distractor that a wrong answer follows."""
        right = [float(bool(verdict)) for verdict in verdicts]
        chosen = None
        if min(right) < 1 and response.text:
            columns = (sample.condition[name] for name in ("distractor_names", "distractor_texts", "distractor_answers"))
            planted = [Distractor(*values) for values in zip(*columns, strict=True)]
            known = f"{sample.condition['question']} {' '.join(sample.references)}"
            chosen = followed_distractor(response.text, known, planted)
        return {"score": sum(right) / len(right), "needle_scores": right, "chosen_distractor": chosen}

    def metrics(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Adds, where there are several needles, `needle_score`: each needle's own, by needle and length, and by its own depth."""
        import pandas as pd

        from contextrot.scores.score import aggregate, averages

        found = averages(self, scores)
        if not self.several_needles:
            return found
        groupings = [("needle", "length"), ("needle",), ("length", "depth")]
        own = aggregate(by_needle(scores), groupings, ["needle_score"], {"needle_score": (0, 1)})
        return pd.concat([found, own], ignore_index=True)

    @property
    def several_needles(self) -> bool:
        """Whether each needle has a score of its own."""
        return len(self.parameters.needles) > 1 and not self._reads_tables

    @property
    def plants_distractors(self) -> bool:
        """Whether some haystacks hold distractors whose texts are known."""
        return max(self.parameters.distractors) > 0 and not self._reads_tables


def _refuse_planted(documents: list[list[str]], groups: list[tuple[NeedleSet, ...]], topic: str) -> None:
    """Raises ConfigError if a needle or distractor stands in the text already, in whatever lines and spaces."""
    text = " ".join(" ".join("".join(document).split()) for document in documents)
    for needle in (needle for group in groups for needle in group):
        for planted in (needle.needle, *(distractor.text for distractor in needle.distractors)):
            if " ".join(planted.split()) in text:
                raise ConfigError(
                    f"needles: {planted[:60]!r} of {needle.name!r} stands in topic {topic!r} already; take another topic."
                )


def by_needle(scores: pd.DataFrame) -> pd.DataFrame:
    """One row for each needle of each answer, with its name, the depth that was asked for, and `needle_score`.

    A needle of an answer that does not count has no `needle_score`, and keeps the answer's outcome. Depths of several needles in one
    haystack are rounded to tens of percent.
    """
    import pandas as pd

    rows = []
    for row in scores.to_dict("records"):
        names, found = row["needle"].split("+"), row.get("needle_scores")
        depths = [10 * int(depth / 10 + 0.5) for depth in spread(row["depth"], len(names))] if len(names) > 1 else [row["depth"]]
        right = [None] * len(names) if found is None or isinstance(found, float) else found
        rows += [
            {**row, "needle": name, "depth": depth, "needle_score": value}
            for name, depth, value in zip(names, depths, right, strict=True)
        ]
    return pd.DataFrame(rows)


def _read_table(path: Path, needed: str) -> dict[str, Mapping[str, str]]:
    """Rows of one of Chroma's files by sample id, which is made of what a row asks."""
    rows = published.read_rows(path, (*ASKED, "answer", needed))
    questions = list(dict.fromkeys(row["question"] for row in rows))
    named = {}
    for (length, depth, _, number), row in published.keyed(rows, ASKED).items():
        tokens = published.whole_number(length)
        try:
            where = f"{tokens:07d}-{float(depth):05.1f}"
        except (TypeError, ValueError) as error:
            raise DataError(f"{path}: length {length!r} and depth {depth!r} of a row must be numbers.") from error
        named[f"csv-{where}-{questions.index(row['question'])}-{number}"] = row
    return named
