"""Judge `llm`: a model from config/models.yaml decides, by a rubric (see `rubrics`).

Only a bare verdict counts: true or false, yes or no, in any case, with quotes or a full stop around it. "The answer says
true" is no verdict, nor is a cut or refused reply. The judge is then asked once more; after that the answer is
unjudged: it stays in the denominator and is counted apart.

Requests go the way of all others: from the request store where they were asked before, retried, paced, within the budget, counted in
the experiment's token dashboard. So a judge that was interrupted goes on where it stopped, and a new rubric asks anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from contextrot.errors import RequestError
from contextrot.inference import ask_samples
from contextrot.judging import JudgingContext, Pair
from contextrot.prices import pricing_of
from contextrot.records import Judgement, Response, Sample
from contextrot.rubrics import REMINDER, judge_prompt
from contextrot.tasks import Asker, Parameters, Task
from contextrot.usage import Ledger

VERDICT_TOKENS = 16
VERDICTS = {"true": True, "yes": True, "false": False, "no": False}
_AROUND = " \t\r\n\"'`*_.,;:!()[]“”‘’"
_SHOWN_CHARACTERS = 200


def parse_verdict(text: str | None) -> bool | None:
    """The verdict if the reply is one and nothing else, else None."""
    return VERDICTS.get((text or "").strip(_AROUND).casefold())


class AskForVerdict(Task):
    """One conversation with the judge: the prompt, and once more with a reminder if the reply was no verdict."""

    async def converse(self, sample: Sample, ask: Asker) -> list[Response]:
        first = await ask(sample.messages, 0)
        if verdict_of(first) is not None or first.outcome in ("failed", "over_window"):
            return [first]
        again = [*sample.messages[:-1], {"role": "user", "content": f"{sample.messages[-1]['content']}\n\n{REMINDER}"}]
        return [first, await ask(again, 1)]


def verdict_of(response: Response) -> bool | None:
    """The verdict of one reply; a cut or refused one has none."""
    return parse_verdict(response.text) if response.outcome == "answered" else None


def judge(pairs: Sequence[Pair], context: JudgingContext) -> list[Judgement]:
    """One judgement for each pair.

    Raises:
        ConfigError: for an unknown rubric.
        RequestError: if a request failed after all attempts and `allow_failed` is off.
        EngineError: if the judge's server cannot be started.
    """
    model, settings = context.project.models[context.settings.model], context.project.settings
    samples = [
        Sample(
            sample_id=f"{pair.sample.sample_id} turn {pair.turn} item {pair.item}",
            messages=[{"role": "user", "content": prompt}],
            references=[pair.reference],
            max_output_tokens=min(VERDICT_TOKENS, model.max_output_tokens),
            prompt_tokens=None,
        )
        for pair in pairs
        for prompt in [judge_prompt(context.settings.rubric, pair.sample.condition, pair.reference, pair.answer)]
    ]
    part = f"judge-{context.name}"
    usage = Ledger(context.folder, part, context.settings.model, pricing_of(model), settings.budget_usd, len(samples))
    try:
        replies = ask_samples(samples, AskForVerdict(Parameters()), model, settings, usage, context.log_path, part)
        judgements = [_judgement(context, pair, replies[s.sample_id]) for pair, s in zip(pairs, samples, strict=True)]
    except BaseException:
        usage.stage = "stopped"
        usage.write()
        raise
    usage.stage = "done"
    usage.write()
    return judgements


def _judgement(context: JudgingContext, pair: Pair, replies: list[Response]) -> Judgement:
    last = replies[-1]
    if last.outcome == "failed" and not context.project.settings.allow_failed:
        raise RequestError(
            f"judge {context.name!r} could not be asked about {pair.sample.sample_id!r} ({last.error_type}: {last.error_message}). "
            "Its other verdicts are kept: run the same command to ask only for the missing ones."
        )
    verdict = verdict_of(last)
    words = " | ".join((reply.text or reply.outcome)[:_SHOWN_CHARACTERS] for reply in replies)
    explanation = words if verdict is not None else f"no verdict: {words}"
    return Judgement(pair.sample.sample_id, pair.turn, pair.item, context.name, verdict, explanation)
