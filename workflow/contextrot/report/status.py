"""How far a run is: one line for each model and experiment, read from the files that are there."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contextrot.errors import DataError
from contextrot.responses.usage import HOST, read_parts

if TYPE_CHECKING:
    from contextrot.plan.runs import Run

SILENT_SECONDS = 3600


@dataclass
class Status:
    """One model's experiment.

    Attributes:
        done, total, failed: rows (sample x turn); None where not known yet.
        cost_usd: so far; None if unknown.
        stage: what comes next, or `done`.
    """

    model: str
    experiment: str
    done: int | None
    total: int | None
    failed: int | None
    cost_usd: float | None
    stage: str


def status_of(run: Run) -> Status:
    """The state of one model's experiment."""
    folder, shards = run.folder, run.shards
    parts = [part for part in read_parts(folder) if not part["part"].startswith("judge")]
    parts = [part for part in parts if part["part"].endswith(f"-of-{shards}")]
    cost = sum(p["known_cost_usd"] for p in parts) if parts and not any(p["calls_of_unknown_cost"] for p in parts) else None
    status = Status(run.model, run.experiment, None, None, None, cost, "samples")
    if not (folder / "samples.parquet").exists():
        return status
    status.total = _rows(folder / "samples.parquet")
    status.done = sum(p["rows_done"] - p["rows_failed"] for p in parts)
    status.failed = sum(p["rows_failed"] for p in parts)
    status.stage = _inference_stage(parts, shards)
    if not (folder / "responses.parquet").exists():
        return status
    status.done, status.failed = _answered(folder / "responses.parquet")
    judges = [folder / "judgements" / f"{judge}.parquet" for judge in run.judges]
    figures = [folder / "figures" / f"{figure}.png" for figure in run.figures]
    stages = {"judging": judges, "scoring": [folder / "scores.parquet", folder / "metrics.csv"], "figures": figures}
    status.stage = next((stage for stage, files in stages.items() if not all(path.exists() for path in files)), "done")
    return status


def _inference_stage(parts: Sequence[dict], shards: int) -> str:
    if not parts:
        return "inference (not begun)"
    running = [part for part in parts if part["stage"] == "running" and _alive(part)]
    broken = [
        part for part in parts if part["stage"] in ("stopped", "failed") or (part["stage"] == "running" and not _alive(part))
    ]
    if running:
        return f"inference ({len(running)} of {shards} jobs run)"
    if broken:
        return f"inference ({'failed rows' if broken[0]['stage'] == 'failed' else 'stopped'}: run the same command to go on)"
    return "inference (gathering)" if len(parts) == shards else "inference (waiting)"


def _alive(part: dict) -> bool:
    """Whether the part's job still runs; on another machine, whether it wrote within the last hour."""
    if part.get("host") != HOST:
        return time.time() - part["updated"] < SILENT_SECONDS
    try:
        os.kill(int(part["pid"]), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, KeyError, ValueError):
        return True
    return True


def _rows(path: Path) -> int | None:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        later = pq.read_table(path, columns=["later_prompts"])["later_prompts"]
    except (OSError, ValueError):
        return None
    return len(later) + (pc.sum(pc.list_value_length(later)).as_py() or 0)


def _answered(path: Path) -> tuple[int, int]:
    import pyarrow.parquet as pq

    try:
        outcomes = pq.read_table(path, columns=["outcome"])["outcome"].to_pylist()
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); delete it and run again.") from error
    failed = outcomes.count("failed")
    return len(outcomes) - failed, failed


def status_table(runs: Sequence[Run]) -> str:
    """The states of all models and experiments of a tier as a table for a terminal."""
    header = ["model", "experiment", "rows", "failed", "USD", "stage"]
    rows = []
    for s in map(status_of, runs):
        done = "" if s.total is None else f"{s.done}/{s.total}"
        cost = "" if s.done in (None, 0) else "unknown" if s.cost_usd is None else f"{s.cost_usd:.4f}"
        rows.append([s.model, s.experiment, done, str(s.failed or ""), cost, s.stage])
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [header, *rows]]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return f"Tier {runs[0].tier}:\n" + "\n".join(lines) + "\n"
