"""The account of what requests have cost: an append-only ledger that outlives every kill, and the budget kept by it.

Before a request is sent, the most that it may cost is written down as *reserved*; what became of it follows as *settled* (the
bill, 0 if the provider has not billed) or *unknown* (a timeout after the server began, a broken answer). What is unknown, and what a
killed job left reserved, counts as the worst case for ever after. So the money of all jobs and runs of one experiment is
known whoever was killed, and a budget cannot be exceeded by more than what is under way when it is reached.

A ledger is an account, not a state: nothing is resumed from it, only added up. It lies beside the answers that the money bought,
`{request store}/ledger/{tier}/{model}/{experiment}/{part}/`, one file of JSON lines for each process, each line one write. Deleting the folder forgets
what was billed without an answer; stored answers still count with what they cost. Nothing is written for models that bill nothing.

Amounts are whole pico-USD (see `money`).
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contextrot.errors import RequestError, StoreError
from contextrot.responses.ledger_entries import KEY_CHARACTERS, Entries
from contextrot.responses.money import usd

FORMAT = "contextrot ledger 1"
_HOST = os.uname().nodename.split(".")[0]

log = logging.getLogger(__name__)


@dataclass
class Reservation:
    """Money set aside for one request that is about to be sent.

    Attributes:
        recorded: whether something else than the ledger says that it is set aside, so that a line about it comes only with the bill.
    """

    number: int
    key: str
    amount: int
    bound: int
    recorded: bool = False


class Account:
    """What one job's requests have cost and may still cost.

    Args:
        budget: pico-USD that are not to be exceeded; None for no limit.

    Attributes:
        ratio: by how much a bill has exceeded what was expected at most; later requests are expected to cost that much more.
    """

    def __init__(self, budget: int | None = None) -> None:
        self.budget = budget
        self.ratio = 1.0
        self._answers: dict[str, int] = {}
        self._answered = 0
        self._settled = self._unknown = 0
        self._open: dict[int, Reservation] = {}
        self._reserved = 0
        self._others: dict[str, Entries] = {}
        self._elsewhere = 0
        self._keys: set[str] = set()
        self._numbers = 0
        self._folder: str | None = None
        self._about: dict[str, Any] = {}
        self._name = ""
        self._file: int | None = None
        self._torn = False
        self._lock: int | None = None
        self._waiting: list[asyncio.Future[None]] = []

    def keep_in(self, root: Path, tier: str, model: str, experiment: str, part: str) -> None:
        """Keeps the account in ledger files below `root` from now on, and takes in those that earlier and other jobs have left.

        What other divisions into shards have spent is shared by the parts of this one.

        Raises:
            StoreError: if a ledger cannot be read.
        """
        if self._folder is not None:
            return
        scope = root / _safe(tier) / _safe(model) / _safe(experiment)
        self._folder = str(scope / _safe(part))
        self._about = {"format": FORMAT, "tier": tier, "model": model, "experiment": experiment, "part": part}
        self._name = f"{_HOST}-{os.getpid()}-{time.time_ns()}.jsonl"
        self._read_others()
        if division := re.fullmatch(r"(\d+)-of-(\d+)", part):
            elsewhere = Entries()
            for folder in scope.glob("*-of-*"):
                if not folder.name.endswith(f"-of-{division[2]}"):
                    for path, _ in _ledgers(folder):
                        _take_in(elsewhere, path)
                        elsewhere.end()
            self._elsewhere = -(-elsewhere.charged // max(1, int(division[2])))
            self._keys |= elsewhere.keys

    @property
    def unknown(self) -> int:
        """What was perhaps billed and brought no answer, this run and earlier ones."""
        others = sum(entries.charged - entries.settled for entries in self._others.values())
        return self._unknown + others + self._elsewhere

    @property
    def charged(self) -> int:
        """What has been spent, unknown amounts at their worst, without what this job has under way."""
        others = sum(entries.charged for entries in self._others.values())
        return self._answered + self._settled + self._unknown + others + self._elsewhere

    def stored(self, key: str, amount: int) -> None:
        """Counts an answer from the request store, unless this account has paid for it."""
        short = key[:KEY_CHARACTERS]
        if amount and short not in self._keys and short not in self._answers:
            self._answers[short] = amount
            self._answered += amount

    async def reserve(self, key: str, bound: int, recorded: bool = False) -> Reservation:
        """Sets aside what a request may cost at most, and writes it down; waits for requests under way if only they stand in the way.

        Args:
            key: of the request.
            bound: what it is expected not to exceed.
            recorded: whether it is written down elsewhere, as the requests of a batch are.

        Raises:
            RequestError: if the request might exceed the budget.
            StoreError: if the ledger cannot be written.
        """
        while True:
            amount = bound if self.ratio <= 1 else -int(-bound * self.ratio // 1)
            with self._alone():
                if self.budget is None or self.charged + self._reserved + amount <= self.budget:
                    self._numbers += 1
                    reservation = Reservation(self._numbers, key, amount, bound, recorded)
                    if not recorded:
                        self._write_reserved(reservation)
                    self._open[reservation.number] = reservation
                    self._reserved += amount
                    return reservation
            if not self._open:
                raise RequestError(
                    f"budget_usd is used up: {usd(self.charged):.4f} of {usd(self.budget):.4f} USD are spent"
                    f"{self._explained()}, and the next request may cost {usd(amount):.4f}. All finished answers are kept; raise "
                    "budget_usd and run the same command to go on."
                )
            released = asyncio.get_running_loop().create_future()
            self._waiting.append(released)
            await released

    def _explained(self) -> str:
        unknown = self.unknown
        return f" ({usd(unknown):.4f} of them perhaps, for requests that brought no answer)" if unknown else ""

    def settle(self, reservation: Reservation, amount: int) -> None:
        """Replaces what was set aside by what was billed; 0 if nothing was."""
        self._settled += amount
        if amount:
            self._keys.add(reservation.key[:KEY_CHARACTERS])
        if reservation.bound > 0:
            self.ratio = max(self.ratio, amount / reservation.bound)
        self._close(reservation, "settled", amount)

    def lose(self, reservation: Reservation) -> None:
        """The provider may have billed it: the worst case stays."""
        self._unknown += reservation.amount
        self._close(reservation, "unknown", reservation.amount)

    def give_back(self, reservation: Reservation) -> None:
        """Sets nothing aside any more for a request that is written down elsewhere and still under way."""
        self._release(reservation)

    def _close(self, reservation: Reservation, state: str, amount: int) -> None:
        self._release(reservation)
        if reservation.recorded:
            self._write_reserved(reservation)
        self._write(reservation, state, amount, {})

    def _write_reserved(self, reservation: Reservation) -> None:
        self._write(
            reservation, "reserved", reservation.amount, {"key": reservation.key[:KEY_CHARACTERS], "bound": reservation.bound}
        )

    def _release(self, reservation: Reservation) -> None:
        del self._open[reservation.number]
        self._reserved -= reservation.amount
        waiting, self._waiting = self._waiting, []
        for released in waiting:
            if not released.done():
                released.set_result(None)

    def close(self) -> None:
        """Flushes the ledger to the disk and closes it."""
        for handle in (self._file, self._lock):
            if handle is not None:
                with suppress(OSError):
                    os.fsync(handle)
                os.close(handle)
        self._file = self._lock = None

    def _write(self, reservation: Reservation, state: str, amount: int, more: dict[str, Any]) -> None:
        """Appends one line with one write: what is written outlives the process, though perhaps not the machine."""
        if self._folder is None:
            return
        line = json.dumps({"id": reservation.number, "state": state, "pico_usd": amount, **more}, separators=(",", ":")) + "\n"
        try:
            if self._file is None:
                Path(self._folder).mkdir(parents=True, exist_ok=True)
                self._file = os.open(f"{self._folder}/{self._name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
                line = json.dumps({**self._about, "host": _HOST, "pid": os.getpid(), "since": time.time()}) + "\n" + line
            content = (b"\n" if self._torn else b"") + line.encode()  # so that half a line spoils no other
            self._torn = os.write(self._file, content) != len(content)
            if self._torn:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise StoreError(
                f"the ledger {self._folder} does not take a line: {error.strerror or error}. Free space or permissions (or set "
                "`request_store`), then run again; finished answers are kept."
            ) from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Holds other jobs on the same budget back while money is set aside, and takes in what they have written."""
        if self._folder is None or self.budget is None:
            yield
            return
        import fcntl

        try:
            if self._lock is None:
                Path(self._folder).mkdir(parents=True, exist_ok=True)
                self._lock = os.open(f"{self._folder}/lock", os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        except OSError as error:
            raise StoreError(
                f"the ledger {self._folder} cannot be locked: {error.strerror or error}. Free space or permissions (or set "
                "`request_store`), then run again; finished answers are kept."
            ) from error
        try:
            self._read_others()
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _read_others(self) -> None:
        for path, size in _ledgers(self._folder):
            if path.endswith(f"/{self._name}"):
                continue
            entries = self._others.setdefault(path, Entries())
            if size > entries.read_bytes:
                _take_in(entries, path)
                self._answered -= sum(self._answers.pop(key, 0) for key in entries.keys - self._keys)
                self._keys |= entries.keys
                self.ratio = max(self.ratio, entries.ratio)


def _ledgers(folder: str | Path) -> list[tuple[str, int]]:
    """Paths and sizes of a folder's ledgers."""
    try:
        with os.scandir(folder) as found:
            return [(entry.path, entry.stat().st_size) for entry in found if entry.name.endswith(".jsonl") and entry.is_file()]
    except (FileNotFoundError, NotADirectoryError):
        return []  # nothing was written there, or writing will say why it cannot be
    except OSError as error:
        raise _unreadable(folder, error) from error


def _take_in(entries: Entries, path: str) -> None:
    try:
        entries.read(path)
    except FileNotFoundError:
        return  # deleted meanwhile, to forget it
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str | Path, error: Exception) -> StoreError:
    return StoreError(
        f"the ledger {path} cannot be read: {error}. What it says counts against budget_usd: mend it, or delete it."
    )


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name)[:150].lstrip(".") or "_"
