"""One look for every figure: sizes, fonts, colours, title, and files that are the same bytes on every run."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot.errors import ConfigError
from contextrot.figures.glyphs import give_glyphs
from contextrot.records import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C2B")
"""Colour-blind-safe. Source: M. Okabe and K. Ito (2008), Color Universal Design; its yellow is darkened to be seen on white."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", (0, (1, 1)))
"""Dashes, so that lines on each other can be told apart, also in grey."""
FORMATS = ("png", "svg", "pdf")
WARNING_COLOR = "#D55E00"
NOTE_INCHES = 0.2
TITLE_CHARACTERS_PER_INCH = 12

STYLE = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 8,
    "errorbar.capsize": 2,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "figure.titlesize": 9,
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.5,
    "hatch.linewidth": 0.6,
    "image.cmap": "viridis",
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "pdf.fonttype": 42,
    "savefig.dpi": 220,
    "svg.fonttype": "path",
    "svg.hashsalt": "contextrot",
    "text.parse_math": False,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
}
"""For a journal's column: a panel is 3.6 inches wide, and no text is smaller than 6 points. Texts are the users' own: `$` is a dollar."""


def use_style() -> None:
    """Draws without a display, in the project's style, whatever the user's own matplotlibrc says."""
    import matplotlib
    from cycler import cycler

    matplotlib.use("Agg")
    matplotlib.rcParams.update(matplotlib.rcParamsDefault | {"backend": "agg"})
    matplotlib.rcParams.update(STYLE)
    matplotlib.rcParams["axes.prop_cycle"] = cycler(color=COLORS) + cycler(marker=MARKERS)


def new_figure(
    context: FigureContext,
    columns: int = 1,
    rows: int = 1,
    panel_width: float = 3.6,
    panel_height: float = 2.7,
    title: str | None = None,
    **subplots: Any,
) -> tuple[Figure, Any]:
    """A figure with the title "model — experiment" and, where the context has one, its note (SIMULATED) in a band on top.

    Args:
        context: gives the title and the note.
        columns, rows: how many panels.
        panel_width, panel_height: size of one panel, inches.
        title: instead of "model — experiment".
        subplots: more arguments of matplotlib's `Figure.subplots`, such as sharey.

    Returns:
        The figure and, as from `pyplot.subplots`, one axes, a row or column of them, or an array (rows, columns).
    """
    use_style()
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    if title is None:
        title = f"{context.model_title} — {context.experiment_title}"
    width = columns * panel_width
    title = textwrap.fill(title, max(20, int(width * TITLE_CHARACTERS_PER_INCH)))
    figure = Figure(figsize=(width, rows * panel_height), layout="constrained")
    figure.suptitle(title, y=1, va="top", weight="bold")
    if context.note:
        figure.add_artist(Rectangle((0, 0), 1, 0, color=WARNING_COLOR, lw=0, gid="band"))
        figure.text(0.5, 0, context.note, ha="center", va="center", color="white", weight="bold", gid="note")
    grow(figure, _top_inches(figure))
    return figure, figure.subplots(rows, columns, **subplots)


def grow(figure: Figure, inches: float) -> None:
    """Makes a figure of `new_figure` higher; title and note keep their size and stay on top."""
    height, top = figure.get_figheight() + inches, _top_inches(figure)
    figure.set_figheight(height)
    note = next((text for text in figure.texts if text.get_gid() == "note"), None)
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - top / height))
    figure._suptitle.set_y(1 - ((NOTE_INCHES if note else 0) + 0.05) / height)
    if note:
        band = next(artist for artist in figure.artists if artist.get_gid() == "band")
        band.set_y(1 - NOTE_INCHES / height)
        band.set_height(NOTE_INCHES / height)
        note.set_y(1 - NOTE_INCHES / 2 / height)


def _top_inches(figure: Figure) -> float:
    """Height of title and note."""
    lines = figure.get_suptitle().count("\n") + 1
    return 0.06 + 0.155 * lines + (NOTE_INCHES if any(text.get_gid() == "note" for text in figure.texts) else 0.0)


def save(figure: Figure, path: str | Path) -> None:
    """Writes a figure in the format of the path's ending, atomically; the same figure gives the same bytes.

    Raises:
        ConfigError: for an ending other than png, svg or pdf.
        StoreError: if the file cannot be written.
    """
    kind = Path(path).suffix.lstrip(".").lower()
    if kind not in FORMATS:
        raise ConfigError(f"{path}: a figure cannot be written as {kind!r}. Endings that can: {', '.join(FORMATS)}.")
    metadata = {
        "png": {"Software": None},
        "svg": {"Date": None, "Creator": "contextrot"},
        "pdf": {"CreationDate": None, "Creator": "contextrot", "Producer": None},
    }[kind]
    give_glyphs(figure)
    _wrap_long_labels(figure)
    write_atomically(path, lambda temporary: figure.savefig(temporary, format=kind, metadata=metadata))


def _wrap_long_labels(figure: Figure) -> None:
    """Breaks the labels of axes that are longer than their axis, so that none is cut or runs into the next panel."""
    figure.draw_without_rendering()
    for axes in figure.axes:
        for label, room, along in ((axes.yaxis.label, axes.bbox.height, "height"), (axes.xaxis.label, axes.bbox.width, "width")):
            text, length = label.get_text(), getattr(label.get_window_extent(), along)
            if length > 1.1 * room > 0 and "\n" not in text:
                label.set_text(textwrap.fill(text, max(12, int(len(text) * room / length) + 2), break_long_words=False))
