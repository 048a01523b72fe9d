"""Responses to judgements: every answer, against each of its references or by each of its task's criteria, by one judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from contextrot.judging import judges
from contextrot.records import Response, Sample, read_responses, read_samples, write_judgements

if TYPE_CHECKING:
    from contextrot.project import Project
    from contextrot.settings import JudgeSettings
    from contextrot.task import Task

JUDGED_OUTCOMES = ("answered", "truncated")
"""Outcomes that may have a text to judge; what has none counts as not right without asking a judge."""


def is_judged(response: Response) -> bool:
    """Whether there is a text for a judge: the limit may have cut an answer before its first word, within a thought."""
    return response.outcome in JUDGED_OUTCOMES and bool((response.text or "").strip())


@dataclass(frozen=True)
class Pair:
    """One answer beside one gold answer.

    Attributes:
        sample: without its messages.
        turn, item: which answer of the sample, which of its references or of the task's criteria.
        reference: the gold answer, or the criterion.
    """

    sample: Sample
    turn: int
    item: int
    reference: str
    answer: str


@dataclass(frozen=True)
class JudgingContext:
    """What a judge may need beside the pairs.

    Attributes:
        name: the judge's name in config.
        settings: the judge's block in config.
        project: all settings, for the models a judge may ask.
        task: the task whose answers are judged.
        log_path: where a judge that starts a server writes its log.
        folder: the experiment's folder, where the tokens of a judge that asks a model are counted.
        samples_path: the samples with their prompts, which are too large to be read for every judge.
    """

    name: str
    settings: JudgeSettings
    project: Project
    task: Task
    log_path: Path
    folder: Path = Path()
    samples_path: Path | None = None


def judge_responses(samples_path: Path, responses_path: Path, output: Path, context: JudgingContext) -> None:
    """Writes judgements/{judge}.parquet."""
    samples = {sample.sample_id: sample for sample in read_samples(samples_path, columns=[])}
    pairs = [
        Pair(samples[response.sample_id], response.turn, item, reference, response.text or "")
        for response in read_responses(responses_path)
        if is_judged(response)
        for item, reference in enumerate(samples[response.sample_id].references or context.task.criteria)
    ]
    write_judgements(
        output, judge_pairs(pairs, replace(context, folder=Path(output).parent.parent, samples_path=Path(samples_path)))
    )


def judge_pairs(pairs: Sequence[Pair], context: JudgingContext):
    """One judgement for each pair, in their order, by the judge that the context names."""
    return judges.load(context.settings.kind).judge(pairs, context)
