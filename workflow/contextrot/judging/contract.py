"""What a judge is: one module of `judges` with an object JUDGE that says all that others must know of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot.records import Judgement, Response, Sample

if TYPE_CHECKING:
    from contextrot.settings import JudgeSettings, ModelSettings, Settings
    from contextrot.task import Task


@dataclass(frozen=True)
class Pair:
    """One answer beside one gold answer.

    Attributes:
        sample: without its messages.
        turn, item: which answer of the sample, which of its references.
    """

    sample: Sample
    turn: int
    item: int
    reference: str
    answer: str


@dataclass(frozen=True)
class JudgingContext:
    """What a judge may need beside the pairs.

    Attributes:
        name: the judge's name in config.
        settings: the judge's block in config.
        task: the task whose answers are judged.
        data: the project's data folder.
        model: of a judge that asks a model, that model.
        run: config's request store, budget and retries, for a judge that asks a model.
        log_path: where a judge that starts a server writes its log.
        folder: the experiment's folder, where the tokens of a judge that asks a model are counted.
        samples_path: the samples with their prompts, which are too large to be read for every judge.
        files: the user's files that the judge reads.
    """

    name: str
    settings: JudgeSettings
    task: Task
    data: Path = Path("data")
    model: ModelSettings | None = None
    run: Settings | None = None
    log_path: Path = Path("judge.log")
    folder: Path = Path()
    samples_path: Path | None = None
    files: Sequence[Path] = ()


@dataclass(frozen=True)
class Questions:
    """What a judge asks a model. Judging and the estimate of its cost both go by this.

    Attributes:
        prompts: the pairs of a run -> name of each request and what is asked in it.
        request_of: the name of the request that a pair is judged by; several pairs may share one.
        parse: a reply's text -> what it says; None if it is not in the form that was asked for.
        reminder: added to the prompt when it is asked a second time.
        reply_tokens: limit of a reply, apart from the model's room for thinking.
        judgement: the judge's name in config, a pair, and the one or two replies to its request -> the judgement.
    """

    prompts: Callable[[Sequence[Pair], JudgingContext], dict[str, str]]
    request_of: Callable[[Pair], str]
    parse: Callable[[str | None], Any]
    reminder: str
    reply_tokens: int
    judgement: Callable[[str, Pair, Sequence[Response]], Judgement]


def accept_any(settings: JudgeSettings, where: str) -> None:
    """Finds nothing wrong with a judge's block."""


def no_files(settings: JudgeSettings, tier: str, model: str, experiment: str) -> list[Path]:
    """No files beside samples and responses."""
    return []


@dataclass(frozen=True)
class Judge:
    """One kind of judge.

    Attributes:
        judge: one judgement for each pair, in their order.
        asks: what it asks the model that its block names; None for one that asks none.
        check: raises ConfigError for a block with something that this kind cannot have; `where` says where the block stands.
        task: name of the only task whose answers it can judge; None for any.
        task_members: members of the task that it uses, whose code is then a part of its own.
        files: files of the user's that it reads, from its block and the names of tier, model and experiment.
        judges_all: whether every answer gets its verdict; the judge that gives the score must.
    """

    judge: Callable[[Sequence[Pair], JudgingContext], list[Judgement]]
    asks: Questions | None = None
    check: Callable[[JudgeSettings, str], None] = accept_any
    task: str | None = None
    task_members: tuple[str, ...] = ()
    files: Callable[[JudgeSettings, str, str, str], list[Path]] = no_files
    judges_all: bool = True
