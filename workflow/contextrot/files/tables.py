"""CSV, TSV, JSON, JSONL and parquet files as rows whose values are as written."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from contextrot.errors import DataError
from contextrot.files.text import check_text, read_bytes, read_text
from contextrot.files.values import Row, real, whole

LARGEST_FIELD = 2**31 - 1
_HEADER = re.compile(r'\s*(?:"[^"]*"|[^"\r\n]|"(?=[^"]*\Z))*')
"""The first line that is not empty, with the line breaks inside its quotes."""
_SEPARATOR = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}


def read_rows(path: str | Path, what: str = "") -> list[Row]:
    """The rows of a file, by its ending: .jsonl, .ndjson, .json, .csv, .tsv or .parquet.

    Args:
        what: what the file is to the user, for messages.

    Raises:
        DataError: for another ending, or as the format's reader says.
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None and path.suffix.lower() in PACKED:
        raise DataError(f"{what} {path} is packed ({path.suffix}); unpack it, and name the file that comes out.".lstrip())
    if reader is None:
        raise DataError(
            f"{what} {path} cannot be read: its ending is none of {', '.join(READERS)}. Convert or rename it.".lstrip()
        )
    return reader(path, what)


def read_csv(path: str | Path, what: str = "") -> list[Row]:
    """The rows of a CSV or TSV file; every value is text as written, line breaks in quotes included.

    Fields are parted by what the header is parted by: commas, semicolons or tabs (.tsv: tabs).

    Raises:
        DataError: names the line, for a row of another width than the header, a column that stands twice, or bad quotes.
    """
    header, rows = read_table(path, what)
    return [Row(dict(zip(header, values, strict=True)), f"{path}, line {line}") for line, values in rows]


def read_table(path: str | Path, what: str = "") -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header and rows of a CSV or TSV file, each row with the line that it begins at; see `read_csv`."""
    path, named = Path(path), f"{what} {path}".strip()
    text = read_text(path, what, newlines=False)
    csv.field_size_limit(min(LARGEST_FIELD, sys.maxsize))
    line, separator = 1, _SEPARATOR.match(text)
    if separator:  # a spreadsheet's own first line
        text, line = text[separator.end() :], 2
    delimiter = (
        separator[1] if separator and separator[1] in DELIMITERS else "\t" if path.suffix.lower() == ".tsv" else _delimiter(text)
    )
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    rows: list[tuple[int, list[str]]] = []
    offset = line
    try:
        for values in reader:
            if any(values) and not header:
                header = [name.strip() for name in values]
                _check_header(header, f"{named}, line {line}")
            elif values and header:
                if len(values) != len(header):
                    if not any(values):
                        line = reader.line_num + offset
                        continue
                    raise DataError(
                        f"{named}, line {line}: the row has not as many fields as the header ({len(values)} instead of {len(header)}, "
                        f"parted by {DELIMITERS[delimiter]}); is the file whole, and are fields with {delimiter!r} in quotes?"
                    )
                rows.append((line, values))
            line = reader.line_num + offset
    except csv.Error as error:
        raise DataError(
            f"{named}, line {line}: not CSV: {error}. Are all quotes closed, and those in a field doubled?"
        ) from error
    if not header:
        raise DataError(f"{named} is empty; the first line must name the columns.")
    return header, rows


def read_jsonl(path: str | Path, what: str = "") -> list[Row]:
    """One object a line. Lines end at line feeds alone: U+2028 and the like are part of a text.

    Raises:
        DataError: names the line and column of what is no JSON, no object, or a key that stands twice.
    """
    named = f"{what} {path}".strip()
    text = read_text(path, what, newlines=False)
    rows: list[Row] = []
    ends = "\n" if "\n" in text else "\r"
    for number, line in enumerate(text.split(ends), 1):
        line = line.removeprefix("\ufeff")  # files with marks that were put together
        if not line.strip(" \t\r"):
            continue
        where = f"{named}, line {number}"
        try:
            value = parse_json(line, where)
        except DataError as error:
            if line.rstrip().endswith(",") and _is_json(line.rstrip(" \t\r,")):
                raise DataError(f"{where}: a comma stands behind the object; with one object a line there is none.") from error
            if not rows and line.strip() != text.strip() and _is_json(text):
                raise DataError(f"{where}: the file is one JSON value, not one object a line; rename it to .json.") from error
            raise
        if not isinstance(value, dict):
            whole_list = " A list of all rows is a .json file." if isinstance(value, list) and not rows else ""
            raise DataError(f"{where}: must be an object {{...}}, but is {_kind(value)}.{whole_list}")
        rows.append(Row(value, where))
    return rows


def read_json(path: str | Path, what: str = "") -> Any:
    """The value of a JSON file.

    Raises:
        DataError: names the line of what is no JSON, or a key that stands twice.
    """
    return parse_json(read_text(path, what), f"{what} {path}".strip())


def read_json_rows(path: str | Path, what: str = "") -> list[Row]:
    """The objects of a JSON file: a list of them, or an object whose `data` or `rows` holds the list.

    Raises:
        DataError: if it is not of that form, or no JSON.
    """
    named = f"{what} {path}".strip()
    text = read_text(path, what)
    try:
        value = parse_json(text, named)
    except DataError:
        if re.match(r"\s*\{.*\}[ \t]*\n\s*\{", text):
            return read_jsonl(path, what)  # one object a line, as many a .json file of the Hub is
        raise
    if isinstance(value, dict):
        value = next((value[key] for key in ("data", "rows") if isinstance(value.get(key), list)), value)
    if not isinstance(value, list):
        raise DataError(
            f"{named} must hold a list of objects, but holds {_kind(value)}. With one object a line it is a .jsonl file."
        )
    for number, row in enumerate(value, 1):
        if not isinstance(row, dict):
            raise DataError(f"{named}, row {number}: must be an object {{...}}, but is {_kind(row)}.")
    if value and all(row.keys() >= {"row_idx", "row"} and isinstance(row["row"], dict) for row in value):
        value = [row["row"] for row in value]  # as the Hub's data set viewer gives rows
    return [Row(row, f"{named}, row {number}") for number, row in enumerate(value, 1)]


def read_parquet(path: str | Path, what: str = "") -> list[Row]:
    """The rows of a parquet file.

    Raises:
        DataError: if it is no parquet file, or two columns share a name.
    """
    import pyarrow as pa
    import pyarrow.parquet

    named = f"{what} {path}".strip()
    content = read_bytes(path, what)
    try:
        table = pyarrow.parquet.read_table(pa.BufferReader(content))
        _check_header(table.column_names, named)
        for place, column in enumerate(table.columns):
            if (written := _as_written(column.type)) != column.type:
                table = table.set_column(place, table.column_names[place], column.cast(written))
        rows = table.to_pylist()
    except (pa.ArrowException, ValueError, OSError) as error:
        raise DataError(
            f"{named} is not a parquet file: {str(error).splitlines()[0][:200]} Is it whole? Write it again."
        ) from error
    return [Row(row, f"{named}, row {number}") for number, row in enumerate(rows, 1)]


def _as_written(kind: Any) -> Any:
    """An Arrow type with text instead of short floats, in lists and structures too: 0.1 has other digits as a float of 64 bits."""
    import pyarrow as pa

    if kind in (pa.float16(), pa.float32()):
        return pa.string()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return (pa.list_ if pa.types.is_list(kind) else pa.large_list)(_as_written(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([kind.field(i).with_type(_as_written(kind.field(i).type)) for i in range(kind.num_fields)])
    return kind


def parse_json(text: str, where: str) -> Any:
    """A JSON value; numbers keep their text, NaN and double keys are refused.

    Raises:
        DataError: for anything that is no JSON; names line and column.
    """

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(found)
        if len(made) < len(found):
            names = [name for name, _ in found]
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"{where}: the key {twice[:80]!r} stands twice in one object; keep one of them.")
        return made

    def refuse(name: str) -> NoReturn:
        raise DataError(f"{where}: {name} is not JSON; write null where there is no number.")

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=refuse, parse_float=real, parse_int=whole)
    except json.JSONDecodeError as error:
        place = f"column {error.colno}" if ", line " in where else f"line {error.lineno}, column {error.colno}"
        raise DataError(f"{where}, {place}: not JSON: {error.msg}. Is the file whole?") from error
    except RecursionError as error:
        raise DataError(f"{where}: brackets are nested too deep.") from error
    except ValueError as error:
        raise DataError(f"{where}: a number has too many digits; write it as text, in quotes.") from error
    if "\\u" in text:
        _check_texts(value, where)
    return value


def _check_texts(value: Any, where: str) -> None:
    """Refuses escapes that are half a character."""
    if isinstance(value, str):
        check_text(value, where)
    elif isinstance(value, dict):
        for key, part in value.items():
            check_text(key, where)
            _check_texts(part, where)
    elif isinstance(value, list):
        for part in value:
            _check_texts(part, where)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _delimiter(text: str) -> str:
    """What parts the header: the sign that stands most often in it, outside quotes; commas in doubt."""
    first = _HEADER.match(text)
    bare = re.sub(r'"[^"]*"?', "", first[0] if first else "")
    return max(DELIMITERS, key=bare.count)


def _check_header(names: list[str], where: str) -> None:
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{where}: the column {twice[:80]!r} stands twice; rename or remove one.")


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


PACKED = (".gz", ".zst", ".bz2", ".xz", ".zip", ".7z", ".tar", ".tgz")
READERS: dict[str, Callable[[Path, str], list[Row]]] = {
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_json_rows,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".parquet": read_parquet,
}
