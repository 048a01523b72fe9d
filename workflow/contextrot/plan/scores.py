"""What the rule of rules/scoring.smk looks up."""

from __future__ import annotations

from typing import Any

from contextrot import engines
from contextrot.plan.paths import EXPERIMENT
from contextrot.plan.stage import Stage, cached_hash

SCORING = ("score_turn", "score", "columns", "metrics")
"""What of a task its scores and metrics come from."""


class Scores(Stage):
    """samples, responses and judgements -> scores.parquet, metrics.csv."""

    def added(self, wildcards: Any) -> list[str]:
        """Files whose columns are added to the scores; only for models whose weights are here."""
        names = (
            self.project.task_class(wildcards.experiment).score_inputs if engines.of(self.model(wildcards)).has_weights else []
        )
        return [f"{EXPERIMENT}/{name}" for name in names]

    def code(self, wildcards: Any) -> str:
        """Hash of the code that scores, so that an edit of it scores again."""
        return cached_hash("score_responses", *self.members(wildcards, *SCORING))
