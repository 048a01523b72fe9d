"""The one reader of each format, for all tasks and settings: text, CSV, JSON, JSONL, parquet, YAML.

Values are as written: text stays text until a schema asks for a number. Every error names the file, the line or row, and what to do.
"""

from contextrot.files.text import read_text

__all__ = ["read_text"]
