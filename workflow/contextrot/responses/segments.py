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
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contextrot.files.regular_files import read_regular
from contextrot.records import write_atomically
from contextrot.responses.segment_places import PLACE, end_of_hole, places_in
from contextrot.responses.segment_writer import HEAD, LARGEST_RECORD, SUFFIX, SegmentWriter, record_in

FORGOTTEN = b"null"
"""The JSON of a record that takes back what its key had."""
_CHUNK = 1 << 26
_INDEXED_AGAIN = 20_000
_INDEX = "contextrot index 1"
_LARGEST_INDEX = 1 << 32
_Where = tuple[int, int, int, int]
"""Time, offset, length and segment."""
_Record = tuple[str, int, bytes]

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


class Segments:
    """The records of a folder, those of all writers.

    Attributes:
        damaged: lines that are no records, as far as they were come upon.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged: set[Damage] = set()
        self._unreadable: set[str] = set()
        self._files: dict[int, int] = {}
        self._guard = threading.RLock()
        self._writer = SegmentWriter(folder)
        self._begin()

    def _begin(self) -> None:
        """Reads where everything is, from the beginning."""
        self._close_files()
        self._names: list[str] = []
        self._read: list[int] = []
        self._places = np.empty(0, dtype=PLACE)
        self._recent: dict[int, list[_Where]] = {}
        self._number = self._unindexed = 0
        self._load_index()
        self.look_again()

    def __len__(self) -> int:
        """Number of keys that have an answer, by the length of what is written of them last."""
        places, _, ends = self._by_key()
        return int((places[ends - 1]["length"] != HEAD + len(FORGOTTEN)).sum())

    def latest(self) -> Iterator[tuple[str, bytes]]:
        """Key and JSON of each key's latest record, in the order in which they stand in the segments, without what was taken back."""
        for _, key, _, content in self.latest_places():
            if content != FORGOTTEN:
                yield key, content

    def latest_places(self) -> Iterator[tuple[str, str, int, bytes]]:
        """As `latest`, with what was taken back: the segment's name, key, time and JSON."""
        places, begins, ends = self._by_key()
        latest = places[ends - 1]
        for number in np.lexsort((latest["offset"], latest["segment"])):
            if found := self._newest([place[1:] for place in places[begins[number] : ends[number]].tolist()]):
                segment, record = found
                yield self._names[segment], *record

    def _by_key(self) -> tuple[Any, Any, Any]:
        """All places, by key and time, and where in them each key's begin and end."""
        self._fold()
        places = self._places[np.lexsort((self._places["at"], self._places["hash"]))]
        ends = np.flatnonzero(np.append(places["hash"][1:] != places["hash"][:-1], True)[: len(places)]) + 1
        return places, np.append(0, ends)[:-1], ends

    def get(self, key: str) -> bytes | None:
        """The JSON of a key's latest record; None if there is none that can be read."""
        with self._guard:
            try:
                return self._get(key)
            except FileNotFoundError:  # somebody pruned the store
                self._begin()
                return self._get(key)

    def _get(self, key: str) -> bytes | None:
        with self._guard:
            found = self._newest(self._places_of(_hash(key)), key)
            return found[1][2] if found else None

    def _newest(self, places: list[_Where], key: str | None = None) -> tuple[int, _Record] | None:
        """The newest record that can be read at some places, of a key if one is given, and its segment."""
        for _, offset, length, segment in sorted(places, reverse=True):
            record = record_in(self._line(segment, offset, length))
            if record is not None and (key is None or record[0] == key):
                return segment, record
            if record is None or _hash(record[0]) != _hash(key):  # damaged, or the index is of other segments
                self._tell(Damage(self._names[segment], offset, length))
        return None

    def append(self, key: str, content: str, at: int | None = None) -> None:
        """Adds a record, as the key's latest without `at`, though the clock was set back; it is on the disk then. Raises OSError."""
        if at is None:
            with self._guard:
                at = max(time.time_ns(), *(place[0] + 1 for place in self._places_of(_hash(key))), 0)
        offset, length, at = self._writer.append(key, content, at)
        with self._guard:
            segment = self._segment(self._writer.name)
            if self._read[segment] == offset:  # else what lies between is read at the next look
                self._read[segment] = offset + length + 1
                self._recent.setdefault(_hash(key), []).append((at, offset, length, segment))
                self._number += 1
                self._unindexed += 1
        if self._number > _INDEXED_AGAIN * 5:
            self._fold()

    @property
    def written(self) -> str:
        """Name of the segment that is appended to here; empty before the first record."""
        return self._writer.name

    def look_again(self) -> None:
        """Takes in what writers have appended since the last look."""
        with self._guard:
            try:
                names = self.names()
            except OSError:
                return
            for name in names:
                try:
                    self._take_in(self._segment(name))
                except FileNotFoundError:
                    continue
                except OSError as error:
                    self._tell_unreadable(name, error)
            if self._unindexed > max(_INDEXED_AGAIN, len(self._places) // 5):
                self._save_index()

    def names(self) -> list[str]:
        """The segments that there are. Raises OSError."""
        with os.scandir(self.folder) as found:
            return sorted(entry.name for entry in found if entry.name.endswith(SUFFIX) and entry.is_file(follow_symlinks=False))

    def lines(self) -> Iterator[tuple[str, int, bytes]]:
        """All lines, as name of the segment, offset and content with its end; a torn one at a segment's end too."""
        for name in self.names() if self.folder.is_dir() else ():
            with (self.folder / name).open("rb") as file:
                offset = 0
                while line := file.readline(LARGEST_RECORD):
                    yield name, offset, line
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
            self._close_files()

    def _close_files(self) -> None:
        for file in self._files.values():
            os.close(file)
        self._files.clear()

    def _places_of(self, number: int) -> list[_Where]:
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
        except FileNotFoundError:
            raise
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
                        length = max(len(data), end_of_hole(file.fileno(), offset) - offset)
                        self._tell(Damage(self._names[segment], offset, length))
                        self._read[segment] += length
                        continue
                    return
                places, odd = places_in(np.frombuffer(data, dtype=np.uint8)[:end], offset, segment)
                for begin, length in odd:
                    self._tell(Damage(self._names[segment], begin, length))
                self._read[segment] += end
                self._unindexed += len(places)
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

    def _tell_unreadable(self, name: str, error: OSError) -> None:
        if name not in self._unreadable:
            self._unreadable.add(name)
            log.warning("request store: %s cannot be read and is left out (%s)", name, error.strerror or error)

    def _fold(self, more: Any = None) -> None:
        """Sorts what is new into the arrays."""
        with self._guard:
            rows = [(number, *place) for number, places in self._recent.items() for place in places]
            parts = [self._places, np.array(rows, dtype=PLACE), *([] if more is None else [more])]
            self._places = np.concatenate(parts)
            self._places = self._places[np.argsort(self._places["hash"], kind="stable")]
            self._recent, self._number = {}, 0

    def _save_index(self) -> None:
        """Writes the index; whoever opens the store next reads only what came later."""
        self._fold()
        self._unindexed = 0
        head = {"format": _INDEX, "names": self._names, "read": self._read, "records": len(self._places)}
        content = self._places.tobytes()
        head["crc"] = zlib.crc32(content, zlib.crc32(json.dumps([head["names"], head["read"]]).encode()))
        with suppress(Exception):  # a disk that is full, or a folder that may only be read: it is a memo
            write_atomically(self.folder / "index", lambda path: path.write_bytes(json.dumps(head).encode() + b"\n" + content))

    def _load_index(self) -> None:
        try:
            content = read_regular(self.folder / "index", _LARGEST_INDEX)
            head, _, rows = content.partition(b"\n")
            told = json.loads(head)
            crc = zlib.crc32(rows, zlib.crc32(json.dumps([told["names"], told["read"]]).encode()))
            sizes = [(self.folder / name).stat().st_size for name in told["names"]]
            if (
                told["format"] != _INDEX
                or told["crc"] != crc
                or any(size < read for size, read in zip(sizes, told["read"], strict=True))
            ):
                raise ValueError("it is damaged, or of other segments")
            self._places = np.frombuffer(rows, dtype=PLACE)
            self._names, self._read = list(told["names"]), list(told["read"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            log.warning("request store: the index is made anew (%s)", error)


def _hash(key: str) -> int:
    return int(key[:16], 16)
