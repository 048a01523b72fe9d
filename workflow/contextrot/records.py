"""The rows of every parquet file, their types, and how they are read and written.

A file is written whole to a temporary name beside its place and then renamed, so that a killed job leaves no half file.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from contextrot import secrets
from contextrot.errors import DataError, StoreError
from contextrot.printable import as_cell

if TYPE_CHECKING:
    import pyarrow as pa

OUTCOMES = ("answered", "truncated", "refused", "empty", "over_window", "input_cut", "ended_otherwise", "failed")
ROW_GROUP_BYTES = 16_000_000
_ROWS_AT_ONCE = 4_000
SCORED_OUTCOMES = ("answered", "truncated", "refused", "empty")
JUDGED_OUTCOMES = ("answered", "truncated")
"""Outcomes that may have a text to judge."""


@dataclass
class Sample:
    """One thing asked of a model.

    Attributes:
        sample_id: stable and readable; seeds everything random in the sample.
        messages: the chat so far, `{"role", "content"}` each, ending with the user's prompt; empty if `fits_window` is false.
        references: the gold answers, one for each thing asked for (nearly always one); none for what no answer is right to.
        max_output_tokens: limit of each answer.
        target_tokens: the asked length of the rendered prompt, None where the task asks for none.
        prompt_tokens: length of the rendered prompt by the model's tokenizer, None if it was not built.
        fits_window: whether prompt and answer fit the model's window; if not, the sample is never sent.
        later_prompts: the user's prompts after the first answer, each sent when the one before was answered.
        condition: the task's own columns (name -> scalar or list), the same names in every sample of a task.
    """

    sample_id: str
    messages: list[dict[str, str]]
    references: list[str]
    max_output_tokens: int
    prompt_tokens: int | None
    target_tokens: int | None = None
    fits_window: bool = True
    later_prompts: list[str] = field(default_factory=list)
    condition: dict[str, Any] = field(default_factory=dict)


_SAMPLE_FIELDS = frozenset(f.name for f in fields(Sample))


@dataclass
class Response:
    """One answer (or the lack of one) to one turn of a sample.

    Attributes:
        sample_id, turn: which; turns count from 0.
        mode: the mode in which an engine was measured that is measured in several; None otherwise.
        outcome: one of OUTCOMES.
        text: the answer; None if there was none. An error is never stored here.
        reasoning: what a thinking model thought, where the server tells.
        finish_reason: as the server gave it.
        built_tokens: length of the rendered prompt by the tokenizer that built it, None where nobody counted it.
        prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens: as the *server* counted them.
        cache_written_tokens: of the prompt's, those that the provider put into its cache, where it counts (and bills) them.
        first_token_seconds, total_seconds: from sending the successful request; as first measured if cached.
        attempts: requests made for this answer.
        cached: whether it came from the request store.
        cost_usd: None if the price is unknown.
        cost_at_most: set if the server's counts were missing or impossible, so that the cost is the worst case.
        engine, model: the engine, and the model as the server names it.
        upstream: who answered behind a router such as OpenRouter, where it tells.
        server_fingerprint: of what a server of one's own says of itself (server_identity).
        error_type, error_message: the last error of a failed row.
        details: JSON text with what a task wants kept beside the answer (log-probabilities, context management).
    """

    sample_id: str
    turn: int
    outcome: str
    text: str | None = None
    reasoning: str | None = None
    finish_reason: str | None = None
    built_tokens: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    cache_written_tokens: int | None = None
    reasoning_tokens: int | None = None
    first_token_seconds: float | None = None
    total_seconds: float | None = None
    attempts: int = 0
    cached: bool = False
    cost_usd: float | None = None
    cost_at_most: bool | None = None
    engine: str | None = None
    model: str | None = None
    upstream: str | None = None
    server_fingerprint: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    details: str | None = None
    mode: str | None = None


@dataclass
class Judgement:
    """One judge's verdict on one reference of one answer.

    Attributes:
        sample_id, turn, item: which answer, and which of the sample's references, or of the criteria that its task is rated by.
        judge: the judge's name in config.
        verdict: right or wrong; None if the judge gave no clear verdict (`unjudged`).
        explanation: what the verdict rests on: the rule that matched, or the judge's own words.
        rating: for a judge that rates instead of deciding, its number; it becomes the scores' column of that criterion's name.
    """

    sample_id: str
    turn: int
    item: int
    judge: str
    verdict: bool | None
    explanation: str | None = None
    rating: float | None = None


def is_judged(response: Response) -> bool:
    """Whether there is a text for a judge: the limit may have cut an answer before its first word, within a thought.

    What has none counts as not right without asking a judge.
    """
    return response.outcome in JUDGED_OUTCOMES and bool((response.text or "").strip())


def over_window(sample: Sample, engine: str, model: str) -> list[Response]:
    """The rows of a sample that does not fit the window and is never sent."""
    turns = range(1 + len(sample.later_prompts))
    return [Response(sample.sample_id, turn, "over_window", engine=engine, model=model) for turn in turns]


def write_atomically(path: str | Path, write: Callable[[Path], Any]) -> None:
    """Calls `write` with a temporary path in the same folder, then renames it to `path`.

    Raises:
        StoreError: if the folder or the disk does not take the file.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if temporary:
            with suppress(OSError):
                temporary.unlink()
        raise StoreError(f"cannot write {path}: {error.strerror or error}. Free space or permissions, then run again.") from error


def write_text(path: str | Path, text: str) -> None:
    """Writes UTF-8 text atomically, without secrets."""
    text = secrets.clean(text, partly=False)
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_table(path: str | Path, table: Any) -> None:
    """Writes a pyarrow table, or a pandas data frame, as parquet (zstd), or as CSV if the path ends so; atomically. No text in a
    CSV file is a formula (see `printable`)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    if path.suffix == ".csv":
        frame = table if hasattr(table, "to_csv") else table.to_pandas()
        frame = frame.map(lambda value: as_cell(value) if isinstance(value, str) else value)
        write_atomically(path, lambda temporary: frame.to_csv(temporary, index=False))
        return
    if not isinstance(table, pa.Table):
        table = pa.Table.from_pandas(table, preserve_index=False)
    rows = max(1, int(table.num_rows * ROW_GROUP_BYTES / max(table.nbytes, 1)))
    write_atomically(path, lambda temporary: pq.write_table(table, temporary, rows, compression="zstd", use_dictionary=False))


def write_samples(path: str | Path, samples: Sequence[Sample]) -> None:
    """Writes samples, each key of `condition` as a column of its own, in the order of the list.

    Raises:
        DataError: if two samples share an id, or their conditions differ in names.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = list(samples[0].condition) if samples else []
    seen: set[str] = set()
    for sample in samples:
        if sample.sample_id in seen:
            raise DataError(f"two samples are named {sample.sample_id!r}; sample ids must be unique.")
        seen.add(sample.sample_id)
        if list(sample.condition) != names:
            raise DataError(f"sample {sample.sample_id!r} has the conditions {list(sample.condition)}, the first has {names}.")
    small = pa.table(
        {
            "sample_id": pa.array([s.sample_id for s in samples], pa.string()),
            **{name: pa.array([s.condition[name] for s in samples]) for name in names},
            "target_tokens": pa.array([s.target_tokens for s in samples], pa.int64()),
            "prompt_tokens": pa.array([s.prompt_tokens for s in samples], pa.int64()),
            "max_output_tokens": pa.array([s.max_output_tokens for s in samples], pa.int64()),
            "fits_window": pa.array([s.fits_window for s in samples], pa.bool_()),
            "references": pa.array([s.references for s in samples], pa.list_(pa.string())),
            "later_prompts": pa.array([s.later_prompts for s in samples], pa.list_(pa.string())),
        }
    )
    chat = pa.list_(pa.struct([("role", pa.string()), ("content", pa.large_string())]))

    def write(temporary: Path) -> None:
        """Long prompts go to arrow a row group at a time, so that they are not held twice."""
        schema = small.schema.append(pa.field("messages", chat))
        with pq.ParquetWriter(temporary, schema, compression="zstd", use_dictionary=False) as writer:
            for start, end in _row_groups(samples):
                messages = pa.array([sample.messages for sample in samples[start:end]], chat)
                writer.write_table(small.slice(start, end - start).append_column("messages", messages))

    write_atomically(path, write)


def _row_groups(samples: Sequence[Sample]) -> Iterable[tuple[int, int]]:
    """First and last-plus-one index of groups of samples with about ROW_GROUP_BYTES of prompts."""
    start, size = 0, 0
    for index, sample in enumerate(samples):
        size += sum(len(message["content"]) for message in sample.messages)
        if size >= ROW_GROUP_BYTES:
            yield start, index + 1
            start, size = index + 1, 0
    if start < len(samples) or not samples:
        yield start, len(samples)


def read_samples(path: str | Path, columns: list[str] | None = None) -> list[Sample]:
    """The samples of a file; what is not a field of Sample goes to `condition`.

    Args:
        columns: read only these of the large columns `messages` and `later_prompts`; None reads all.
    """
    skip = {"messages", "later_prompts"} - set(columns) if columns is not None else set()
    return [sample_of(row) for row in read_sample_columns(path, skip).to_pylist()]


def read_sample_columns(path: str | Path, skip: Collection[str] = ()) -> pa.Table:
    """The columns of a samples file, without those to skip."""
    return _read(path, skip)


def read_prompts(path: str | Path, sample_ids: Collection[str]) -> Iterator[tuple[str, str]]:
    """Id and first prompt (all its messages, one under the other) of some samples of a file, a few rows at a time in memory."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=["sample_id", "messages"], use_threads=False):
            for name, messages in zip(*batch.columns, strict=True):
                if name.as_py() in sample_ids:
                    yield name.as_py(), "\n".join(message["content"] for message in messages.as_py())


def sample_of(row: dict[str, Any]) -> Sample:
    """The sample of one row, emptied; what is not a field of Sample goes to `condition`, columns that were not read are empty."""
    values = {name: row.pop(name) for name in list(row) if name in _SAMPLE_FIELDS}
    return Sample(**{"messages": [], "later_prompts": []} | values, condition=row)


def _read(path: str | Path, skip: Collection[str] = ()) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = [name for name in file.schema_arrow.names if name not in skip]
            # in batches: reading it whole takes four times the table's own memory
            batches = list(file.iter_batches(_ROWS_AT_ONCE, columns=names, use_threads=False))
            return pa.Table.from_batches(batches, pa.schema([file.schema_arrow.field(name) for name in names]))
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; ask snakemake for it by that path.") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} is not a parquet file of this workflow ({error}); delete it and run again.") from error


def write_responses(path: str | Path, responses: Sequence[Response]) -> None:
    """Writes responses in the order of the list."""
    _write_records(path, Response, responses)


def read_responses(path: str | Path) -> list[Response]:
    """The responses of a file."""
    return [Response(**row) for row in _read(path).to_pylist()]


def write_judgements(path: str | Path, judgements: Sequence[Judgement]) -> None:
    """Writes judgements in the order of the list."""
    _write_records(path, Judgement, judgements)


def read_judgements(path: str | Path) -> list[Judgement]:
    """The judgements of a file."""
    return [Judgement(**row) for row in _read(path).to_pylist()]


def field_types(kind: type) -> dict[str, type]:
    """A record's fields and the type of each, without its None."""
    return {name: (get_args(hint) or (hint,))[0] for name, hint in get_type_hints(kind).items()}


def _write_records(path: str | Path, kind: type, rows: Sequence[Any]) -> None:
    """Writes dataclasses whose fields are a scalar or None, a column for each."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {str: pa.large_string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    schema = pa.schema([(name, types[of]) for name, of in field_types(kind).items()])

    def write(temporary: Path) -> None:
        with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            for begin in range(0, len(rows), _ROWS_AT_ONCE):
                block = [vars(row) for row in rows[begin : begin + _ROWS_AT_ONCE]]
                writer.write_table(pa.Table.from_pylist(block, schema))

    write_atomically(path, write)
