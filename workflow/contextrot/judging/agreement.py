"""How far the judges of one experiment agree, two by two.

Kappa is over the answers on which both gave a verdict; those that one left unjudged are counted apart. Krippendorff's alpha is over all
judges together, with whatever verdicts there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot.errors import ConfigError, DataError
from contextrot.records import read_judgements, write_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext

VERDICTS = {True: "right", False: "wrong", None: "unjudged"}
CELLS = [(a, b) for a in VERDICTS.values() for b in VERDICTS.values()]


def judge_agreement(paths: Sequence[Path]) -> pd.DataFrame:
    """One row for each pair of judges: counts of each pair of verdicts (`right_wrong`: the first says right, the second
    wrong), the share of agreement and Cohen's kappa with intervals, and in every row `alpha`, Krippendorff's of all judges; missing where
    they are undefined.

    Args:
        paths: judgements/{judge}.parquet of each judge, two or more.

    Raises:
        ConfigError: for fewer than two judges.
        DataError: if the judges did not judge the same answers.
    """
    import numpy as np
    import pandas as pd

    from contextrot.scores.stats import cohen_kappa

    if len(paths) < 2:
        raise ConfigError("agreement needs an experiment with two judges or more; name them in its `judges`.")
    verdicts = {Path(p).stem: {(j.sample_id, j.turn, j.item): j.verdict for j in read_judgements(p)} for p in paths}
    alpha = krippendorff_alpha([[by_judge.get(key) for by_judge in verdicts.values()] for key in next(iter(verdicts.values()))])
    rows = []
    for first, second in combinations(verdicts, 2):
        a, b = verdicts[first], verdicts[second]
        if a.keys() != b.keys():
            missing = sorted(a.keys() ^ b.keys())[0]
            raise DataError(
                f"judges {first!r} and {second!r} did not judge the same answers (such as {missing[0]!r}); judge again."
            )
        counts = dict.fromkeys(CELLS, 0)
        for key, verdict in a.items():
            counts[VERDICTS[verdict], VERDICTS[b[key]]] += 1
        table = np.array([[counts[x, y] for y in ("right", "wrong")] for x in ("right", "wrong")])
        found = cohen_kappa(table)
        rows.append(
            {
                "judge_a": first,
                "judge_b": second,
                **{f"{x}_{y}": counts[x, y] for x, y in CELLS},
                "n": found.n,
                "agreement": found.agreement,
                "agreement_low": found.agreement_low,
                "agreement_high": found.agreement_high,
                "kappa": found.kappa,
                "kappa_low": found.low,
                "kappa_high": found.high,
                "alpha": alpha,
                "reason": ""
                if found.kappa is not None
                else "both always say the same"
                if found.n
                else "no answer with two verdicts",
            }
        )
    return pd.DataFrame(rows)


def krippendorff_alpha(verdicts: Sequence[Sequence[bool | None]]) -> float | None:
    """Krippendorff's alpha of nominal verdicts, shape (answers, judges); None where all verdicts are the same, or no answer has two.

    Source: K. Krippendorff (2011), Computing Krippendorff's alpha-reliability.
    """
    disagreed = pairs = right = values = 0.0
    for row in verdicts:
        given = [verdict for verdict in row if verdict is not None]
        if len(given) < 2:
            continue
        yes = sum(given)
        disagreed += 2 * yes * (len(given) - yes) / (len(given) - 1)
        right, values, pairs = right + yes, values + len(given), pairs + 1
    expected = 2 * right * (values - right) / (values - 1) if values > 1 else 0.0
    return 1 - disagreed / expected if expected else None


def write_agreement(paths: Sequence[Path], table: Path, figure: Path, titles: tuple[str, str], note: str) -> None:
    """Writes agreement.csv and its figure.

    Args:
        titles: of model and experiment.
        note: what must be said beside every number; "" if there is nothing.
    """
    from contextrot.figures import FigureContext
    from contextrot.figures.style import save

    found = judge_agreement(paths)
    write_table(table, found)
    context = FigureContext(found, found, Path(table).parent, *titles, note.split(":")[0])
    save(draw_agreement(context), figure)


def draw_agreement(context: FigureContext) -> Figure:
    """Confusion table of each pair of judges, with kappa.

    Args:
        context: its `metrics` are the rows of judge_agreement.
    """
    import numpy as np

    from contextrot.figures.style import new_figure

    table = context.metrics
    columns = min(3, len(table))
    rows = -(-len(table) // columns)
    figure, grid = new_figure(context, columns=columns, rows=rows, panel_width=3.0, panel_height=2.7, squeeze=False)
    for axes, (_, row) in zip(grid.flat, table.iterrows(), strict=False):
        names = [v for v in VERDICTS.values() if v != "unjudged" or _unjudged(row)]
        counts = np.array([[row[f"{x}_{y}"] for y in names] for x in names])
        axes.pcolormesh(counts, cmap="Blues", vmin=0, vmax=1.6 * max(1, counts.max()), edgecolors="white", linewidth=1)
        for i, j in np.ndindex(counts.shape):
            axes.text(j + 0.5, i + 0.5, f"{counts[i, j]}", ha="center", va="center", weight="bold" if i == j else "normal")
        axes.set_xticks(np.arange(len(names)) + 0.5, names)
        axes.set_yticks(np.arange(len(names)) + 0.5, names, rotation=90, va="center")
        axes.invert_yaxis()
        axes.tick_params(length=0)
        axes.grid(False)
        axes.set_xlabel(f"{row['judge_b']} (answers)")
        axes.set_ylabel(f"{row['judge_a']} (answers)")
        axes.set_title(_kappa_text(row))
    for axes in list(grid.flat)[len(table) :]:
        axes.set_axis_off()
    return figure


def _unjudged(row: Any) -> bool:
    return any(row[f"{x}_{y}"] for x, y in CELLS if "unjudged" in (x, y))


def _kappa_text(row: Any) -> str:
    if row["kappa"] is None or row["kappa"] != row["kappa"]:
        return f"kappa undefined: {row['reason']}\n(n = {row['n']})"
    return (
        f"kappa = {row['kappa']:.2f} [{row['kappa_low']:.2f}, {row['kappa_high']:.2f}]\n"
        f"same verdict {100 * row['agreement']:.0f} % (n = {row['n']})"
    )
