"""Figures: one style sheet, and the drawing that tasks share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class FigureContext:
    """What a figure is drawn from.

    Attributes:
        scores: scores.parquet, one row an answer.
        metrics: metrics.csv, see scoring.aggregate.
        folder: results/{tier}/{model}/{experiment}, for other files of the experiment that the figure names as its inputs.
        model_title, experiment_title: display names from config.
        note: shown in the figure where it must be ("SIMULATED"), else empty.
    """

    scores: pd.DataFrame
    metrics: pd.DataFrame
    folder: Path
    model_title: str
    experiment_title: str
    note: str = ""
