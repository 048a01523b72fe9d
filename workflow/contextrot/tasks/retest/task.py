"""(another task's prompt, n times)
-> (n answers)

Is the same answer given to the same prompt? Temperature 0 is not taken as deterministic: batches, caches and hardware change sums.

Sources: B. Atil et al. (2024), Non-determinism of "deterministic" LLM settings; R. A. Fisher (1925), Statistical methods for research
workers (intraclass correlation, one-way analysis of variance).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import Field

from contextrot.records import Response, Sample
from contextrot.task import Asker, SampleContext
from contextrot.tasks import BorrowingParameters, BorrowingTask

if TYPE_CHECKING:
    import pandas as pd


class RetestParameters(BorrowingParameters):
    """Parameters of task `retest`."""

    times: int = Field(5, ge=2)
    """How often each prompt is asked."""


class Retest(BorrowingTask):
    """Is the same answer given to the same prompt, and does the verdict flip?"""

    Parameters = RetestParameters
    version = 1

    def __init__(self, parameters: RetestParameters) -> None:
        super().__init__(parameters)
        self.pair_columns = ["asked", "time"]
        self.groupings = [*([(self.length_column,)] if self.length_column else []), ("time",), ()]

    def samples(self, context: SampleContext) -> list[Sample]:
        """Each prompt so often; times of one prompt follow each other."""
        return [
            replace(
                sample,
                sample_id=f"{sample.sample_id}-t{time}",
                condition={**sample.condition, "asked": sample.sample_id, "time": time},
            )
            for sample in self.borrowed_samples(context)
            for time in range(self.parameters.times)
        ]

    async def converse(self, sample: Sample, ask: Asker) -> list[Response]:
        """One request; each time has an answer of its own, also in the request store."""
        return [await ask(list(sample.messages), 0, repeat=int(sample.condition["time"]))]

    def columns(self, response: Response) -> dict[str, Any]:
        return {"answer_hash": None if response.text is None else _hash(response.text)}

    def metrics(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Adds, over all and at each length, what `repeatability` says."""
        import pandas as pd

        from contextrot.scores.score import averages

        return pd.concat([averages(self, scores), repeatability(scores, self.length_column)], ignore_index=True)


def repeatability(scores: pd.DataFrame, length: str | None) -> pd.DataFrame:
    """How alike the answers to one prompt are.

    Measures (n is the number of prompts with two counted answers and more): `same_text`, the share of prompts whose answers are all the same text;
    `flips`, the share whose scores are not all the same, each with its interval; `disagreement`, the probability that two answers to one prompt differ in score (its
    mean over prompts); `variance_within` and `variance_between` prompts, the components of the score's variance; `reliability`, the share of
    the variance that lies between prompts (intraclass correlation, one-way), not below 0: 1 where asking again tells nothing new.
    """
    import pandas as pd

    rows = []
    from contextrot.scores.comparison import counting

    counted = counting(scores)
    groups = [("", {}, counted)]
    if length is not None:
        groups += [(length, {length: value}, group) for value, group in counted.groupby(length)]
    for grouping, given, group in groups:
        found, prompts = _measures(group)
        rows += [
            {"grouping": grouping, **given, "measure": name, "value": v, "low": low, "high": high, "n": prompts}
            for name, (v, low, high) in found.items()
        ]
    return pd.DataFrame(rows)


def _measures(rows: pd.DataFrame) -> tuple[dict[str, tuple[float | None, float | None, float | None]], int]:
    import numpy as np
    import pandas as pd

    from contextrot.scores.clusters import clustered_mean
    from contextrot.scores.score import clusters_of

    by_prompt = [group for _, group in rows.groupby("asked") if len(group) > 1]
    prompts = len(by_prompt)
    if not prompts:
        return {}, 0
    scores = [group["score"].to_numpy(float) for group in by_prompt]
    clusters = clusters_of(pd.concat([group.head(1) for group in by_prompt])) or [str(i) for i in range(prompts)]

    def share(values: list[bool]) -> tuple[float | None, float | None, float | None]:
        mean = clustered_mean(np.array(values, float), clusters, (0, 1))
        return mean.mean, mean.low, mean.high

    sizes = np.array([len(values) for values in scores], float)
    n, means = sizes.sum(), np.array([values.mean() for values in scores])
    within = float(sum(((values - values.mean()) ** 2).sum() for values in scores) / (n - prompts))
    grand = float((sizes * means).sum() / n)
    between: float | None = None
    if prompts > 1:
        size = (n - np.square(sizes).sum() / n) / (prompts - 1)  # answers a prompt, for prompts of unlike numbers
        between = max(0.0, (float((sizes * (means - grand) ** 2).sum()) / (prompts - 1) - within) / size)
    total = within + (between or 0.0)
    differ = [1 - sum(float(((values == v).sum() - 1) / (len(values) - 1)) for v in values) / len(values) for values in scores]
    return {
        "same_text": share([group["answer_hash"].nunique(dropna=False) == 1 for group in by_prompt]),
        "flips": share([len(set(values)) > 1 for values in scores]),
        "disagreement": (float(np.mean(differ)), None, None),
        "variance_within": (within, None, None),
        "variance_between": (between, None, None),
        "reliability": ((between / total if between is not None and total > 0 else None), None, None),
    }, prompts


def _hash(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
