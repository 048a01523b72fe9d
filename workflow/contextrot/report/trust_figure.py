"""The one figure of a tier: quality, seconds and USD over length, side by side, a row for each experiment and a line for each model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot.figures import FigureContext
from contextrot.figures.style import COLORS, LINES, MARKERS, new_figure, save
from contextrot.report.charts import LOG_FROM, title_of
from contextrot.report.trust import bounds_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

PANELS = (
    ("score", "score [95 %]"),
    ("total_seconds", "seconds a request\n(median [95 %])"),
    ("usd_per_request", "USD a request\n(mean [95 %])"),
)


def draw_trust(lengths_path: str | Path, note: str, outputs: Sequence[str | Path]) -> None:
    """Draws the figure from trust.csv in the formats of the outputs' endings.

    Args:
        note: shown in a band on top ("SIMULATED"), else empty.
    """
    import pandas as pd

    table = pd.read_csv(lengths_path)
    for output in outputs:
        save(trust_figure(table, note), output)


def trust_figure(table: pd.DataFrame, note: str = "") -> Any:
    """The figure; experiments without lengths have their conditions on the axis, and what nobody measured says so."""
    import pandas as pd

    experiments = list(dict.fromkeys(table["experiment"]))
    context = FigureContext(table, table, Path(), "", "", note)
    figure, axes = new_figure(
        context, len(PANELS), max(1, len(experiments)), 2.7, 2.0, "Quality, time and price over length", squeeze=False
    )
    for row, experiment in enumerate(experiments):
        rows = table[table["experiment"] == experiment]
        length = pd.to_numeric(rows["length"], errors="coerce")
        words = list(dict.fromkeys(rows["length"].astype(str)))
        places = rows["length"].astype(str).map(words.index) if length.isna().any() else length
        for place, (measure, title) in zip(axes[row], PANELS, strict=True):
            _panel(place, rows.assign(place=places), measure)
            place.set_ylabel(title)
            place.set_xlabel(title_of(str(rows["length_column"].iloc[0])))
            if not place.lines:
                place.set_xticks([])
            elif length.isna().any():
                place.set_xticks(range(len(words)), words)
                place.set_xlim(-0.5, len(words) - 0.5)
            else:
                _lengths(place, sorted(set(length)))
        few, many = int(rows["n"].min()), int(rows["n"].max())
        answers = f"n = {few}" if few == many else f"n = {few} to {many}"
        axes[row][0].set_title(f"{rows['experiment_title'].iloc[0]} ({answers} a point)", loc="left", weight="bold")
    if table["model"].nunique() > 1:
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, measure: str) -> None:
    """One measure of one experiment."""
    models = list(dict.fromkeys(rows["model"]))
    paid = measure != "usd_per_request" or (rows[measure].fillna(0) > 0).any()
    if not paid or rows[measure].isna().all():
        axes.text(0.5, 0.5, "not measured" if paid else "not billed", transform=axes.transAxes, ha="center", va="center")
        axes.set_yticks([])
    for number, model in enumerate(models if paid else []):
        one = rows[(rows["model"] == model) & rows[measure].notna()]
        style = {
            "color": COLORS[number % len(COLORS)],
            "marker": MARKERS[number % len(MARKERS)],
            "linestyle": LINES[number // len(COLORS) % len(LINES)],
            "label": one["model_title"].iloc[0] if len(one) else model,
        }
        low, high = (one[bound].astype(float) for bound in bounds_of(measure))
        spread = [(one[measure] - low).clip(lower=0), (high - one[measure]).clip(lower=0)]
        axes.errorbar(one["place"], one[measure], yerr=spread, **style)
    if measure == "score":
        axes.set_ylim(-0.03, 1.03)
    elif axes.lines:
        axes.set_ylim(0, 1.07 * axes.get_ylim()[1])


def _lengths(axes: Axes, lengths: list[float]) -> None:
    """Marks the tested lengths, on a logarithmic axis where they reach far."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    if lengths[0] > 0 and lengths[-1] / lengths[0] >= LOG_FROM:
        axes.set_xscale("log")
    step = max(1, -(-len(lengths) // 6))
    axes.xaxis.set_major_locator(FixedLocator(lengths[::-step][::-1]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:g}k" if value >= 10_000 else f"{value:,.0f}"))
