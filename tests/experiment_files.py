"""Writes the files of one experiment as the workflow would have left them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from contextrot.records import Judgement, Response, Sample, write_judgements, write_responses, write_samples, write_table


def write_experiment(
    folder: Path,
    samples: Sequence[Sample],
    responses: Sequence[Response],
    judgements: Mapping[str, Sequence[Judgement]],
    scores: Sequence[Mapping[str, Any]] | None = None,
) -> tuple[Path, Path, list[Path], Path]:
    """Paths of samples, responses, judgements of each judge, and scores; these are written only where they are given."""
    paths = folder / "samples.parquet", folder / "responses.parquet", folder / "scores.parquet"
    write_samples(paths[0], samples)
    write_responses(paths[1], responses)
    by_judge = [folder / f"{judge}.parquet" for judge in judgements]
    for path in by_judge:
        write_judgements(path, judgements[path.stem])
    if scores is not None:
        write_table(paths[2], pd.DataFrame(scores))
    return paths[0], paths[1], by_judge, paths[2]
