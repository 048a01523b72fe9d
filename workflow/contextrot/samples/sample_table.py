"""Samples read row by row: 100,000 of them, or a hundred of a million tokens each, need little more memory than their text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from contextrot.records import Sample, read_sample_columns, sample_of

_BLOCK_ROWS = 64
_BLOCK_TOKENS = 1 << 20


class SampleTable(Sequence[Sample]):
    """The samples of a file, or some of them, as a sequence that makes each Sample when it is looked at."""

    def __init__(self, table: pa.Table, rows: Sequence[int] | None = None) -> None:
        self._table = table
        self._rows = range(table.num_rows) if rows is None else rows

    @classmethod
    def read(cls, path: str | Path) -> SampleTable:
        """All samples of a file. Raises DataError if it is missing or no parquet file."""
        return cls(read_sample_columns(path))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Sample:
        return next(self._made(self._rows[index], 1))

    def __iter__(self) -> Iterator[Sample]:
        """Rows that follow each other are made together, up to a block; slices copy nothing, as `take` would."""
        tokens = self._table["prompt_tokens"].combine_chunks()
        begin = count = size = 0
        for row in self._rows:
            if count and (row != begin + count or count == _BLOCK_ROWS or size >= _BLOCK_TOKENS):
                yield from self._made(begin, count)
                count = size = 0
            begin = begin if count else row
            count += 1
            size += tokens[row].as_py() or 0
        yield from self._made(begin, count)
        pa.default_memory_pool().release_unused()

    def _made(self, begin: int, count: int) -> Iterator[Sample]:
        yield from map(sample_of, self._table.slice(begin, count).to_pylist())

    def without_messages(self) -> SampleTable:
        """The same samples with empty messages, cheap to go through."""
        return SampleTable(self._table.drop_columns(["messages"]), self._rows)

    def column(self, name: str) -> list[Any]:
        """As the function of this name, without making the samples."""
        if name not in self._table.column_names:
            return [None] * len(self)
        values = self._table[name].to_pylist()
        return [values[row] for row in self._rows]

    def select(self, indices: Sequence[int]) -> SampleTable:
        """Some of the samples, in the order of the indices; the text is not copied."""
        return SampleTable(self._table, [self._rows[index] for index in indices])


def column(samples: Sequence[Sample], name: str) -> list[Any]:
    """A field of all samples, or one of their conditions: None where a sample has none of this name."""
    if isinstance(samples, SampleTable):
        return samples.column(name)
    return [vars(sample)[name] if name in vars(sample) else sample.condition.get(name) for sample in samples]


def selected(samples: Sequence[Sample], indices: Sequence[int]) -> Iterable[Sample]:
    """Some of the samples, in the order of the indices."""
    return samples.select(indices) if isinstance(samples, SampleTable) else map(samples.__getitem__, indices)
