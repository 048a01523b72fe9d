"""What a judge that asks a model will cost, from what it will ask: its own requests to answers of the expected length."""

from __future__ import annotations

from collections.abc import Sequence

from contextrot.judging.contract import JudgingContext, Questions
from contextrot.judging.judge import pairs_of
from contextrot.judging.requests import requests_of
from contextrot.records import Response, Sample
from contextrot.responses.cost import Call, CostEstimate, estimate_calls
from contextrot.responses.rehearsal import stand_in
from contextrot.samples.tokenizers import Tokenizer


def estimate_judge(
    questions: Questions,
    context: JudgingContext,
    experiment: str,
    samples: Sequence[Sample],
    tokenizer: Tokenizer,
    earlier_mean: float | None = None,
) -> CostEstimate:
    """The estimate for one judge of one experiment, a second request after a reply in no form left out.

    Args:
        context: with the judge's model.
        samples: with their later prompts; those that do not fit the window have nothing to judge.
        tokenizer: of the model whose answers are judged.
        earlier_mean: mean tokens of earlier answers; None if there are none, so that each is taken to reach its limit.
    """
    pairs = pairs_of(
        {sample.sample_id: sample for sample in samples},
        expected_answers(samples, tokenizer, earlier_mean),
        context.task.criteria,
    )
    room = context.model.reasoning_tokens
    calls = [
        Call(request.prompt_tokens or 0, request.max_output_tokens + room) for request in requests_of(questions, pairs, context)
    ]
    return estimate_calls(context.settings.model, experiment, context.name, context.model, calls)


def expected_answers(samples: Sequence[Sample], tokenizer: Tokenizer, mean_tokens: float | None) -> list[Response]:
    """An answer to every turn of every sample that is sent: a stand-in of the expected length, at most the sample's limit."""
    texts: dict[int, str] = {}
    answers = []
    for sample in samples:
        if sample.fits_window:
            most = sample.max_output_tokens
            tokens = most if mean_tokens is None else min(max(round(mean_tokens), 1), most)
            if tokens not in texts:
                texts[tokens] = stand_in(tokenizer, tokens)
            turns = range(1 + len(sample.later_prompts))
            answers += [Response(sample.sample_id, turn, "answered", texts[tokens]) for turn in turns]
    return answers
