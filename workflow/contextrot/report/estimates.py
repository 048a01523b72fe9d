"""What was estimated before, against what was used: requests, tokens and USD of each experiment's answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from contextrot.plan.runs import Run


def counted_answers(path: str | Path | None) -> dict[str, Any]:
    """Counts of all requests behind an experiment's answers, by its token_summary.json: a row may have taken several, and two may share one.

    Empty if nobody counted them.
    """
    counts: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8")).get("answers") or {} if path else {}
    return counts if counts.get("calls") else {}


def estimates_of(path: str | Path | None) -> dict[tuple[str, str], dict[str, Any]]:
    """A tier's cost estimate by model and experiment, without judges."""
    if path is None:
        return {}
    rows = json.loads(Path(path).read_text(encoding="utf-8"))["estimates"]
    return {(row["model"], row["experiment"]): row for row in rows if row["judge"] is None}


def estimate_table(
    runs: Sequence[Run], files: Mapping[tuple[str, str], Mapping[str, Path]], estimates: str | Path | None
) -> pd.DataFrame:
    """One row for each experiment that was estimated and asked."""
    import pandas as pd

    rows, told = [], estimates_of(estimates)
    for run in runs:
        estimate = told.get((run.model, run.experiment))
        found = counted_answers(files[run.model, run.experiment].get("token_summary.json"))
        if estimate and found:
            tokens = estimate["prompt_tokens"] + estimate["output_tokens"]
            rows.append(
                {
                    "Model": run.model_title,
                    "Experiment": run.experiment_title,
                    "Requests": _against(found["calls"], estimate["calls"], ",.0f"),
                    "Prompt tokens": _against(found["input_tokens"], estimate["prompt_tokens"], ",.0f"),
                    "Output tokens": _against(found["output_tokens"], estimate["output_tokens"], ",.0f"),
                    "Tokens": _against(found["input_tokens"] + found["output_tokens"], tokens, ",.0f"),
                    "USD": _against(found["cost_usd"], estimate["usd"], ",.4f"),
                    "Output expected from": estimate["basis"],
                }
            )
    return pd.DataFrame(rows)


def _against(actual: float | None, estimate: float | None, form: str) -> str:
    if actual is None:
        return "unknown"
    if not estimate:
        return f"{actual:{form}}"
    return f"{actual:{form}} ({actual / estimate - 1:+.0%})"
