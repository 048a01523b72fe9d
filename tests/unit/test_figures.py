import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from contextrot.errors import ConfigError
from contextrot.figures import FigureContext
from contextrot.figures.charts import (
    aside,
    bars_with_interval,
    count_label,
    heatmap,
    legend_below,
    line_with_interval,
    score_axis,
    token_axis,
    token_label,
)
from contextrot.figures.style import COLORS, new_figure, save


def context(note: str = "", title: str = "Some model") -> FigureContext:
    return FigureContext(pd.DataFrame(), pd.DataFrame(), Path(), title, "Needle in a haystack", note)


def texts_of(figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))


def overlap(first, second) -> bool:
    return first.x0 < second.x1 and second.x0 < first.x1 and first.y0 < second.y1 and second.y0 < first.y1


@pytest.mark.parametrize(
    ("tokens", "label"),
    [(256, "256"), (999, "999"), (1000, "1k"), (1024, "1k"), (1536, "1.54k"), (10_000, "10k"), (131_072, "128k"),
     (500_000, "500k"), (1_048_576, "1M"), (2_000_000, "2M")],
)  # fmt: skip
def test_tokens_are_labelled_as_people_write_them(tokens, label):
    assert token_label(tokens) == label


def test_a_token_axis_has_ticks_only_at_measured_lengths_and_never_more_than_fit():
    figure, axes = new_figure(context())
    lengths = [2**power for power in range(6, 21)]
    axes.plot(lengths, np.linspace(1, 0, len(lengths)))
    token_axis(axes, lengths)
    figure.draw_without_rendering()
    ticks = [tick for tick in axes.get_xticks() if tick]
    assert set(ticks) <= set(lengths)
    assert len(ticks) <= 9
    assert lengths[-1] in ticks
    assert axes.get_xlabel() == "context length (tokens, log scale)"


def test_labels_of_lengths_that_are_near_do_not_run_into_each_other():
    figure, axes = new_figure(context())
    lengths = [500, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 900_000]
    axes.plot(lengths, np.zeros(8))
    token_axis(axes, lengths)
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
    assert len(boxes) == 7
    assert not any(overlap(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])


def test_a_simulated_figure_says_so_and_title_and_note_do_not_overlap():
    figure, axes = new_figure(context("SIMULATED", "A model with a name that is far too long for one line of a column"))
    score_axis(axes)
    figure.draw_without_rendering()
    assert "SIMULATED" in texts_of(figure)
    renderer = FigureCanvasAgg(figure).get_renderer()
    note = next(text for text in figure.texts if text.get_gid() == "note")
    title = figure.get_suptitle()
    assert "Needle in a" in title
    boxes = [note.get_window_extent(renderer), figure._suptitle.get_window_extent(renderer), axes.get_tightbbox(renderer)]
    assert not any(overlap(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)


def test_cells_not_run_and_cells_over_the_window_are_hatched_apart_and_explained():
    value = pd.DataFrame([[1.0, np.nan], [0.5, np.nan]], index=[0, 50], columns=[1000, 2000])
    over = pd.DataFrame([[False, True], [False, False]], index=value.index, columns=value.columns)
    figure, axes = new_figure(context())
    heatmap(axes, value, value.notna() * 20, over)
    hatches = sorted(patch.get_hatch() for patch in axes.patches)
    assert hatches == ["////", "xxxx"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["not run", "over the model's window"]
    assert "n\u00a0=\u00a020 a cell" in texts_of(figure)


def test_cells_with_different_n_each_say_theirs_and_a_cell_with_a_value_of_zero_is_drawn():
    value = pd.DataFrame([[0.0, 0.5]], index=[0], columns=[1000, 2000])
    figure, axes = new_figure(context())
    heatmap(axes, value, pd.DataFrame([[3, 4]], index=[0], columns=[1000, 2000]))
    shown = texts_of(figure)
    assert "0.00\nn=3" in shown
    assert "0.50\nn=4" in shown
    assert not axes.patches


def test_a_missing_mean_breaks_the_line_and_is_not_drawn_as_zero():
    _, axes = new_figure(context())
    line_with_interval(axes, [1, 2, 3], [0.5, None, 0.7], [0.4, None, None], [0.6, None, None], [20, 0, 1], "model")
    line = axes.lines[0]
    assert np.isnan(line.get_ydata()[1])
    assert axes.get_legend_handles_labels()[1] == ["model (n = 1 to 20)"]


def test_an_interval_that_excludes_its_mean_by_rounding_does_not_break_the_figure():
    _, axes = new_figure(context())
    line_with_interval(axes, [1], [1.0], [0.8], [0.9999999999], [10])
    assert len(axes.containers) == 1


def test_a_bar_without_answers_is_marked_none_and_not_drawn():
    figure, axes = new_figure(context())
    bars_with_interval(axes, ["a", "b"], [0.5, None], [0.4, None], [0.6, None], [10, 0])
    assert len(axes.patches) == 1
    assert {"n=10", "none"} <= {text.get_text() for text in axes.texts}
    figure.draw_without_rendering()


def test_a_bar_of_height_0_is_seen_as_a_line():
    _, axes = new_figure(context())
    bars_with_interval(axes, ["a"], [0.0], [0.0], [0.4], [10])
    assert axes.patches[0].get_linewidth() > 0


@pytest.mark.parametrize("log", [True, False])
def test_lines_are_moved_apart_evenly_and_never_far(log):
    lengths = np.array([512.0, 2048.0])
    moved = np.array([aside(lengths, lengths, index, 6, log) for index in range(6)])
    assert len(np.unique(moved[:, 0])) == 6
    axis = np.log(moved) if log else moved
    assert np.ptp(axis[:, 0]) < 0.1 * (axis[0, 1] - axis[0, 0])
    assert aside(lengths, lengths, 0, 1, log) == pytest.approx(lengths)


def test_one_length_alone_is_moved_too():
    assert aside(np.array([512.0]), [512], 0, 2)[0] < 512 < aside(np.array([512.0]), [512], 1, 2)[0]


def test_a_legend_of_many_lines_squeezes_no_panel_and_leaves_title_and_note_whole():
    plain, axes = new_figure(context("SIMULATED"))
    axes.plot([1, 2], [0, 1])
    figure, with_legend = new_figure(context("SIMULATED"))
    for index in range(8):
        line_with_interval(with_legend, [1, 2], [0, 0], [0, 0], [1, 1], [3, 3], f"condition {index} of a name", index)
    legend_below(figure, with_legend)
    for drawn in (plain, figure):
        drawn.draw_without_rendering()
    heights = [drawn.get_position().height * whole.get_figheight() for drawn, whole in ((axes, plain), (with_legend, figure))]
    assert heights[1] == pytest.approx(heights[0], abs=0.15)
    legend = figure.legends[0].get_window_extent()
    assert legend.x0 >= 0 and legend.x1 <= figure.bbox.x1 and not overlap(legend, with_legend.get_tightbbox())
    note = next(text for text in figure.texts if text.get_gid() == "note").get_window_extent()
    assert not overlap(note, figure._suptitle.get_window_extent())
    assert not overlap(figure._suptitle.get_window_extent(), with_legend.get_tightbbox())


def test_lines_on_each_other_have_other_dashes():
    _, axes = new_figure(context())
    for index in range(4):
        line_with_interval(axes, [1, 2], [0, 0], [0, 0], [1, 1], [3, 3], f"s{index}", index)
    assert len({str(line._unscaled_dash_pattern) for line in axes.lines if line.get_label() or len(line.get_xdata()) == 2}) >= 4


def test_n_is_said_once_if_it_is_the_same_and_not_at_all_if_there_is_none():
    assert count_label([20, 20]) == "(n = 20)"
    assert count_label([18, 20, 0]) == "(n = 18 to 20)"
    assert count_label([]) == ""


def test_more_series_than_colours_still_draw():
    _, axes = new_figure(context())
    for index in range(len(COLORS) + 2):
        line_with_interval(axes, [1, 2], [0.1, 0.2], [0, 0.1], [0.2, 0.3], [5, 5], f"s{index}", index=index)
    assert len(axes.get_legend_handles_labels()[1]) == len(COLORS) + 2


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_the_same_figure_gives_the_same_bytes(tmp_path, ending):
    digests = set()
    for attempt in range(2):
        figure, axes = new_figure(context("SIMULATED"))
        line_with_interval(axes, [256, 1024], [1, 0.5], [0.9, 0.4], [1, 0.6], [20, 20], "model")
        token_axis(axes, [256, 1024])
        save(figure, tmp_path / f"{attempt}.{ending}")
        digests.add(hashlib.sha256((tmp_path / f"{attempt}.{ending}").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_a_png_is_sharp_in_print_and_fits_the_screen(tmp_path):
    from PIL import Image

    figure, _ = new_figure(context())
    save(figure, tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as image:
        assert image.width == pytest.approx(3.6 * 220, abs=2)


def test_a_label_longer_than_its_axis_is_broken_and_a_short_one_is_not(tmp_path):
    figure, axes = new_figure(context(), columns=2)
    axes[0].set_ylabel("answer tokens for each second of the whole request (mean, 95 % interval)")
    axes[1].set_ylabel("score")
    save(figure, tmp_path / "figure.png")
    figure.draw_without_rendering()
    assert "\n" in axes[0].get_ylabel()
    assert axes[0].yaxis.label.get_window_extent().height <= 1.15 * axes[0].bbox.height
    assert axes[1].get_ylabel() == "score"


def test_no_text_is_smaller_than_six_points():
    figure, axes = new_figure(context("SIMULATED"))
    bars_with_interval(axes, ["a"], [0.5], [0.4], [0.6], [10])
    assert min(text.get_fontsize() for text in figure.findobj(lambda artist: hasattr(artist, "get_fontsize"))) >= 6


def test_an_ending_that_is_no_figure_names_those_that_are(tmp_path):
    figure, _ = new_figure(context())
    with pytest.raises(ConfigError, match="png, svg, pdf"):
        save(figure, tmp_path / "figure.docx")


@pytest.mark.parametrize("title", ["Costs $5 to $10 a day", "a $x^2$ b", "$", "50 % of \\$", r"$\frac{1$"])
def test_a_dollar_in_a_user_s_text_is_a_dollar(title, tmp_path):
    figure, axes = new_figure(context(note=title, title=title))
    axes.plot([1000, 100_000], [1, 0], label=title)
    axes.set(xlabel=title, ylabel=title, title=title)
    axes.legend()
    token_axis(axes, [1000, 100_000], label=title)
    save(figure, tmp_path / "f.png")
    drawn = figure.findobj(lambda artist: hasattr(artist, "get_parse_math"))
    assert drawn and not any(text.get_parse_math() for text in drawn)
    assert "mathdefault" not in texts_of(figure)
    assert title in texts_of(figure)


def test_a_name_that_begins_with_an_underscore_stands_in_the_legend():
    _, axes = new_figure(context())
    line_with_interval(axes, [1, 2], [0.5, 0.6], [0.4, 0.5], [0.6, 0.7], [3, 3], label="_mine")
    assert axes.get_legend_handles_labels()[1][0].startswith(" _mine")
