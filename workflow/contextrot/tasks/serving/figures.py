"""Figures of task `serving`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from contextrot.figures.charts import aside, legend_under, line_with_interval, token_axis, token_label
from contextrot.figures.style import new_figure
from contextrot.tasks.serving.summary import SHOWN, change, deltas, load_column

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext

LABEL_CHARACTERS, LINE_INCHES, FEW_LINES = 42, 0.15, 4
"""Of a legend: characters of a line, its height, and how many a panel of the usual height has room for."""
MOST_OF_VALUES = 2.5
"""How far above the largest value a panel reaches."""
NEEDS = {
    "latency_by_rate": ["several_rates"],
    "throughput_by_concurrency": ["several_concurrencies"],
    "quality_by_load": ["asks_a_task"],
    "delta_table": ["both_modes"],
    "memory_by_length": ["memory_files"],
}


def draw_latency_by_length(context: FigureContext) -> Figure:
    """TTFT and TPOT (medians) against prompt length, one line for each mode and load."""
    shown = {
        "ttft_seconds_median": "time to first token (s, median, 95 % interval)",
        "tpot_seconds_median": "time per output token (s, median, 95 % interval)",
    }
    return _panels(context, shown, "length", load_column(context.metrics), "prompt length (tokens, log scale)", token_label)


def draw_throughput_by_concurrency(context: FigureContext) -> Figure:
    """Output tokens and good requests a second against concurrency, one line for each mode and length."""
    shown = {
        "output_token_throughput": "output tokens a second (mean, 95 % interval)",
        "goodput": "requests within all limits a second (mean, 95 % interval)",
    }
    return _panels(context, shown, "concurrency", "length", "requests under way at once (log scale)", str)


def draw_latency_by_rate(context: FigureContext) -> Figure:
    """TTFT (median and p99) and good requests a second against the rate of requests, one line for each mode and length."""
    shown = {
        "ttft_seconds_median": "time to first token (s, median, 95 % interval)",
        "ttft_seconds_p99": "time to first token (s, 99th percentile, 95 % interval)",
        "goodput": "requests within all limits a second (mean, 95 % interval)",
    }
    return _panels(context, shown, "rate", "length", "requests due a second (log scale)", "{:g}".format)


def draw_quality_by_load(context: FigureContext) -> Figure:
    """Mean score of the task's answers, and TTFT, against how the engine was loaded; one line for each mode and length."""
    shown = {
        "score": "mean score (95 % interval)",
        "ttft_seconds_median": "time to first token (s, median, 95 % interval)",
    }
    column = load_column(context.metrics)
    labels = {"rate": "requests due a second (log scale)", "concurrency": "requests under way at once (log scale)"}
    figure = _panels(context, shown, column, "length", labels[column], "{:g}".format)
    figure.axes[0].set_ylim(0, 1.02)
    return figure


def _panels(
    context: FigureContext, shown: dict[str, str], x: str, other: str, label: str, tick_label: Callable[[int], str]
) -> Figure:
    """A panel for each measure, a line for each mode and value of `other` in it.

    Args:
        shown: measure -> label of its axis.
        x: column on the horizontal axis.
        label, tick_label: of that axis.
    """
    names = _server_names(context.metrics["mode"].unique())
    lines = sum(
        _wrapped(f"{names[mode]}, 100k tokens").count("\n") + 1 for mode, _ in context.metrics.groupby(["mode", other]).groups
    )
    figure, panels = new_figure(context, columns=len(shown), panel_height=2.7 + LINE_INCHES * max(lines - FEW_LINES, 0))
    for ax, (measure, axis_label) in zip(panels, shown.items(), strict=True):
        rows = context.metrics[context.metrics["measure"] == measure].dropna(subset=["value"])
        _lines(ax, rows, x, ["mode", other])
        token_axis(ax, rows[x], label=label)
        ax.xaxis.set_major_formatter(lambda value, _: tick_label(round(value)))
        _frame(ax, rows, x)
        ax.set_ylabel(axis_label)
        if len(rows):
            legend_under(ax)
    return figure


def _frame(ax: Axes, rows: pd.DataFrame, x: str) -> None:
    """Limits of a panel: from 0, and so that points are apart: far wider intervals, as those of two repeats, go on above, which it says."""
    most, highest = MOST_OF_VALUES * rows["value"].max(), 1.05 * max(rows["value"].max(), rows["high"].max())
    ax.set_ylim(0, min(most, highest) if most > 0 else None)
    if rows[x].nunique() == 1:
        ax.set_xlim(rows[x].iloc[0] / 2, rows[x].iloc[0] * 2)
    if highest > most > 0:
        ax.text(0.5, 1.0, "some intervals go on above", transform=ax.transAxes, ha="center", va="bottom", fontsize=7)


def draw_delta_table(context: FigureContext) -> Figure:
    """Every server against the first one, in percent; darker where the intervals do not overlap."""
    table = deltas(context.metrics)
    groups = list(table.groupby(["mode", "length", load_column(table)], sort=False))
    header = [
        "server",
        "prompt\ntokens",
        {"rate": "a\nsecond", "speed": "times\nas fast"}.get(load_column(table), "at\nonce"),
        *("\n".join(label.replace(" (s)", "").rsplit(" ", 1)) for _, label in SHOWN),
    ]
    servers = _server_names([*table["mode"], *table["against"]])
    cells, shades = [], []
    for (mode, length, load), rows in groups:
        by_measure = rows.set_index("measure")
        texts = [change(by_measure, measure).replace("*", "") for measure, _ in SHOWN]
        separate = [measure in by_measure.index and bool(by_measure.loc[measure, "separate"]) for measure, _ in SHOWN]
        cells.append([servers[mode], str(length), f"{load:g}", *texts])
        shades.append(["white", "white", "white", *("#F7D9C4" if s else "white" for s in separate)])
    figure, ax = new_figure(context, panel_width=7.4, panel_height=0.75 + 0.24 * max(len(cells), 1))
    ax.axis("off")
    if not cells:
        ax.text(0.5, 0.5, "only one mode was measured", ha="center", va="center")
        return figure
    first = min(0.02 + 0.0085 * max(len(row[0]) for row in cells), 0.45)  # of the width, for the longest name
    widths = [first, *[(1 - first) / (len(header) - 1)] * (len(header) - 1)]
    drawn = ax.table(cells, colLabels=header, cellColours=shades, colWidths=widths, loc="upper center", cellLoc="right")
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(7)
    for (row, _), cell in drawn.get_celld().items():
        cell.set_linewidth(0.3)
        cell.set_height((0.42 if row == 0 else 0.2) / (0.75 + 0.24 * len(cells)))
    n = sorted({int(count) for count in table["n"]})
    ax.set_title(
        f"against {servers[table['against'].iloc[0]]}, change in %; shaded: 95 % intervals apart (n = {n[0]} to {n[-1]})",
        loc="left",
    )
    return figure


def draw_memory_by_length(context: FigureContext) -> Figure:
    """Peak memory of each instance and the share of its KV cache in use, against prompt length."""
    rows = []
    for mode in dict.fromkeys(context.metrics["mode"]):
        summary = json.loads((context.folder / mode / "summary.json").read_text(encoding="utf-8"))
        for entry in summary["memory"] or []:
            for role, peaks in entry["instances"].items():
                rows.append({"mode": mode, "role": role, "length": entry["length"], **peaks})
    figure, panels = new_figure(context, columns=2)
    import pandas as pd

    table = pd.DataFrame(rows, columns=["mode", "role", "length", "resident_bytes", "gpu_bytes", "kv_cache_share"])
    servers = _server_names(table["mode"])
    memory = "gpu_bytes" if table["gpu_bytes"].notna().any() else "resident_bytes"
    name = "GPU memory" if memory == "gpu_bytes" else "resident memory"
    for ax, column, scale, label in (
        (panels[0], memory, 2**20, f"peak {name} (MiB, mean and range of repeats)"),
        (panels[1], "kv_cache_share", 0.01, "peak share of the KV cache (%, mean and range of repeats)"),
    ):
        known = table.dropna(subset=[column])
        instances = list(known.groupby(["mode", "role"], sort=True))
        for index, ((mode, role), group) in enumerate(instances):
            peaks = group.groupby("length")[column].agg(["mean", "min", "max", "count"]) / [scale, scale, scale, 1]
            label_text = _wrapped(servers[mode] if role == "server" else f"{servers[mode]}: {role}")
            x = aside(peaks.index.to_numpy(float), table["length"], index, len(instances))
            line_with_interval(ax, x, peaks["mean"], peaks["min"], peaks["max"], peaks["count"], label_text, index)
        token_axis(ax, table["length"], label="prompt length (tokens, log scale)")
        ax.set_ylim(0, 1.05 * known[column].max() / scale if len(known) else None)
        ax.set_ylabel(label)
        if len(known):
            legend_under(ax)
    return figure


def _lines(ax: Axes, rows: pd.DataFrame, x: str, by: list[str]) -> None:
    """A line for each combination of `by`, labelled by what differs between them."""
    several = [name for name in by if rows[name].nunique() > 1]
    servers = _server_names(rows["mode"].unique())
    groups = list(rows.groupby(by, sort=True))
    for index, (key, group) in enumerate(groups):
        known = [(name, servers.get(value, value)) for name, value in zip(by, key, strict=True)]
        parts = [_part(name, value) for name, value in known if name in several or name == "mode"]
        group = group.sort_values(x)
        places = aside(group[x], rows[x], index, len(groups))
        line_with_interval(ax, places, group["value"], group["low"], group["high"], group["n"], _wrapped(", ".join(parts)), index)


def _server_names(modes: Iterable[str]) -> dict[str, str]:
    """The servers of a grid by the options in which they differ, and by their mode where that differs too."""
    split = {mode: mode.partition("+") for mode in modes}
    one = len({first for first, _, _ in split.values()}) == 1
    names = {}
    for mode, (first, _, options) in split.items():
        shown = options.replace(",", ", ")
        names[mode] = first if not options else shown if one else f"{first}: {shown}"
    return names


def _wrapped(text: str) -> str:
    return "\n".join(wrap(text, LABEL_CHARACTERS, break_long_words=False, break_on_hyphens=False))


def _part(name: str, value: Any) -> str:
    if name == "length":
        return f"{token_label(value)} tokens"
    loads = {"concurrency": "at once", "rate": "a second", "speed": "times as fast"}
    return f"{value:g} {loads[name]}" if name in loads else str(value)
