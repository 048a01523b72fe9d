"""Responses to judgements: every answer, against each of its references or by each of its task's criteria, by one judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from contextrot.judging import judges
from contextrot.judging.contract import JudgingContext, Pair
from contextrot.records import Judgement, Response, Sample, is_judged, read_responses, read_samples, write_judgements


def judge_responses(samples_path: Path, responses_path: Path, output: Path, context: JudgingContext) -> None:
    """Writes judgements/{judge}.parquet."""
    samples = {sample.sample_id: sample for sample in read_samples(samples_path, columns=[])}
    pairs = pairs_of(samples, read_responses(responses_path), context.task.criteria)
    context = replace(context, folder=Path(output).parent.parent, samples_path=Path(samples_path))
    write_judgements(output, judge_pairs(pairs, context))


def pairs_of(samples: Mapping[str, Sample], responses: Iterable[Response], criteria: Sequence[str] = ()) -> list[Pair]:
    """What there is to judge: each answer with a text, against each of its sample's references, else by each of the criteria."""
    return [
        Pair(samples[response.sample_id], response.turn, item, reference, response.text or "")
        for response in responses
        if is_judged(response)
        for item, reference in enumerate(samples[response.sample_id].references or criteria)
    ]


def judge_pairs(pairs: Sequence[Pair], context: JudgingContext) -> list[Judgement]:
    """One judgement for each pair, in their order, by the judge that the context names."""
    return judges.load(context.settings.kind).judge(pairs, context)
