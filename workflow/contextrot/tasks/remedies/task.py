"""Read the document and answer the question in one sentence, using only the document.

<document>
The night train to the coast departs from platform nine, at the far end of the station.
</document>

Question: From which platform does the night train to the coast depart?
-> From platform nine.

What helps against a long context: the questions of another experiment, asked again with less context, with the same in another order, or
in several steps, and compared in pairs with the whole context.

Sources: P. Lewis et al. (2020), Retrieval-augmented generation; N. F. Liu et al. (2023), Lost in the middle (evidence at the ends);
J. Wu et al. (2021), Recursively summarizing books; Y. Leviathan et al. (2025), Prompt repetition.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from contextrot.errors import ConfigError
from contextrot.records import SCORED_OUTCOMES, Response, Sample
from contextrot.samples import prompts
from contextrot.samples.reading import Reading
from contextrot.samples.tokenizers import Tokenizer
from contextrot.task import Asker, SampleContext
from contextrot.tasks import BorrowingParameters, BorrowingTask
from contextrot.tasks.remedies.retrieval import dense_ranking, ranking

if TYPE_CHECKING:
    import pandas as pd

Arm = Literal[
    "full", "none", "focused", "retrieved", "cut_oldest", "cut_middle", "evidence_at_ends", "question_first", "instruction_repeated",
    "summarised", "recursive", "retrieved_dense",
]  # fmt: skip
BASELINE = "full"
DENSE = "retrieved_dense"
IN_STEPS = ("summarised", "recursive")
"""Arms whose answer takes several requests."""


class RemediesParameters(BorrowingParameters):
    """Parameters of task `remedies`."""

    of: str = "niah"
    """The task whose questions are asked: niah, longmemeval, dataset, or another whose prompts can be taken apart."""
    arms: list[Arm] = [arm for arm in get_args(Arm) if arm != DENSE]
    """full: the whole context, which all others are compared with; none; focused: the passages with the evidence alone; retrieved: those that
    BM25 ranks highest for the question; cut_oldest, cut_middle: as many passages as fit `budget_tokens`, without the first, or the middle
    ones; evidence_at_ends: all passages, those that BM25 ranks highest at the beginning and end; question_first: the question before the
    context too; instruction_repeated: the instruction after the context too; summarised: the model's notes on each part for the question,
    then the question; recursive: the question to each part, then to the parts' answers; retrieved_dense: as retrieved, by `embedding_model`."""
    retrieved_passages: int = Field(5, gt=0)
    """Passages of arm retrieved."""
    embedding_model: str | None = None
    """sentence-transformers model of arm retrieved_dense (pip install '.[similarity]'), a name or a folder."""
    budget_tokens: int = Field(500, gt=0)
    """Context of the arms that cut, tokens."""
    part_tokens: int = Field(1000, gt=0)
    """Context of each step of summarised and recursive, tokens."""
    note_tokens: int = Field(100, gt=0)
    """Limit of the notes on a part, tokens."""
    passage_words: int = Field(60, gt=0)
    """About how many words (3 characters each where a script puts no spaces) a passage has, where the context has no parts of its own such as chat sessions."""

    @model_validator(mode="after")
    def _embedded_by_something(self) -> RemediesParameters:
        if (DENSE in self.arms) != (self.embedding_model is not None):
            raise ValueError(f"arm {DENSE} and `embedding_model` belong together: give both, or neither")
        return self

    @field_validator("arms")
    @classmethod
    def _compared_with_the_whole(cls, arms: list[str]) -> list[str]:
        if BASELINE not in arms or len(set(arms)) < len(arms):
            raise ValueError("name each arm once, and `full` among them: the others are compared with it")
        return arms


class Remedies(BorrowingTask):
    """Which remedy helps against a long context, and what does it cost?"""

    Parameters = RemediesParameters
    version = 3
    measures = ["score", "evidence_recall", "input_tokens", "requests", "seconds", "usd"]
    ranges = {"evidence_recall": (0, 1)}
    apart = "arm"

    def __init__(self, parameters: RemediesParameters) -> None:
        super().__init__(parameters)
        self.pair_columns = ["arm", "asked"]
        lengths = [("arm", self.length_column)] if self.length_column else []
        self.groupings = [("arm",), *lengths]

    def samples(self, context: SampleContext) -> list[Sample]:
        """Each question under each arm.

        Raises:
            ConfigError: if none of its prompts can be taken apart.
        """
        asked = self.borrowed_samples(context)
        self._refuse_several_conditions(asked)
        readings = [self.inner.reading(sample, context.data, self.parameters.passage_words) for sample in asked]
        if not any(readings):
            raise ConfigError(
                f"of = {self.parameters.of!r}: none of its prompts can be taken apart into instruction, context and question, or none fits the "
                f"window of {context.window} tokens; ask for shorter ones, or another task (niah, longmemeval, dataset)."
            )
        return [
            self._sample(context, sample, reading, arm)
            for sample, reading in zip(asked, readings, strict=True)
            for arm in self.parameters.arms
            if reading is None or arm != "focused" or reading.evidence
        ]

    def _refuse_several_conditions(self, asked: Sequence[Sample]) -> None:
        column = self.inner.apart
        found = list(dict.fromkeys(str(sample.condition[column]) for sample in asked)) if column else []
        if len(found) > 1:
            raise ConfigError(
                f"of = {self.parameters.of!r}: its questions are asked in several conditions ({column}: {', '.join(found)}), which no arm may "
                "mix; ask for the one with the whole context in `parameters`, such as histories: [full]."
            )

    def _sample(self, context: SampleContext, sample: Sample, reading: Reading | None, arm: str) -> Sample:
        condition = {
            **sample.condition, "arm": arm, "asked": sample.sample_id, "evidence_recall": None, "context_start": None, "context_end": None
        }  # fmt: skip
        name = f"{sample.sample_id}-{arm}"
        if reading is None:
            return replace(sample, sample_id=name, messages=[], fits_window=False, condition=condition)
        prompt, kept = self._prompt(reading, arm, context.tokenizer)
        if kept is not None and reading.evidence:
            condition["evidence_recall"] = len(reading.evidence & kept) / len(reading.evidence)
        condition["context_start"], condition["context_end"] = len(reading.before), len(reading.before) + len(reading.context)
        messages = [{"role": "user", "content": prompt}]
        tokens = context.tokenizer.count_chat(messages)
        fits = context.fits(tokens, sample.max_output_tokens)
        return replace(
            sample,
            sample_id=name,
            messages=messages if fits else [],
            prompt_tokens=tokens,
            target_tokens=sample.target_tokens if arm == BASELINE else None,
            fits_window=fits,
            condition=condition,
        )

    def _prompt(self, reading: Reading, arm: str, tokenizer: Tokenizer) -> tuple[str, frozenset[int] | None]:
        """The prompt of an arm, and the numbers of the passages in it; None where steps choose what is read."""
        p, count = self.parameters, len(reading.passages)
        whole, everything = reading.before + reading.context + reading.after, frozenset(range(count))
        if arm in IN_STEPS:
            return whole, None
        if arm == BASELINE:
            return whole, everything
        if arm == "question_first":
            return f"{reading.question}\n\n{whole}", everything
        if arm == "instruction_repeated":
            return f"{whole}\n\n{reading.before.split('<')[0].strip() or reading.question}", everything
        if arm == "evidence_at_ends":
            order = ends_first(ranking(reading.passages, reading.question))
            return reading.prompt([reading.passages[i] for i in order]), everything
        if arm == "none":
            kept: list[int] = []
        elif arm == "focused":
            kept = sorted(reading.evidence)
        elif arm == "retrieved":
            kept = sorted(ranking(reading.passages, reading.question)[: p.retrieved_passages])
        elif arm == DENSE:
            kept = sorted(dense_ranking(reading.passages, reading.question, str(p.embedding_model))[: p.retrieved_passages])
        else:
            sizes = [len(tokenizer.encode(passage)) for passage in reading.passages]
            kept = within_budget(sizes, p.budget_tokens, from_both_ends=arm == "cut_middle")
        return reading.prompt([reading.passages[i] for i in kept]), frozenset(kept)

    async def converse(self, sample: Sample, ask: Asker) -> list[Response]:
        """One request, or for arms in steps one for each part and one for the answer; its row says what all of them took."""
        if sample.condition["arm"] not in IN_STEPS:
            return await super().converse(sample, ask)
        prompt, start, end = sample.messages[0]["content"], sample.condition["context_start"], sample.condition["context_end"]
        before, context, after = prompt[:start], prompt[start:end], prompt[end:]
        recursive = sample.condition["arm"] == "recursive"
        calls, notes = [], []

        async def answer(text: str, limit: int) -> Response:
            messages = [{"role": "user", "content": text}]
            given = await ask(messages, 0, max_output_tokens=limit, prompt_tokens=ask.tokenizer.count_chat(messages))
            calls.append(given)
            return given

        for number, part in enumerate(parts_of(context, self.parameters.part_tokens, ask.tokenizer), 1):
            asked = before + part + after if recursive else prompts.NOTES.format(question=sample.condition["question"], text=part)
            given = await answer(asked, sample.max_output_tokens if recursive else self.parameters.note_tokens)
            if given.outcome not in SCORED_OUTCOMES:
                return [_of_all(given, calls)]
            if given.text:
                notes.append(prompts.PART_NOTES.format(number=number, text=given.text.strip()))
        final = await answer(before + "\n\n".join(notes) + after, sample.max_output_tokens)
        return [_of_all(final, calls)]

    def columns(self, response: Response) -> dict[str, Any]:
        steps = json.loads(response.details or "{}").get("steps")
        if steps is None:
            sent = response.outcome in SCORED_OUTCOMES
            known = (1 if sent else None, response.prompt_tokens, response.total_seconds, response.cost_usd)
        else:
            known = (steps["requests"], steps["prompt_tokens"], response.total_seconds, response.cost_usd)
        return dict(
            zip(("requests", "input_tokens", "seconds", "usd"), (None if v is None else float(v) for v in known), strict=True)
        )

    def metrics(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Adds `minus_full`: each arm's score less that of the whole context on the same questions, and p values; see `against_the_whole`."""
        import pandas as pd

        from contextrot.scores.score import averages

        return pd.concat([averages(self, scores), against_the_whole(scores, self.length_column)], ignore_index=True)


def ends_first(order: Sequence[int]) -> list[int]:
    """The best at the beginning, the second best at the end, and so on to the worst in the middle."""
    return [*order[::2], *reversed(order[1::2])]


def within_budget(sizes: Sequence[int], budget: int, from_both_ends: bool) -> list[int]:
    """Numbers of the passages that are kept: from the end backwards, or in turn from both ends."""
    left, right, kept, room = 0, len(sizes) - 1, [], budget
    take_left = from_both_ends
    while left <= right:
        place = left if take_left else right
        if sizes[place] > room:
            break
        kept.append(place)
        room -= sizes[place]
        left, right = (left + 1, right) if take_left else (left, right - 1)
        take_left = from_both_ends and not take_left
    return sorted(kept)


def parts_of(text: str, tokens: int, tokenizer: Tokenizer) -> list[str]:
    """A text in parts of at most so many tokens, cut between sentences where one is not longer than a part."""
    from contextrot.samples.sentences import split_text

    parts, current, size = [], "", 0
    for piece in split_text(text):
        length = len(tokenizer.encode(piece))
        if current and size + length > tokens:
            parts.append(current.strip())
            current, size = "", 0
        current, size = current + piece, size + length
    return [*parts, current.strip()] if current.strip() else parts


def _of_all(final: Response, calls: Sequence[Response]) -> Response:
    """The last response with the time and cost of all requests before it, None where one of them is not known."""

    def total(name: str) -> Any:
        values = [getattr(call, name) for call in calls]
        return None if None in values else sum(values)

    steps = {"requests": len(calls), "prompt_tokens": total("prompt_tokens"), "completion_tokens": total("completion_tokens")}
    details = json.dumps({**json.loads(final.details or "{}"), "steps": steps})
    return replace(
        final, total_seconds=total("total_seconds"), cost_usd=total("cost_usd"),
        cost_at_most=any(call.cost_at_most for call in calls) or None, details=details,
    )  # fmt: skip


def against_the_whole(scores: pd.DataFrame, length: str | None) -> pd.DataFrame:
    """Rows of metrics.csv that compare each arm with the whole context on the same questions, over all and at each length.

    Measures: `minus_full`, with its interval (for needles or items of the kind, as all intervals are); `p` of no difference and `p_holm`,
    corrected for the number of arms. `n` is the number of questions with an answer that counts under both.
    """
    import pandas as pd

    from contextrot.scores.clusters import difference_of
    from contextrot.scores.comparison import counting
    from contextrot.scores.score import clusters_of
    from contextrot.scores.stats import holm

    rows = []
    counted = counting(scores)
    for grouping in [("arm",), *([("arm", length)] if length else [])]:
        groups = [({}, counted)] if len(grouping) == 1 else [({length: value}, group) for value, group in counted.groupby(length)]
        for given, group in groups:
            whole = group[group["arm"] == BASELINE].set_index("asked")
            found = []
            for arm in (arm for arm in group["arm"].unique() if arm != BASELINE):
                mine = group[group["arm"] == arm].set_index("asked")
                shared = [name for name in mine.index if name in whole.index]
                pairs = mine.loc[shared]
                difference = difference_of(
                    pairs["score"].astype(float),
                    whole.loc[shared, "score"].astype(float),
                    shared,
                    clusters_of(pairs.reset_index()),
                )
                found.append((arm, difference))
            for (arm, d), corrected in zip(found, holm([d.p_value for _, d in found]), strict=True):
                row = {"grouping": ",".join(grouping), "arm": arm, **given, "n": d.n}
                rows.append(row | {"measure": "minus_full", "value": d.difference, "low": d.low, "high": d.high})
                rows += [row | {"measure": "p", "value": d.p_value}, row | {"measure": "p_holm", "value": corrected}]
    return pd.DataFrame(rows)
