"""The pages of one experiment: its metrics, and its answers that went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from contextrot.report.failures import list_failures, write_failures_page
from contextrot.report.summary import write_metrics_page

if TYPE_CHECKING:
    from contextrot.report.captions import Facts


def tabulate_results(
    samples: str | Path,
    responses: str | Path,
    judgements: Sequence[str | Path],
    scores: str | Path,
    metrics: str | Path,
    facts: Facts,
    outputs: tuple[str | Path, str | Path],
) -> None:
    """Writes the page of metrics and the page of failures, to the two outputs.

    Args:
        judgements: of all judges.
        facts: what is said about the experiment.
    """
    write_metrics_page(metrics, facts, outputs[0])
    write_failures_page(list_failures(samples, responses, judgements, scores), scores, facts, outputs[1])
