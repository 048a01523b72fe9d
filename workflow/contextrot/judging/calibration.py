"""How far each judge of an experiment can be believed, by the answers that people labelled, and the score corrected for its errors.

The estimates stand in scores.calibration; here they are made of the files of an experiment, over all answers and at each length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contextrot.errors import ConfigError, DataError
from contextrot.judging.judge import pairs_of
from contextrot.records import SCORED_OUTCOMES, read_judgements, read_responses, read_samples, write_table
from contextrot.scores.calibration import Calibration, Estimate, calibrate, labels_needed, rogan_gladen, sampling_weights
from contextrot.scores.clusters import clustered_mean
from contextrot.scores.score import cluster_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext
    from contextrot.task import Task

Key = tuple[str, int, int]
MAJORITY = "majority"
HALF_WIDTH = 0.05
"""Of the corrected score's interval, for which the table says how many labels it takes."""
ESTIMATES = ("sensitivity", "specificity", "kappa", "naive", "corrected")


def judge_calibration(
    task: Task, samples_path: Path, responses_path: Path, judgements: Mapping[str, Path], labels: Path, population: str,
    rng: np.random.Generator,
) -> pd.DataFrame:  # fmt: skip
    """One row for each judge (and their majority, from three judges on) over all answers, then at each length.

    Columns: `judge`, `length` (empty: all), `answers`, `labelled`, then of sensitivity, specificity, kappa, naive and corrected each the
    value, `_low` and `_high`; `method` (prediction_powered, or at a length whose labels do not tell, rogan_gladen with the errors of all
    lengths); `labels_needed` for an interval of the corrected score of 0.05 to both sides; `length_bias`: by how much more often the judge
    calls an answer right that is longer than the median, among answers of equal truth, with its interval; `reason` where a
    value is missing.

    Args:
        judgements: judge -> file, the one that gives the score first.
        labels: judgements of the people.
        population: what intervals speak for, as in `scores.clusters`.

    Raises:
        DataError: if the files are not of the same answers.
    """
    import pandas as pd

    samples = {sample.sample_id: sample for sample in read_samples(samples_path, columns=[])}
    responses = [response for response in read_responses(responses_path) if response.outcome in SCORED_OUTCOMES]
    pairs = {(p.sample.sample_id, p.turn, p.item): p for p in pairs_of(samples, responses)}
    truth = _verdicts(labels, pairs)
    verdicts = {name: _verdicts(path, pairs) for name, path in judgements.items()}
    first = next(iter(verdicts))
    if len(verdicts) > 2:
        verdicts[MAJORITY] = {key: _majority([by_key[key] for by_key in verdicts.values()]) for key in pairs}
    silent = [
        (r.sample_id, r.turn, item)
        for r in responses
        for item in range(len(samples[r.sample_id].references))
        if (r.sample_id, r.turn, item) not in pairs
    ]
    weights = dict(
        zip(pairs, sampling_weights([verdicts[first][k] for k in pairs], [truth[k] is not None for k in pairs]), strict=True)
    )
    column = task.length_column
    lengths = {key: samples[key[0]].condition.get(column) if column else None for key in [*pairs, *silent]}
    rows = []
    for name, by_key in verdicts.items():
        whole: Calibration | None = None
        for length in [None, *sorted({value for value in lengths.values() if value is not None})]:
            keys = [key for key in pairs if length is None or lengths[key] == length]
            without = [key for key in silent if length is None or lengths[key] == length]
            scores = [float(bool(by_key[key])) for key in keys] + [0.0] * len(without)
            clusters = [cluster_of(task, samples[key[0]], population) for key in [*keys, *without]]
            effect = clustered_mean(np.array(scores), clusters, (0, 1)).design_effect if scores else None
            found = calibrate(
                [by_key[key] for key in keys],
                [truth[key] for key in keys],
                rng,
                weights=[weights[key] for key in keys],
                design_effect=max(effect or 1.0, 1.0),
                never_right=len(without),
            )
            row = {"judge": name, "length": length, "answers": found.answers, "labelled": found.labelled}
            corrected, method = found.corrected, "prediction_powered" if found.corrected.value is not None else ""
            if whole is None:
                whole = found
                row["labels_needed"] = _needed(found, keys, by_key, truth, weights)
                row |= _bias([(by_key[k], truth[k], len(pairs[k].answer)) for k in keys])
            elif found.corrected.value is None and None not in (whole.sensitivity.value, whole.specificity.value):
                corrected, method = _by_errors_of_all(found, whole, truth, max(effect or 1.0, 1.0)), "rogan_gladen"
            for measure in ESTIMATES:
                estimate: Estimate = corrected if measure == "corrected" else getattr(found, measure)
                row |= {measure: estimate.value, f"{measure}_low": estimate.low, f"{measure}_high": estimate.high}
            rows.append(row | {"method": method, "reason": corrected.reason})
    order = ["judge", "length", "answers", "labelled"]
    order += [f"{measure}{end}" for measure in ESTIMATES for end in ("", "_low", "_high")]
    order += ["method", "labels_needed", "length_bias", "length_bias_low", "length_bias_high", "reason"]
    return pd.DataFrame(rows).reindex(columns=order)


def _verdicts(path: Path, pairs: Mapping[Key, Any]) -> dict[Key, bool | None]:
    found = {(j.sample_id, j.turn, j.item): j.verdict for j in read_judgements(path)}
    missing = [key for key in pairs if key not in found]
    if missing:
        raise DataError(f"{path} has no verdict on {missing[0][0]!r}, which was answered; delete it and run again.")
    return found


def _majority(verdicts: Sequence[bool | None]) -> bool | None:
    right, wrong = sum(v is True for v in verdicts), sum(v is False for v in verdicts)
    return None if right == wrong else right > wrong


def _by_errors_of_all(here: Calibration, whole: Calibration, truth: Mapping[Key, bool | None], effect: float) -> Estimate:
    right, wrong = (sum(label is value for label in truth.values()) for value in (True, False))
    sensitivity, specificity = float(whole.sensitivity.value or 0), float(whole.specificity.value or 0)
    return rogan_gladen(float(here.naive.value or 0), here.answers / effect, sensitivity, right, specificity, wrong)


def _needed(
    found: Calibration, keys: Sequence[Key], by_key: Mapping[Key, bool | None], truth: Mapping[Key, bool | None],
    weights: Mapping[Key, float],
) -> int | None:  # fmt: skip
    shares = []
    for called in (True, False):
        mine = [key for key in keys if bool(by_key[key]) is called and truth[key] is not None]
        total = sum(weights[key] for key in mine)
        # one answer right and one wrong are added: a judge without an error among few labels may have some
        shares.append(
            (sum(weights[key] for key in mine if truth[key]) / total * len(mine) + 1) / (len(mine) + 2) if total else 0.5
        )
    return labels_needed(HALF_WIDTH, found.answers, float(found.naive.value or 0), *shares) if found.answers else None


def _bias(rows: Sequence[tuple[bool | None, bool | None, int]]) -> dict[str, float | None]:
    """How much more often long answers are called right than short ones of the same truth, weighted over both truths."""
    from statsmodels.stats.proportion import confint_proportions_2indep

    labelled = [(bool(verdict), label, length) for verdict, label, length in rows if label is not None]
    nothing = dict.fromkeys(("length_bias", "length_bias_low", "length_bias_high"))
    if len(labelled) < 4:
        return nothing
    middle = float(np.median([length for _, _, length in labelled]))
    parts = []
    for value in (True, False):
        long = [verdict for verdict, label, length in labelled if label is value and length > middle]
        short = [verdict for verdict, label, length in labelled if label is value and length <= middle]
        if long and short:
            low, high = confint_proportions_2indep(sum(long), len(long), sum(short), len(short), method="newcomb", compare="diff")
            weight = len(long) * len(short) / (len(long) + len(short))
            parts.append((weight, sum(long) / len(long) - sum(short) / len(short), low, high))
    if not parts:
        return nothing
    weights = np.array([part[0] for part in parts]) / sum(part[0] for part in parts)
    value, low, high = (np.array([part[i] for part in parts], float) for i in (1, 2, 3))
    center = float(weights @ value)
    below, above = (float(np.sqrt(np.square(weights * (end - value)).sum())) for end in (low, high))
    return {"length_bias": center, "length_bias_low": max(-1.0, center - below), "length_bias_high": min(1.0, center + above)}


def write_calibration(
    task: Task, samples: Path, responses: Path, judgements: Mapping[str, Path], human: Sequence[str], table: Path, figure: Path,
    titles: tuple[str, str], note: str, population: str, rng: np.random.Generator,
) -> None:  # fmt: skip
    """Writes calibration.csv and its figure.

    Args:
        judgements: every judge's file, the one that gives the score first.
        human: which of them are people's; the first is the truth.

    Raises:
        ConfigError: if there is no judge beside people.
    """
    from contextrot.figures import FigureContext
    from contextrot.figures.style import save

    others = {name: path for name, path in judgements.items() if name not in human}
    if not others or not human:
        raise ConfigError(
            "a calibration needs a judge of kind human and another one before it; name both in the experiment's `judges`."
        )
    found = judge_calibration(task, samples, responses, others, judgements[human[0]], population, rng)
    write_table(table, found)
    context = FigureContext(found, found, Path(table).parent, *titles, note.split(":")[0])
    save(draw_calibration(context, (task.length_column or "").replace("_", " ")), figure)


def draw_calibration(context: FigureContext, length_title: str) -> Figure:
    """The score as the first judge gives it and corrected for its errors, over length; its errors in the title.

    Args:
        context: its `metrics` are the rows of judge_calibration.
        length_title: what the lengths are.
    """
    from contextrot.figures.style import new_figure

    table = context.metrics
    judge = table["judge"].iloc[0]
    mine = table[table["judge"] == judge]
    whole, lengths = mine[mine["length"].isna()].iloc[0], mine[mine["length"].notna()]
    rows = lengths if len(lengths) > 1 else mine[mine["length"].isna()]
    figure, axes = new_figure(context)
    names = (
        [f"{length:,.6g}" if isinstance(length, int | float) else str(length) for length in rows["length"]]
        if len(lengths) > 1
        else ["all"]
    )
    for shift, measure, label in ((-0.06, "naive", f"as {judge} judges"), (0.06, "corrected", "corrected by labels")):
        at = [(i, row) for i, (_, row) in enumerate(rows.iterrows()) if row[measure] == row[measure] and row[measure] is not None]
        if at:
            value = np.array([row[measure] for _, row in at], float)
            ends = np.array(
                [[row[measure] - row[f"{measure}_low"], row[f"{measure}_high"] - row[measure]] for _, row in at], float
            ).T
            axes.errorbar([i + shift for i, _ in at], value, yerr=np.clip(ends, 0, None), fmt="o-", capsize=3, label=label)
    axes.set_xticks(range(len(names)), names)
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel("score")
    axes.set_xlabel(length_title if len(lengths) > 1 else "answers")
    axes.legend()
    axes.set_title(
        f"sensitivity {_shown(whole, 'sensitivity')}, specificity {_shown(whole, 'specificity')},\n"
        f"kappa {_shown(whole, 'kappa')}; {whole['labelled']} of {whole['answers']} answers labelled"
    )
    return figure


def _shown(row: Any, name: str) -> str:
    value = row[name]
    if value is None or value != value:
        return "undefined"
    return f"{value:.2f} [{row[f'{name}_low']:.2f}, {row[f'{name}_high']:.2f}]"
