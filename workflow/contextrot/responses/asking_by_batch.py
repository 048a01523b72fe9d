"""A request by way of a batch: money set aside at the batch's price, what failed asked again, the outcome as from direct asking."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from contextrot import engines
from contextrot.engines import Endpoint
from contextrot.errors import ConfigError
from contextrot.responses.batches import Batches
from contextrot.responses.clock import Stop
from contextrot.responses.limits import name_at_server
from contextrot.responses.provider_batches import batch_api, has_batches
from contextrot.responses.retrying import Outcome, Retrying
from contextrot.responses.spending import Account
from contextrot.responses.store import RequestStore
from contextrot.settings import ModelSettings, Settings
from contextrot.wire.faults import Failure
from contextrot.wire.meaning import Sent
from contextrot.wire.reply import Reply


def asks_by_batch(model: ModelSettings, settings: Settings) -> bool:
    """Whether a model is asked by batches: by its own `ask`, else by the run's where it has a batch API.

    Raises:
        ConfigError: if the model's block asks for batches that it cannot have.
    """
    elsewhere = engines.of(model).elsewhere
    possible = elsewhere and has_batches(model.provider)
    if model.ask == "batch" and not possible:
        raise ConfigError(
            f"`ask: batch` of model {model.name!r}: engine {model.engine!r}{f' with provider {model.provider!r}' if model.provider else ''} "
            "has no batch API that is known here; openai, anthropic, gemini and any `base_url` with /v1/batches have. Set `ask: direct`."
        )
    if model.ask is not None:
        return model.ask == "batch"
    return settings.ask == "batch" and possible and model.hosted


class AskingByBatch:
    """The batches of one client.

    Args:
        endpoint, model, settings, store, stop: of the client.
        account: what it may cost.
        retrying: for what failed in a batch, if it is to be asked directly.
        accept: what else a reply must pass: the failure that it is, or None.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        model: ModelSettings,
        settings: Settings,
        store: RequestStore,
        stop: Stop,
        account: Account,
        retrying: Retrying,
        accept: Callable[[Reply, dict[str, Any]], Failure | None],
    ) -> None:
        folder = Path(settings.request_store) / "batches" / name_at_server(model)
        self._batches = Batches(
            batch_api(endpoint), folder, store.has, settings.batch, stop, settings.retry_deadline_seconds
        )  # fmt: skip
        self._settings, self._account, self._retrying, self._accept = settings, account, retrying, accept

    async def send(self, body: dict[str, Any], key: str, sent: Sent, bound: int, direct_bound: int) -> Outcome:
        """The reply to a request, or its last failure.

        Args:
            bound, direct_bound: what it may cost at most in a batch, and asked directly, pico-USD.

        Raises:
            RequestError: if no request makes sense any more, or batches are not waited for any longer.
        """
        attempts = 0
        while True:
            attempts += 1
            reservation = await self._account.reserve(key, bound, recorded=True)
            try:
                result = await self._batches.answer(key, body)
            except BaseException:
                self._account.give_back(reservation)  # the batch's record stays, and is its reservation
                raise
            reply = Reply()
            if not isinstance(result, Failure):
                try:
                    reply.add(result, 0.0, sent=sent)
                    reply.finish()
                    reply.first_token_seconds = reply.total_seconds = None
                    failure = self._accept(reply, body)
                except Failure as unreadable:
                    failure = unreadable
            else:
                failure = result
            if failure is None:
                return Outcome(attempts, reply, reservation, by_batch=True)
            # what a batch did not answer no provider bills (OpenAI, Anthropic and Google say so); what came and is no answer it may have
            perhaps = failure.billed and failure is not result
            self._account.lose(reservation) if perhaps else self._account.settle(reservation, 0)
            if failure.stops:
                raise self._retrying.refuse(failure)
            if not failure.retried or attempts >= self._settings.max_attempts:
                return Outcome(attempts, failure)
            if self._settings.batch.failed == "direct":
                outcome = await self._retrying.send(body, key, sent.prompt_tokens or 0, direct_bound)
                outcome.attempts += attempts
                return outcome

    async def close(self) -> None:
        await self._batches.close()
