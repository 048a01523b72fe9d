"""What stands in one needle sample's haystack, and what is asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from contextrot.samples import prompts
from contextrot.samples.corpus import safe_name
from contextrot.samples.haystack import Insertion
from contextrot.task import SampleContext
from contextrot.tasks.niah.needles import Distractor, NeedleSet

PLANTED = ("needle_depths", "distractor_names", "distractor_depths", "distractor_texts", "distractor_answers")
"""Columns that hold one value for each needle or distractor."""


def spread(depth: float, size: int) -> list[float]:
    """Depths of several needles, percent: the first at `depth`, the others evenly spread from there on, round the end to the start."""
    return [depth, *((depth + 100 * i / size) % 100 for i in range(1, size))]


@dataclass(frozen=True)
class NeedlePlan:
    """What stands in one sample's haystack, and what is asked."""

    context: SampleContext
    group: tuple[NeedleSet, ...]
    planted: int
    length: int
    depth: float
    order: str
    topic: str
    repeat: int

    @property
    def name(self) -> str:
        return "+".join(needle.name for needle in self.group)

    @property
    def sample_id(self) -> str:
        return self._named(f"-{self.depth:05.1f}")

    @property
    def prefix_group(self) -> str:
        """The same for all depths of one haystack."""
        return self._named("")

    def _named(self, depth: str) -> str:
        return f"{self.name}-{self.length:07d}{depth}-d{self.planted}-{self.order}-{safe_name(self.topic)}-{self.repeat}"

    @cached_property
    def _drawn(self) -> list[tuple[Distractor, float]]:
        """Distractors and their depths; fewer of them are the first of more."""
        drawn = []
        for needle in self.group:
            rng = self.context.rng("distractors", needle.name, self.length, self.depth, self.repeat)
            chosen, depths = rng.permutation(len(needle.distractors)), rng.random(len(needle.distractors))
            drawn += [(needle.distractors[i], float(depth)) for i, depth in zip(chosen, depths, strict=True)][: self.planted]
        return drawn

    @property
    def distractors(self) -> list[Distractor]:
        return [distractor for distractor, _ in self._drawn]

    def insertions(self) -> list[Insertion]:
        """The needles, spread from the depth on, then the distractors."""
        depths = spread(self.depth, len(self.group))
        needles = [Insertion(needle.needle, depth / 100) for needle, depth in zip(self.group, depths, strict=True)]
        return needles + [Insertion(distractor.text, depth, exact=False) for distractor, depth in self._drawn]

    def questions(self) -> str:
        return "\n".join(needle.question for needle in self.group)

    def messages(self, haystack: str) -> list[dict[str, str]]:
        language = self.group[0].language
        one, several, label = prompts.needle_templates(language)
        if len(self.group) == 1:
            content = one.format(haystack=haystack, question=self.questions())
        else:
            questions = "\n".join(f"{label} {i}: {needle.question}" for i, needle in enumerate(self.group, 1))
            content = several.format(haystack=haystack, questions=questions)
        return [{"role": "user", "content": content}]
