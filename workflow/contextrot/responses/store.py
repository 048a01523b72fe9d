"""Content-addressed store of finished requests: a request that was paid for is never sent twice.

Answers are packed into a few append-only files (see `segments`), each under the SHA-256 of everything that changes it. The store is
a memo, not a state: deleting it (or any file in it) only costs those requests again. Any number of processes may share it.

Earlier versions wrote one JSON file for each answer, `ab/abcdef....json`. These are read as ever; `snakemake pack_request_store` packs them.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from contextrot.errors import StoreError
from contextrot.files.regular_files import read_regular
from contextrot.records import Response
from contextrot.responses.segment_writer import SUFFIX
from contextrot.responses.segments import FORGOTTEN, Segments
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
        self._opened: Segments | None = None
        self._opening = threading.Lock()
        self.damaged: set[Path] = set()

    @property
    def segments(self) -> Segments:
        """The packed answers, opened when they are first wanted."""
        with self._opening:
            if self._opened is None:
                self._opened = Segments(self.folder / "segments")
            return self._opened

    @property
    def own_segment(self) -> Path | None:
        """The packed file that this store writes; None as long as it has written nothing."""
        name = self._opened.written if self._opened else ""
        return self.folder / "segments" / name if name else None

    def path(self, key: str) -> Path:
        """Where earlier versions kept the answer to a request."""
        return Path(self._name(key))

    def _name(self, key: str) -> str:
        return f"{self.folder}/{key[:2]}/{key}.json"

    def get(self, key: str, look_again: bool = True) -> Response | None:
        """The stored answer, with `cached` set and without sample and turn; None if there is none that can be read.

        Args:
            look_again: whether a miss looks for what other processes have written since the last look.
        """
        place = self.path(key)
        try:
            content = self._packed(key, look_again)
            if content == FORGOTTEN:
                return None
            if content is None:
                content = read_regular(self._name(key), LARGEST_ANSWER)
            else:
                place = self.folder / "segments" / key
            record = json.loads(content)
            if record["format"] != FORMAT or record["key"] != key:
                raise ValueError("it is not an answer of this store")
            return Response(sample_id="", turn=0, cached=True, **checked(record["response"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
            if place not in self.damaged:
                self.damaged.add(place)
                log.warning("request store: %s cannot be read and is asked again (%s)", place, error)
            return None

    def _packed(self, key: str, look_again: bool = True) -> bytes | None:
        """The packed record of a key."""
        segments = self.segments
        known = len(segments.damaged)
        content = segments.get(key)
        if content is None and look_again:
            segments.look_again()
            content = segments.get(key)
        if len(segments.damaged) > known:
            self.damaged |= {self.folder / "segments" / f"{d.segment}:{d.offset}" for d in segments.damaged}
        return content

    def has(self, key: str) -> bool:
        """Whether there is an answer, readable or not."""
        content = self._packed(key)
        return content != FORGOTTEN if content is not None else self.path(key).exists()

    def forget(self, key: str) -> None:
        """Takes an answer back. Raises StoreError."""
        self._append(key, FORGOTTEN.decode())
        self.path(key).unlink(missing_ok=True)

    def put(self, key: str, request: Mapping[str, Any], response: Response) -> None:
        """Keeps an answer.

        Args:
            request: what to keep of the request, for a person who reads the file.

        Raises:
            StoreError: if the folder or disk does not take it.
        """
        kept = {name: value for name in _FIELDS if (value := getattr(response, name)) is not None}
        record = {"format": FORMAT, "key": key, "request": request, "response": kept}
        self._append(key, json.dumps(record, ensure_ascii=False))

    def _append(self, key: str, content: str) -> None:
        try:
            self.segments.append(key, content)
        except OSError as error:
            raise StoreError(
                f"the request store {self.folder} does not take an answer: {error.strerror or error}. "
                "Free space or permissions (or set `request_store`), then run again; finished answers are kept."
            ) from error

    def close(self) -> None:
        """Leaves the packed file that this process writes to the next one; a later `put` opens one again."""
        if self._opened is not None:
            self._opened.close()

    def size(self) -> tuple[int, int]:
        """Number of stored answers, and their bytes on the disk."""
        sizes = [path.lstat().st_size for path in self.folder.glob("??/*.json")]
        packed = [path.lstat().st_size for path in self.folder.glob(f"segments/*{SUFFIX}")]
        return len(sizes) + len(self.segments), sum(sizes) + sum(packed)


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
        self._store.close()
