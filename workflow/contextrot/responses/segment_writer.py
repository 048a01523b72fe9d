"""The writer of one segment: see `segments`."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
import zlib
from contextlib import suppress
from pathlib import Path

SUFFIX = ".segment"
FETCHED = "from-bucket-"
"""Begins the name of a segment that somebody else may still write, in a bucket; it is not taken over here."""
HEAD = 8 + 1 + 64 + 1 + 16 + 1
"""Characters before a record's JSON."""
MOST_BYTES = 1 << 30
"""A larger segment is not taken over."""
LARGEST_RECORD = 1 << 26
_FORM = re.compile(rb"[0-9a-f]{8} [0-9a-f]{64} [0-9a-f]{16} .")
_HOST = os.uname().nodename.split(".")[0]

log = logging.getLogger(__name__)


def line_of(key: str, content: str, at: int) -> bytes:
    """A record as its line."""
    rest = f"{key} {at:016x} ".encode() + content.encode("utf-8", "surrogatepass").replace(b"\n", b" ")
    return b"%08x %s\n" % (zlib.crc32(rest), rest)


def record_in(line: bytes) -> tuple[str, int, bytes] | None:
    """Key, time and JSON of a line without its end; None if it is damaged."""
    if not _FORM.match(line) or line[:8] != b"%08x" % zlib.crc32(line[9:]):
        return None
    return line[9:73].decode(), int(line[74:90], 16), line[HEAD:]


class SegmentWriter:
    """Appends to a segment of its own, made or taken over at the first record.

    Args:
        folder: of the segments.
        new: whether none is taken over.
    """

    def __init__(self, folder: Path, new: bool = False) -> None:
        self._folder, self._new = folder, new
        self._file: int | None = None
        self._end = self._written = self._flushed = 0
        self._writing, self._flushing = threading.Lock(), threading.Lock()
        self.name = ""

    def append(self, key: str, content: str, at: int | None = None, flush: bool = True) -> tuple[int, int, int]:
        """Offset, length and time of the new record, once it is on the disk (without `flush`: after a later one).

        Raises:
            OSError: if the disk does not take it.
        """
        at = time.time_ns() if at is None else at
        line = line_of(key, content, at)
        with self._writing:
            file = self._file if self._file is not None else self._open()
            offset, rest = self._end, memoryview(line)
            try:
                while rest:
                    rest = rest[os.write(file, rest) :]
            except OSError:
                with suppress(OSError):
                    os.ftruncate(file, offset)  # nobody else writes here, and nobody reads half a line
                self._leave()
                raise
            self._end += len(line)
            self._written += 1
            mine = self._written
        if flush:
            self.flush(mine)
        return offset, len(line) - 1, at

    def flush(self, number: int | None = None) -> None:
        """Returns when the first `number` records, or all, are on the disk; threads that wait at once share it."""
        with self._flushing:
            if self._file is not None and self._flushed < (self._written if number is None else number):
                upto = self._written
                os.fsync(self._file)
                self._flushed = upto

    def _open(self) -> int:
        self._folder.mkdir(parents=True, exist_ok=True)
        there = (
            []
            if self._new
            else [path for path in self._folder.glob(f"*{SUFFIX}") if path.is_file() and not path.name.startswith(FETCHED)]
        )
        for path in sorted(there):
            if (file := take_over(path)) is not None:
                size = os.fstat(file).st_size
                if size < MOST_BYTES:
                    tail = os.pread(file, LARGEST_RECORD, max(0, size - LARGEST_RECORD))
                    torn = len(tail) - (tail.rfind(b"\n") + 1)
                    if torn:
                        size -= torn
                        os.ftruncate(file, size)
                        log.warning("request store: the last %d bytes of %s, torn by a kill, are dropped", torn, path)
                    self._file, self._end, self.name = file, size, path.name
                    return file
                os.close(file)
        self.name = f"{time.time_ns():016x}-{_HOST}-{os.getpid()}-{id(self) & 0xFFFF:04x}{SUFFIX}"
        self._file = os.open(self._folder / self.name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        _lock(self._file)
        self._end = 0
        return self._file

    def _leave(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def close(self) -> None:
        """Leaves the segment to the next writer."""
        with self._writing, self._flushing:
            self._leave()


def take_over(path: Path) -> int | None:
    """A segment opened and locked for its next writer; None while somebody writes to it, or where there are no locks."""
    try:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    if _lock(file):
        with suppress(OSError):
            if os.fstat(file).st_ino == path.stat().st_ino:  # else it was packed anew meanwhile
                return file
    os.close(file)
    return None


def _lock(file: int) -> bool:
    if sys.platform != "linux":
        return False
    import fcntl

    from contextrot.responses.claims import whole_file

    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, whole_file(fcntl.F_WRLCK))
    except OSError:
        return False
    return True
