"""Judge `recorded`: the verdicts that an earlier run's judge gave, from the file of its answers."""

from __future__ import annotations

from collections.abc import Sequence

from contextrot.errors import DataError
from contextrot.judging.contract import Judge, JudgingContext, Pair
from contextrot.records import Judgement


def judge(pairs: Sequence[Pair], context: JudgingContext) -> list[Judgement]:
    """One judgement for each pair; unjudged where the file's verdict is neither true nor false.

    Raises:
        DataError: if the answers judged are not those of the file.
    """
    recorded = context.task.recorded_answers(context.data)
    judgements = []
    for pair in pairs:
        name = pair.sample.sample_id
        if name not in recorded or recorded[name].text != pair.answer:
            raise DataError(
                f"the recorded verdict on {name!r} belongs to another answer: judge `recorded` judges answers of engine `recorded` only."
            )
        verdict = recorded[name].verdict
        explanation = None if verdict is not None else "the file has no verdict that is true or false"
        judgements.append(Judgement(name, pair.turn, pair.item, context.name, verdict, explanation))
    return judgements


JUDGE = Judge(judge, task_members=("recorded_answers",))
