"""Facts scattered over a long text, and a question that takes one, two or three of them.

Source: Y. Kuratov et al. (2024), BABILong (arXiv 2406.10149), which hides the stories of bAbI (J. Weston et al. 2015) in books. Stories and
words are this project's own; the published answers can be read and scored. README.md beside this file lists the deviations.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from contextrot.errors import ConfigError
from contextrot.files import in_data_or_here
from contextrot.records import Response, Sample
from contextrot.samples.composed import Messages, haystack_of, sample_of_length
from contextrot.samples.corpus import corpus_path, document_paths, topic_documents
from contextrot.samples.haystack import Insertion, SentencePool
from contextrot.samples.prompts import SCATTERED_FACTS, SCATTERED_FACTS_HINTS
from contextrot.samples.published import Recorded
from contextrot.task import Parameters, SampleContext, Task
from contextrot.tasks.babilong.scoring import PUBLISHED_LABELS, is_right, read_published
from contextrot.tasks.babilong.world import LABELS, story, without_facts


class BabilongParameters(Parameters):
    """Parameters of task `babilong`."""

    lengths: list[Annotated[int, Field(gt=0)]] = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000]
    """Lengths of the rendered prompt, tokens."""
    kinds: list[Literal["qa1", "qa2", "qa3", "qa4", "qa5"]] = ["qa1", "qa2", "qa3", "qa4", "qa5"]
    """One fact, two facts, three facts, two relations, three relations."""
    topic: str = "essays"
    """The text around the facts, as of task niah."""
    repeats: int = Field(25, ge=1, le=100_000)
    """Stories of each kind and length."""
    answer_tokens: int = Field(32, gt=0)
    """Limit of an answer, tokens."""
    answers: str | None = None
    """Folder of BABILong's published result files (qa1_4k_....csv), for engine `recorded`, in place of all of the above; from the data
    folder or the working folder."""


class Babilong(Task):
    """Can the model reason over facts that lie far apart?"""

    Parameters = BabilongParameters
    version = 1
    judged = False
    groupings = [("length",), ("kind", "length"), ("kind",), ()]
    length_column = "length"
    pair_columns = ["kind", "length", "repeat"]

    def _folder(self, data: Path) -> Path:
        return in_data_or_here(str(self.parameters.answers), data)

    def data_files(self, data: Path) -> list[Path]:
        if self.parameters.answers:
            return sorted(self._folder(data).glob("**/*.csv"))
        topic = corpus_path(self.parameters.topic, data)
        return document_paths(topic) if topic is not None else []

    def samples(self, context: SampleContext) -> list[Sample]:
        p = self.parameters
        if p.answers:
            return self._published(context)
        documents = without_facts(topic_documents(p.topic, context.data))
        if not documents:
            raise ConfigError(f"topic {p.topic!r}: every sentence names one of the stories' people; take another topic.")
        pool = SentencePool(documents, context.tokenizer)
        return [
            self._sample(context, pool, kind, length, repeat)
            for kind, length, repeat in product(p.kinds, p.lengths, range(p.repeats))
        ]

    def _sample(self, context: SampleContext, pool: SentencePool, kind: str, length: int, repeat: int) -> Sample:
        name = f"{kind}-{length:07d}-{repeat:04d}"
        told = story(kind, context.rng("story", kind, repeat))  # the same stories at every length

        def build() -> tuple[Messages, dict[str, Any]]:
            rng = context.rng("haystack", kind, length, repeat)
            depths = sorted(rng.random(len(told.facts)))
            insertions = [Insertion(fact, float(depth), exact=False) for fact, depth in zip(told.facts, depths, strict=True)]

            def messages(haystack: str) -> Messages:
                hint = SCATTERED_FACTS_HINTS[kind]
                content = SCATTERED_FACTS.format(hint=hint, haystack=haystack, question=told.question)
                return [{"role": "user", "content": content}]

            return messages(haystack_of(context, pool, pool.original_order(rng), insertions, length, messages, name).text), {}

        condition = {
            "kind": kind,
            "length": length,
            "repeat": repeat,
            "question": told.question,
            "facts": len(told.facts),
            "labels": list(LABELS[kind]),
        }
        return sample_of_length(context, name, length, [told.answer], self.parameters.answer_tokens, build, condition)

    def _published(self, context: SampleContext) -> list[Sample]:
        """What the published answers were asked, without the prompts, which the files do not hold."""
        return [
            Sample(
                sample_id=name,
                messages=[],
                references=[row["target"]],
                max_output_tokens=context.output_tokens(self.parameters.answer_tokens),
                prompt_tokens=None,
                condition={
                    "kind": kind,
                    "length": length,
                    "repeat": None,
                    "question": row["question"],
                    "facts": None,
                    "labels": sorted(PUBLISHED_LABELS[kind]),
                },
            )
            for name, (kind, length, row) in read_published(self._folder(context.data)).items()
        ]

    def recorded_answers(self, data: Path) -> dict[str, Recorded]:
        if not self.parameters.answers:
            raise ConfigError("there are no recorded answers: give the folder `answers` in the experiment's parameters.")
        return {
            name: Recorded("answered" if row["output"].strip() else "empty", row["output"] or None)
            for name, (_, _, row) in read_published(self._folder(data)).items()
        }

    def score(self, sample: Sample, response: Response, verdicts: list[bool | None]) -> dict[str, Any]:
        """1 if the answer's first sentence names the gold label and no other (but those of the question)."""
        condition = sample.condition
        right = is_right(response.text or "", sample.references[0], condition["question"], list(condition["labels"]))
        return {"score": float(right)}
