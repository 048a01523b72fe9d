"""Judge `match`: does the answer say the gold answer? Deterministic and free; its rules stand in `matching.match`."""

from __future__ import annotations

from collections.abc import Sequence

from contextrot.judging.contract import Judge, JudgingContext, Pair
from contextrot.records import Judgement, read_prompts


def judge(pairs: Sequence[Pair], context: JudgingContext) -> list[Judgement]:
    """One judgement for each pair; never unjudged."""
    # late: the languages' patterns take 0.1 s, which every other job would wait for
    from contextrot.matching.copying import may_be_copy
    from contextrot.matching.match import match

    rules = [match(pair.reference, pair.answer, *what_was_asked(pair)) for pair in pairs]
    long = {pair.sample.sample_id for pair, rule in zip(pairs, rules, strict=True) if rule and may_be_copy(pair.answer)}
    if long and context.samples_path:
        # prompts are large: read only for answers that may be copies, one at a time
        for sample_id, prompt in read_prompts(context.samples_path, long):
            for i, pair in enumerate(pairs):
                if pair.sample.sample_id == sample_id and rules[i]:
                    rules[i] = match(pair.reference, pair.answer, *what_was_asked(pair), prompt)
    return [
        Judgement(pair.sample.sample_id, pair.turn, pair.item, context.name, rule is not None, rule)
        for pair, rule in zip(pairs, rules, strict=True)
    ]


def what_was_asked(pair: Pair) -> tuple[str, list[tuple[str, str]], bool]:
    """The question of a pair, the distractors that belong to it, and whether it cannot be answered."""
    condition = pair.sample.condition
    question = str(condition.get("question") or "")
    asked = question.split("\n")
    several = len(asked) == len(pair.sample.references) > 1
    needles = str(condition.get("needle") or "").split("+")
    columns = (condition.get(f"distractor_{name}") for name in ("names", "texts", "answers"))
    planted = list(zip(*(list(column) if column is not None else [] for column in columns), strict=True))
    if several and len(needles) == len(asked):
        planted = [one for one in planted if one[0].rpartition(":")[0] == needles[pair.item]]
    return (
        asked[pair.item] if several else question,
        [(text, answer) for _, text, answer in planted],
        bool(condition.get("abstention")),
    )


JUDGE = Judge(judge)
