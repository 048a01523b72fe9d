"""Results of context switching as one JSON file for each (target, distractor), in the form known from earlier work, with a debug
file that holds every prompt and prediction, and the check that the debug file gives the same metric.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot import engines
from contextrot.errors import DataError, unknown
from contextrot.records import SCORED_OUTCOMES, read_responses, read_samples, write_table, write_text
from contextrot.samples.tokenizers import ChatTokenizer, tokenizer_of
from contextrot.tasks.context_switching.task import NO_HISTORY, rouge_l
from contextrot.tasks.context_switching.task_sets import Reference, resolved_revision, settings_of

if TYPE_CHECKING:
    import pandas as pd

    from contextrot.settings import ModelSettings
    from contextrot.tasks.context_switching.task import ContextSwitching

MOST_COMMON = 5


def export_pair(
    task: ContextSwitching, model_name: str, model: ModelSettings, pair: str, folder: Path, outputs: tuple[Path, Path]
) -> None:
    """Writes the result and the debug file of one pair.

    The metric of a set with labels is accuracy by label likelihood, or by generation where the model's weights are elsewhere;
    that of free answers is ROUGE-L of the generated text. `metric_source` says which.

    Args:
        task: with its parameters.
        model_name: the model's name in config.
        pair: as in `ContextSwitching.pairs`.
        folder: of the experiment: samples, responses, scores and, for a local model, cosines.
        outputs: paths of the result and of the debug file.

    Raises:
        ConfigError: if the experiment has no such pair.
    """
    import pandas as pd

    if pair not in task.pairs:
        raise unknown("pair", pair, task.pairs, f"experiment {folder.name!r}")
    target, distractor = task.pairs[pair]
    scores = _of_pair(pd.read_parquet(folder / "scores.parquet"), target, distractor)
    cosines_path = folder / "cosines.parquet"
    cosines = _of_pair(pd.read_parquet(cosines_path), target, distractor) if engines.of(model).has_weights else None
    examples = _examples(model, folder, scores)
    result = {
        "model": model_name,
        "target": target,
        "distractor": distractor,
        "metric_name": str(scores["metric_name"].iloc[0]) if len(scores) else None,
        "metric_source": examples[0]["config"]["prediction_source"] if examples else None,
        "metric_by_len": recompute_metric(examples),
        "cos_by_len": _cosines_by_length(cosines),
        "debug_top5_by_len": _top_tokens(scores),
        "data_sets": {name: _origin(name, task.parameters.sets) for name in dict.fromkeys((target, distractor))},
    }
    debug = {"model": model_name, "target_task": target, "distractor_task": distractor, "debug_examples": examples}
    for path, content in zip(outputs, (result, debug), strict=True):
        write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _of_pair(frame: pd.DataFrame, target: str, distractor: str) -> pd.DataFrame:
    return frame[(frame["target"] == target) & frame["distractor"].isin([distractor, NO_HISTORY])]


def _examples(model: ModelSettings, folder: Path, scores: pd.DataFrame) -> list[dict[str, Any]]:
    samples = {sample.sample_id: sample for sample in read_samples(folder / "samples.parquet")}
    texts = {response.sample_id: response.text for response in read_responses(folder / "responses.parquet")}
    tokenizer = tokenizer_of(model)
    examples = []
    for row in scores.sort_values(["history_turns", "item"]).to_dict("records"):
        sample, labels = samples[row["sample_id"]], list(row["labels"])
        likelihood = row.get("likelihood_label")
        by_likelihood = bool(labels) and isinstance(likelihood, str)
        if not by_likelihood and row["outcome"] not in SCORED_OUTCOMES:
            continue
        text = texts.get(sample.sample_id)
        examples.append(
            {
                "prompt_text": _render(tokenizer, sample.messages),
                "model_prediction": likelihood if by_likelihood else row.get("label") if labels else (text or ""),
                "expected_answer": sample.references[0],
                "config": {
                    "target_dataset": row["target"],
                    "distractor_dataset": row["distractor"],
                    "history_len": int(row["history_turns"]),
                    "target_idx": row["item"],
                    "accepted_answers": list(row["accepted"]),
                    "labels": labels,
                    "prediction_source": "label likelihood" if by_likelihood else "generation",
                    "generated_text": text,
                    "outcome": row["outcome"],
                },
            }
        )
    return examples


def _render(tokenizer: Any, messages: list[dict[str, str]]) -> str:
    if isinstance(tokenizer, ChatTokenizer):
        return tokenizer.render_chat(messages)
    return "\n\n".join(f"{message['role'].capitalize()}: {message['content']}" for message in messages)


def recompute_metric(examples: list[dict[str, Any]]) -> dict[str, float]:
    """Accuracy (labels) or ROUGE-L (free answers) by history length, from debug examples alone."""
    values: dict[int, list[float]] = {}
    for example in examples:
        config, prediction = example["config"], example["model_prediction"]
        right = (
            float(prediction == example["expected_answer"])
            if config["labels"]
            else rouge_l(prediction, config["accepted_answers"])
        )
        values.setdefault(int(config["history_len"]), []).append(right)
    return {str(length): math.fsum(of_length) / len(of_length) for length, of_length in sorted(values.items())}


def _cosines_by_length(cosines: pd.DataFrame | None) -> dict[str, list[float]]:
    """Mean cosine with the final logits, one value a layer, by history length."""
    if cosines is None:
        return {}
    means = cosines.groupby(["history_turns", "layer"], sort=True)["logit_cosine"].mean()
    return {str(length): means[length].tolist() for length in means.index.get_level_values(0).unique()}


def _top_tokens(scores: pd.DataFrame) -> dict[str, list[tuple[str, int]]]:
    """The tokens that are most often among a prompt's five likeliest next ones, with their counts, by history length."""
    if "top_tokens" not in scores:
        return {}
    found = {}
    for length, group in scores.groupby("history_turns", sort=True):
        counts = Counter(token.strip() for tokens in group["top_tokens"].dropna() for token in tokens)
        ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        found[str(length)] = ranked[:MOST_COMMON]
    return found


def _origin(name: str, own: dict[str, Any]) -> dict[str, Any]:
    """Where a set's rows came from: file, or Hub id with subset, pinned revision and the commit that it stands for."""
    settings = settings_of(Reference.parse(name), own)
    if settings.file:
        return {"file": settings.file}
    return {"hub": settings.hub, "subset": settings.subset, "revision": settings.revision, "commit": resolved_revision(settings)}


def verify_pairs(result_paths: list[Path], debug_paths: list[Path], output: Path) -> None:
    """Recomputes each pair's metric from its debug file and writes the comparison, one row a history length.

    Raises:
        DataError: if any differs, or a file is not in its form.
    """
    import pandas as pd

    rows = []
    for result_path, debug_path in zip(result_paths, debug_paths, strict=True):
        try:
            stored = json.loads(Path(result_path).read_text(encoding="utf-8"))["metric_by_len"]
            examples = json.loads(Path(debug_path).read_text(encoding="utf-8"))["debug_examples"]
            recomputed = recompute_metric(examples)
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{result_path} or {debug_path} is not in its form ({error}); delete them and run again.") from error
        counts = Counter(str(example["config"]["history_len"]) for example in examples)
        for length in dict.fromkeys([*stored, *recomputed]):
            one, other = stored.get(length), recomputed.get(length)
            same = one is not None and other is not None and math.isclose(one, other, abs_tol=1e-9)
            rows.append(
                {"pair": Path(result_path).stem, "history_turns": int(length), "n": counts[length], "stored": one, "recomputed": other, "equal": same}
            )  # fmt: skip
    different = [row for row in rows if not row["equal"]]
    if different:
        row = different[0]
        raise DataError(
            f"{len(different)} of {len(rows)} metrics differ from their debug files, such as {row['pair']} after "
            f"{row['history_turns']} turns: {row['stored']} stored, {row['recomputed']} recomputed. Delete both files and run again."
        )
    write_table(output, pd.DataFrame(rows))
