"""Write the curves of the model card from the pipeline's own metrics: `python -m embedded_model.card`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from contextrot.scores.score import select

BEGIN, END = "<!-- curves -->\n", "<!-- end of curves -->\n"
CURVES = {
    "niah": ("Needles by prompt length (tokens), four of high similarity at all depths", ["length"]),
    "niah_distractors": (
        "The same by number of distractors",
        ["similarity", "distractors", "order", "topic", "length"],
    ),
    "repeated_words": ("Repeated words by their number, normalised Levenshtein similarity", ["count"]),
    "longmemeval": ("Dated sessions, those with the answer or all", ["history"]),
    "context_switching": ("Short tasks after turns of another", ["target", "distractor", "history_turns"]),
    "story_sequences": ("Stories by turn, share of answers that were neither empty nor failed", ["turn"]),
}
"""Experiment -> caption, and the columns of the metrics whose combinations are the rows."""
CONSTANT = ["order", "topic", "similarity"]


def table(metrics: pd.DataFrame, columns: list[str]) -> Iterator[str]:
    """Lines of a Markdown table of mean scores with their 95 % intervals and numbers of answers."""
    rows = select(metrics, "score", *columns).sort_values(columns)
    shown = [column for column in columns if column not in CONSTANT]
    yield f"| {' | '.join(column.replace('_', ' ') for column in shown)} | score | 95 % interval | n |"
    yield "|" + "---|" * (len(shown) + 3)
    for row in rows.to_dict("records"):
        cells = [f"{row[c]:,.0f}" if isinstance(row[c], float) else str(row[c]) for c in shown]
        yield f"| {' | '.join(cells)} | {row['value']:.2f} | {row['low']:.2f} to {row['high']:.2f} | {row['n']:.0f} |"


def write_curves(card: Path, results: Path) -> None:
    """Put the curves of every experiment that has metrics between the card's two markers, of the full tier where it was run.

    Args:
        card: the model card, with a line `<!-- curves -->` and a line `<!-- end of curves -->`.
        results: folder with {tier}/embedded/{experiment}/metrics.csv.
    """
    text = card.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    lines = []
    for experiment, (caption, columns) in CURVES.items():
        for tier in ("full", "test"):
            path = results / tier / "embedded" / experiment / "metrics.csv"
            if path.exists():
                lines += [f"{caption} (`{experiment}`, {tier} tier):", "", *table(pd.read_csv(path), columns), ""]
                break
    card.write_text(before + BEGIN + "\n".join(lines) + END + rest.split(END)[1], encoding="utf-8")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--card", type=Path, default=Path("data/models/embedded/README.md"))
    parser.add_argument("--results", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    write_curves(arguments.card, arguments.results)


if __name__ == "__main__":
    main()
