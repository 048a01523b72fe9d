"""Content-addressed store of finished requests: a request that was paid for is never sent twice.

One JSON file for each answer, `ab/abcdef....json` below the store's folder, named by the SHA-256 of everything that changes
the answer. It is a memo, not a state: deleting it (or any file in it) only costs those requests again.

A file is written under a temporary name, flushed to the disk and renamed, which is atomic on local and network file
systems; so any number of processes may share a store, and a killed one leaves at most a temporary file that nobody reads.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import logging
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from contextrot.errors import StoreError
from contextrot.files.regular_files import read_regular
from contextrot.records import Response
from contextrot.responses.stored_answers import checked

FORMAT = "contextrot response 1"
STORE_THREADS, AT_ONCE = 16, 4
"""Threads that write answers, and how many one of them is given at a time."""
LARGEST_ANSWER = 1 << 26
"""Bytes of a stored answer; what is larger is none of ours."""
_NOT_STORED = ("sample_id", "turn", "cached")
_FIELDS = [f.name for f in fields(Response) if f.name not in _NOT_STORED]
_SCALARS = (str, int, type(None))
_SAMPLED_BYTES = 1 << 20
_Waiting = tuple["asyncio.Future[None]", tuple[str, Mapping[str, Any], Response]]
_COUNTER = itertools.count()
_HOST = os.uname().nodename.split(".")[0]

log = logging.getLogger(__name__)


def request_key(request: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of a request in a canonical form: the order of keys and 0 against 0.0 make no difference."""
    text = json.dumps(_plain(request), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, _SCALARS):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value]


def weights_fingerprint(model: Path) -> str:
    """Changes when a model's folder (weights, tokenizer, settings) or GGUF file changes; the same wherever it stands.

    Small files are hashed whole, large ones by their size, first and last MiB, so that 100 GB of weights take no time.
    """
    digest = hashlib.sha256()
    kinds = (".json", ".jinja", ".safetensors", ".model")
    for path in [model] if model.is_file() else sorted(p for p in model.iterdir() if p.is_file() and p.suffix in kinds):
        size = path.stat().st_size
        digest.update(f"{'' if path == model else path.name}\0{size}\0".encode())
        with path.open("rb") as file:
            if size <= 32 * _SAMPLED_BYTES:
                digest.update(file.read())
            else:
                digest.update(file.read(_SAMPLED_BYTES))
                file.seek(-_SAMPLED_BYTES, os.SEEK_END)
                digest.update(file.read())
    return digest.hexdigest()


class RequestStore:
    """The store in one folder.

    Attributes:
        damaged: files that were found truncated or foreign; each is reported once and is a miss.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.damaged: set[Path] = set()

    def path(self, key: str) -> Path:
        """Where the answer to a request is."""
        return Path(self._name(key))

    def _name(self, key: str) -> str:
        return f"{self.folder}/{key[:2]}/{key}.json"

    def get(self, key: str) -> Response | None:
        """The stored answer, with `cached` set and without sample and turn; None if there is none that can be read."""
        try:
            record = json.loads(read_regular(self._name(key), LARGEST_ANSWER))
            if record["format"] != FORMAT or record["key"] != key:
                raise ValueError("it is not an answer of this store")
            return Response(sample_id="", turn=0, cached=True, **checked(record["response"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
            path = self.path(key)
            if path not in self.damaged:
                self.damaged.add(path)
                log.warning("request store: %s cannot be read and is asked again (%s)", path, error)
            return None

    def has(self, key: str) -> bool:
        """Whether there is an answer, readable or not."""
        return self.path(key).exists()

    def put(self, key: str, request: Mapping[str, Any], response: Response) -> None:
        """Keeps an answer.

        Args:
            request: what to keep of the request, for a person who reads the file.

        Raises:
            StoreError: if the folder or disk does not take it.
        """
        kept = {name: value for name in _FIELDS if (value := getattr(response, name)) is not None}
        record = {"format": FORMAT, "key": key, "request": request, "response": kept}
        content = json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass")
        path = self._name(key)
        folder = path.rpartition("/")[0]
        temporary = f"{folder}/.{key}.{_HOST}.{os.getpid()}.{next(_COUNTER)}.tmp"
        try:
            try:
                _write_and_flush(temporary, content)
            except FileNotFoundError:
                Path(folder).mkdir(parents=True, exist_ok=True)
                _write_and_flush(temporary, content)
            os.replace(temporary, path)  # noqa: PTH105 (strings: paths would cost 20 us a row)
        except OSError as error:
            with suppress(OSError):
                Path(temporary).unlink()
            raise StoreError(
                f"the request store {self.folder} does not take an answer: {error.strerror or error}. "
                "Free space or permissions (or set `request_store`), then run again; finished answers are kept."
            ) from error

    def size(self) -> tuple[int, int]:
        """Number of stored answers, and their bytes on the disk."""
        sizes = [path.lstat().st_size for path in self.folder.glob("??/*.json")]
        return len(sizes), sum(sizes)


class StoreWriter:
    """Keeps answers beside an event loop: a flush to the disk takes milliseconds, and many at once take no longer.

    Each thread is given what has come together meanwhile: one by one, answers would interrupt the loop twice as often.
    """

    def __init__(self, store: RequestStore) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(STORE_THREADS, thread_name_prefix="request-store")
        self._busy = 0
        self._waiting: list[_Waiting] = []

    async def put(self, key: str, request: Mapping[str, Any], response: Response) -> None:
        """As RequestStore.put; returns when the answer is on the disk."""
        loop = asyncio.get_running_loop()
        saved = loop.create_future()
        self._waiting.append((saved, (key, request, response)))
        if len(self._waiting) in (1, AT_ONCE):
            loop.call_soon(self._start, loop)
        await saved

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting and (not self._busy or (len(self._waiting) >= AT_ONCE and self._busy < STORE_THREADS)):
            answers, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            self._busy += 1
            self._threads.submit(self._write, answers, loop)

    def _write(self, answers: list[_Waiting], loop: asyncio.AbstractEventLoop) -> None:
        errors: list[Exception | None] = []
        for _, answer in answers:
            try:
                self._store.put(*answer)
                errors.append(None)
            except Exception as error:
                errors.append(error)
        with suppress(RuntimeError):  # the loop was stopped meanwhile
            loop.call_soon_threadsafe(self._written, answers, errors, loop)

    def _written(self, answers: list[_Waiting], errors: list[Exception | None], loop: asyncio.AbstractEventLoop) -> None:
        self._busy -= 1
        for (saved, _), error in zip(answers, errors, strict=True):
            if not saved.done():
                saved.set_exception(error) if error else saved.set_result(None)
        self._start(loop)

    def close(self) -> None:
        """Keeps what still waits, then ends the threads."""
        waiting, self._waiting = self._waiting, []
        for _, answer in waiting:
            self._threads.submit(self._store.put, *answer)
        self._threads.shutdown()


def _write_and_flush(path: str, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def describe_store(folder: str | Path) -> str:
    """The store's size, and how to clear it, for a person."""
    answers, size = RequestStore(folder).size()
    return (
        f"{folder}: {answers:,} stored answers, {size / 2**20:,.1f} MiB.\n"
        f"To clear it: rm -r {folder}   (nothing else breaks; the requests are asked, and paid, again)"
    )
