"""What a page's charts show of an experiment: its cells, averaged with intervals, and the Vega-Lite specifications that draw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from contextrot.report.trust import bounds_of, length_axis
from contextrot.scores.score import aggregate, on_target

if TYPE_CHECKING:
    import pandas as pd

    from contextrot.task import Task

MAX_SERIES = 8
MANY_ROWS, MANY_COLUMNS = 40, 60
COLORS = ("#0072B2", "#D55E00", "#009E73", "#A64D79", "#8A6100", "#2B7BB0", "#000000", "#6B6B1F")
"""Colour-blind-safe, and dark enough to be read on white."""
UNITS = {
    "length": "length (tokens)",
    "count": "length (words)",
    "depth": "depth (%)",
    "history_turns": "history (turns)",
    "turn": "earlier turns",
}
LOG_FROM = 8
"""Ratio of the longest to the shortest length from which on the axis is logarithmic."""


@dataclass
class Chart:
    """The cells of one model's experiment.

    Attributes:
        x, y: columns of the axes; a chart without `y` is a curve.
        series: columns that tell lines, or heatmaps, apart.
        cells: one a point: `cell` (its number), `x`, `y`, `series` (in words), `value`, `low`, `high`, `n`, `answers`.
        cell_of: (series, x, y) in words -> number of its cell.
    """

    x: str | None
    y: str | None
    series: list[str]
    cells: list[dict[str, Any]] = field(default_factory=list)
    cell_of: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def key(self, row: dict[str, Any]) -> tuple[str, str, str]:
        """Where a row of the scores belongs."""
        x, y = (in_words(row.get(name)) if name else "" for name in (self.x, self.y))
        return self.series_in_words(row), x, y

    def series_in_words(self, row: dict[str, Any]) -> str:
        if len(self.series) == 1 and isinstance(row.get(self.series[0]), str):
            return in_words(row[self.series[0]])
        return ", ".join(f"{name.replace('_', ' ')}: {in_words(row.get(name))}" for name in self.series)


def chart_of(task: Task, scores: pd.DataFrame) -> Chart:
    """The chart of one experiment: a heatmap where a grouping has the length and another number, else a curve; the other conditions of
    the task's groupings that vary tell its lines apart."""
    scores = on_target(scores)
    x = length_axis(task)
    x = x if x in scores else None
    others = [[name for name in grouping if name != x] for grouping in task.groupings if x in grouping]
    y = next((names[0] for names in others if len(names) == 1 and _is_scale(scores, names[0])), None)
    varying = ([name for name in names if name != y and _values(scores, name) > 1] for names in others)
    left = sorted((names for names in varying if names), key=len)
    series = left[0] if left else []
    if series and len(scores.drop_duplicates(series)) > MAX_SERIES:
        series = []
    columns = (*series, *filter(None, (x, y)))
    chart = Chart(x, y, series)
    if "unjudged" not in scores:
        scores = scores.assign(unjudged=False)
    sizes = scores.groupby(list(columns), dropna=False).size().to_dict() if columns else {(): len(scores)}
    for number, row in enumerate(aggregate(scores, [columns], ["score"]).to_dict("records")):
        key = chart.key(row)
        chart.cell_of[key] = number
        place = tuple(row[name] for name in columns)
        chart.cells.append(
            {
                "cell": number,
                "x": plain(row.get(x)) if x else "all",
                "y": plain(row.get(y)) if y else None,
                "series": key[0],
                **{name: plain(row[name]) for name in ("value", "low", "high")},
                "n": int(row["n"]),
                "answers": int(sizes.get(place[0] if len(place) == 1 else place, row["n"])),
            }
        )
    return chart


def specifications(chart: Chart) -> list[dict[str, Any]]:
    """One Vega-Lite specification for a curve, or one for each of a heatmap's series."""
    if chart.y is None:
        return [_curve(chart)]
    names = list(dict.fromkeys(cell["series"] for cell in chart.cells))
    return [_heatmap(chart, [cell for cell in chart.cells if cell["series"] == name], name) for name in names]


def _heatmap(chart: Chart, cells: list[dict[str, Any]], title: str) -> dict[str, Any]:
    rows, columns = len({cell["y"] for cell in cells}), len({cell["x"] for cell in cells})
    place = {
        name: {
            "field": name,
            "type": "ordinal",
            "title": title_of(column),
            "axis": {"labelAngle": 0, "labelOverlap": True, **_thousands([cell[name] for cell in cells])},
        }
        for name, column in (("x", chart.x), ("y", chart.y))
    }
    tooltip = [{"field": name, "title": said} for name, said in _said(chart)]
    known = {"filter": "isValid(datum.value)"}
    layer: list[dict[str, Any]] = [
        {"mark": {"type": "rect", "fill": "#c9c9c9", "cursor": "pointer"}, "encoding": {"tooltip": tooltip}},
        {
            "transform": [known],
            "mark": {"type": "rect", "cursor": "pointer", "stroke": "white"},
            "encoding": {
                "color": {
                    "field": "value", "type": "quantitative", "title": "score",
                    "scale": {"domain": [0, 1], "scheme": "viridis"}, "legend": {"orient": "top", "gradientLength": 160},
                },
                "tooltip": tooltip,
            },
        },
    ]  # fmt: skip
    if rows <= MANY_ROWS and columns <= 12:
        layer.append(
            {
                "transform": [known],
                "mark": {"type": "text", "fontSize": 11, "cursor": "pointer", "tooltip": None},
                "encoding": {
                    "text": {"field": "value", "type": "quantitative", "format": ".2f"},
                    "color": {"condition": {"test": "datum.value < 0.6", "value": "white"}, "value": "black"},
                },
            }
        )
    return _chart(cells, {"encoding": place, "layer": layer, "height": min(520, max(120, 30 * rows))}, title)


def _curve(chart: Chart) -> dict[str, Any]:
    cells = [cell for cell in chart.cells if cell["value"] is not None]
    color = {"field": "series", "type": "nominal", "title": None, "scale": {"range": list(COLORS)}, "legend": _LEGEND}
    encoding: dict[str, Any] = {"x": x_axis([cell["x"] for cell in cells], title_of(chart.x))}
    if any(cell["series"] for cell in cells):
        encoding["color"] = color
    elif cells:
        encoding["color"] = {"value": COLORS[0]}
    return _chart(cells, {"encoding": encoding, "layer": _line(cells, "score", [0, 1], _said(chart)), "height": 260}, "")


def over_length(rows: Sequence[dict[str, Any]], column: str | None, measure: str) -> dict[str, Any]:
    """One panel of the trust table over length: quality, seconds or USD, a line for each model.

    Args:
        rows: of the trust table, of one experiment.
        measure: its column.
    """
    low, high = bounds_of(measure)
    values = [
        {
            "x": plain(row["length"]) if row["length"] is not None else "all",
            "series": row["model_title"],
            "model": row["model"],
            "value": plain(row[measure]),
            "low": plain(row[low]),
            "high": plain(row[high]),
            "n": int(row["n"]),
        }
        for row in rows
        if plain(row[measure]) is not None
    ]
    encoding: dict[str, Any] = {"x": x_axis([value["x"] for value in values], title_of(column))}
    several = len({value["series"] for value in values}) > 1
    encoding["color"] = (
        {"field": "series", "type": "nominal", "title": None, "scale": {"range": list(COLORS)}, "legend": _LEGEND}
        if several
        else {"value": COLORS[0]}
    )
    layer = _line(values, None, [0, 1] if measure == "score" else None, _SAID)
    return _chart(values, {"encoding": encoding, "layer": layer, "height": 190}, "")


_LEGEND = {"orient": "top", "direction": "vertical", "labelLimit": 320, "symbolLimit": MAX_SERIES}


def _line(
    values: Sequence[dict[str, Any]], title: str | None, domain: list[float] | None, said: Sequence[tuple[str, str]]
) -> list[dict[str, Any]]:
    """A line with points that can be clicked, and the interval of each."""
    scale = {"domain": domain} if domain else {"zero": True}
    y = {"field": "value", "type": "quantitative", "title": title, "scale": scale}
    tooltip = [{"field": name, "title": name_said} for name, name_said in said]
    interval = {
        "transform": [{"filter": "isValid(datum.low) && isValid(datum.high)"}],
        "mark": {"type": "rule", "strokeWidth": 1.5, "opacity": 0.7},
        "encoding": {"y": y | {"field": "low"}, "y2": {"field": "high"}},
    }
    return [
        *([interval] if any(value["low"] is not None and value["high"] is not None for value in values) else []),
        {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {"y": y}},
        {
            "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1, "cursor": "pointer"},
            "encoding": {"y": y, "tooltip": tooltip},
        },
    ]


_SAID = (("series", "model"), ("x", "length"), ("value", "value"), ("low", "from"), ("high", "to"), ("n", "n"))


def _said(chart: Chart) -> list[tuple[str, str]]:
    """Fields of a cell and their names, as a tooltip tells them."""
    told = [("x", title_of(chart.x)), ("value", "score"), ("low", "from"), ("high", "to"), ("n", "answers that count")]
    if chart.y:
        told.insert(1, ("y", title_of(chart.y)))
    return [("series", "condition"), *told] if chart.series else told


def _thousands(values: Sequence[Any]) -> dict[str, str]:
    """How an axis writes large numbers."""
    return {"labelExpr": "format(datum.value, ',')"} if all(isinstance(value, int) for value in values) else {}


def x_axis(values: Sequence[Any], title: str) -> dict[str, Any]:
    """Lengths on a scale of numbers, logarithmic where they reach far; anything else in its order."""
    if any(isinstance(value, str) for value in values):
        return {"field": "x", "type": "ordinal", "title": title, "axis": {"labelAngle": 0}}
    scale: dict[str, Any] = {"nice": False, "padding": 14}
    far = values and min(values) > 0 and max(values) / min(values) >= LOG_FROM
    scale |= {"type": "log"} if far else {"zero": False}
    axis = {
        "values": sorted(set(values)),
        "labelOverlap": True,
        "grid": False,
        "format": ",~s" if values and max(values) >= 10_000 else ",~r",
    }
    return {"field": "x", "type": "quantitative", "title": title, "scale": scale, "axis": axis}


def _chart(values: list[dict[str, Any]], what: dict[str, Any], title: str) -> dict[str, Any]:
    """A whole specification, as wide as its place on the page."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        **({"title": title} if title else {}),
        "data": {"values": values},
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
        "config": {"font": "system-ui, sans-serif", "view": {"stroke": None}, "axis": {"labelFontSize": 11, "titleFontSize": 12}},
        **what,
    }


def title_of(column: str | None) -> str:
    """The name of a column, with its unit."""
    return UNITS.get(column, column.replace("_", " ")) if column else ""


def plain(value: Any) -> Any:
    """A value as JSON knows it; missing is None."""
    if hasattr(value, "item"):
        value = value.item()
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 1e15 else round(value, 6)
    return value if isinstance(value, int | bool | str) else str(value)


def in_words(value: Any) -> str:
    """A value as a name; the same for 256 and 256.0."""
    known = plain(value)
    return "none" if known is None else f"{known:,}" if isinstance(known, int) and not isinstance(known, bool) else str(known)


def _values(scores: pd.DataFrame, name: str) -> int:
    """How many different values a column has; 0 for lists."""
    if name not in scores:
        return 0
    column = scores[name].dropna()
    return 0 if column.map(lambda value: hasattr(value, "__len__") and not isinstance(value, str)).any() else column.nunique()


def _is_scale(scores: pd.DataFrame, name: str) -> bool:
    """Whether a column holds several numbers, over which a heatmap can be drawn."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return _values(scores, name) > 1 and is_numeric_dtype(scores[name]) and not is_bool_dtype(scores[name])
