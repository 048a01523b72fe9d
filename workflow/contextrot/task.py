"""What a task is: one folder of `tasks` with a class derived from Task, found by listing.

A task says what is asked (`samples`), how an answer is scored (`score`) and over which conditions scores are
averaged (`groupings`); what is drawn are the `draw_*` functions of its figures.py. Task modules import neither torch, litellm, pandas nor
matplotlib at top level: Snakemake loads them whenever it parses the workflow.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from contextrot.checked import Checked
from contextrot.errors import ConfigError
from contextrot.records import Response, Sample

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from contextrot.samples.published import Recorded
    from contextrot.samples.reading import Reading
    from contextrot.samples.tokenizers import Tokenizer


class Parameters(Checked):
    """Base of a task's parameters; each has a default and a line of documentation under it."""


class SampleContext:
    """What a task needs to build its samples.

    Args:
        tokenizer: the model's own.
        window: the model's context window, tokens.
        max_output_tokens: the longest answer that the model may give, tokens.
        data: the project's data folder.
        rng: gives the generator of a name: `rng("haystack", 3)`.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        window: int,
        max_output_tokens: int,
        data: Path,
        rng: Callable[..., np.random.Generator],
    ) -> None:
        self.tokenizer = tokenizer
        self.window = window
        self.max_output_tokens = max_output_tokens
        self.data = data
        self.rng = rng

    def output_tokens(self, wanted: int) -> int:
        """The answer's limit: what the task wants, capped by the model's own limit."""
        return min(wanted, self.max_output_tokens)

    def fits(self, prompt_tokens: int, output_tokens: int) -> bool:
        """Whether prompt and answer fit the window together."""
        return prompt_tokens + output_tokens <= self.window


@dataclass(frozen=True)
class StateRequest:
    """One prompt whose end is looked at inside a local model.

    Attributes:
        sample_id: whose prompt.
        group: prompts of one group share beginnings, and are computed together.
        labels: answers whose likelihoods are compared.
        zero_shot_answer: the model's own answer without a history, whose likelihood is followed.
        base_id: the sample whose layer states these are compared with.
    """

    sample_id: str
    group: str
    labels: list[str] = field(default_factory=list)
    zero_shot_answer: str | None = None
    base_id: str | None = None


@dataclass(frozen=True)
class Request:
    """One request of a conversation, as `Asker.answer` gets it.

    Attributes:
        messages: the whole chat, ending with the user's prompt.
        turn: becomes the response's turn.
        max_output_tokens: limit of the answer.
        prompt_tokens: length of the rendered chat; None where nobody has counted it.
        repeat: each number has an answer of its own.
        options: request parameters over those of `Task.request_options`.
    """

    messages: list[dict[str, str]]
    turn: int
    max_output_tokens: int
    prompt_tokens: int | None
    repeat: int
    options: dict[str, Any]


class Asker(ABC):
    """One sample's line to the model: what `Task.converse` is given. A derived class says how a request is answered.

    Attributes:
        sample: whose conversation it is.
        window: the model's context window, tokens.
        tokenizer: the model's own, loaded when it is first looked at.
    """

    tokenizer: Tokenizer

    def __init__(self, sample: Sample, window: int) -> None:
        self.sample, self.window = sample, window

    @abstractmethod
    async def answer(self, request: Request) -> Response:
        """Asks once and gives the answer with its outcome."""

    async def __call__(
        self,
        messages: list[dict[str, str]],
        turn: int,
        *,
        max_output_tokens: int | None = None,
        prompt_tokens: int | None = None,
        repeat: int = 0,
        options: dict[str, Any] | None = None,
    ) -> Response:
        """Asks once and gives the answer with its outcome; faults of the network and server are retried within.

        An answer that was asked before with the same arguments comes from the request store (`cached` is true).

        Args:
            messages: the whole chat, ending with the user's prompt.
            turn: becomes the response's turn.
            max_output_tokens: limit of the answer; the sample's own without it.
            prompt_tokens: length of the rendered chat where it was counted already.
            repeat: asks the same again: each number has an answer of its own in the store.
            options: request parameters over those of `Task.request_options`.
        """
        if prompt_tokens is None and messages == self.sample.messages:
            prompt_tokens = self.sample.prompt_tokens
        limit = self.sample.max_output_tokens if max_output_tokens is None else max_output_tokens
        return await self.answer(Request(messages, turn, limit, prompt_tokens, repeat, options or {}))

    @abstractmethod
    async def reset(self) -> None:
        """Clears the engine's state (prefix and KV cache, or a restart) once no request is under way.

        Does nothing if the last answer came from the store.
        """


class Task:
    """Base of all tasks.

    Attributes:
        version: raise it when samples change; only this (not an edit of the module) makes snakemake build samples and ask
            the model again.
        judged: whether judges decide if an answer is right; otherwise `score` alone does.
        criteria: what a judge rates each answer by, where it rates instead of comparing with a reference; columns of the scores.
        groupings: each a tuple of condition columns, over which `measures` are averaged.
        measures: columns of the scores that are averaged.
        ranges: measure -> smallest and largest value that it can have, which its interval respects; `score` is always from 0 to 1.
        length_column: the condition column that is the context's length (or count, or history), for rot curves.
        length_parameter: the parameter that lists the lengths, for the adaptive search of the effective length.
        cluster_column: the condition column of what answers about are alike (a needle's question, an item), which intervals speak for.
        apart: the condition column whose values are never averaged together: each is a line of the summary.
        pair_columns: condition columns that say what is asked apart from the experiment's condition: by them the experiments of a
            task are compared on the same questions; by sample_id if empty.
        score_inputs: parquet files of the experiment's folder whose columns, by sample_id, are added to the scores; only for
            models whose weights are here.
        state_inputs: files of the experiment's folder that `state_requests` needs beside the samples.
    """

    Parameters: ClassVar[type[Parameters]] = Parameters
    version: ClassVar[int] = 1
    judged: ClassVar[bool] = True
    criteria: ClassVar[tuple[str, ...]] = ()
    groupings: ClassVar[list[tuple[str, ...]]] = [()]
    measures: ClassVar[list[str]] = ["score"]
    ranges: ClassVar[dict[str, tuple[float, float]]] = {}
    length_column: ClassVar[str | None] = None
    length_parameter: ClassVar[str | None] = None
    cluster_column: ClassVar[str | None] = None
    apart: ClassVar[str | None] = None
    pair_columns: ClassVar[list[str]] = []
    score_inputs: ClassVar[list[str]] = []
    state_inputs: ClassVar[list[str]] = []

    def __init__(self, parameters: Any) -> None:
        self.parameters = parameters

    @classmethod
    def is_judged(cls, parameters: Mapping[str, Any]) -> bool:
        """Whether judges decide under these parameters of an experiment; override it where that depends on them."""
        return cls.judged

    def data_files(self, data: Path) -> list[Path]:
        """Files below the data folder that the samples are built from; their content is tracked by snakemake."""
        return []

    def samples(self, context: SampleContext) -> list[Sample]:
        """All samples, in a fixed order: the same config gives the same samples on every machine."""
        raise TypeError(f"{type(self).__name__} does not say what its samples are")

    def blocks(self, context: SampleContext, wanted: Mapping[int, range]) -> list[Sample] | None:
        """Samples for a round of the adaptive search: at each length the blocks of these numbers, each with one sample of every cluster.

        A block of one number always has the same samples, and no two blocks share one. None, the default, for blocks that are dealt
        from all samples that the parameters give at the length; once those are used up, blocks are smaller or empty.

        Args:
            wanted: length -> numbers of the blocks.
        """
        return None

    def cluster_count(self, data: Path) -> int | None:
        """How many values of `cluster_column` the parameters ask for, where that is known before samples are built; else None."""
        return None

    def request_options(self, sample: Sample) -> dict[str, Any]:
        """Parameters of the request beside the sampling ones of the model (such as logprobs)."""
        return {}

    async def converse(self, sample: Sample, ask: Asker) -> list[Response]:
        """Holds one sample's conversation: one response for each turn, 1 + len(later_prompts) of them, in their order.

        Override it for multi-turn context management or recovery. It must decide from the sample and the answers alone,
        because it is replayed from the request store when a run is resumed. Turns that cannot be asked because an earlier
        one has no text keep that one's outcome, so that no turn leaves the denominator.
        """
        messages, responses = list(sample.messages), []
        for turn, prompt in enumerate([None, *sample.later_prompts]):
            if prompt is not None:
                last = responses[-1]
                if not last.text:
                    responses.append(not_asked(last, turn))
                    continue
                messages += [{"role": "assistant", "content": last.text}, {"role": "user", "content": prompt}]
            responses.append(await ask(messages, turn))
        return responses

    def score(self, sample: Sample, response: Response, verdicts: list[bool | None]) -> dict[str, Any]:
        """The task's measures of one answer, `score` (0 to 1) among them.

        Called for outcomes that count (records.SCORED_OUTCOMES) only.

        Args:
            verdicts: the first judge's verdict on each of the sample's references (None: unjudged); empty for a task that
                is not judged.
        """
        return {"score": sum(bool(v) for v in verdicts) / len(verdicts)}

    def score_turn(
        self, sample: Sample, response: Response, verdicts: list[bool | None], earlier: list[Response]
    ) -> dict[str, Any]:
        """As `score`; override it instead where an answer is compared with the sample's `earlier` ones."""
        return self.score(sample, response, verdicts)

    def columns(self, response: Response) -> dict[str, Any]:
        """Columns of the scores taken from a response whatever its outcome, such as what its `details` hold."""
        return {}

    def recorded_answers(self, data: Path) -> dict[str, Recorded]:
        """Answers of an earlier run by sample id, for engine and judge `recorded`.

        Raises:
            ConfigError: if the task or its parameters name none.
        """
        raise ConfigError(f"task {type(self).__module__.split('.')[-2]!r} reads no recorded answers.")

    def passages(self, sample: Sample, data: Path) -> list[tuple[str, str]]:
        """What people who read a prompt see marked in it: kind (`needle`, `distractor`, `answer`) and text of each passage.

        Args:
            data: the project's data folder.
        """
        return [("answer", reference) for reference in sample.references] if self.judged else []

    def reading(self, sample: Sample, data: Path, passage_words: int) -> Reading | None:
        """A sample's prompt taken apart, so that it can be asked with another context; None, the default, where the task cannot tell.

        Args:
            data: the project's data folder.
            passage_words: about the length of a passage where the context has no parts of its own.
        """
        return None

    @property
    def borrowed(self) -> list[type[Task]]:
        """Other tasks whose members this one calls, so that its results are as fresh as theirs."""
        return []

    def state_requests(self, samples: list[Sample], responses: dict[str, Response]) -> list[StateRequest]:
        """Which prompts are looked at inside a local model: by default all that fit, those of one `prefix_group` together.

        Args:
            responses: the first answers by sample id; empty unless `state_inputs` names responses.parquet.
        """
        return [
            StateRequest(sample.sample_id, str(sample.condition.get("prefix_group") or sample.sample_id))
            for sample in samples
            if sample.fits_window
        ]

    def metrics(self, scores: pd.DataFrame) -> pd.DataFrame | None:
        """All metrics of the scores; None, the default, for the averages of `measures` over each of `groupings` alone.

        A task that adds to them or replaces them begins with scores.score.averages and keeps its columns.
        """
        return None


def not_asked(earlier: Response, turn: int) -> Response:
    """The row of a turn that was never asked because the conversation ended at an earlier one."""
    return Response(
        sample_id=earlier.sample_id,
        turn=turn,
        outcome=earlier.outcome,
        engine=earlier.engine,
        model=earlier.model,
        error_type=earlier.error_type or "not_asked",
        error_message=earlier.error_message or f"not asked: turn {earlier.turn} has the outcome {earlier.outcome!r} and no text",
    )
