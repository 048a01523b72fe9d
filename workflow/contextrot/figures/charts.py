"""Charts that tasks share. Each shows how many answers a value rests on, and its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from contextrot.figures.style import COLORS, LINES, MARKERS, grow

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_TOKEN_TICKS = 9
NOT_RUN = {"facecolor": "#F2F2F2", "edgecolor": "#9A9A9A", "hatch": "////", "linewidth": 0}
INPUT_CUT = {"facecolor": "#FBE3D6", "edgecolor": "#D55E00", "hatch": "....", "linewidth": 0}
OVER_WINDOW = {"facecolor": "#D0D0D0", "edgecolor": "#4D4D4D", "hatch": "xxxx", "linewidth": 0}


def token_label(tokens: float) -> str:
    """A number of tokens as people write it: 256, 1k (1,000 or 1,024), 10k, 128k (131,072), 1M."""
    tokens = round(tokens)
    if tokens < 1000:
        return str(tokens)
    for power, letter in ((2, "M"), (1, "k")):
        if tokens % 1024**power == 0:
            return f"{tokens // 1024**power}{letter}"
        if tokens >= 1000**power:
            return f"{tokens / 1000**power:.3g}{letter}"
    return str(tokens)


def token_axis(
    ax: Axes, values: Sequence[float] | None = None, axis: str = "x", label: str = "context length (tokens, log scale)"
) -> None:
    """Makes an axis logarithmic and labels it in tokens: 256, 1k, 10k.

    Args:
        values: where to put ticks, nearly always the lengths that were measured; some are left out if they are many.
        axis: x or y.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

    getattr(ax, f"set_{axis}scale")("log", base=2)
    which = getattr(ax, f"{axis}axis")
    which.set_minor_locator(NullLocator())
    which.set_major_formatter(FuncFormatter(lambda tokens, _: token_label(tokens)))
    ticks = sorted({float(v) for v in values if v and v == v}) if values is not None else []
    if ticks:
        which.set_major_locator(FixedLocator(_apart(ticks)))
    else:
        which.set_major_locator(LogLocator(base=2, numticks=MAX_TOKEN_TICKS))
    getattr(ax, f"set_{axis}label")(label)


def _apart(ticks: Sequence[float]) -> list[float]:
    """Ticks whose labels have room on a logarithmic axis, the longest always."""
    kept: list[float] = []
    for tick in reversed(ticks):
        if not kept or math.log(kept[-1] / tick) > math.log(ticks[-1] / ticks[0]) / 12:
            kept.append(tick)
    return kept[::-1]


def score_axis(ax: Axes, label: str = "score (mean, 95 % interval)", axis: str = "y") -> None:
    """An axis for values from 0 to 1, with room so that points at the ends are whole."""
    getattr(ax, f"set_{axis}lim")(-0.03, 1.03)
    getattr(ax, f"set_{axis}label")(label)


def line_with_interval(
    ax: Axes,
    x: Sequence[float],
    value: Sequence[float | None],
    low: Sequence[float | None],
    high: Sequence[float | None],
    n: Sequence[int],
    label: str | None = None,
    index: int | None = None,
    **style: Any,
) -> None:
    """A line through means with their intervals as bars; its label says how many answers each point rests on.

    A missing value breaks the line; a value without an interval has no bar.

    Args:
        index: of the series, for its colour, marker and dashes; by default the next of the axes.
        style: more arguments of matplotlib's `errorbar`.
    """
    import numpy as np

    x, value, low, high = (np.array([np.nan if v is None else v for v in column], float) for column in (x, value, low, high))
    if index is not None:
        looks = {"color": COLORS, "marker": MARKERS, "linestyle": LINES}
        style = {name: kinds[index % len(kinds)] for name, kinds in looks.items()} | style
    named = f"{label} {count_label(n)}".strip() if label else count_label(n).strip("()")
    named = f" {named}" if named.startswith("_") else named  # matplotlib leaves names that begin so out of legends
    style = {"elinewidth": 0.9, "label": named} | style
    ax.errorbar(x, value, yerr=_bars(value, low, high), **style)


def aside(places: Any, every: Sequence[float], index: int, count: int, log: bool = True) -> Any:
    """Places on an axis, moved a little for one of several lines, so that points and intervals do not hide each other.

    Args:
        places: of this line's points.
        every: places of all lines' points, for the width of the axis.
        index, count: which of how many lines.
        log: whether the axis is logarithmic.
    """
    step = min(0.008, 0.04 / max(1, count - 1)) * (index - (count - 1) / 2)  # of the axis' width
    smallest, largest = min(every, default=1), max(every, default=1)
    if log:
        return places * max(largest / smallest, 2) ** step
    return places + max(largest - smallest, 1) * step


def legend_below(figure: Figure, axes: Axes, columns: int = 2) -> None:
    """One legend under all panels, which hides no line; the figure grows by its height, so that no panel is squeezed.

    Args:
        axes: whose series are listed.
        columns: how many stand beside each other; one where a label is long.
    """
    handles, labels = axes.get_legend_handles_labels()
    if not handles:
        return
    fitting = int(figure.get_figwidth() / (0.5 + 0.054 * max(map(len, labels))))  # inches: the line, and a character
    columns = max(1, min(columns, len(labels), fitting))
    grow(figure, 0.1 + 0.15 * -(-len(labels) // columns))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def legend_under(ax: Axes, columns: int = 1, **legend: Any) -> None:
    """A legend under one panel's axis label, where panels show different things.

    Args:
        legend: more arguments of matplotlib's `Axes.legend`.
    """
    legend = {"loc": "upper left", "bbox_to_anchor": (0, 0), "borderaxespad": 0, "ncols": columns} | legend
    ax.legend(bbox_transform=_below(ax, 32), **legend)


def _below(ax: Axes, points: float) -> Any:
    """Coordinates of the axes, moved down by so many points: clear of ticks and label whatever the panel's height."""
    from matplotlib.transforms import ScaledTranslation

    return ax.transAxes + ScaledTranslation(0, -points / 72, ax.figure.dpi_scale_trans)


def heatmap(
    ax: Axes,
    value: pd.DataFrame,
    n: pd.DataFrame | None = None,
    over_window: pd.DataFrame | None = None,
    row_label: str = "",
    column_label: str = "",
    value_label: str = "score (mean)",
    row_format: Callable[[Any], str] = str,
    column_format: Callable[[Any], str] = token_label,
    limits: tuple[float, float] = (0, 1),
    color_bar: bool = True,
    input_cut: pd.DataFrame | None = None,
    missing_label: str = "not run",
) -> None:
    """Cells of a table as colours with their values; the first row is on top.

    A cell without a value is hatched: one way where nothing was run or counted, another where the prompt exceeds the window, a third
    where the server cut it; where it cut some of a cell's prompts, the cell has a corner of that kind.

    Args:
        value: rows x columns -> mean; index and columns are the conditions, missing where not run.
        n: as `value`, number of answers; written in each cell, or once if it is the same in all.
        over_window: as `value`, true where the prompt does not fit the window.
        row_format, column_format: conditions to tick labels.
        limits: values of the colour scale's ends.
        input_cut: as `value`, true where the server cut prompts.
        missing_label: what the legend says of a cell without a value.
    """
    import numpy as np
    from matplotlib.patches import Patch, Polygon, Rectangle

    values = value.to_numpy(float)  # (rows, columns)
    rows, columns = values.shape
    counts = None if n is None else n.reindex(index=value.index, columns=value.columns).fillna(0).to_numpy(float)
    cut, beyond = (
        np.zeros(values.shape, bool)
        if table is None
        else table.reindex(index=value.index, columns=value.columns).eq(True).to_numpy(bool)
        for table in (input_cut, over_window)
    )
    beyond = beyond & np.isnan(values) & ~cut
    mesh = ax.pcolormesh(np.ma.masked_invalid(values), vmin=limits[0], vmax=limits[1], edgecolors="white", linewidth=0.5)
    ax.set_facecolor("none")
    ax.grid(False)
    ax.invert_yaxis()
    ax.set_xticks(np.arange(columns) + 0.5, [column_format(c) for c in value.columns], rotation=45 if columns > 8 else 0)
    ax.set_yticks(np.arange(rows) + 0.5, [row_format(r) for r in value.index])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel(column_label)
    ax.set_ylabel(row_label)

    counted = sorted({int(c) for c in counts[~np.isnan(values)]}) if counts is not None else []
    same_n = len(counted) == 1
    size = 6 if columns <= 9 else 5
    for row, column in np.ndindex(rows, columns):
        cell = values[row, column]
        if np.isnan(cell):
            kind = INPUT_CUT if cut[row, column] else OVER_WINDOW if beyond[row, column] else NOT_RUN
            ax.add_patch(Rectangle((column, row), 1, 1, **kind))
        elif columns <= 14:
            text = f"{cell:.2f}" if same_n or counts is None else f"{cell:.2f}\nn={counts[row, column]:.0f}"
            ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", size=size, color=_ink(mesh.to_rgba(cell)))
        if cut[row, column] and not np.isnan(cell):
            corner = [(column + 0.7, row), (column + 1, row), (column + 1, row + 0.45)]
            ax.add_patch(Polygon(corner, **(INPUT_CUT | {"hatch": None})))
    if color_bar:
        label = value_label
        if counted:
            label += f", n\u00a0=\u00a0{counted[0]} a cell" if same_n else f", n\u00a0=\u00a0{counted[0]} to {counted[-1]} a cell"
        ax.figure.colorbar(mesh, ax=ax, label=label, fraction=0.05, pad=0.02)
    hatched = [
        Patch(**kind, label=name)
        for kind, name, shown in (
            (NOT_RUN, missing_label, (np.isnan(values) & ~beyond & ~cut).any()),
            (OVER_WINDOW, "over the model's window", beyond.any()),
            (INPUT_CUT, "cut by the server", cut.any()),
        )
        if shown
    ]
    if hatched:
        below = _below(ax, 42 if columns > 8 else 28)
        place = {"loc": "upper left", "bbox_to_anchor": (0, 0), "bbox_transform": below, "borderaxespad": 0}
        beside = 1 if len(hatched) > 2 else 2  # wider than the cells it would squeeze them
        ax.legend(handles=hatched, ncols=beside, columnspacing=1, handlelength=1.6, **place)


def bars_with_interval(
    ax: Axes,
    labels: Sequence[str],
    value: Sequence[float | None],
    low: Sequence[float | None],
    high: Sequence[float | None],
    n: Sequence[int],
    label: str | None = None,
    index: int = 0,
    series: int = 1,
) -> None:
    """Bars with intervals and the number of answers under each; a missing value is marked "none", not drawn as 0.

    Args:
        label: of the series, for a legend.
        index, series: which of how many series drawn side by side over the same labels.
    """
    import numpy as np

    value, low, high = (np.array([np.nan if v is None else v for v in column], float) for column in (value, low, high))
    width = 0.8 / series
    places = np.arange(len(labels)) + (index - (series - 1) / 2) * width
    drawn = ~np.isnan(value)
    color = COLORS[index % len(COLORS)]  # with an edge, so that a bar of height 0 is a line
    ax.bar(places[drawn], value[drawn], width * 0.92, color=color, edgecolor=color, linewidth=0.9, label=label)
    ax.errorbar(places, value, yerr=_bars(value, low, high), fmt="none", ecolor="#333333", elinewidth=0.9)
    for place, count, known in zip(places, n, drawn, strict=True):
        text = f"n={int(count)}" if known else "none"
        ax.annotate(text, (place, 0), (0, -3), xycoords=("data", "axes fraction"), textcoords="offset points",
                    ha="center", va="top", size=6, color="#333333", rotation=0 if series <= 2 else 90)  # fmt: skip
    ax.tick_params(axis="x", length=0, pad=12 if series <= 2 else 22)
    ax.grid(False, axis="x")
    if index == series - 1:
        crowded = len(labels) > 4 and max(map(len, labels)) > 8
        ax.set_xticks(np.arange(len(labels)), labels, rotation=30 if crowded else 0, ha="right" if crowded else "center")


def count_label(n: Sequence[int]) -> str:
    """`(n = 20)`, or `(n = 18 to 20)`; empty if there are none."""
    known = sorted({int(count) for count in n if count == count and count})
    if not known:
        return ""
    return f"(n = {known[0]})" if len(known) == 1 else f"(n = {known[0]} to {known[-1]})"


def _bars(value: Any, low: Any, high: Any) -> Any:
    """Lengths of error bars below and above, shape (2, points); missing where there is no interval."""
    import numpy as np

    return np.clip(np.stack([value - low, high - value]), 0, None)


def _ink(rgba: Sequence[float]) -> str:
    """Black or white, whichever is read better on a colour."""
    red, green, blue = rgba[:3]
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
