"""A table as one HTML page without any other file: for the report, a browser, or a printer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot.printable import printable

if TYPE_CHECKING:
    import pandas as pd

TEMPLATES = Path(__file__).parents[2] / "report"
LONG_CHARACTERS = 40


def html_table(table: pd.DataFrame, title: str, about: Sequence[str] = (), note: str = "", filters: Sequence[str] = ()) -> str:
    """The page. Everything in it is escaped: an answer that holds HTML is shown as text.

    Args:
        table: one row a row; missing values are shown as a dash.
        title: heading of the page.
        about: paragraphs above the table.
        note: shown on top in a band ("SIMULATED"), each line on its own.
        filters: columns with a menu of their values.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    columns = [str(column) for column in table.columns]
    rows = [[_cell(value) for value in row] for row in table.itertuples(index=False)]
    return environment.get_template("table.html.jinja2").render(
        title=title,
        about=about,
        note=note,
        columns=columns,
        rows=rows,
        filters=[columns.index(column) for column in filters if column in columns],
    )


def _cell(value: Any) -> dict[str, str]:
    """What is shown of a value, and how."""
    text = shown(value)
    if not text:
        return {"text": "", "kind": "missing"}
    if isinstance(value, float | int) and not isinstance(value, bool):
        return {"text": text, "kind": "number"}
    return {"text": text, "kind": "long" if len(text) > LONG_CHARACTERS else ""}


def shown(value: Any) -> str:
    """A value for people: numbers to four digits, lists by commas, missing as nothing."""
    import numpy as np

    if isinstance(value, list | tuple | np.ndarray):
        return ", ".join(shown(item) for item in value)
    if value is None or value != value:
        return ""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        number = float(value)
        return f"{number:,.0f}" if number == int(number) and abs(number) < 1e15 else f"{number:.4g}"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    return printable(str(value))
