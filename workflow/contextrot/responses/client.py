"""Asks a model, and gives back an outcome: what was asked before comes from the store, what is being asked is waited for.

Outcomes: `answered`; `truncated` (the output limit came first, also during thinking); `refused` (the provider's filter or
the model's refusal field); `empty`; `over_window` (the server says the prompt is too long); `failed` (no attempt
brought an answer). Retries happen in `retrying` and in no other layer.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from functools import partial
from pathlib import Path
from typing import Any

from contextrot import secrets
from contextrot.api_keys import KEY_VARIABLES
from contextrot.engines import Endpoint
from contextrot.errors import ContextRotError, RequestError
from contextrot.records import Response
from contextrot.responses.asked_once import AskedOnce
from contextrot.responses.asking_by_batch import AskingByBatch, asks_by_batch
from contextrot.responses.chat_request import ChatRequests, as_config, in_its_place, output_limit, refused_part
from contextrot.responses.clock import Clock, Stop
from contextrot.responses.identity import ServerIdentity, model_identity
from contextrot.responses.limits import bucket_of
from contextrot.responses.model_names import same_model
from contextrot.responses.money import bills, charge, worst_case
from contextrot.responses.outcomes import classify
from contextrot.responses.prefix_sharing import Marks
from contextrot.responses.prices import Pricing, batch_pricing, pricing_of
from contextrot.responses.ratelimit import AdaptiveConcurrency
from contextrot.responses.retrying import Retrying
from contextrot.responses.store import RequestStore, StoreWriter, request_key
from contextrot.responses.transport import Transport, transport_for
from contextrot.settings import ModelSettings, Settings
from contextrot.wire import faults
from contextrot.wire.faults import Failure
from contextrot.wire.meaning import Sent
from contextrot.wire.reply import Reply
from contextrot.wire.stop_strings import end_at_stop
from contextrot.wire.thoughts import Thoughts

MOST_FAILURES_IN_A_ROW = 20
FROM_THE_SERVER = ("text", "reasoning", "refusal", "model", "upstream", "finish_reason")

log = logging.getLogger(__name__)


class NotInStore(Exception):
    """The answer is not in the store, and there is no endpoint to ask."""


class Client:
    """Requests to one model.

    Args:
        endpoint: where they go; None answers from the store alone (NotInStore otherwise).
        model: its settings; they decide the key under which an answer is stored, so that no server is needed to look it up.
        settings: attempts, deadline, request store.
        store: finished answers.
        usage: tokens and money (usage.Ledger); its account is kept beside the store.
        pause_seconds: first pause before another try; doubles up to a minute.
        clock: the time.
        transport: sends requests; found from the endpoint without it.
        whose: who a server of one's own says to be; part of every key.
    """

    def __init__(
        self,
        endpoint: Endpoint | None,
        model: ModelSettings,
        settings: Settings,
        store: RequestStore,
        usage: Any,
        *,
        pause_seconds: float = 1.0,
        clock: Clock | None = None,
        transport: Transport | None = None,
        whose: ServerIdentity | None = None,
    ) -> None:
        self.endpoint, self.model, self.settings, self.store, self.usage = endpoint, model, settings, store, usage
        self.pricing: Pricing | None = pricing_of(model)
        self._bills = bills(self.pricing)
        self._clock = clock or Clock()
        self._stop = Stop(self._clock)
        most = endpoint.most_at_once if endpoint else None
        self.concurrency = AdaptiveConcurrency(min(model.concurrency, most or model.concurrency), self._clock)
        self.requests = ChatRequests(model)
        self._identity, self.whose = model_identity(model), whose
        self._shown_identity = secrets.public(self._identity)
        self._thoughts = Thoughts.of(model)
        usage.keep_account(Path(settings.request_store) / "ledger")
        self._writer = StoreWriter(store)
        self._once = AskedOnce(store, self._stop)
        if endpoint:
            for change in self.requests.changes:
                log.warning("%s: %s", model.name, change)
        self._upstreams, self._failures_in_a_row = set[str](), 0
        self.batches: AskingByBatch | None = None
        if endpoint:  # without one there is nothing to send by
            self._server, self._transport = endpoint, transport or transport_for(endpoint)
            self._bucket = bucket_of(model, Path(settings.request_store), self._stop)
            self._retrying = Retrying(
                endpoint, settings, self._send, self._refused,
                self._bucket, self.concurrency, usage.account, self._clock, self._stop, pause_seconds,
            )  # fmt: skip
            if asks_by_batch(model, settings):
                self.batches = AskingByBatch(
                    endpoint, model, settings, store, self._stop, usage.account, self._retrying, self._not_accepted
                )

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.endpoint:
            await self._transport.close()
            if self.batches:
                await self.batches.close()
            self._bucket.close()
        self._writer.close()
        self._once.close()
        self.usage.account.close()

    @property
    def stopped(self) -> ContextRotError | None:
        """Why no further request is sent; None as long as they are."""
        return self._stop.error

    @stopped.setter
    def stopped(self, error: ContextRotError | None) -> None:
        self._stop.set(error)
        if self.endpoint and self._stop.error:
            self._retrying.outages.release()

    @property
    def needs_prompt_tokens(self) -> bool:
        """Whether rate limit or money depend on the prompt's length."""
        return self.endpoint is not None and (self._bucket.counts_tokens or self._bills)

    async def ask(
        self,
        messages: list[dict[str, str]],
        max_output_tokens: int,
        options: dict[str, Any] | None = None,
        prompt_tokens: int | None = None,
        repeat: int = 0,
        use_store: bool = True,
        marks: Marks | None = None,
    ) -> Response:
        """One answer, without sample id and turn (the caller fills them in).

        Args:
            messages: the whole chat.
            max_output_tokens: limit of the answer; the model's room for thinking is added to it.
            options: request parameters beside the model's sampling.
            prompt_tokens: length of the rendered chat, for rate limit and budget.
            repeat: each number has an answer of its own in the store.
            use_store: whether an earlier answer will do; a new one is stored in any case.
            marks: for the provider's prompt cache; no part of what is asked.

        Raises:
            RequestError: if no further request makes sense (key, model name, budget), or too many failed in a row.
            EngineError: if the server cannot be brought back.
            StoreError: if the store takes no answer.
            NotInStore: without an endpoint.
        """
        body = self.requests.body(messages, max_output_tokens, options or {})
        part = self._key_part
        key = self._key(body, repeat, part)
        if self.endpoint is None:
            stored = self.store.get(key, look_again=False) if use_store else None
            if stored is None:
                raise NotInStore(key)
            return await self._recorded(key, stored)
        if not use_store:
            return await self._ask_server(body, key, part, repeat, prompt_tokens, marks, by_batch=False)
        response = await self._once.answer(key, partial(self._ask_server, body, key, part, repeat, prompt_tokens, marks))
        return await self._recorded(key, response) if response.cached else response

    @property
    def _key_part(self) -> dict[str, str]:
        return self.whose.key_part if self.whose else {}

    def _key(self, body: dict[str, Any], repeat: int, part: dict[str, str]) -> str:
        return request_key({**self._identity, **part, "body": body, "repeat": repeat})

    async def _recorded(self, key: str, stored: Response) -> Response:
        if self.whose:
            self.whose.used()
        stored = self._thoughts.without(stored)
        self.usage.record(key, stored)
        await asyncio.sleep(0)  # so that requests under way go on beside a long row of stored answers
        return stored

    async def _ask_server(
        self,
        body: dict[str, Any],
        key: str,
        part: dict[str, str],
        repeat: int,
        prompt_tokens: int | None,
        marks: Marks | None,
        by_batch: bool = True,
    ) -> Response:
        """A new answer, stored and counted; under another key if its first answer says who the server is, which `part` of the key did not."""
        self._stop.check()
        counted = prompt_tokens is not None
        if prompt_tokens is None:
            prompt_tokens = sum(len(m["content"]) for m in body["messages"]) // 3
        limit = output_limit(body, self.model)
        prices = self.pricing, batch_pricing(self.pricing)
        bound, in_batch = (worst_case(pricing, prompt_tokens, limit) if pricing and self._bills else 0 for pricing in prices)
        try:
            if self.batches and by_batch:
                sent = Sent(prompt_tokens, limit, self.model.window)
                outcome = await self.batches.send(body, key, sent, in_batch, bound)
            else:
                outcome = await self._retrying.send(marks.on(body) if marks else body, key, prompt_tokens, bound)
            response = self._response(outcome.result, outcome.attempts)
            if outcome.reservation is not None:
                answers = outcome.result.answers if isinstance(outcome.result, Reply) else 1
                cost = charge(response, prices[outcome.by_batch], prompt_tokens, counted, limit * answers, self._bills)
                self.usage.account.settle(outcome.reservation, cost)
            if response.completion_tokens is not None:  # what no request can have used holds no other back
                read = min(response.prompt_tokens or prompt_tokens, max(prompt_tokens, self.model.window))
                self._bucket.spend(min(response.completion_tokens, limit) + read - prompt_tokens)
            if response.outcome == "failed":
                self._count_failure(response)
                return response
            self._failures_in_a_row = 0
            if self.whose:
                await self.whose.look_again(self._clock.monotonic())
                response.server_fingerprint = self.whose.fingerprint
                if self._key_part != part:
                    key = self._key(body, repeat, self._key_part)
            if response.outcome != "over_window":
                await self._writer.put(key, self._kept(body, repeat), response)
                if self.whose:
                    self.whose.kept(partial(self.store.forget, key))
            self.usage.record(key, response)
        except ContextRotError as error:
            self.stopped = error
            raise
        return response

    async def reset(self) -> None:
        """Clears the engine's state once no request is under way."""
        if self.endpoint is not None:
            async with self.concurrency.exclusive():
                await asyncio.to_thread(self.endpoint.reset)

    async def _send(self, body: dict[str, Any], prompt_tokens: int) -> tuple[Failure | None, Reply]:
        sent = Sent(prompt_tokens, output_limit(body, self.model), self.model.window)
        try:
            reply = await self._transport.send(
                {"model": self._server.model, **body, **self.requests.wire}, self.model.timeout_seconds, sent
            )
        except Failure as failure:
            failure.message = secrets.clean(failure.message)
            if isinstance(failure, faults.BadRequest) and (part := refused_part(failure.message, {**body, **self.requests.wire})):
                failure.message += (
                    f" (perhaps mended by {as_config(in_its_place(part))} of the model; `snakemake check_models` tries)"
                )
            return failure, Reply()
        return self._not_accepted(reply, body), reply

    def _not_accepted(self, reply: Reply, body: dict[str, Any]) -> Failure | None:
        """Why a whole reply is no answer; else it ends at its stop string."""
        if reply.model and self._answers_as_another(reply.model):
            return faults.WrongModel(
                f"asked for model {self._server.model!r}, the server answers as {secrets.clean(reply.model)!r}; correct `name`, or set "
                "engine_options.answers_as to that name if it is the same model",
            )
        for name in FROM_THE_SERVER:  # a server may repeat a key anywhere; an answer is written to many files
            if value := getattr(reply, name):
                setattr(reply, name, secrets.clean(value, partly=False))
        end_at_stop(reply, body)
        return None

    def _response(self, result: Reply | Failure, attempts: int) -> Response:
        response = Response("", 0, "failed", attempts=attempts, engine=self._server.engine, model=self._server.model)
        if isinstance(result, Failure):
            response.outcome = {"over_window": "over_window", "content_filter": "refused"}.get(result.kind, "failed")
            response.error_type, response.error_message = result.kind, result.message
            return response
        response.outcome, response.text, response.reasoning = classify(result, self._thoughts)
        response.model = sys.intern(result.model or self._server.model)
        response.finish_reason = result.finish_reason and sys.intern(result.finish_reason)
        response.prompt_tokens, response.completion_tokens = result.prompt_tokens, result.completion_tokens
        response.upstream = result.upstream and sys.intern(result.upstream)
        response.cached_tokens, response.reasoning_tokens = result.cached_tokens, result.reasoning_tokens
        response.cache_written_tokens = result.cache_written_tokens
        response.first_token_seconds, response.total_seconds = result.first_token_seconds, result.total_seconds
        self._note_upstream(result.upstream)
        if result.logprobs:
            response.details = json.dumps({"logprobs": result.logprobs}, ensure_ascii=False)
        return response

    def _count_failure(self, response: Response) -> None:
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= MOST_FAILURES_IN_A_ROW and not self.settings.allow_failed:
            raise RequestError(
                f"{self._failures_in_a_row} requests in a row failed after all attempts, the last with {response.error_type}: "
                f"{response.error_message}. Finished answers are kept; mend the cause and run the same command to go on."
            )

    def _refused(self, failure: Failure) -> RequestError:
        return RequestError(self._advice(failure))

    def _advice(self, failure: Failure) -> str:
        where = self._server.base_url or self._server.provider
        said = f"{where} answered {failure.status or 'nothing'}: {failure.message.rstrip('.')}."
        variable = self.model.api_key_env or KEY_VARIABLES.get(self.model.provider or "", "the variable named in `api_key_env`")
        if isinstance(failure, faults.NoCredit):
            return f"{said} The account has no credit left; top it up and run the same command to go on."
        if failure.status in (None, 404, 405, 410) or 300 <= failure.status < 400:
            return f"{said} Check `name` ({self.model.name!r}) and `base_url` of the model."
        return f"{said} Check the API key in {variable} (environment or .env), and that it may use model {self.model.name!r}."

    def _answers_as_another(self, answered: str) -> bool:
        """Whether a server's own name for the model is another's; providers, and Azure's names of deployments, are believed."""
        if not self._server.base_url or self._server.provider not in ("hosted_vllm", "ollama"):
            return False
        return not same_model(self._server.answers_as or self._server.model, answered)

    def _note_upstream(self, upstream: str | None) -> None:
        """Says when another than before answers behind a router: its weights and limits may be others."""
        if upstream and upstream not in self._upstreams:
            if self._upstreams:
                log.warning(
                    "%s: now answered by %s, before by %s; pin one with `request: {provider: {order: [...], allow_fallbacks: false}}`",
                    self.model.name, upstream, ", ".join(sorted(self._upstreams)),
                )  # fmt: skip
            self._upstreams.add(upstream)

    def _kept(self, body: dict[str, Any], repeat: int) -> dict[str, Any]:
        """What the store keeps of a request: all but the messages, which stand in the samples' file."""
        shown = {"body": secrets.public({name: value for name, value in body.items() if name != "messages"}), "repeat": repeat}
        return {**self._shown_identity, **self._key_part, **shown}
