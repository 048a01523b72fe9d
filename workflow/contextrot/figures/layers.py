"""Figures of cosines.parquet: what the layers hold at the end of a prompt, by the length of what came before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from contextrot.errors import unknown
from contextrot.figures.charts import heatmap, legend_under, line_with_interval
from contextrot.figures.drawing import titled
from contextrot.figures.style import new_figure, save
from contextrot.scores.stats import mean_interval

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext

TITLES = {"logit_cosine": "cosine with\nthe final logits", "base_cosine": "cosine with the state\nat {shortest}"}


def _read(context: FigureContext) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(context.folder / "cosines.parquet")


def _panels(cosines: pd.DataFrame, panel: str | None) -> dict[str, pd.DataFrame]:
    """Panel title -> its rows; one panel without a title if there is no such column."""
    if panel is None:
        return {"": cosines}
    return {str(name): rows for name, rows in cosines.groupby(panel, sort=False)}


def _norm_note(cosines: pd.DataFrame) -> str:
    return "after the final norm" if cosines["final_norm"].any() else "before the final norm"


def cosine_heatmaps(context: FigureContext, length: str, length_label: str, panel: str | None = None) -> Figure:
    """Mean cosine of each layer's projected state with the final logits: layer x length, a panel for each value of `panel`."""
    cosines = _read(context)
    panels = _panels(cosines, panel)
    layers = cosines["layer"].nunique()
    title = (
        f"{context.model_title} — {context.experiment_title}: cosine of each layer with the final logits ({_norm_note(cosines)})"
    )
    figure, axes = new_figure(context, len(panels), panel_height=max(2.4, 0.9 + 0.22 * layers), title=title, squeeze=False)
    for ax, (title, rows) in zip(axes[0], panels.items(), strict=True):
        cells = rows.pivot_table(index="layer", columns=length, values="logit_cosine", aggfunc="mean").sort_index(ascending=False)
        counts = rows.pivot_table(index="layer", columns=length, values="logit_cosine", aggfunc="count")
        lowest = min(0.0, float(cells.min(axis=None)))
        heatmap(
            ax, cells, counts, row_label="layer", column_label=length_label, column_format=str, limits=(lowest, 1),
            value_label="mean cosine",
        )  # fmt: skip
        ax.set_title(title)
    return figure


def cosine_lines(context: FigureContext, length: str, length_label: str, panel: str | None = None) -> Figure:
    """Cosines by layer, one line a length: with the final logits, and with the same layer's state at the shortest length."""
    import matplotlib
    import pandas as pd

    cosines = _read(context)
    panels = _panels(cosines, panel)
    kinds = [kind for kind in TITLES if cosines[kind].notna().any()]
    figure, axes = new_figure(context, len(panels), len(kinds), squeeze=False)
    lengths = sorted(cosines[length].dropna().unique())
    shortest = f"{min(lengths):g} {length_label}"
    colors = matplotlib.colormaps["viridis"]
    for row, kind in zip(axes, kinds, strict=True):
        for ax, (title, of_panel) in zip(row, panels.items(), strict=True):
            for place, value in enumerate(lengths):
                rows = of_panel[of_panel[length] == value]
                if rows.empty or (kind == "base_cosine" and place == 0):
                    continue
                means = [
                    (layer, *mean_interval(group.dropna().to_numpy()), len(group)) for layer, group in rows.groupby("layer")[kind]
                ]
                line = pd.DataFrame(means, columns=["layer", "value", "low", "high", "n"])
                line[["low", "high"]] = line[["low", "high"]].clip(-1, 1)
                color = colors(0.9 * place / max(1, len(lengths) - 1))
                columns = [line[name] for name in ("value", "low", "high", "n")]
                line_with_interval(ax, line["layer"], *columns, label=f"{value:g}", color=color, marker="o", markersize=3)
            ax.set(title=title, xlabel="layer", ylabel=f"{TITLES[kind].format(shortest=shortest)} (mean, 95 %)")
            ax.xaxis.get_major_locator().set_params(integer=True)
            legend_under(ax, columns=3, title=length_label, title_fontsize=7)
    return figure


def draw_cosines(cosines: str | Path, output: str | Path, kind: str, column: str, titles: Sequence[str]) -> None:
    """Draws cosines.parquet of any experiment against one of its condition columns.

    Args:
        kind: `heatmap` or `lines`.
        column: a column of numbers, such as `length` of needle in a haystack.
        titles: see drawing.draw_figures.

    Raises:
        ConfigError: if there is no such column of numbers.
    """
    import pandas as pd

    numbers = pd.read_parquet(cosines).select_dtypes("number").columns
    known = sorted(set(numbers) - {"layer", *TITLES})
    if column not in known:
        raise unknown("column", column, known, f"{cosines}")
    context = titled(titles, pd.DataFrame(), pd.DataFrame(), Path(cosines).parent)
    draw = {"heatmap": cosine_heatmaps, "lines": cosine_lines}[kind]
    save(draw(context, column, column.replace("_", " ")), output)
