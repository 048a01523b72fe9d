"""Is this film review positive or negative?
The last ten minutes left our whole row in happy, helpless tears.
-> positive

Context switching: a target task after h turns of another task.

Source: Gupta et al. (2024), LLM Task Interference: An Initial Study on the Impact of Task-Switch in Conversational History
(arXiv 2402.18216), for histories, percent change and sensitivity tau; its r0 is here the model's own zero-shot answer. Layer
cosines follow the context-switching analysis that builds on it. A history never holds the target, and h + 1 extends h.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, field_validator

from contextrot.matching.scorers import rouge_l
from contextrot.records import SCORED_OUTCOMES, Response, Sample
from contextrot.task import Asker, Parameters, SampleContext, StateRequest, Task
from contextrot.tasks.context_switching import histories
from contextrot.tasks.context_switching.labels import read_label
from contextrot.tasks.context_switching.task_sets import Reference, TaskSet, TaskSetSettings, load_task_set, settings_of

if TYPE_CHECKING:
    import pandas as pd


NO_HISTORY = "none"
CONVERSATION = ("first_prompt", "history_answer_tokens")
"""Columns of a conversational history: its first question, and the limit of an answer in it."""


class SwitchingParameters(Parameters):
    """Parameters of task `context_switching`."""

    targets: list[str] = ["sentiment", "multiple_choice", "short_posts_qa"]
    """Sets whose questions count: name, name:selection (a subject), name/split."""
    distractors: list[str] | None = None
    """Sets that histories are made of, each before every target; the targets without it, same-task pairs included."""
    history_turns: list[Annotated[int, Field(ge=0, le=10_000)]] = [0, 1, 2, 3, 4, 5, 6, 7, 8]
    """Lengths of the history, turns; 0 must be among them."""
    items: int | None = Field(50, ge=1)
    """Questions of each target set, drawn by the seed; null takes all."""
    history: histories.History = "teacher_forced"
    """Answers of the earlier turns: the right ones (teacher_forced), the model's own (conversational), or of another item, drawn (random)."""
    asking: histories.Asking = "chat"
    """`chat`: turns of a chat; `plain`: one message with "User:" and "Assistant:" lines."""
    sets: dict[str, TaskSetSettings] = Field(default_factory=dict)
    """Your own sets by name: file or hub, template, columns, answer."""

    @field_validator("history_turns")
    @classmethod
    def _from_zero(cls, turns: list[int]) -> list[int]:
        if 0 not in turns or min(turns) < 0:
            raise ValueError("must hold 0 (the zero-shot answer that the others are compared with) and nothing below it")
        return sorted(set(turns))


class ContextSwitching(Task):
    """Does the model still do a task as well after turns of another task?"""

    Parameters = SwitchingParameters
    version = 3
    judged = False
    groupings = [("target", "distractor", "history_turns"), ("target", "history_turns"), ("history_turns",)]
    measures = ["score", "format_error", "likelihood_correct", "tau"]
    ranges = {"format_error": (0, 1), "likelihood_correct": (0, 1)}
    length_column = "history_turns"
    length_parameter = "history_turns"
    cluster_column = "item"
    pair_columns = ["target", "distractor", "history_turns", "item"]
    score_inputs = ["likelihoods.parquet"]
    state_inputs = ["responses.parquet"]

    @property
    def distractors(self) -> list[str]:
        """Names of the distractor sets."""
        p = self.parameters
        return p.targets if p.distractors is None else p.distractors

    @property
    def pairs(self) -> dict[str, tuple[str, str]]:
        """File name -> (target, distractor)."""
        return {f"{slug(t)}_vs_{slug(d)}": (t, d) for t, d in product(self.parameters.targets, self.distractors)}

    def data_files(self, data: Path) -> list[Path]:
        named = [
            settings_of(Reference.parse(text), self.parameters.sets) for text in [*self.parameters.targets, *self.distractors]
        ]
        return sorted({data / settings.file for settings in named if settings.file})

    def samples(self, context: SampleContext) -> list[Sample]:
        p = self.parameters
        loaded = {text: load_task_set(text, context.data, p.sets) for text in dict.fromkeys([*p.targets, *self.distractors])}
        samples = []
        for target in (loaded[text] for text in dict.fromkeys(p.targets)):
            order = context.rng("items", target.name).permutation(len(target.items))
            for item in (target.items[index] for index in order[: p.items]):
                samples.append(self._sample(context, target, item, NO_HISTORY, []))
                for name in dict.fromkeys(self.distractors):
                    rng = context.rng("history", target.name, name, item.item_id)
                    history = histories.draw_history(loaded[name], item, max(p.history_turns), rng)
                    if p.history == "random":
                        history = histories.randomly_answered(history, loaded[name], rng)
                    if p.history == "conversational":
                        limit = loaded[name].answer_tokens
                        samples += [
                            self._conversation(context, target, item, name, history[:h], limit) for h in p.history_turns if h
                        ]
                        continue
                    samples += [self._sample(context, target, item, name, history[:h]) for h in p.history_turns if h]
        return samples

    def _sample(
        self, context: SampleContext, target: TaskSet, item: histories.Item, distractor: str, history: Sequence[histories.Item]
    ) -> Sample:
        messages = histories.messages(history, item, self.parameters.asking)
        output_tokens = context.output_tokens(target.answer_tokens)
        prompt_tokens = context.tokenizer.count_chat(messages)
        fits = context.fits(prompt_tokens, output_tokens)
        return Sample(
            sample_id=sample_id(target.name, distractor, len(history), item.item_id),
            messages=messages if fits else [],
            references=[item.answers[0]],
            max_output_tokens=output_tokens,
            prompt_tokens=prompt_tokens,
            fits_window=fits,
            condition={
                "target": target.name,
                "distractor": distractor,
                "history_turns": len(history),
                "item": item.item_id,
                "metric_name": target.metric_name,
                "labels": list(target.labels),
                "accepted": list(item.answers),
                "prefix_group": f"{target.name}|{distractor}|{item.item_id}",
                **(dict.fromkeys(CONVERSATION) if self.parameters.history == "conversational" else {}),
            },
        )

    def _conversation(
        self,
        context: SampleContext,
        target: TaskSet,
        item: histories.Item,
        distractor: str,
        history: list[histories.Item],
        limit: int,
    ) -> Sample:
        """The same questions, of which each is asked after the model's own answers to the earlier ones."""
        sample = self._sample(context, target, item, distractor, history)
        sample.messages = histories.messages([], history[0], self.parameters.asking)
        sample.prompt_tokens, sample.fits_window = context.tokenizer.count_chat(sample.messages), True
        sample.later_prompts = [*(one.prompt for one in history[1:]), item.prompt]
        sample.condition |= dict(zip(CONVERSATION, (history[0].prompt, context.output_tokens(limit)), strict=True))
        return sample

    async def converse(self, sample: Sample, ask: Asker) -> list[Response]:
        if not sample.later_prompts:
            return await super().converse(sample, ask)
        return await histories.converse(sample, ask, self.parameters.asking, sample.condition["history_answer_tokens"])

    def score_turn(
        self, sample: Sample, response: Response, verdicts: list[bool | None], earlier: list[Response]
    ) -> dict[str, Any]:
        """Only the target's answer has a score: none of the turns of a conversational history has."""
        return {} if response.turn < len(sample.later_prompts) else self.score(sample, response, verdicts)

    def score(self, sample: Sample, response: Response, verdicts: list[bool | None]) -> dict[str, Any]:
        labels, text = sample.condition["labels"], response.text or ""
        if labels:
            label = read_label(text, labels)
            return {"score": float(label == sample.references[0]), "format_error": float(label is None), "label": label}
        return {"score": rouge_l(text, sample.condition["accepted"])}

    def state_requests(self, samples: list[Sample], responses: dict[str, Response]) -> list[StateRequest]:
        requests = []
        for sample in samples:
            if not sample.fits_window or sample.later_prompts:  # of a conversation, the prompt is not known before it is held
                continue
            c = sample.condition
            base_id = sample_id(c["target"], NO_HISTORY, 0, c["item"])
            zero_shot = responses.get(base_id)
            answer = (zero_shot.text or "").strip() if zero_shot and zero_shot.outcome in SCORED_OUTCOMES else ""
            requests.append(StateRequest(sample.sample_id, base_id, list(c["labels"]), answer or None, base_id))
        return requests

    def metrics(self, scores: pd.DataFrame) -> pd.DataFrame:
        import pandas as pd

        from contextrot.scores.score import averages

        changes = [
            percent_changes(scores, measure, f"{name}percent_change")
            for measure, name in (("score", ""), ("likelihood_correct", "likelihood_"))
        ]
        aggregated = averages(self, scores)
        given = (aggregated["measure"] == "tau") & (aggregated["history_turns"] == 0) & aggregated["value"].notna()
        aggregated.loc[given, ["low", "high"]] = 0.0  # without a history tau is 0 by definition, not by measurement
        rows = [frame.reindex(columns=aggregated.columns) for frame in changes if len(frame)]
        return pd.concat([aggregated, *rows], ignore_index=True)


def slug(name: str) -> str:
    """A set's name as part of a file name: `mmlu:anatomy/test` is `mmlu-anatomy-test`."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", name)


def sample_id(target: str, distractor: str, turns: int, item: str) -> str:
    """The sample of one target question after some turns of a distractor; no turns have no distractor."""
    return f"{target}|{distractor}|{turns:02d}|{item}"


def percent_changes(scores: pd.DataFrame, measure: str, name: str, resamples: int = 2000) -> pd.DataFrame:
    """(m_h - m_0) / m_0 x 100 for each target, distractor and history length h, over the items answered at both.

    The interval is a bootstrap over items that resamples m_0 and m_h together; where that has no width, as when no item is right any
    more, it is that of the ratio of both means (see stats.ratio_interval). There is none, and no value, where m_0 is 0.

    Args:
        scores: one row an answer; those without a history are of distractor "none".
        measure: the column that m averages.
        name: written as the rows' measure.
    """
    import pandas as pd

    from contextrot.randomness import generator_for
    from contextrot.records import OUTCOMES, SCORED_OUTCOMES

    rows = []
    if measure not in scores:
        return pd.DataFrame(rows)
    counted = scores[scores["outcome"].isin(SCORED_OUTCOMES) & scores[measure].notna()]
    for (target, distractor, turns), group in counted[counted["history_turns"] > 0].groupby(
        ["target", "distractor", "history_turns"], sort=True
    ):
        base = counted[(counted["target"] == target) & (counted["history_turns"] == 0)].set_index("item")[measure]
        paired = group.set_index("item")[measure].to_frame("after").join(base.rename("before"), how="inner").astype(float)
        before, after = paired["before"].to_numpy(), paired["after"].to_numpy()
        value = low = high = None
        if len(paired) and before.mean():
            value = 100 * (after.mean() - before.mean()) / before.mean()
            drawn = generator_for(0, name, target, distractor, turns).integers(0, len(paired), (resamples, len(paired)))
            low, high = _change_interval(before, after, drawn)
        asked = scores[(scores["target"] == target) & (scores["distractor"] == distractor) & (scores["history_turns"] == turns)]
        outcomes = asked["outcome"].value_counts()
        rows.append(
            {
                "grouping": "target,distractor,history_turns", "measure": name, "target": target, "distractor": distractor,
                "history_turns": turns, "value": value, "low": low, "high": high, "n": len(paired),
                **{outcome: int(outcomes.get(outcome, 0)) for outcome in OUTCOMES}, "unjudged": 0,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _change_interval(before: Any, after: Any, drawn: Any) -> tuple[float | None, float | None]:
    """95 % interval of the percent change over resamples of the items; None if m_0 is 0 in more than 5 % of them."""
    import numpy as np

    from contextrot.scores.stats import mean_interval, ratio_interval

    bases, means = before[drawn].mean(axis=1), after[drawn].mean(axis=1)
    usable = bases != 0
    if usable.mean() < 0.95:
        return None, None
    ratios = means[usable] / bases[usable]
    if np.ptp(ratios) > 1e-12:
        low, high = np.quantile(ratios, [0.025, 0.975])
    else:
        low, high = ratio_interval(mean_interval(after, (0, 1)), mean_interval(before, (0, 1)))
    low, high = (None if end is None else 100 * (float(end) - 1) for end in (low, high))
    return low, high
