"""Judge `human`: the labels that people gave to some of the answers, from the sheets that `snakemake label` wrote.

Answers that nobody labelled are unjudged, so this judge stands behind one that judges all: its labels say how far the others can be
believed, and correct the score (calibration.csv).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from contextrot.errors import ConfigError, DataError
from contextrot.judging.contract import Judge, JudgingContext, Pair
from contextrot.judging.labels import answer_id, read_labels
from contextrot.records import Judgement
from contextrot.settings import JudgeSettings


def judge(pairs: Sequence[Pair], context: JudgingContext) -> list[Judgement]:
    """One judgement for each pair; unjudged where there is no label.

    Raises:
        DataError: if a label is of no answer of this run: of another run, of an answer that has changed since, or of a sheet that a
            program spoilt.
    """
    labels = {name: label for path in context.files for name, label in read_labels(path).items()}
    judgements = []
    for pair in pairs:
        key = (pair.sample.sample_id, pair.turn, pair.item)
        label, _ = labels.pop(answer_id(*key, pair.answer), (None, ""))
        judgements.append(Judgement(*key, context.name, label, None if label is not None else "not labelled"))
    if labels:
        name, (_, sample) = next(iter(labels.items()))
        raise DataError(
            f"{len(labels)} labels of {', '.join(map(str, context.files))} are of no answer of this run, such as {name} ({sample}): they were "
            "given to other answers, or the column answer_id was changed. Run `snakemake label` again and label what is there now."
        )
    return judgements


def check(settings: JudgeSettings, where: str) -> None:
    """The folder must be named."""
    if not settings.labels:
        raise ConfigError(
            f"{where} has no `labels`: name the folder of the labels, such as data/labels; in it each sheet is {{tier}}/{{model}}/{{experiment}}.csv."
        )


def files(settings: JudgeSettings, tier: str, model: str, experiment: str) -> list[Path]:
    """The sheet of one experiment."""
    return [Path(str(settings.labels)) / tier / model / f"{experiment}.csv"]


JUDGE = Judge(judge, check=check, files=files, judges_all=False)
