"""What ran, with which code, versions and settings, on which machine: as JSON and as a page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from contextrot.records import write_text
from contextrot.report.html_table import html_table


def write_run_metadata(metadata: Mapping[str, Any], output: str | Path, page: str | Path) -> None:
    """Writes the metadata of a tier's run (see plan.provenance) as JSON, and as an HTML page for the report."""
    import pandas as pd

    write_text(output, json.dumps(metadata, indent=2, ensure_ascii=False, default=str) + "\n")
    runs = {f"{run['model']}, {run['experiment']}": run for run in metadata["runs"]}
    rows = [
        (section, name, value) for section, content in metadata.items() if section != "runs" for name, value in _lines(content)
    ]
    rows += [
        (title, name, value) for title, run in runs.items() for name, value in _lines(run) if name not in ("model", "experiment")
    ]
    table = pd.DataFrame([(section, name, str(value)) for section, name, value in rows], columns=["of", "what", "value"])
    about = [
        "What ran, with which code, versions and settings, on which machine, and how many samples of how many in the full tier."
    ]
    write_text(page, html_table(table, f"Run metadata, tier {metadata['tier']}", about, filters=["of"]))


def _lines(content: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values of nested metadata, one line each; what is not known is left out."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _lines(value, f"{name} {key}".strip())
    elif isinstance(content, list) and any(isinstance(item, Mapping) for item in content):
        for number, item in enumerate(content, 1):
            yield from _lines(item, f"{name} {number}".strip())
    elif content is not None and content != []:
        yield name, ", ".join(map(str, content)) if isinstance(content, list) else content
