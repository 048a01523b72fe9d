"""Judge `llm`: a model from config/models.yaml decides, by a rubric (see `rubrics`).

Only a bare verdict counts: true or false, yes or no, in any case, with quotes or a full stop around it. "The answer says
true" is no verdict, nor is a cut or refused reply. The judge is then asked once more; after that the answer is
unjudged: it stays in the denominator and is counted apart.
"""

from __future__ import annotations

from collections.abc import Sequence

from contextrot.errors import unknown
from contextrot.judging.contract import Judge, JudgingContext, Pair, Questions
from contextrot.judging.requests import judge_by_asking, reading_of, words_of
from contextrot.judging.rubrics import REMINDER, RUBRICS, judge_prompt
from contextrot.records import Judgement, Response
from contextrot.settings import JudgeSettings

VERDICT_TOKENS = 16
VERDICTS = {"true": True, "yes": True, "false": False, "no": False}
_AROUND = " \t\r\n\"'`*_.,;:!()[]“”‘’"
_SHOWN_CHARACTERS = 200


def parse_verdict(text: str | None) -> bool | None:
    """The verdict if the reply is one and nothing else, else None."""
    return VERDICTS.get((text or "").strip(_AROUND).casefold())


def check(settings: JudgeSettings, where: str) -> None:
    """Raises ConfigError for an unknown rubric."""
    if settings.rubric not in (None, *RUBRICS):
        raise unknown("rubric", settings.rubric, RUBRICS, where)


def prompts(pairs: Sequence[Pair], context: JudgingContext) -> dict[str, str]:
    """One request for each pair.

    Raises:
        ConfigError: for an unknown rubric.
    """
    rubric, first = context.settings.rubric, context.settings.answer_first
    return {_name(pair): judge_prompt(rubric, pair.sample.condition, pair.reference, pair.answer, first) for pair in pairs}


def _name(pair: Pair) -> str:
    return f"{pair.sample.sample_id} turn {pair.turn} item {pair.item}"


def _judgement(judge: str, pair: Pair, replies: Sequence[Response]) -> Judgement:
    verdict = reading_of(replies[-1], parse_verdict)
    words = " | ".join(words_of(reply)[:_SHOWN_CHARACTERS] for reply in replies)
    explanation = words if verdict is not None else f"no verdict: {words}"
    return Judgement(pair.sample.sample_id, pair.turn, pair.item, judge, verdict, explanation)


def judge(pairs: Sequence[Pair], context: JudgingContext) -> list[Judgement]:
    """One judgement for each pair; raises what `judge_by_asking` raises."""
    return judge_by_asking(QUESTIONS, pairs, context)


QUESTIONS = Questions(prompts, _name, parse_verdict, REMINDER, VERDICT_TOKENS, _judgement)
JUDGE = Judge(judge, asks=QUESTIONS, check=check)
