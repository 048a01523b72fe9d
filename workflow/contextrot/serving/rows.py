"""From samples to sessions of requests, and from what was measured to the rows of requests.parquet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from contextrot.judging.contract import JudgingContext, Pair
from contextrot.judging.judges.match import judge
from contextrot.records import Response, Sample, is_judged
from contextrot.responses.length_audit import Count, audit_counts
from contextrot.serving.timings import Answer, FailedRequest, Timing, Turn
from contextrot.tasks.serving.load_samples import asked_sample, task_of

if TYPE_CHECKING:
    from contextrot.responses.prices import Pricing
    from contextrot.tasks.serving.task import ServingParameters

Session = list[Turn]


def sessions_of(
    samples: Sequence[Sample],
    p: ServingParameters,
    due_seconds: Sequence[float] | None,
    rng: np.random.Generator,
    count: Callable[[str], int],
) -> list[Session]:
    """The sessions of one group: a sample with its later prompts is one; of a trace those that it names.

    Args:
        due_seconds: when each sample's session begins; None for a closed loop, or a trace, whose samples say it themselves.
        rng: of think times.
        count: tokens of a text.
    """
    if p.trace:
        chats: dict[str, Session] = {}
        for sample in samples:
            session = sample.condition["session"]
            name = f"alone {sample.sample_id}" if session is None else f"session {session}"
            chats.setdefault(name, []).append(Turn(sample, sample.condition["due_seconds"]))
        return list(chats.values())
    found = []
    for index, sample in enumerate(samples):
        session = [Turn(sample, None if due_seconds is None else due_seconds[index])]
        for number, prompt in enumerate(sample.later_prompts, 1):
            messages = [{"role": "user", "content": prompt}]
            later = replace(sample, sample_id=f"{sample.sample_id}.{number}", messages=messages, prompt_tokens=count(prompt))
            think = float(rng.exponential(p.think_seconds)) if p.think_seconds else 0.0
            session.append(Turn(later, None, think, grows=True))
        found.append(session)
    return found


def rows_of(sessions: Sequence[Session], answers: Sequence[Answer], mode: str, pricing: Pricing | None) -> list[dict[str, Any]]:
    """A row for each request; times of a group count from its first.

    Args:
        answers: as LoadGenerator.play gives them.
    """
    begin = min((answer.start for answer in answers), default=0.0)
    rows, rest = [], iter(answers)
    for session in sessions:
        before: Timing | None = None
        for number, turn in enumerate(session):
            answer = next(rest)
            timing = answer if isinstance(answer, Timing) else None
            outcome = answer.outcome if isinstance(answer, FailedRequest) else "answered"
            row = row_of(turn.sample, mode, outcome, timing, number if turn.grows else 0)
            if turn.grows:
                row["sample_id"] = session[0].sample.sample_id
            row["start_seconds"] = answer.start - begin
            row["error"] = answer.message if isinstance(answer, FailedRequest) else None
            row["reusable_tokens"] = _reusable(turn, before)
            if timing is not None and pricing is not None and None not in (timing.prompt_tokens, timing.completion_tokens):
                row["cost_usd"] = pricing.cost(timing.prompt_tokens, timing.completion_tokens, timing.cached_tokens or 0)
            rows.append(row)
            before = timing
    return rows


def mark_cut(rows: Sequence[dict[str, Any]], exact: bool) -> None:
    """Gives the outcome `input_cut` to answers whose prompt the server cut, as its own count says: a shorter prompt is a quicker one.

    Args:
        exact: whether the tokenizer that built the prompts is the model's own.
    """
    counted = [row for row in rows if row["outcome"] == "answered" and row["prompt_tokens"] and row["server_prompt_tokens"]]
    counts = [Count(row["prompt_tokens"], row["server_prompt_tokens"], row["cached_tokens"] or 0, None) for row in counted]
    for place in audit_counts(counts, exact).cut:
        row = counted[place]
        row["outcome"] = "input_cut"
        row["error"] = f"the server counted {row['server_prompt_tokens']} prompt tokens where {row['prompt_tokens']} were sent"


def _reusable(turn: Turn, before: Timing | None) -> int | None:
    """Tokens of a prompt that the load itself has sent before; None where nobody counted them."""
    if not turn.grows:
        return turn.sample.condition.get("reusable_tokens") or 0
    if before is None or before.prompt_tokens is None or before.completion_tokens is None:
        return None
    return before.prompt_tokens + before.completion_tokens


def row_of(sample: Sample, mode: str, outcome: str, timing: Timing | None = None, turn: int = 0) -> dict[str, Any]:
    """One row; a turn that grows has a prompt that nobody has built, and so no length that was asked."""
    return {
        "sample_id": sample.sample_id,
        "request_id": sample.sample_id,
        "turn": turn,
        "mode": mode,
        **{name: sample.condition[name] for name in ("length", "repeat", "index")},
        "asked": sample.condition.get("asked"),
        "outcome": outcome,
        "unjudged": False,
        "target_tokens": None if turn else sample.target_tokens,
        "prompt_tokens": None if turn else sample.prompt_tokens,
        "server_prompt_tokens": timing and timing.prompt_tokens,
        "completion_tokens": timing and timing.completion_tokens,
        "cached_tokens": timing and timing.cached_tokens,
        "reusable_tokens": None,
        "ttft_seconds": timing and timing.ttft_seconds,
        "tpot_seconds": timing and timing.tpot_seconds,
        "itl_seconds": timing.itl_seconds if timing else [],
        "end_to_end_seconds": timing and timing.end_to_end_seconds,
        "start_seconds": None,
        "late_seconds": timing and timing.late_seconds,
        "text": timing and timing.text,
        "finish_reason": timing and timing.finish_reason,
        "warm": None,
        "score": None,
        "cost_usd": None,
        "error": None,
    }


def scores_of(sessions: Sequence[Session], answers: Sequence[Answer], p: ServingParameters) -> list[float | None]:
    """The other task's score of each answer, by the rules of judge `match` where it is judged; None where there is none.

    Scored are first answers: what comes later in a session rests on the model's own earlier ones. A task that people or models rate by
    criteria has no score here.
    """
    scores: list[float | None] = []
    rest = iter(answers)
    for session in sessions:
        for number, turn in enumerate(session):
            answer = next(rest)
            scores.append(_score(turn.sample, answer, p) if number == 0 and isinstance(answer, Timing) else None)
    return scores


def _score(sent: Sample, answer: Timing, p: ServingParameters) -> float | None:
    task, sample = task_of(p, sent.condition["length"]), asked_sample(sent)
    if task.criteria:
        return None
    outcome = "truncated" if answer.finish_reason == "length" else "answered" if answer.said.strip() else "empty"
    response = Response(sample.sample_id, 0, outcome, text=answer.said, finish_reason=answer.finish_reason)
    verdicts: list[bool | None] = []
    if type(task).is_judged(p.task_parameters):
        verdicts = [False] * len(sample.references)
        if is_judged(response):
            context = JudgingContext("match", None, task)
            pairs = [Pair(sample, 0, item, reference, answer.said) for item, reference in enumerate(sample.references)]
            verdicts = [one.verdict for one in judge(pairs, context)]
        if not verdicts:
            return None
    return float(task.score_turn(sample, response, verdicts, [])["score"])
