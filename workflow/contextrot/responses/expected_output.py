"""How long answers will be: from what was measured of this model before, else of the same task, else of other models, else between the gold answers and the limits.

Measured answers give the share of their limits that answers use, which carries over to other lengths and numbers of samples (for one limit it is
the mean). The interval of a sum has two parts: answers scatter, and the share itself is known from finitely many.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contextrot.errors import DataError
from contextrot.records import SCORED_OUTCOMES, Sample
from contextrot.responses.chat_request import CLAUDE
from contextrot.responses.model_names import base_name
from contextrot.responses.prices import family_entry
from contextrot.samples.tokenizers import Tokenizer
from contextrot.settings import ModelSettings
from contextrot.wire.thoughts import own_tokenizer, template_knows_thoughts

Z = 1.96
"""For 95 %."""
FEWEST = 3
OTHERS = "other models' answers"


@dataclass(frozen=True)
class ExpectedOutput:
    """The expected length of answers.

    Attributes:
        share: of their limits that answers use.
        spread: standard deviation of an answer about that, tokens; None where nothing was measured.
        answers, limits: number of answers measured, and the sum of their limits.
        basis: what it rests on, for a person.
        least: share of the limits that the gold answers need, where nothing was measured.
    """

    share: float
    spread: float | None
    answers: int
    limits: int
    basis: str
    least: float = 0.0

    def of(self, limit: int) -> float:
        """Tokens of one answer."""
        return self.share * limit

    def interval(self, limits: Sequence[int]) -> tuple[float, float]:
        """95 % interval of the tokens of answers with these limits; from the gold answers to the limits where nothing was measured."""
        total = sum(limits)
        if self.spread is None:
            return self.least * total, float(total)
        half = Z * self.spread * math.sqrt(len(limits) + self.answers * (total / max(self.limits, 1)) ** 2)
        return max(0.0, self.share * total - half), min(float(total), self.share * total + half)


def measured_output(
    results: Path, model: str, experiment: str, same_task: Collection[str] = (), thinking_tokens: int = 0, others: bool = True
) -> ExpectedOutput | None:
    """What any tier's answers tell; None if there are too few.

    Args:
        results: the folder of results.
        same_task: experiments of the same task.
        thinking_tokens: room for thinking beside the answers' limits.
        others: whether other models' answers tell anything; not of one that thinks. Of those that think, the answers without their thoughts do.
    """
    related = [name for name in sorted(same_task) if name != experiment]
    sources = [
        (f"{model}'s answers", results.glob(f"*/{model}/{experiment}/responses.parquet")),
        (
            f"{model}'s answers to the same task",
            (path for name in related for path in results.glob(f"*/{model}/{name}/responses.parquet")),
        ),
        (OTHERS, results.glob(f"*/*/{experiment}/responses.parquet") if others else ()),
    ]
    for basis, paths in sources:
        how = (_spoken, 0) if basis == OTHERS else (_whole, thinking_tokens)
        pairs = [pair for path in sorted(paths) for pair in _answers(path, *how)]
        if len(pairs) >= FEWEST:
            limits = sum(limit for _, limit in pairs)
            share = min(1.0, sum(tokens for tokens, _ in pairs) / limits)
            squares = sum((tokens - share * limit) ** 2 for tokens, limit in pairs)
            return ExpectedOutput(share, math.sqrt(squares / (len(pairs) - 1)), len(pairs), limits, f"{len(pairs)} of {basis}")
    return None


def gold_output(samples: Iterable[Sample], tokenizer: Tokenizer) -> ExpectedOutput | None:
    """Longer than the gold answers and shorter than the limits, at their geometric mean; None where there are no gold answers.

    A model says a sentence where the gold answer is a word: SmolLM2 22 and 31 tokens where the gold answers have 4 and the limit is 48.
    """
    tokens = limits = count = 0
    expected = 0.0
    for sample in samples:
        if sample.fits_window and sample.references:
            gold = min(sum(len(tokenizer.encode(reference)) for reference in sample.references) + 1, sample.max_output_tokens)
            tokens, expected = tokens + gold, expected + math.sqrt(gold * sample.max_output_tokens)
            limits, count = limits + sample.max_output_tokens, count + 1
    if not count:
        return None
    return ExpectedOutput(expected / limits, None, 0, limits, "gold answers and limits", tokens / limits)


def thinks(model: ModelSettings) -> bool:
    """Whether a model thinks before it answers, by its settings, its chat template, or litellm's table: for how long, only its own answers tell.

    Claude thinks only where it is asked to.
    """
    if model.reasoning_tokens or model.reasoning_effort or model.thinking_marks:
        return True
    tokenizer = own_tokenizer(model)
    if tokenizer is not None:
        return template_knows_thoughts(tokenizer)
    return bool(family_entry(model).get("supports_reasoning")) and not CLAUDE.search(base_name(model.name))


def _whole(row: Mapping[str, Any]) -> int | None:
    """Tokens of an answer and its thoughts."""
    return row["completion_tokens"]


def _spoken(row: Mapping[str, Any]) -> int | None:
    """Tokens of an answer without its thoughts; None where they cannot be told apart."""
    if row["completion_tokens"] is None or (row["reasoning"] and not row["reasoning_tokens"]):
        return None
    return max(0, row["completion_tokens"] - (row["reasoning_tokens"] or 0))


def _answers(path: Path, tokens_of: Callable[[Mapping[str, Any]], int | None], thinking_tokens: int) -> list[tuple[int, int]]:
    """Tokens and limit of each answer whose tokens the server counted."""
    import pyarrow.parquet as pq

    with suppress(OSError, ValueError, KeyError, DataError):
        samples = pq.read_table(path.with_name("samples.parquet"), columns=["sample_id", "max_output_tokens"]).to_pydict()
        limits = dict(zip(samples["sample_id"], samples["max_output_tokens"], strict=True))
        columns = ["sample_id", "outcome", "completion_tokens", "reasoning_tokens", "reasoning"]
        rows = [row for row in pq.read_table(path, columns=columns).to_pylist() if row["outcome"] in SCORED_OUTCOMES]
        found = [(tokens_of(row), limits.get(row["sample_id"])) for row in rows]
        return [(tokens, limit + thinking_tokens) for tokens, limit in found if tokens is not None and limit is not None]
    return []
