"""Results in an experiment tracker: one run for each model's experiment, by MLflow's or Weights & Biases' own library (not installed by default).

Where to (server, key, project) stands in the environment, as these libraries have it: MLFLOW_TRACKING_URI; WANDB_API_KEY, WANDB_PROJECT, WANDB_MODE.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from contextrot.errors import ConfigError
from contextrot.plan.runs import Run

PROJECT = "contextrot"
TRACKERS = ("mlflow", "wandb")
MEASURED = ("value", "low", "high", "n")


def numbers_of(metrics_path: Path) -> dict[str, float]:
    """Every number of a metrics.csv by a name: measure, then the group's columns, such as `score length:4000`; `_low`, `_high`, `_n` beside it."""
    import pandas as pd

    found = {}
    for row in pd.read_csv(metrics_path).to_dict("records"):
        grouping = [] if row["grouping"] != row["grouping"] else str(row["grouping"]).split(",")
        parts = [
            f"{column}:{row[column]:g}" if isinstance(row[column], float) else f"{column}:{row[column]}"
            for column in grouping
            if column
        ]
        name = re.sub(r"[^\w./ :-]", "_", " ".join([row["measure"], *parts]))
        for part in MEASURED:
            if row.get(part) is not None and row[part] == row[part]:
                found[name if part == "value" else f"{name}_{part}"] = float(row[part])
    return found


def parameters_of(run: Run) -> dict[str, str]:
    """What of config tells a run from others."""
    return {
        "tier": run.tier,
        "model": run.model,
        "model_name": run.settings.name,
        "experiment": run.experiment,
        "task": run.task_name,
        "engine": run.settings.engine,
        "judges": ", ".join(run.judges),
        "note": run.note,
        "parameters": run.task.parameters.model_dump_json()[:5_000],
    }


def track(tracker: str | None, runs: Sequence[Run], metrics: Sequence[str | Path]) -> None:
    """Sends each run's numbers and its metrics.csv.

    Args:
        tracker: mlflow or wandb.
        metrics: metrics.csv of each run, in the order of the runs.

    Raises:
        ConfigError: if no tracker is named, or its library is not installed.
    """
    if tracker is None:
        raise ConfigError(f"name where results go: `tracker` in config, one of {', '.join(TRACKERS)}.")
    try:
        send = {"mlflow": _to_mlflow, "wandb": _to_wandb}[tracker]
        for run, path in zip(runs, metrics, strict=True):
            send(run, Path(path))
    except ImportError as error:
        raise ConfigError(f"tracker {tracker!r} is not installed: pip install {tracker}.") from error


def _to_mlflow(run: Run, path: Path) -> None:
    import mlflow

    mlflow.set_experiment(f"{PROJECT}/{run.experiment}")
    with mlflow.start_run(run_name=f"{run.model} ({run.tier})"):
        mlflow.log_params({name: value for name, value in parameters_of(run).items() if value})
        mlflow.log_metrics(numbers_of(path))
        mlflow.log_artifact(str(path))


def _to_wandb(run: Run, path: Path) -> None:
    import wandb

    title = f"{run.experiment}, {run.model} ({run.tier})"
    with wandb.init(project=PROJECT, name=title, group=run.experiment, config=parameters_of(run)) as session:
        session.log(numbers_of(path))
        session.save(str(path), base_path=str(path.parent), policy="now")
