"""The one reader of each format, for all tasks and settings: text, CSV, JSON, JSONL, parquet, YAML.

Values are as written: text stays text until a schema asks for a number. Every error names the file, the line or row, and what to do.
"""

from contextrot.files.places import in_data_or_here
from contextrot.files.shapes import question_rows
from contextrot.files.tables import read_csv, read_json, read_jsonl, read_parquet, read_rows, read_table
from contextrot.files.text import read_text
from contextrot.files.values import Row, as_text, as_texts
from contextrot.files.yaml_file import read_yaml

__all__ = [
    "Row", "as_text", "as_texts", "in_data_or_here", "question_rows", "read_csv", "read_json", "read_jsonl", "read_parquet", "read_rows", "read_table", "read_text", "read_yaml",
]  # fmt: skip
