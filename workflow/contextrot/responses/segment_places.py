"""Where the records of a segment's bytes are, found for all of its lines at once: see `segments`."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from contextrot.responses.segment_writer import HEAD

PLACE = np.dtype([("hash", "<u8"), ("at", "<u8"), ("offset", "<u8"), ("length", "<u4"), ("segment", "<u4")])
_NIBBLE = np.full(256, 255, dtype=np.uint8)
_NIBBLE[np.frombuffer(b"0123456789abcdef", dtype=np.uint8)] = np.arange(16, dtype=np.uint8)


def places_in(data: Any, offset: int, segment: int) -> tuple[Any, list[tuple[int, int]]]:
    """Where the records of some whole lines are, and stretches of lines that have not a record's form; CRCs are looked at when one is read."""
    ends = np.flatnonzero(data == 10)
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)
    lengths = ends - starts
    long = lengths > HEAD
    at = starts[long]
    sound = (data[at + 8] == 32) & (data[at + 73] == 32) & (data[at + 90] == 32)
    numbers = [_NIBBLE[data[at[:, None] + begin + np.arange(16)]] for begin in (9, 74)]
    sound &= (numbers[0] < 16).all(axis=1) & (numbers[1] < 16).all(axis=1)
    places = np.empty(int(sound.sum()), dtype=PLACE)
    weights = np.uint64(1) << np.arange(60, -4, -4, dtype=np.uint64)
    for name, digits in zip(("hash", "at"), numbers, strict=True):
        places[name] = (digits[sound].astype(np.uint64) * weights).sum(axis=1, dtype=np.uint64)
    places["offset"], places["length"], places["segment"] = at[sound] + offset, lengths[long][sound], segment
    return places, _stretches(starts, lengths, long, sound, offset)


def _stretches(starts: Any, lengths: Any, long: Any, sound: Any, offset: int) -> list[tuple[int, int]]:
    """Offset and length of lines that are no records, those in succession as one: a foreign file has millions."""
    record = long.copy()
    record[long] = sound
    odd = np.flatnonzero(~record & (lengths > 0))
    first = np.append(True, np.diff(np.cumsum(record)[odd]) > 0)[: len(odd)]
    begins, ends = starts[odd[first]], (starts + lengths)[odd[np.append(first[1:], True)[: len(odd)]]]
    return [(int(begin) + offset, int(end - begin)) for begin, end in zip(begins, ends, strict=True)]


def end_of_hole(file: int, offset: int) -> int:
    """Where the next written byte of a sparse file is, or the file's end."""
    try:
        return os.lseek(file, offset, os.SEEK_DATA)
    except (OSError, AttributeError):  # nothing follows; a system that knows no holes
        return os.fstat(file).st_size if hasattr(os, "SEEK_DATA") else offset
