"""Asks one model all samples of one shard: from the store first, then from one engine, long contexts first and what shares a
prefix in succession."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow

from contextrot import engines
from contextrot.errors import ContextRotError, RequestError, StoreError
from contextrot.records import Response, Sample, over_window, write_responses
from contextrot.responses import kept_servers
from contextrot.responses.announced import announce_cost, announce_default_limit
from contextrot.responses.asking_by_batch import asks_by_batch
from contextrot.responses.canaries import LengthGuard, choose_canaries, stale_answers
from contextrot.responses.client import Client, NotInStore
from contextrot.responses.identity import identity_of
from contextrot.responses.input_cut import counts_exactly
from contextrot.responses.length_audit import Count
from contextrot.responses.prefix_sharing import Sharing, share_prefixes
from contextrot.responses.prices import pricing_of
from contextrot.responses.progress import Progress
from contextrot.responses.shards import asking_order, assign_shards
from contextrot.responses.store import STORE_THREADS, RequestStore
from contextrot.responses.store_bucket import kept_in_bucket
from contextrot.responses.usage import Ledger
from contextrot.samples.sample_table import SampleTable, column, selected
from contextrot.samples.tokenizers import Tokenizer, tokenizer_of
from contextrot.settings import ModelSettings, Settings
from contextrot.task import Asker, Request, Task

try:
    from uvloop import run as run_loop  # a fifth less processor time a request than the standard event loop
except ImportError:  # Windows
    from asyncio import run as run_loop  # type: ignore[assignment]

log = logging.getLogger(__name__)


class SampleAsker(Asker):
    """One sample's line to the model, over a client."""

    def __init__(
        self, client: Client, sample: Sample, options: dict[str, Any], tokenizer: ModelTokenizer, asking: Asking | None = None
    ) -> None:
        super().__init__(sample, client.model.window)
        self._client, self._options, self._tokenizer, self._asking = client, options, tokenizer, asking
        self._last: Response | None = None

    @property
    def tokenizer(self) -> Tokenizer:
        return self._tokenizer.load()

    async def answer(self, request: Request) -> Response:
        prompt_tokens = request.prompt_tokens
        if prompt_tokens is None and self._client.needs_prompt_tokens:
            prompt_tokens = self.tokenizer.count_chat(request.messages)
        options = {**self._options, **request.options}
        messages = request.messages
        if messages and messages[0]["role"] == "system":
            messages = self.tokenizer.as_sent(messages)
        asked = (messages, request.max_output_tokens, options, prompt_tokens, request.repeat)
        fresh = self._asking is not None and self.sample.sample_id in self._asking.again
        marks = self._asking.sharing.marks(self.sample, messages, request.turn) if self._asking else None
        response = await self._client.ask(*asked, use_store=not fresh, marks=marks)
        response.built_tokens = prompt_tokens
        guard = self._asking and self._asking.guard
        if guard and guard.to_be_asked_again(response):
            response = await self._client.ask(*asked, use_store=False, marks=marks)
            response.built_tokens = prompt_tokens
        response.sample_id, response.turn = self.sample.sample_id, request.turn
        self._last = response
        if guard:
            guard.hear(response.sample_id, response)
        return response

    async def reset(self) -> None:
        if self._last is None or not self._last.cached:
            await self._client.reset()


class ModelTokenizer:
    """The model's tokenizer, loaded when it is first needed."""

    def __init__(self, model: ModelSettings) -> None:
        self._model = model
        self._loaded: Tokenizer | None = None

    def load(self) -> Tokenizer:
        if self._loaded is None:
            self._loaded = tokenizer_of(self._model)
        return self._loaded


@dataclass(frozen=True)
class Asking:
    """What holds for the samples that an engine is asked.

    Attributes:
        again: ids of the samples whose stored answers will not do.
        guard: hears the canaries; None where nothing is audited before the gathering.
        sharing: which samples wait for which, so that a prompt cache has what they share.
        answered: sample_id -> set once its conversation is over.
    """

    again: set[str]
    guard: LengthGuard | None = None
    sharing: Sharing = field(default_factory=lambda: Sharing([]))
    answered: dict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))

    async def wait(self, sample_id: str) -> None:
        """Returns when a sample may be asked."""
        if self.guard:
            await self.guard.wait(sample_id)
        if not (self.guard and self.guard.is_canary(sample_id)) and (before := self.sharing.before.get(sample_id)):
            await self.answered[before].wait()


def collect_responses(
    samples_path: Path,
    output: Path,
    *,
    task: Task,
    model_name: str,
    model: ModelSettings,
    settings: Settings,
    experiment: str,
    shard: int,
    shards: int,
    log: Path,
    data: Path = Path("data"),
) -> None:
    """Writes one row for each sample and turn of a shard, in the samples' order.

    What is in the request store is taken from there; only if something is missing is the engine started, once.

    Args:
        output: `.../{experiment}/responses/{shard}-of-{shards}.parquet`; tokens are counted in the experiment's folder.
        model_name: the model's name in config, for messages.
        shard, shards: which part of the samples, counted from 1.
        log: the engine's own log goes there too.
        data: the project's data folder.

    Raises:
        RequestError: if rows failed after all attempts and settings.allow_failed is off, or no request makes sense any more.
        EngineError: if the engine does not start.
    """
    pyarrow.set_memory_pool(pyarrow.system_memory_pool())  # the default keeps 20 MiB more that it no longer uses
    samples = SampleTable.read(samples_path)
    places = [1] * len(samples) if shards == 1 else assign_shards(samples, shards)
    mine = samples.select([index for index, place in enumerate(places) if place == shard])
    rows = len(mine) + sum(map(len, mine.column("later_prompts")))
    budget = None if settings.budget_usd is None else settings.budget_usd / shards
    usage = Ledger(Path(output).parent.parent, f"{shard}-of-{shards}", model_name, pricing_of(model), budget, rows)
    name = f"{model_name} {experiment} {shard}/{shards}"
    try:
        answers = ask_samples(mine, task, model, settings, usage, Path(log), name, data=data)
    except BaseException:
        usage.stage = "stopped"
        with suppress(StoreError):
            usage.write()
        raise
    responses = [response for sample_id in mine.column("sample_id") for response in answers.pop(sample_id)]
    del samples, mine  # the prompts' memory is the rows' now
    failed = [response for response in responses if response.outcome == "failed"]
    usage.stage = "failed" if failed and not settings.allow_failed else "done"
    usage.write()
    if failed and not settings.allow_failed:
        raise RequestError(
            f"{len(failed)} of {len(responses)} rows of {name} failed after all attempts, such as {failed[0].sample_id!r} "
            f"({failed[0].error_type}: {failed[0].error_message}). The other answers are kept: run the same command to ask only "
            "these again, or set allow_failed to go on without them."
        )
    write_responses(output, responses)


def ask_samples(
    samples: Sequence[Sample],
    task: Task,
    model: ModelSettings,
    settings: Settings,
    usage: Ledger,
    log_path: Path,
    name: str,
    canaries: bool = True,
    data: Path = Path("data"),
) -> dict[str, list[Response]]:
    """Asks all samples, from the store first and then from one engine; the responses of each sample, by its id.

    A judge uses it as well, with samples of its own.

    Args:
        samples: a SampleTable reads their texts as they are needed.
        usage: counts tokens, money and rows.
        log_path: of the engine's server.
        name: shown in the progress.
        canaries: whether the job stops early if the server cuts prompts.
        data: the project's data folder, for an engine that has the answers already.

    Raises:
        RequestError: if no further request makes sense; if the server cuts prompts and settings.allow_input_cut is off.
    """
    engine = engines.of(model)
    if engine.answers is not None:
        ready = engine.answers(samples, task, model, data, usage)
        usage.rows_done = sum(map(len, ready.values()))
        return ready
    store, tokenizer = RequestStore(settings.request_store), ModelTokenizer(model)
    answers: dict[str, list[Response]] = {}
    for sample in selected(samples, [index for index, fits in enumerate(column(samples, "fits_window")) if not fits]):
        answers[sample.sample_id] = over_window(sample, model.engine, model.name)
    order = asking_order(samples)
    usage.rows_done = sum(map(len, answers.values()))
    usage.write()
    with kept_in_bucket(store, settings.request_store_bucket), Progress(name, usage) as progress:
        # the cost of a billed model is told before it is asked, so all are looked up; else only until an engine is needed at all
        server = identity_of(model, store.folder)
        if server:
            run_loop(server.settle())
        offline = Client(None, model, settings, store, usage, whose=server)
        rest = (selected(samples, order), tokenizer, answers, progress)
        run_loop(_converse_all(offline, task, *rest, until_missing=not model.hosted))
        exact = counts_exactly(model)
        again, whole, stale = (set(), [], []) if settings.allow_input_cut else stale_answers(answers, exact)
        for sample_id in again:
            usage.rows_done -= len(answers.pop(sample_id))
        known = {index for index, sample_id in enumerate(column(samples, "sample_id")) if sample_id in answers}
        missing = [index for index in order if index not in known]
        log.info("%s: %d of %d samples need no engine", name, len(answers), len(samples))
        if missing:
            batch = asks_by_batch(model, settings)
            if model.hosted:
                wanted = samples.select(missing) if isinstance(samples, SampleTable) else [samples[index] for index in missing]
                announce_cost(name, task, model, wanted, batch and settings.batch.failed == "batch")
            announce_default_limit(name, model)
            with kept_servers.serve(model, log_path) as endpoint:
                log.info("%s: served by %s as %s %s", name, endpoint.engine, endpoint.model, endpoint.details)
                most = endpoint.most_at_once or model.concurrency
                sharing = Sharing(missing) if batch else share_prefixes(samples, missing, model, min(model.concurrency, most))
                first = choose_canaries(samples, sharing.order) if canaries and engine.elsewhere and not batch else []
                guard = _guard(name, model, settings, column(samples, "sample_id"), first, whole, stale) if canaries else None
                ordered = [*first, *(index for index in sharing.order if index not in first)]
                rest = (task, selected(samples, ordered), tokenizer, answers, progress, Asking(again, guard, sharing))
                run_loop(_ask_missing(Client(endpoint, model, settings, store, usage, whose=server), *rest))
    if store.damaged:
        log.warning("%s: %d files of the request store could not be read; they were asked again", name, len(store.damaged))
    return answers


def _guard(
    name: str,
    model: ModelSettings,
    settings: Settings,
    names: Sequence[str],
    first: Sequence[int],
    whole: Sequence[Count],
    stale: Sequence[Count],
) -> LengthGuard:
    return LengthGuard(
        name,
        [names[index] for index in first],
        exact=counts_exactly(model),
        allow=settings.allow_input_cut,
        base_url=model.base_url,
        known=whole,
        stale=stale,
    )


async def _ask_missing(client: Client, *rest: Any) -> None:
    async with client:
        await _converse_all(client, *rest)
        if client.whose:
            await client.whose.look_again(0, at_once=True)


async def _converse_all(
    client: Client,
    task: Task,
    samples: Iterable[Sample],
    tokenizer: ModelTokenizer,
    answers: dict[str, list[Response]],
    progress: Progress,
    asking: Asking | None = None,
    until_missing: bool = False,
) -> None:
    """Holds the conversations side by side, each begun in the given order, and adds their responses to `answers`.

    Without an endpoint, those that are not in the store whole are left out; `until_missing` ends at the first of them.
    """
    queue: Iterator[Sample] = iter(samples)

    async def work() -> None:
        for sample in queue:
            guard = asking and asking.guard
            try:
                if asking and not client.stopped:
                    await asking.wait(sample.sample_id)
                if client.stopped:
                    return
                if not sample.messages:
                    message = "has a recorded answer but no prompt, so only engine `recorded` can answer it."
                    raise RequestError(f"sample {sample.sample_id!r} {message}")
                ask = SampleAsker(client, sample, task.request_options(sample), tokenizer, asking)
                responses = await task.converse(sample, ask)
                if guard:
                    guard.done(sample.sample_id)
            except NotInStore:
                if until_missing:
                    return
                continue
            except ContextRotError as error:
                client.stopped = client.stopped or error
                raise
            finally:
                if guard:
                    guard.leave(sample.sample_id)
                if asking:
                    asking.answered[sample.sample_id].set()
            answers[sample.sample_id] = responses
            progress.advance(len(responses), sum(response.outcome == "failed" for response in responses))

    # more workers than places, so that a place is not idle while an answer is flushed to the disk
    at_once = client.concurrency.most + STORE_THREADS if client.endpoint else 1
    if client.batches and asking:  # all that there is goes into the next batch
        at_once = len(asking.sharing.order)
    workers = [asyncio.create_task(work()) for _ in range(at_once)]
    try:
        results = await asyncio.gather(*workers, return_exceptions=True)
    finally:
        for worker in workers:
            worker.cancel()
    errors = [error for error in results if isinstance(error, BaseException)]
    if errors:
        raise next((error for error in errors if not isinstance(error, ContextRotError)), client.stopped or errors[0])
