"""Whatever text is written to a file is read from it again, or refused by name."""

from __future__ import annotations

import csv
import io
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contextrot.errors import DataError
from contextrot.files import as_text, read_csv, read_jsonl, read_text
from contextrot.files.text import decode
from contextrot.files.yaml_file import parse_yaml

WRITABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@many
@given(st.lists(st.tuples(WRITABLE, WRITABLE, WRITABLE), min_size=1))
def test_csv(tmp_path, rows):
    written = io.StringIO(newline="")
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows([("a", "b", "c"), *rows])
    (tmp_path / "t.csv").write_bytes(written.getvalue().encode())
    kept = [row for row in rows if any(row)]
    assert [tuple(row.values()) for row in read_csv(tmp_path / "t.csv") if any(row.values())] == kept


@many
@given(st.lists(st.dictionaries(WRITABLE, WRITABLE | st.integers() | st.lists(WRITABLE)), min_size=1), st.booleans())
def test_jsonl(tmp_path, rows, escaped):
    (tmp_path / "t.jsonl").write_bytes("\n".join(json.dumps(row, ensure_ascii=escaped) for row in rows).encode())
    assert [dict(row) for row in read_jsonl(tmp_path / "t.jsonl")] == rows


@many
@given(WRITABLE, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_text(tmp_path, text, encoding):
    (tmp_path / "t.txt").write_bytes(text.encode(encoding))
    read = read_text(tmp_path / "t.txt", newlines=False)
    assert read == (text[1:] if encoding == "utf-8" and text.startswith("\ufeff") else text)


@many
@given(st.binary(max_size=300))
def test_any_bytes_are_text_or_refused(content):
    try:
        decode(content, "t").encode()
    except DataError as error:
        assert str(error).startswith("t")


@many
@given(st.text(max_size=60))
def test_any_yaml_is_read_or_refused(text):
    try:
        parse_yaml(text, "t")
    except DataError as error:
        assert str(error).startswith("t")


@many
@given(st.from_regex(r"[-+]?[0-9]{1,12}(\.[0-9]{1,6})?([eE][-+]?[0-9]{1,2})?", fullmatch=True))
def test_numbers_of_yaml_print_as_they_were_written(text):
    assert as_text(parse_yaml(f"a: {text}", "t")["a"], "t") == text
