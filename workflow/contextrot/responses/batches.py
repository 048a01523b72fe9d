"""Asking by batches: what the store lacks is gathered, submitted, waited for, and taken from the results; at half the price.

What is under way is written down beside the store before it is submitted, `{request store}/batches/{model}/{name}.json`, and the name follows
from the requests' keys. So a job that is killed at any moment, or is run again after days, finds its batches: those that
have an id by it, and one whose submission nobody saw the end of by its name at the provider. A record goes once all its answers are in
the store. Beside the record nothing is reserved in the ledger: it is the reservation.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from contextrot.errors import RequestError
from contextrot.files.regular_files import read_regular
from contextrot.records import write_text
from contextrot.responses.batch_api import ODD, BatchApi, Expired, Look
from contextrot.responses.clock import Stop
from contextrot.responses.outages import backoff
from contextrot.settings import BatchSettings
from contextrot.wire import faults
from contextrot.wire.faults import Failure

FORMAT = "contextrot batch 1"
QUIET_SECONDS = 0.5
"""So long nothing new is asked before a batch goes off."""
SECONDS_TO_APPEAR = 2.0
"""After so long a submitted batch stands in the provider's list."""
_LARGEST_RECORD = 1 << 26

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Record:
    """A batch that is, or is about to be, under way.

    Attributes:
        name: follows from the keys and the number of tries of just these.
        keys: of its requests, in their order.
        prepared: when, seconds since the epoch.
        id: the provider's; None while nobody knows whether it was submitted.
        failed: keys that brought no answer and may be asked again.
        not_ours: ids of batches that looked like it, and were others'.
    """

    name: str
    keys: list[str]
    prepared: float
    id: str | None = None
    failed: list[str] = field(default_factory=list)
    not_ours: list[str] = field(default_factory=list)
    format: str = FORMAT


@dataclass
class _Waiting:
    body: dict[str, Any]
    size: int
    result: asyncio.Future[dict[str, Any] | Failure]


class Batches:
    """The batches of one model, for one job.

    Args:
        api: the provider's.
        folder: of the records.
        stored: whether the store has the answer to a key.
        settings: when to look, how long to wait, what to do with failed requests.
        stop: the job's end, and the time.
        deadline_seconds: how long a submission is tried.
    """

    def __init__(
        self,
        api: BatchApi,
        folder: Path,
        stored: Callable[[str], bool],
        settings: BatchSettings,
        stop: Stop,
        deadline_seconds: float,
    ) -> None:
        self._api, self._folder, self._settings, self._stop, self._deadline = api, folder, settings, stop, deadline_seconds
        self._queue: dict[str, _Waiting] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._asked_at = 0.0
        self._worker: asyncio.Task[None] | None = None
        self._stored = stored
        self._records = {record.name: record for path in sorted(folder.glob("*.json")) if (record := _read(path))}
        self._forget_what_is_stored()
        self._where: dict[str, Record] = {}
        for record in sorted(self._records.values(), key=lambda record: record.prepared):
            self._where |= dict.fromkeys(set(record.keys) - set(record.failed), record)

    async def answer(self, key: str, body: dict[str, Any]) -> dict[str, Any] | Failure:
        """What a batch brings for a request: a whole answer in OpenAI's form, or why there is none.

        Raises:
            ContextRotError: if the job has ended; RequestError if the batches are not waited for any longer.
        """
        self._stop.check()
        loop = asyncio.get_running_loop()
        waiting = _Waiting(body, len(json.dumps(body, ensure_ascii=False)) + 500, loop.create_future())
        self._waiting[key] = waiting
        if key not in self._where:
            self._queue[key] = waiting
        self._asked_at = self._stop.clock.monotonic()
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        try:
            return await asyncio.shield(waiting.result)
        finally:
            self._waiting.pop(key, None)
            self._queue.pop(key, None)

    async def close(self) -> None:
        if self._worker is not None:
            self._worker.cancel()
            with suppress(asyncio.CancelledError):
                await self._worker
        self._forget_what_is_stored()
        await self._api.close()

    def _forget_what_is_stored(self) -> None:
        for record in list(self._records.values()):
            if all(map(self._stored, record.keys)):
                self._forget(record)

    async def _work(self) -> None:
        """Until nobody waits: submits what is asked once it is quiet, looks at what is under way."""
        begin, pause = self._stop.clock.monotonic(), min(1.0, self._settings.look_seconds)
        looked_at = 0.0
        try:
            while self._waiting:
                if self._queue and (self._full() or self._stop.clock.monotonic() - self._asked_at >= QUIET_SECONDS):
                    await self._submit(self._next())
                    begin, pause = self._stop.clock.monotonic(), min(1.0, self._settings.look_seconds)
                    continue
                now = self._stop.clock.monotonic()
                if self._wanted() and now - looked_at >= pause:
                    looked_at, before = now, len(self._waiting)
                    for record in self._wanted():
                        await self._look_at(record)
                    pause = min(pause * 1.5, self._settings.look_seconds)
                    if len(self._waiting) == before and not self._queue and now - begin >= self._settings.wait_hours * 3600:
                        raise RequestError(self._still_under_way())
                await self._stop.sleep(min(QUIET_SECONDS, pause) if self._queue or pause < QUIET_SECONDS else pause)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            for waiting in self._waiting.values():
                if not waiting.result.done():
                    waiting.result.set_exception(error)

    def _still_under_way(self) -> str:
        names = [record.id for record in self._wanted()]
        return (
            f"{len(self._waiting)} requests are under way in {len(names)} batches ({', '.join(map(str, names[:3]))}) after "
            f"{self._settings.wait_hours:g} hours (`batch.wait_hours`). Run the same command later: it finds them, and nothing is paid twice."
        )

    def _wanted(self) -> list[Record]:
        return [record for record in self._records.values() if any(self._is_waited_for(record, key) for key in record.keys)]

    def _is_waited_for(self, record: Record, key: str) -> bool:
        return key in self._waiting and self._where.get(key) is record

    def _leave(self, record: Record, keys: list[str]) -> None:
        for key in keys:
            if self._where.get(key) is record:
                del self._where[key]

    def _full(self) -> bool:
        return len(self._queue) >= self._api.most_items or sum(w.size for w in self._queue.values()) >= self._api.most_bytes

    def _next(self) -> dict[str, _Waiting]:
        """As many of the queue as one batch takes, at least one."""
        taken: dict[str, _Waiting] = {}
        size = 0
        for key in sorted(self._queue):
            size += self._queue[key].size
            if taken and (size > self._api.most_bytes or len(taken) >= self._api.most_items):
                break
            taken[key] = self._queue[key]
        for key in taken:
            del self._queue[key]
        return taken

    async def _submit(self, items: dict[str, _Waiting]) -> None:
        keys, number = list(items), 0
        while (name := _name(keys, number)) in self._records or self._path(name).exists():
            number += 1
        record = Record(name, keys, time.time())
        self._records[name] = record
        self._where |= dict.fromkeys(keys, record)
        if self._api.takes_names:  # also where the record is lost, as on a machine without the folder: the provider may know it
            record.id = await self._patiently(lambda: self._find(record, record.prepared - 30 * 86400))
        self._write(record)
        if record.id is None:
            await self._send(record, {key: waiting.body for key, waiting in items.items()})
        log.info("batch %s: %d requests under way as %s", name, len(keys), record.id)

    async def _find(self, record: Record, since: float) -> str | None:
        others = {_read(path) for path in self._folder.glob("*.json") if path.stem != record.name}
        known = {*record.not_ours, *(other.id for other in others if other and other.id)}
        return await self._api.find(record.name, record.keys, since, known)

    async def _send(self, record: Record, bodies: dict[str, dict[str, Any]]) -> None:
        """Submits a batch; after a failure that leaves open whether it arrived, it is looked for first."""
        perhaps = False

        async def once() -> str:
            nonlocal perhaps
            if perhaps:
                await self._stop.sleep(SECONDS_TO_APPEAR)
                if found := await self._find(record, record.prepared):
                    return found
                perhaps = False
            try:
                return await self._api.submit(record.name, bodies)
            except Failure as failure:
                perhaps = failure.billed or isinstance(failure, faults.ServerFault)
                raise

        record.id = await self._patiently(once)
        self._write(record)

    async def _look_at(self, record: Record) -> None:
        if record.id is None:  # of a job that was killed while it submitted
            await self._stop.sleep(max(0.0, min(SECONDS_TO_APPEAR, record.prepared + SECONDS_TO_APPEAR - time.time())))
            record.id = await self._patiently(lambda: self._find(record, record.prepared))
            if record.id is None:
                self._again(record)
                return
            self._write(record)
        batch = record.id
        look = await self._patiently(lambda: self._api.look(batch, record.keys))
        if not look.ended:
            return
        if look.refused:
            if not look.refused.retried:
                raise RequestError(f"the provider took none of a batch of {len(record.keys)} requests: {look.refused.message}")
            log.warning("batch %s was refused and is submitted again: %s", record.name, look.refused.message)
            await self._stop.sleep(backoff(1.0, 5, look.refused))
            self._again(record)
            return
        if not self._api.takes_names and look.results and not set(look.results) & set(record.keys):
            record.not_ours.append(batch)  # another's, of the same size and time
            record.id = None
            self._write(record)
            return
        self._deliver(record, look)

    def _again(self, record: Record) -> None:
        """Forgets a batch that there is not, and queues what is waited for."""
        self._forget(record)
        self._leave(record, record.keys)
        self._queue.update((key, self._waiting[key]) for key in record.keys if key in self._waiting)
        self._asked_at = self._stop.clock.monotonic()

    def _deliver(self, record: Record, look: Look) -> None:
        """Hands out the results; what is missing or failed may be asked again."""
        strangers = set(look.results) - set(record.keys)
        if strangers:
            log.warning("batch %s: %d results are to no request of it and are left out", record.name, len(strangers))
        mine = [key for key in record.keys if self._is_waited_for(record, key)]
        results = {key: look.results.get(key) or Expired("the batch brought nothing for the request") for key in record.keys}
        failed = [key for key, result in results.items() if isinstance(result, Failure)]
        self._leave(record, failed)
        if failed != record.failed:
            record.failed = failed
            self._write(record)
        for key in mine:
            waiting = self._waiting.pop(key)
            if not waiting.result.done():
                waiting.result.set_result(results[key])

    async def _patiently(self, call: Callable[[], Any]) -> Any:
        """What a call brings, tried as long as its failures may heal.

        Raises:
            RequestError: if they do not.
        """
        end, failures = self._stop.clock.monotonic() + self._deadline, 0
        while True:
            try:
                try:
                    return await call()
                except ODD as error:
                    raise faults.Malformed(
                        f"the answer has another form than the provider's ({type(error).__name__})", 200
                    ) from error
            except Failure as failure:
                failures += 1
                pause = backoff(1.0, failures, failure)
                log.warning("batches: %s (status %s): %s", failure.kind, failure.status, failure.message[:300])
                if not failure.retried or self._stop.clock.monotonic() + pause > end:
                    raise RequestError(
                        f"the batch API answered {failure.status or 'nothing'}: {failure.message.rstrip('.')}. Batches that are under way "
                        "are kept: mend the cause and run the same command to go on, or set `ask: direct`."
                    ) from failure
                await self._stop.sleep(pause)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _write(self, record: Record) -> None:
        write_text(self._path(record.name), json.dumps(asdict(record)))

    def _forget(self, record: Record) -> None:
        self._records.pop(record.name, None)
        self._path(record.name).unlink(missing_ok=True)


def _name(keys: list[str], number: int) -> str:
    return hashlib.sha256("\n".join([*sorted(keys), str(number)]).encode()).hexdigest()[:32]


def _read(path: Path) -> Record | None:
    try:
        values = json.loads(read_regular(str(path), _LARGEST_RECORD))
        if values["format"] != FORMAT:
            raise ValueError("not a batch of this version")
        record = Record(**values)
        sound = all(isinstance(key, str) for key in (*record.keys, *record.failed, *record.not_ours)) and isinstance(
            record.prepared, (int, float)
        )
        if not sound or not isinstance(record.id, str | None) or record.name != path.stem:
            raise ValueError("it is no record of a batch")
        return record
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        log.warning("batches: %s cannot be read, so its batch is not waited for (%s)", path, error)
        return None
