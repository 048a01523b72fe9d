"""Results in an experiment tracker: one run for each model's experiment, by MLflow's or Weights & Biases' own library (not installed by default).

Where to (server, key, project) stands in the environment, as these libraries have it: MLFLOW_TRACKING_URI; WANDB_API_KEY, WANDB_PROJECT, WANDB_MODE.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from contextrot.errors import ConfigError
from contextrot.plan.provenance import by_experiment
from contextrot.plan.runs import Run

PROJECT = "contextrot"
TRACKERS = ("mlflow", "wandb")
MEASURED = ("value", "low", "high", "n")


def numbers_of(metrics_path: Path) -> dict[str, float]:
    """Every finite number of a metrics.csv by a name of its own: measure, then the group's columns, such as `score length:4000`; ` low`,
    ` high` and ` n` beside it.
    """
    import pandas as pd

    found: dict[str, float] = {}
    texts = pd.read_csv(metrics_path, dtype=str, keep_default_na=False)  # as written: an empty needle and one called NA are two
    for row in texts.to_dict("records"):
        parts = [f"{column}:{_short(row[column])}" for column in row["grouping"].split(",") if column]
        plain = name = re.sub(r"[^\w./ :-]", "_", " ".join([row["measure"], *parts]))
        number = 1
        while name in found:
            number += 1
            name = f"{plain} ({number})"
        for part in MEASURED:
            value = float(row.get(part) or "nan")
            if math.isfinite(value):
                found[name if part == "value" else f"{name} {part}"] = value
    return found


def _short(text: str) -> str:
    return text.removesuffix(".0") if re.fullmatch(r"-?\d+\.0", text) else text


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
        metrics: metrics.csv of the runs.

    Raises:
        ConfigError: if no tracker is named, or its library is not installed.
    """
    if tracker is None:
        raise ConfigError(f"name where results go: `tracker` in config, one of {', '.join(TRACKERS)}.")
    try:
        send = {"mlflow": _to_mlflow, "wandb": _to_wandb}[tracker]
        found = by_experiment(metrics)
        for run in runs:
            send(run, found[run.model, run.experiment]["metrics.csv"])
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
