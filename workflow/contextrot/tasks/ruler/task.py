"""RULER's thirteen tasks: needles of four kinds, variable tracking, common and frequent words, and question answering.

Source: C.-P. Hsieh et al. (2024), RULER: What's the Real Context Size of Your Long-Context Language Models? (arXiv 2404.06654). The
tasks' make-up and scoring are the paper's, the words are this project's own; README.md beside this file lists the deviations.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from contextrot.files import in_data_or_here
from contextrot.matching.scorers import contains_all, contains_any
from contextrot.records import Response, Sample
from contextrot.samples.composed import sample_of_length
from contextrot.samples.corpus import corpus_path, document_paths, topic_documents
from contextrot.samples.haystack import SentencePool
from contextrot.task import Parameters, SampleContext, Task
from contextrot.tasks.ruler.averages import NAMES, task_averages
from contextrot.tasks.ruler.plans import (
    NEEDLES,
    Plan,
    noise_pool,
    plan_common_words,
    plan_frequent_words,
    plan_needles,
    plan_tracking,
)
from contextrot.tasks.ruler.questions import plan_question, read_questions

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Name = Literal[
    "niah_single_1", "niah_single_2", "niah_single_3", "niah_multikey_1", "niah_multikey_2", "niah_multikey_3", "niah_multivalue",
    "niah_multiquery", "vt", "cwe", "fwe", "qa_1", "qa_2",
]  # fmt: skip
SYNTHETIC: list[Name] = [name for name in get_args(Name) if not name.startswith("qa_")]
FAMILIES = {
    "vt": "tracking",
    "cwe": "aggregation",
    "fwe": "aggregation",
    "qa_1": "question answering",
    "qa_2": "question answering",
}
ANSWER_TOKENS = {"cwe": 240}
"""Limit of an answer where the default is too short for it, tokens."""


class RulerParameters(Parameters):
    """Parameters of task `ruler`."""

    tasks: list[Name] = SYNTHETIC
    """Which of the thirteen: niah_single_1 to 3, niah_multikey_1 to 3, niah_multivalue, niah_multiquery, vt, cwe, fwe, and qa_1 and qa_2
    where their files are given."""
    lengths: list[Annotated[int, Field(gt=0)]] = [4_096, 8_192, 16_384, 32_768, 65_536, 131_072]
    """Lengths of the rendered prompt, tokens."""
    repeats: int = Field(50, ge=1, le=100_000)
    """Samples of each task and length (the paper: 500)."""
    topic: str = "essays"
    """The text around needles of the kind `essay`, as of task niah."""
    hops: int = Field(4, ge=1, le=100)
    """Variable tracking: variables of a chain after its first."""
    chains: int = Field(1, ge=1, le=20)
    """Variable tracking: chains; one is asked for."""
    squad_file: str | None = None
    """For qa_1: SQuAD's file (JSON as published, or rows of it), from the data folder or the working folder."""
    hotpotqa_file: str | None = None
    """For qa_2: HotpotQA's file of the distractor setting."""
    answer_tokens: int = Field(128, gt=0)
    """Limit of an answer, tokens; common words get 240 at least."""

    @model_validator(mode="after")
    def _files_there(self) -> RulerParameters:
        for task, key in (("qa_1", "squad_file"), ("qa_2", "hotpotqa_file")):
            if task in self.tasks and not getattr(self, key):
                raise ValueError(f"tasks: {task} needs `{key}`, which no package may ship; download it, or leave {task} out")
        return self


class Ruler(Task):
    """How far does a context carry on retrieval, tracking, aggregation and question answering?"""

    Parameters = RulerParameters
    version = 1
    judged = False
    groupings = [("length",), ("task", "length"), ("family", "length"), ("task",), ()]
    ranges = dict.fromkeys(("task_average", *NAMES), (0, 1))
    length_column = "length"
    pair_columns = ["task", "length", "repeat"]

    def _files(self, data: Path) -> dict[str, Path]:
        p = self.parameters
        named = {"qa_1": p.squad_file, "qa_2": p.hotpotqa_file}
        return {task: in_data_or_here(name, data) for task, name in named.items() if name and task in p.tasks}

    def data_files(self, data: Path) -> list[Path]:
        essays = any(task in NEEDLES and NEEDLES[task].haystack == "essay" for task in self.parameters.tasks)
        topic = corpus_path(self.parameters.topic, data) if essays else None
        return [*(document_paths(topic) if topic is not None else []), *self._files(data).values()]

    def samples(self, context: SampleContext) -> list[Sample]:
        p = self.parameters

        @cache
        def pool(kind: str) -> SentencePool:
            return noise_pool(context) if kind == "noise" else SentencePool(topic_documents(p.topic, context.data), context.tokenizer)  # fmt: skip

        sets = {task: read_questions(path) for task, path in self._files(context.data).items()}

        def plan(task: str, length: int, repeat: int, rng: np.random.Generator, name: str) -> Plan:
            if task in NEEDLES:
                return plan_needles(NEEDLES[task], pool, context, length, rng, name)
            if task == "vt":
                return plan_tracking(pool("noise"), context, length, rng, name, p.hops, p.chains)
            if task in sets:
                questions, paragraphs = sets[task]  # the same questions at every length
                chosen = questions[int(context.rng("question", task).permutation(len(questions))[repeat % len(questions)])]
                return plan_question(chosen, paragraphs, context, length, rng, name)
            return {"cwe": plan_common_words, "fwe": plan_frequent_words}[task](context, length, rng, name)

        samples = []
        for task, length, repeat in product(p.tasks, p.lengths, range(p.repeats)):
            name = f"{task}-{length:07d}-{repeat:04d}"
            made = plan(task, length, repeat, context.rng("ruler", task, length, repeat), name)
            condition = {
                "task": task,
                "family": FAMILIES.get(task, "retrieval"),
                "length": length,
                "repeat": repeat,
                **made.known,
                "answers": made.references,
            }
            references = made.references[:1] if task in sets else made.references
            limit = max(p.answer_tokens, ANSWER_TOKENS.get(task, 0))
            samples.append(
                sample_of_length(context, name, length, references, limit, lambda made=made: (made.build(), {}), condition)
            )
        return samples

    def score(self, sample: Sample, response: Response, verdicts: list[bool | None]) -> dict[str, Any]:
        """Share of the references that the answer holds (string_match_all); for questions whether it holds any (string_match_part)."""
        scorer = contains_any if sample.condition["task"].startswith("qa_") else contains_all
        return {"score": scorer(response.text or "", list(sample.condition["answers"]))}

    def metrics(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Adds the mean of the tasks by length, and RULER's three averages over the lengths."""
        import pandas as pd

        from contextrot.scores.score import averages

        found = averages(self, scores)
        return pd.concat([found, task_averages(found)], ignore_index=True)
