"""CSV, TSV, JSON, JSONL and parquet: values as written, faults by line."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet
import pytest

from contextrot.errors import DataError
from contextrot.files import as_text, as_texts, read_csv, read_json, read_jsonl, read_rows
from contextrot.files.tables import READERS


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_values_of_a_csv_are_text_as_written(tmp_path):
    path = write(tmp_path, "t.csv", "time,code,label,none\n12:30,0042,1,\n21:15,1e3,NA,null\n")
    assert [dict(row) for row in read_csv(path)] == [
        {"time": "12:30", "code": "0042", "label": "1", "none": ""},
        {"time": "21:15", "code": "1e3", "label": "NA", "none": "null"},
    ]


@pytest.mark.parametrize("rows", [10, 40_000])
def test_line_breaks_in_quotes_are_kept_in_small_and_large_files(tmp_path, rows):
    path = write(tmp_path, "t.csv", "q,a\r\n" + '"one\ntwo, ""three""\r\nfour",x\r\n' * rows)
    read = read_csv(path)
    assert len(read) == rows
    assert read[-1]["q"] == 'one\ntwo, "three"\r\nfour'
    assert read[1].where.endswith("line 5")


@pytest.mark.parametrize(("name", "sign"), [("t.csv", ","), ("t.csv", ";"), ("t.csv", "\t"), ("t.tsv", "\t")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_what_spreadsheets_write_is_read(tmp_path, name, sign, encoding):
    path = write(tmp_path, name, f"name{sign}answer\r\nCafé{sign}0042\r\n".encode(encoding))
    assert [dict(row) for row in read_rows(path)] == [{"name": "Café", "answer": "0042"}]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "a,b\n1,2\n3\n", r"t\.csv, line 3: the row has not as many fields as the header \(1 instead of 2"),
        ("t.csv", 'a,b\n"x\ny",1\n1,2,3\n', r"t\.csv, line 4: the row has not as many"),
        ("t.csv", "a,a\n1,2\n", r"t\.csv, line 1: the column 'a' stands twice"),
        ("t.csv", 'a,b\n1,"x"y\n', r"t\.csv, line 2: not CSV"),
        ("t.csv", "", r"t\.csv is empty"),
        ("t.jsonl", '{"a": 1}\n{"a": \n', r"t\.jsonl, line 2, column \d+: not JSON"),
        ("t.jsonl", '{"a": 1}\n[1]\n', r"t\.jsonl, line 2: must be an object .* but is a list"),
        ("t.jsonl", '{"a": 1, "a": 2}\n', r"t\.jsonl, line 1: the key 'a' stands twice"),
        ("t.jsonl", '{"a": NaN}\n', r"t\.jsonl, line 1: NaN is not JSON"),
        ("t.jsonl", '\n{"a": "\\ud83d"}\n', r"t\.jsonl, line 2: .*half of a surrogate pair"),
        ("t.jsonl", '{"\\udc00": 1}\n', r"t\.jsonl, line 1: .*half of a surrogate pair"),
        ("t.jsonl", '{"a": "\\u0000"}\n', r"t\.jsonl, line 1: .*NUL"),
        ("t.jsonl", '{"a": ' + "[" * 100_000, r"t\.jsonl, line 1: brackets are nested too deep"),
        ("t.jsonl", '{"a": ' + "1" * 5000 + "}", r"t\.jsonl, line 1: a number has too many digits"),
        ("t.jsonl", '{\n  "a": 1\n}\n', r"t\.jsonl, line 1: the file is one JSON value.*rename it to \.json"),
        ("t.json", '[\n{"a": 1},\n]', r"t\.json, line \d, column \d+: not JSON"),
        ("t.json", '{"a": 1}', r"t\.json must hold a list of objects, but holds an object"),
        ("t.json", '[{"a": 1}, 2]', r"t\.json, row 2: must be an object"),
        ("t.parquet", "PAR1 nothing", r"t\.parquet is not a parquet file"),
        ("t.xlsx", "x", r"its ending is none of \.jsonl"),
    ],
)
def test_a_fault_is_named_by_file_and_line(tmp_path, name, content, message):
    path = write(tmp_path, name, content)
    with pytest.raises(DataError, match=message):
        read_rows(path, "data")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv.gz", b"\x1f\x8b", r"packed \(\.gz\); unpack"),
        ("t.csv", b"\x1f\x8b\x08\x00", "gzip; unpack"),
        ("t.csv", b"PK\x03\x04\x14\x00", "xlsx"),
        ("t.csv", b"%PDF-1.4\n", "PDF"),
        ("t.jsonl", b"PAR1\x15", "parquet"),
        ("t.ndjson", b'{"a": 1},\n{"a": 2}\n', "line 1: a comma stands behind"),
        ("t.jsonl", b'[{"a": 1}]', "a .json file"),
    ],
)
def test_a_file_of_another_format_is_told_what_to_do(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message):
        read_rows(write(tmp_path, name, content))


def test_what_other_programs_write_is_read(tmp_path):
    assert read_rows(write(tmp_path, "t.csv", b"q, a\nx,1\n")) == [{"q": "x", "a": "1"}]
    for name, content in (
        ("t.jsonl", '{"a": "x"}\n\ufeff{"a": "y"}\n'),
        ("u.jsonl", '{"a": "x"}\r{"a": "y"}\r'),
        ("t.json", '{"rows": [{"row_idx": 0, "row": {"a": "x"}}, {"row_idx": 1, "row": {"a": "y"}}]}'),
    ):
        assert read_rows(write(tmp_path, name, content.encode())) == [{"a": "x"}, {"a": "y"}]


def test_other_line_ends_of_unicode_are_part_of_a_text(tmp_path):
    path = write(tmp_path, "t.jsonl", '{"a": "one\u2028two\u0085three"}\r\n\r\n{"a": "x"}')
    assert [row["a"] for row in read_jsonl(path)] == ["one\u2028two\u0085three", "x"]
    assert read_jsonl(path)[1].where.endswith("line 3")


def test_numbers_of_json_print_as_they_were_written(tmp_path):
    values = read_json(write(tmp_path, "t.json", "[1.50, 1e3, 12345678901234567890, -0, 7, 0.1, true, null]"))
    assert [as_text(value, "t") for value in values] == ["1.50", "1e3", "12345678901234567890", "-0", "7", "0.1", "true", None]
    assert values[0] == 1.5 and json.dumps(values[:3]) == "[1.5, 1000.0, 12345678901234567890]"


def test_every_reader_says_that_a_file_is_missing(tmp_path):
    for ending in READERS:
        with pytest.raises(DataError, match=f"set 'mine': .*gone{ending} does not exist; put the file there"):
            read_rows(tmp_path / f"gone{ending}", "set 'mine':")


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ({"text": ["a", "b", "a"], "answer_start": [1, 2, 3]}, ("a", "b")),
        ([{"text": "a", "answer_start": 1}, {"text": " a "}], ("a",)),
        ({"text": [], "answer_start": []}, ()),
        (["x", None, ""], ("x",)),
        (42, ("42",)),
        (None, ()),
        ({"value": "Paris", "aliases": ["Paname", "Paris"], "type": "WikipediaEntity"}, ("Paris", "Paname")),
    ],
)
def test_answers_are_texts_each_once(value, texts):
    assert as_texts(value, "here") == texts


def test_a_number_that_is_none_in_a_parquet_file_is_no_answer(tmp_path):
    pyarrow.parquet.write_table(pa.table({"answer": [float("nan"), 2.5]}), tmp_path / "t.parquet")
    assert [as_text(row["answer"], "t") for row in read_rows(tmp_path / "t.parquet")] == [None, "2.5"]


def test_a_number_of_32_bits_has_the_digits_it_was_written_with(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": pa.array([0.1, None], pa.float32()), "b": [0.1, 2.0]}), tmp_path / "t.parquet")
    assert [dict(row) for row in read_rows(tmp_path / "t.parquet")] == [{"a": "0.1", "b": 0.1}, {"a": None, "b": 2.0}]
    answers = pa.array([{"text": [0.1]}], pa.struct({"text": pa.list_(pa.float32())}))
    pq.write_table(pa.table({"a": answers, "b": pa.array([[0.2]], pa.list_(pa.float32()))}), tmp_path / "u.parquet")
    assert [dict(row) for row in read_rows(tmp_path / "u.parquet")] == [{"a": {"text": ["0.1"]}, "b": ["0.2"]}]


def test_a_spreadsheet_s_line_that_names_the_separator_is_no_header(tmp_path):
    path = write(tmp_path, "t.csv", "sep=;\r\na;b\r\n1,5;0042\r\n")
    (row,) = read_csv(path)
    assert (dict(row), row.where.endswith("line 3")) == ({"a": "1,5", "b": "0042"}, True)


@pytest.mark.parametrize("sign", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_header_with_line_breaks_in_quotes_says_what_parts_the_fields(tmp_path, sign, end):
    (tmp_path / "t.csv").write_bytes(f'"what, if; so{end}""more"""{sign}b{end}1{sign}2{end}'.encode())
    names = ["what, if; so" + end + '"more"', "b"]
    assert list(read_csv(tmp_path / "t.csv")[0]) == names
