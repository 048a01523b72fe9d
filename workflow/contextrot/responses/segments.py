"""Packed records: a few append-only files instead of one file each, safe for any number of writers and kills.

A segment is a text file, one record a line: `CRC KEY TIME JSON`, the CRC-32 (8 hex digits) of all that follows it, the key (64), the time of writing in
nanoseconds (16). A writer has a segment of its own, which the kernel (or the network file system's server) locks for it; a segment whose writer has gone is
taken over, so that a thousand killed jobs leave no thousand files. Each record is one write and on the disk before `append` returns; threads that append at once
share a flush. A kill leaves at most a torn last line, which is dropped; a damaged line is told and is a miss, the others stay readable.

Of a key's records the latest counts. Where the records are is kept in arrays; `index` beside the segments has those of what stood there when it was
written, so that a million are there in a moment. It is a memo: without it, or if it is damaged, the segments are read through.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contextrot.records import write_atomically

SUFFIX = ".segment"
HEAD = 8 + 1 + 64 + 1 + 16 + 1
"""Characters before a record's JSON."""
MOST_BYTES = 1 << 30
"""A larger segment is not taken over."""
LARGEST_RECORD = 1 << 26
_CHUNK = 1 << 26
_INDEXED_AGAIN = 20_000
_PLACE = np.dtype([("hash", "<u8"), ("at", "<u8"), ("offset", "<u8"), ("length", "<u4"), ("segment", "<u4")])
_INDEX = "contextrot index 1"
_NIBBLE = np.full(256, 255, dtype=np.uint8)
_NIBBLE[np.frombuffer(b"0123456789abcdef", dtype=np.uint8)] = np.arange(16, dtype=np.uint8)
_HOST = os.uname().nodename.split(".")[0]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Damage:
    """A line that is no record.

    Attributes:
        torn: whether it is the end of a segment, as a kill leaves it.
    """

    segment: str
    offset: int
    length: int
    torn: bool = False


def line_of(key: str, content: str, at: int) -> bytes:
    """A record as its line."""
    rest = f"{key} {at:016x} ".encode() + content.encode("utf-8", "surrogatepass").replace(b"\n", b" ")
    return b"%08x %s\n" % (zlib.crc32(rest), rest)


def record_in(line: bytes) -> tuple[str, int, bytes] | None:
    """Key, time and JSON of a line without its end; None if it is damaged."""
    if len(line) <= HEAD or line[8:9] != b" " or line[:8] != b"%08x" % zlib.crc32(line[9:]):
        return None
    return line[9:73].decode("ascii", "replace"), int(line[74:90], 16), line[HEAD:]


class SegmentWriter:
    """Appends to a segment of its own, made or taken over at the first record.

    Args:
        folder: of the segments.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None
        self._end = self._written = self._flushed = 0
        self._writing, self._flushing = threading.Lock(), threading.Lock()
        self.name = ""

    def append(self, key: str, content: str, at: int | None = None) -> tuple[int, int, int]:
        """Offset, length and time of the new record, once it is on the disk.

        Raises:
            OSError: if the disk does not take it.
        """
        at = time.time_ns() if at is None else at
        line = line_of(key, content, at)
        with self._writing:
            file = self._file if self._file is not None else self._open()
            offset = self._end
            rest = memoryview(line)
            try:
                while rest:
                    count = os.write(file, rest)
                    self._end += count
                    rest = rest[count:]
            except OSError:
                self._leave()  # half a line may stand there: another segment goes on
                raise
            self._written += 1
            mine = self._written
        with self._flushing:
            if self._flushed < mine:
                upto = self._written
                os.fsync(file)
                self._flushed = upto
        return offset, len(line) - 1, at

    def _open(self) -> int:
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            if (file := take_over(path)) is not None:
                size = os.fstat(file).st_size
                if size < MOST_BYTES:
                    if size and os.pread(file, 1, size - 1) != b"\n":
                        size += os.write(file, b"\n")
                        log.warning("request store: the last record of %s was torn by a kill and is dropped", path)
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


class Segments:
    """The records of a folder, those of all writers.

    Attributes:
        damaged: lines that are no records, as far as they were come upon.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged: set[Damage] = set()
        self._names: list[str] = []
        self._read: list[int] = []
        self._files: dict[int, int] = {}
        self._places = np.empty(0, dtype=_PLACE)
        self._recent: dict[int, list[tuple[int, int, int, int]]] = {}
        self._number = self._indexed = 0
        self._guard = threading.RLock()
        self._writer = SegmentWriter(folder)
        self._load_index()
        self.look_again()

    def __len__(self) -> int:
        """Number of records, superseded ones too."""
        return len(self._places) + self._number

    def get(self, key: str) -> bytes | None:
        """The JSON of a key's latest record; None if there is none that can be read."""
        with self._guard:
            for at, offset, length, segment in sorted(self._places_of(_hash(key)), reverse=True):
                line = self._line(segment, offset, length)
                record = record_in(line)
                if record is None:
                    self._tell(Damage(self._names[segment], offset, length))
                elif record[0] == key:
                    return record[2]
        return None

    def append(self, key: str, content: str, at: int | None = None) -> None:
        """Adds a record; it is on the disk then. Raises OSError."""
        offset, length, at = self._writer.append(key, content, at)
        with self._guard:
            segment = self._segment(self._writer.name)
            if self._read[segment] == offset:  # else what lies between is read at the next look
                self._read[segment] = offset + length + 1
                self._recent.setdefault(_hash(key), []).append((at, offset, length, segment))
                self._number += 1
        if self._number > _INDEXED_AGAIN * 5:
            self._fold()

    def look_again(self) -> None:
        """Takes in what writers have appended since the last look."""
        with self._guard:
            try:
                found = sorted(entry.name for entry in os.scandir(self.folder) if entry.name.endswith(SUFFIX))
            except OSError:
                return
            for name in found:
                segment = self._segment(name)
                with suppress(FileNotFoundError):
                    self._take_in(segment)
            if self._number - self._indexed > _INDEXED_AGAIN:
                self._fold()
                self._save_index()

    def lines(self) -> Iterator[tuple[str, int, bytes]]:
        """All lines, as name of the segment, offset and content without its end; a torn one at a segment's end too."""
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            with path.open("rb") as file:
                offset = 0
                for line in file:
                    yield path.name, offset, line
                    offset += len(line)

    def verify(self) -> tuple[int, list[Damage]]:
        """Number of sound records, and all damage, found by reading every byte."""
        sound, damage = 0, []
        for name, offset, line in self.lines():
            if line.endswith(b"\n") and record_in(line[:-1]) is not None:
                sound += 1
            elif line != b"\n":
                damage.append(Damage(name, offset, len(line), not line.endswith(b"\n")))
        return sound, damage

    def close(self) -> None:
        """Leaves the own segment to the next writer."""
        self._writer.close()
        with self._guard:
            for file in self._files.values():
                os.close(file)
            self._files.clear()

    def _places_of(self, number: int) -> list[tuple[int, int, int, int]]:
        begin, end = np.searchsorted(self._places["hash"], [np.uint64(number)], "left")[0], len(self._places)
        found = list(self._recent.get(number, []))
        while begin < end and int(self._places["hash"][begin]) == number:
            place = self._places[begin]
            found.append((int(place["at"]), int(place["offset"]), int(place["length"]), int(place["segment"])))
            begin += 1
        return found

    def _line(self, segment: int, offset: int, length: int) -> bytes:
        try:
            if segment not in self._files:
                self._files[segment] = os.open(self.folder / self._names[segment], os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            return os.pread(self._files[segment], min(length, LARGEST_RECORD), offset)
        except OSError:
            return b""

    def _segment(self, name: str) -> int:
        if name not in self._names:
            self._names.append(name)
            self._read.append(0)
        return self._names.index(name)

    def _take_in(self, segment: int) -> None:
        """Reads a segment's whole lines from where it was read up to."""
        with open(self.folder / self._names[segment], "rb") as file:  # opened anew: a network file system then asks its server
            while True:
                offset = self._read[segment]
                data = os.pread(file.fileno(), _CHUNK, offset)
                end = data.rfind(b"\n") + 1
                if not end:
                    if len(data) == _CHUNK:  # no record is so long
                        self._tell(Damage(self._names[segment], offset, len(data)))
                        self._read[segment] += len(data)
                        continue
                    return
                places, odd = _places_in(np.frombuffer(data, dtype=np.uint8)[:end], offset, segment)
                for begin, length in odd:
                    self._tell(Damage(self._names[segment], begin, length))
                self._read[segment] += end
                if len(places) > 1000:
                    self._fold(places)
                else:
                    for place in places.tolist():
                        self._recent.setdefault(place[0], []).append((place[1], place[2], place[3], place[4]))
                    self._number += len(places)

    def _tell(self, damage: Damage) -> None:
        if damage not in self.damaged:
            self.damaged.add(damage)
            log.warning(
                "request store: %d bytes at %d of %s are no record and are left out", damage.length, damage.offset, damage.segment
            )

    def _fold(self, more: Any = None) -> None:
        """Sorts what is new into the arrays."""
        with self._guard:
            rows = [(number, *place) for number, places in self._recent.items() for place in places]
            parts = [self._places, np.array(rows, dtype=_PLACE), *([] if more is None else [more])]
            self._places = np.concatenate(parts)
            self._places = self._places[np.argsort(self._places["hash"], kind="stable")]
            self._recent, self._number = {}, 0

    def _save_index(self) -> None:
        """Writes the index; whoever opens the store next reads only what came later."""
        head = {"format": _INDEX, "names": self._names, "read": self._read, "records": len(self._places)}
        content = self._places.tobytes()
        head["crc"] = zlib.crc32(content, zlib.crc32(json.dumps([head["names"], head["read"]]).encode()))
        with suppress(Exception):  # a disk that is full, or a folder that may only be read: it is a memo
            write_atomically(self.folder / "index", lambda path: path.write_bytes(json.dumps(head).encode() + b"\n" + content))

    def _load_index(self) -> None:
        try:
            content = (self.folder / "index").read_bytes()
            head, _, rows = content.partition(b"\n")
            told = json.loads(head)
            crc = zlib.crc32(rows, zlib.crc32(json.dumps([told["names"], told["read"]]).encode()))
            sizes = [(self.folder / name).stat().st_size for name in told["names"]]
            if told["format"] != _INDEX or told["crc"] != crc or any(size < read for size, read in zip(sizes, told["read"], strict=True)):
                raise ValueError("it is damaged, or of other segments")
            self._places = np.frombuffer(rows, dtype=_PLACE)
            self._names, self._read = list(told["names"]), list(told["read"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            log.warning("request store: the index is made anew (%s)", error)


def _hash(key: str) -> int:
    try:
        return int(key[:16], 16)
    except ValueError:
        return zlib.crc32(key.encode())


def _places_in(data: Any, offset: int, segment: int) -> tuple[Any, list[tuple[int, int]]]:
    """Where the records of some whole lines are, and the lines that have not a record's form; CRCs are looked at when one is read."""
    ends = np.flatnonzero(data == 10)
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)
    lengths = ends - starts
    long = lengths > HEAD
    at = starts[long]
    sound = (data[at + 8] == 32) & (data[at + 73] == 32) & (data[at + 90] == 32)
    numbers = [_NIBBLE[data[at[:, None] + begin + np.arange(16)]] for begin in (9, 74)]
    sound &= (numbers[0] < 16).all(axis=1) & (numbers[1] < 16).all(axis=1)
    places = np.empty(int(sound.sum()), dtype=_PLACE)
    weights = np.uint64(1) << np.arange(60, -4, -4, dtype=np.uint64)
    for name, digits in zip(("hash", "at"), numbers, strict=True):
        places[name] = (digits[sound].astype(np.uint64) * weights).sum(axis=1, dtype=np.uint64)
    places["offset"], places["length"], places["segment"] = at[sound] + offset, lengths[long][sound], segment
    odd = np.concatenate([starts[~long & (lengths > 0)], at[~sound]])
    sizes = np.concatenate([lengths[~long & (lengths > 0)], lengths[long][~sound]])
    return places, [(int(begin) + offset, int(size)) for begin, size in zip(odd, sizes, strict=True)]
