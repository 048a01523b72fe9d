"""Writes one measured comparison as a row of benchmarks/results.csv and shows all rows as a table in benchmarks/README.md."""

from __future__ import annotations

import csv
import platform
import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

FOLDER = Path(__file__).parent
COLUMNS = [
    "benchmark",
    "what",
    "ours_median",
    "peer",
    "peer_median",
    "unit",
    "ratio",
    "ours_spread",
    "peer_spread",
    "runs",
    "versions",
]
BEGIN, END = "<!-- results -->", "<!-- end of results -->"


def record(
    benchmark: str,
    what: str,
    ours: Sequence[float],
    peer: str,
    theirs: Sequence[float],
    packages: Sequence[str] = (),
    unit: str = "s",
    elsewhere: Mapping[str, str] | None = None,
) -> None:
    """Replaces the row of (benchmark, what).

    Args:
        ours, theirs: repeated measurements of both sides, made in one go on one machine; the spread is (max - min) / median.
        peer: what ours is compared with: a program, an algorithm, or a limit that was computed.
        packages: whose versions belong to the figure.
        elsewhere: versions in other environments (the server's), by package.
    """
    versions = [f"python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)]
    versions += [f"{name} {number}" for name, number in (elsewhere or {}).items()]
    row = {
        "benchmark": benchmark,
        "what": what,
        "ours_median": f"{statistics.median(ours):.4g}",
        "peer": peer,
        "peer_median": f"{statistics.median(theirs):.4g}",
        "unit": unit,
        "ratio": f"{statistics.median(ours) / statistics.median(theirs):.3g}",
        "ours_spread": f"{_spread(ours):.0%}",
        "peer_spread": f"{_spread(theirs):.0%}",
        "runs": f"{len(ours)}/{len(theirs)}",
        "versions": ", ".join(versions),
    }
    print(row)
    path = FOLDER / "results.csv"
    rows = list(csv.DictReader(path.open(encoding="utf-8"))) if path.exists() else []
    rows = [old for old in rows if (old["benchmark"], old["what"]) != (benchmark, what)] + [row]
    rows.sort(key=lambda old: (old["benchmark"], old["what"]))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    _show(rows)


def _spread(values: Sequence[float]) -> float:
    return (max(values) - min(values)) / statistics.median(values)


def _show(rows: list[dict[str, str]]) -> None:
    path = FOLDER / "README.md"
    text = path.read_text(encoding="utf-8") if path.exists() else f"# Benchmarks\n\n{BEGIN}\n{END}\n"
    head, rest = text.split(BEGIN)
    tail = rest.split(END)[1]
    shown = COLUMNS[:-1]
    lines = ["| " + " | ".join(shown) + " |", "|" + "---|" * len(shown)]
    lines += ["| " + " | ".join(row[name] for name in shown) + " |" for row in rows]
    path.write_text(head + BEGIN + "\n" + "\n".join(lines) + "\n" + END + tail, encoding="utf-8")
