"""Requests of judges that ask a model from config/models.yaml.

They go the way of all others: from the request store where they were asked before, retried, paced, within the budget, counted in
the experiment's token dashboard. So a judge that was interrupted goes on where it stopped, and a new rubric asks anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from contextrot.errors import RequestError
from contextrot.judging.contract import JudgingContext, Pair, Questions
from contextrot.records import Judgement, Response, Sample
from contextrot.responses.collect import ask_samples
from contextrot.responses.input_cut import counts_exactly, mark_cut, tell_audit
from contextrot.responses.prices import pricing_of
from contextrot.responses.usage import Ledger
from contextrot.samples.tokenizers import tokenizer_of
from contextrot.settings import ModelSettings
from contextrot.task import Asker, Parameters, Task

Parse = Callable[[str | None], Any]
"""A reply's text -> what it says; None if it is not in the form that was asked for."""


class AskForReply(Task):
    """One conversation with the judge: the prompt, and once more with a reminder if the reply was not in its form."""

    def __init__(self, parse: Parse, reminder: str) -> None:
        super().__init__(Parameters())
        self.parse, self.reminder = parse, reminder

    async def converse(self, sample: Sample, ask: Asker) -> list[Response]:
        first = await ask(sample.messages, 0)
        if reading_of(first, self.parse) is not None or first.outcome in ("failed", "over_window"):
            return [first]
        again = [*sample.messages[:-1], {"role": "user", "content": f"{sample.messages[-1]['content']}\n\n{self.reminder}"}]
        return [first, await ask(again, 1, prompt_tokens=ask.tokenizer.count_chat(again))]


def reading_of(response: Response, parse: Parse) -> Any:
    """What a reply says; None for a cut or refused one."""
    return parse(response.text) if response.outcome == "answered" else None


def requests_of(questions: Questions, pairs: Sequence[Pair], context: JudgingContext) -> list[Sample]:
    """What the judge's model will be sent for some pairs: each request once, with its prompt counted and its reply's limit."""
    tokenizer = tokenizer_of(context.model)
    chats = {name: [{"role": "user", "content": prompt}] for name, prompt in questions.prompts(pairs, context).items()}
    return [
        Sample(
            sample_id=name,
            messages=chat,
            references=[],
            max_output_tokens=min(questions.reply_tokens, context.model.max_output_tokens),
            prompt_tokens=tokenizer.count_chat(chat),
        )
        for name, chat in chats.items()
    ]


def judge_by_asking(questions: Questions, pairs: Sequence[Pair], context: JudgingContext) -> list[Judgement]:
    """One judgement for each pair, from the one or two replies to its request.

    Raises:
        RequestError: if a request failed after all attempts and `allow_failed` is off.
        EngineError: if the judge's server cannot be started.
    """
    model, settings, samples = context.model, context.run, requests_of(questions, pairs, context)
    part = f"judge-{context.name}"
    usage = Ledger(context.folder, part, context.settings.model, pricing_of(model), settings.budget_usd, len(samples))
    task = AskForReply(questions.parse, questions.reminder)
    try:
        replies = ask_samples(samples, task, model, settings, usage, context.log_path, part, canaries=False)
        if not settings.allow_failed:
            _check(context.name, replies)
    except BaseException:
        usage.stage = "stopped"
        usage.write()
        raise
    usage.stage = "done"
    usage.write()
    replies = _without_cut(part, replies, model)
    return [questions.judgement(context.name, pair, replies[questions.request_of(pair)]) for pair in pairs]


def _without_cut(part: str, replies: dict[str, list[Response]], model: ModelSettings) -> dict[str, list[Response]]:
    """The replies, those to prompts that the judge's server cut as `input_cut`: they say nothing of the answer. Told on the terminal."""
    rows = [reply for of_prompt in replies.values() for reply in of_prompt]
    marked, audit = mark_cut(rows, [None] * len(rows), counts_exactly(model))
    so = "This judge has seen only a part of those answers, which are left unjudged."
    tell_audit(part, audit, model.base_url, so)
    left = iter(marked)
    return {name: [next(left) for _ in of_prompt] for name, of_prompt in replies.items()}


def words_of(reply: Response) -> str:
    """What a reply says, or why it says nothing."""
    if reply.outcome == "input_cut":
        return f"the judge's prompt was cut: {reply.error_message}"
    return reply.text or reply.outcome


def _check(judge: str, replies: Mapping[str, Sequence[Response]]) -> None:
    for name, (*_, last) in replies.items():
        if last.outcome == "failed":
            raise RequestError(
                f"judge {judge!r} could not be asked about {name!r} ({last.error_type}: {last.error_message}). "
                "Its other replies are kept: run the same command to ask only for the missing ones."
            )
