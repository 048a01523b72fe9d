"""One tiny request to each model before a run: whether it answers, as whom, how long a window it admits, and what to set where not.

Two identical requests of about 1,200 tokens (fewer in a short window): the second shows whether prompts are cached. Where a server
refuses a part of the request, it is asked again without, and the table says which part to remove.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from contextrot import engines, secrets
from contextrot.engines import Endpoint
from contextrot.errors import ContextRotError, RequestError
from contextrot.printable import printable
from contextrot.records import write_text
from contextrot.responses.admitted_window import admitted_window, listed_price
from contextrot.responses.chat_request import ChatRequests, as_config, in_its_place, refused_part
from contextrot.responses.model_names import same_model
from contextrot.responses.outcomes import classify
from contextrot.responses.prices import pricing_of
from contextrot.responses.transport import Reply, transport_for
from contextrot.samples.tokenizers import tokenizer_of
from contextrot.settings import ModelSettings
from contextrot.wire import faults
from contextrot.wire.faults import Failure

PROMPT_TOKENS = 1200
"""Providers cache from 1,024 tokens on."""
ANSWER_TOKENS = 32
EXACT_TOKENS = 3
MOST_REMOVED = 4


@dataclass
class ModelCheck:
    """What one model's answers told; None is unknown.

    Attributes:
        model: its name in config.
        engine: its engine; servers that the run starts itself are not asked.
        reachable: whether it answered.
        answers_as: its name in the answer.
        window, window_admitted, window_source: config's, the server's, and who says so.
        own_tokens, server_tokens: length of the same prompt by config's tokenizer and by the server.
        thinks, streams, caches: what the answers showed.
        price_known: whether costs can be counted.
        changes: what is left out of its requests because its family refuses it.
        problem: why it cannot be used as it is.
        to_set: what to set in config or at the server.
    """

    model: str
    engine: str
    reachable: bool | None = None
    answers_as: str | None = None
    window: int = 0
    window_admitted: int | None = None
    window_source: str | None = None
    own_tokens: int | None = None
    server_tokens: int | None = None
    thinks: bool | None = None
    streams: bool | None = None
    caches: bool | None = None
    price_known: bool = False
    changes: list[str] = field(default_factory=list)
    problem: str | None = None
    to_set: list[str] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        """Whether a run can go ahead: it answers, and its window is not shorter than config's."""
        return self.reachable is not False and (self.window_admitted is None or self.window_admitted >= self.window)


def check_models(
    models: dict[str, ModelSettings], output_json: Path, output_md: Path, *, strict: bool = True, pause_seconds: float = 2.0
) -> None:
    """Asks some models, writes what they told as JSON and as a table, and prints the table.

    Args:
        models: by their names in config.
        strict: whether a model that cannot be used is an error.
        pause_seconds: before another try where a server is not ready.

    Raises:
        RequestError: if strict, naming each model that does not answer or whose window is shorter than config's.
    """
    checks = asyncio.run(_check_all(models, pause_seconds))
    write_text(output_json, secrets.clean(json.dumps([asdict(check) for check in checks], indent=2) + "\n", partly=False))
    table = check_table(checks)
    write_text(output_md, table)
    print(printable(table))
    if strict and (wrong := [check for check in checks if not check.usable]):
        lines = [f"{check.model}: {check.problem or '; '.join(check.to_set)}" for check in wrong]
        raise RequestError("these models cannot be used as they are set: " + "; ".join(lines))


async def _check_all(models: dict[str, ModelSettings], pause_seconds: float) -> list[ModelCheck]:
    return await asyncio.gather(*(check_model(name, model, pause_seconds) for name, model in models.items()))


async def check_model(name: str, model: ModelSettings, pause_seconds: float = 2.0) -> ModelCheck:
    """What one model's answers tell."""
    check = ModelCheck(name, model.engine, window=model.window, price_known=pricing_of(model) is not None)
    endpoint_of = engines.of(model).endpoint
    if endpoint_of is None:
        return check
    try:
        endpoint = endpoint_of(model)
    except ContextRotError as error:
        check.reachable, check.problem = False, str(error)
        return check
    messages = [{"role": "user", "content": _prompt(check, model)}]
    replies: list[Reply] = []
    removed: dict[str, Any] = {}
    for _ in range(2):
        reply = await _ask(endpoint, model, messages, removed, pause_seconds)
        if isinstance(reply, Failure):
            check.reachable, check.problem = bool(replies), secrets.clean(f"{reply.kind}: {reply.message}")[:400]
            break
        replies.append(reply)
    check.window_admitted, check.window_source = await admitted_window(endpoint, model)
    asked = ChatRequests(model.model_copy(update={"request": {**model.request, **removed}}))
    check.changes = asked.changes
    if replies:
        check.reachable = True
        _read(check, replies, asked.wire["stream"])
    _advise(check, endpoint, model, removed)
    if not check.price_known:
        price = await listed_price(endpoint, model)
        shown = (
            f": {{{', '.join(f'{name}: {value:g}' for name, value in price.items())}}}, as OpenRouter lists it" if price else ""
        )
        check.to_set.append(f"`price`{shown}: without it neither costs nor `budget_usd`")
    return check


def _numbers(count: int) -> str:
    return "Answer with the word yes. " + " ".join(str(number) for number in range(count))


def _prompt(check: ModelCheck, model: ModelSettings) -> str:
    """A prompt of numbers, counted by config's tokenizer where there is one."""
    room = max(20, min(PROMPT_TOKENS, model.window // 2))
    text = _numbers(room // 3)
    try:
        tokenizer = tokenizer_of(model)
        for _ in range(2):  # the second has as many numbers as make so many tokens
            check.own_tokens = tokenizer.count_chat([{"role": "user", "content": text}])
            if check.own_tokens >= room:
                break
            text = _numbers(round(room // 3 * 1.02 * room / check.own_tokens))
        check.own_tokens = tokenizer.count_chat([{"role": "user", "content": text}])
    except Exception as error:  # of the Hub, of files, of tokenizers, in many kinds
        check.to_set.append(f"`tokenizer`: {model.tokenizer or model.name} cannot be loaded ({str(error).splitlines()[0][:120]})")
    return text


async def _ask(
    endpoint: Endpoint, model: ModelSettings, messages: list[dict[str, str]], removed: dict[str, Any], pause_seconds: float
) -> Reply | Failure:
    """A reply, with `removed` filled with what had to go; a server that is not ready is asked three times."""
    tries = 0
    while True:
        request = ChatRequests(model.model_copy(update={"request": {**model.request, **removed}}))
        body = {
            "model": endpoint.model,
            **request.body(messages, min(ANSWER_TOKENS, model.max_output_tokens), {}),
            **request.wire,
        }
        transport = transport_for(endpoint)
        try:
            return await transport.send(body, min(model.timeout_seconds, 120))
        except Failure as failure:
            tries += 1
            refused = refused_part(failure.message, body) if isinstance(failure, faults.BadRequest | faults.Denied) else None
            if refused and refused not in removed and len(removed) < MOST_REMOVED:
                removed |= in_its_place(refused)
            elif failure.retried and tries < 3:
                await asyncio.sleep(min(failure.retry_after or pause_seconds, 20))
            else:
                return failure
        finally:
            await transport.close()


def _read(check: ModelCheck, replies: Sequence[Reply], stream: bool) -> None:
    first, last = replies[0], replies[-1]
    check.answers_as, check.server_tokens = first.model, first.prompt_tokens
    reasoning = classify(first)[2]
    check.thinks = bool(reasoning) or bool(first.reasoning_tokens)
    check.streams = any(reply.first_token_seconds is not None for reply in replies) if stream else None
    cached = [reply.cached_tokens for reply in replies]
    check.caches = bool(last.cached_tokens) if len(replies) > 1 and cached[-1] is not None else None


def _advise(check: ModelCheck, endpoint: Endpoint, model: ModelSettings, removed: dict[str, Any]) -> None:
    if removed:
        check.to_set.append(f"{as_config(removed)}: the server refuses what is there now")
    name, asked = check.answers_as, endpoint.answers_as or endpoint.model
    if name and endpoint.provider in ("hosted_vllm", "ollama") and not same_model(asked, name):
        check.to_set.append(f"`name`, or `engine_options: {{answers_as: {name}}}` if it is the same model")
    if check.window_admitted is not None and check.window_admitted < model.window:
        how = f"`window: {check.window_admitted}`, or start the server with {model.window} ({check.window_source} says less)"
        if check.window_source == "/api/ps" and endpoint.provider != "ollama":
            how = f"`provider: ollama` (instead of base_url), so that requests ask for {model.window} tokens, or `window: {check.window_admitted}`"
        check.to_set.append(how)
    if check.reachable and check.server_tokens is None:
        check.to_set.append("nothing in config: the server reports no token counts, so lengths and costs are estimates")
    elif _off(check) is not None and abs(_off(check)) > 0.01:
        check.to_set.append("`tokenizer`: the model's own, if it is published")
    if check.thinks and not model.reasoning_tokens:
        check.to_set.append("`reasoning_tokens`: room for its thinking (it thinks within the answer's limit now)")
    if check.streams is False:
        check.to_set.append("nothing in config: it does not stream, so times to the first token stay unknown")


def _off(check: ModelCheck) -> float | None:
    """By how much the own count differs from the server's, as a share; 0 within the few tokens that templates differ by."""
    if not check.own_tokens or not check.server_tokens:
        return None
    difference = check.own_tokens - check.server_tokens
    return 0.0 if abs(difference) <= EXACT_TOKENS else difference / check.server_tokens


def check_table(checks: Sequence[ModelCheck]) -> str:
    """The checks as a Markdown table, with what is wrong and what to set below it."""
    header = ["model", "reachable", "answers as", "window", "admitted", "token count", "thinks", "streams", "caches", "price"]
    rows = [header, *map(_row, checks)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    table = "\n".join(f"| {line} |" for line in [lines[0], "-|-".join("-" * width for width in widths), *lines[1:]])
    notes = []
    for check in checks:
        notes += [f"- **{check.model}** cannot be asked: {check.problem}"] if check.problem else []
        notes += [f"- **{check.model}**, to set: {advice}" for advice in check.to_set]
        notes += [f"- **{check.model}**, requests: {change}" for change in check.changes]
    text = f"# Models as they answer\n\n{table}\n" + ("\n" + "\n".join(notes) + "\n" if notes else "")
    return secrets.clean(text, partly=False)


def _row(check: ModelCheck) -> list[str]:
    def word(value: bool | None) -> str:
        return "–" if value is None else "yes" if value else "no"

    off = _off(check)
    count = "–" if off is None else "exact" if off == 0 else f"{off:+.1%} of {check.server_tokens:,}"
    engine = engines.load(check.engine)
    reachable = word(check.reachable) if engine.elsewhere else "started by the run" if engine.serve else "no server"
    admitted = "–" if check.window_admitted is None else f"{check.window_admitted:,}"
    columns = [check.model, reachable, check.answers_as or "–", f"{check.window:,}", admitted, count]
    return [*columns, *map(word, (check.thinks, check.streams, check.caches)), "known" if check.price_known else "unknown"]
