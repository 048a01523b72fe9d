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
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot.errors import ConfigError, unknown
from contextrot.records import Response, Sample
from contextrot.samples import published
from contextrot.samples.corpus import corpus_path, document_paths, safe_name, topic_documents
from contextrot.samples.haystack import Haystack, SentencePool
from contextrot.samples.published import Recorded
from contextrot.samples.reading import Reading, tagged_reading
from contextrot.samples.realised import verify
from contextrot.task import SampleContext, Task
from contextrot.tasks.niah.needles import Distractor, NeedleSet, followed_distractor, measured_similarity, read_needles
from contextrot.tasks.niah.parameters import CONDITIONS, NeedleParameters
from contextrot.tasks.niah.plan import PLANTED, NeedlePlan
from contextrot.tasks.niah.tables import by_needle, read_table

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_log = logging.getLogger(__name__)


_needle_sets = cache(read_needles)
"""A page looks at the same file for every prompt."""


class NeedleInAHaystack(Task):
    """Can the model still find one fact as the text around it grows?"""

    Parameters = NeedleParameters
    version = 6
    groupings = [("length", "depth"), ("length",), ("depth",), (*CONDITIONS, "length"), ("needle",), ()]
    length_column = "length"
    length_parameter = "lengths"
    cluster_column = "question"
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

    def blocks(self, context: SampleContext, wanted: Mapping[int, range]) -> list[Sample]:
        """Each needle once in a haystack of its own, depths (and topics, orders and distractors) taken in turn."""
        p = self.parameters
        if self._reads_tables:
            raise ConfigError("prompts from a CSV file are fixed: the adaptive search needs a text to make haystacks of.")
        groups = self._groups(read_needles(context.data / p.needle_file), context.data / p.needle_file)
        pools = {}
        for topic in p.topic:
            documents = topic_documents(topic, context.data)
            _refuse_planted(documents, groups, topic)
            pools[topic] = SentencePool(documents, context.tokenizer)
        samples = []
        depths = len(p.depths)
        for length, numbers in wanted.items():
            for number, (place, group) in product(numbers, enumerate(groups)):
                # a step that visits all depths, and another place for each needle, so that every block has many depths
                depth = p.depths[(_coprime(depths) * number + place * max(1, depths // len(groups))) % depths]
                topic, order, planted = (values[(number + place) % len(values)] for values in (p.topic, p.order, p.distractors))
                rng = context.rng("haystack", topic, order, number, group[0].name, length)
                sentences = pools[topic].original_order(rng) if order == "original" else pools[topic].shuffled_order(rng)
                plan = NeedlePlan(context, group, planted, length, depth, order, topic, number)
                samples.append(self._sample(context, pools[topic], sentences, plan, {}))
        return samples

    def cluster_count(self, data: Path) -> int | None:
        """How many questions the needles answer: two needles of one question are alike."""
        if self._reads_tables:
            return None
        path = data / self.parameters.needle_file
        return len({tuple(needle.question for needle in group) for group in self._groups(_needle_sets(path), path)})

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
            rows = read_table(context.data / p.prompts_csv, "prompt")
        else:
            rows = read_table(context.data / p.answers_csv, "output")
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

    def reading(self, sample: Sample, data: Path, passage_words: int) -> Reading | None:
        if not sample.messages or self._reads_tables:
            return None
        needles = [text for kind, text in self.passages(sample, data) if kind == "needle"]
        return tagged_reading(sample.messages[-1]["content"], "document", sample.condition["question"], needles, passage_words)

    def recorded_answers(self, data: Path) -> dict[str, Recorded]:
        if not self.parameters.answers_csv:
            raise ConfigError("there are no recorded answers: give `answers_csv` in the experiment's parameters.")
        rows = read_table(data / self.parameters.answers_csv, "output")
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


def _coprime(count: int) -> int:
    """A step near the golden section through so many places that visits each before any comes again."""
    step = max(1, round(count * 0.382))
    while gcd(step, count) > 1:
        step += 1
    return step
