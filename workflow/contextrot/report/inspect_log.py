"""An experiment as a log of Inspect AI, for reading prompts, answers and verdicts with `inspect view`.

Built by Inspect's own library (an optional dependency), so that the format is its own. Source: https://inspect.aisi.org.uk
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot.errors import ConfigError
from contextrot.records import SCORED_OUTCOMES, Response, Sample, read_judgements, read_responses, read_samples, write_atomically

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog, EvalSample
    from inspect_ai.model import ChatMessage
    from inspect_ai.scorer import Score

SCORE = "score"
STOP_REASONS = {"answered": "stop", "empty": "stop", "truncated": "max_tokens", "refused": "content_filter"}


def export_inspect_log(
    samples_path: str | Path,
    responses_path: str | Path,
    judgement_paths: Sequence[str | Path],
    scores_path: str | Path,
    title: str,
    model: str,
    output: str | Path,
) -> None:
    """Writes a `.eval` file with one sample for each answer, the task's score and every judge's verdict.

    Answers that do not count (over_window, failed) are there without a score, as in metrics.csv.

    Args:
        title: name of the task in Inspect's lists.
        model: name of the model in Inspect's lists.

    Raises:
        ConfigError: if Inspect AI is not installed.
    """
    try:
        from inspect_ai.log import write_eval_log
    except ImportError as error:
        raise ConfigError("Inspect AI is not installed: pip install inspect-ai, then ask for the log again.") from error
    log = inspect_log(samples_path, responses_path, judgement_paths, scores_path, title, model)
    write_atomically(output, lambda temporary: write_eval_log(log, str(temporary), format="eval"))


def inspect_log(
    samples_path: str | Path,
    responses_path: str | Path,
    judgement_paths: Sequence[str | Path],
    scores_path: str | Path,
    title: str,
    model: str,
) -> EvalLog:
    """The log; see `export_inspect_log`."""
    import pandas as pd
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalSpec, EvalStats, recompute_metrics

    samples = {sample.sample_id: sample for sample in read_samples(samples_path)}
    responses = {(response.sample_id, response.turn): response for response in read_responses(responses_path)}
    reasons = {
        (judgement.judge, judgement.sample_id, judgement.turn): judgement.explanation
        for path in judgement_paths
        for judgement in read_judgements(path)
        if judgement.item == 0
    }
    table = pd.read_parquet(scores_path)
    several_turns = bool((table["turn"] > 0).any())
    logged = []
    for row in table.to_dict("records"):
        sample_id, turn = row["sample_id"], row["turn"]
        response = responses[sample_id, turn]
        conversation = _conversation(samples[sample_id], turn, responses)
        scores = _scores(row, response, reasons) if row["outcome"] in SCORED_OUTCOMES else None
        name = f"{sample_id}#{turn}" if several_turns else sample_id
        logged.append(_sample(name, samples[sample_id], response, conversation, scores, model))
    names = [SCORE, *(column.removeprefix("verdict_") for column in table.columns if column.startswith("verdict_"))]
    created = datetime.fromtimestamp(Path(responses_path).stat().st_mtime, UTC).isoformat(timespec="seconds")
    identity = hashlib.sha256(f"{title}\n{model}\n{created}".encode()).hexdigest()[:22]
    log = EvalLog(
        status="success",
        eval=EvalSpec(
            created=created,
            eval_id=identity,
            run_id=identity,
            task_id=identity,
            task=title,
            model=model,
            dataset=EvalDataset(name=title, samples=len(logged), sample_ids=[sample.id for sample in logged], shuffled=False),
            config=EvalConfig(),
            scorers=[{"name": name, "metrics": [{"name": "inspect_ai/accuracy"}]} for name in names],
        ),
        stats=EvalStats(started_at=created, completed_at=created),
        samples=logged,
    )
    recompute_metrics(log)
    return log


def _conversation(sample: Sample, turn: int, responses: dict[tuple[str, int], Response]) -> list[ChatMessage]:
    """What the model was shown at a turn: the prompts, and its own answers so far."""
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser

    kinds = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}
    messages = [kinds[message["role"]](content=message["content"]) for message in sample.messages]
    for earlier, prompt in enumerate(sample.later_prompts[:turn]):
        answer = responses.get((sample.sample_id, earlier))
        messages.append(ChatMessageAssistant(content=(answer.text if answer else None) or ""))
        messages.append(ChatMessageUser(content=prompt))
    return messages


def _sample(
    name: str, sample: Sample, response: Response, conversation: list[ChatMessage], scores: dict[str, Score] | None, model: str
) -> EvalSample:
    """One answer as Inspect's sample; the outcome and the conditions are metadata to filter by."""
    from inspect_ai.log import EvalError, EvalSample
    from inspect_ai.model import ChatMessageUser, ModelOutput, ModelUsage

    text = response.text or ""
    output = ModelOutput.from_content(model, text, stop_reason=STOP_REASONS.get(response.outcome, "unknown"))
    if response.reasoning:
        from inspect_ai.model import ContentReasoning, ContentText

        output.choices[0].message.content = [ContentReasoning(reasoning=response.reasoning), ContentText(text=text)]
    output.time = response.total_seconds
    tokens_in, tokens_out = response.prompt_tokens or 0, response.completion_tokens or 0
    output.usage = ModelUsage(input_tokens=tokens_in, output_tokens=tokens_out, total_tokens=tokens_in + tokens_out)
    failed = response.outcome == "failed"
    return EvalSample(
        id=name,
        epoch=1,
        input=conversation or [ChatMessageUser(content="(not built: the prompt exceeds the model's window)")],
        target=sample.references,
        messages=[*conversation, output.choices[0].message],
        output=output,
        scores=scores,
        metadata={"outcome": response.outcome, "prompt_tokens": sample.prompt_tokens, **_plain(sample.condition)},
        model_usage={model: output.usage},
        total_time=response.total_seconds,
        error=EvalError(message=response.error_message or "failed", traceback="", traceback_ansi="") if failed else None,
    )


def _scores(row: dict[str, Any], response: Response, reasons: dict[tuple[str, str, int], str | None]) -> dict[str, Score]:
    """The task's score and each judge's verdict; what is unjudged has none."""
    from inspect_ai.scorer import Score

    values = {SCORE: row[SCORE]}
    values |= {column.removeprefix("verdict_"): row[column] for column in row if column.startswith("verdict_")}
    judges = [name for name in values if name != SCORE]
    scores = {}
    for name, value in values.items():
        if value is None or value != value:
            continue
        judge = name if name != SCORE else next(iter(judges), None)
        shown = {1: "C", 0: "I"}.get(value, float(value))
        scores[name] = Score(value=shown, answer=response.text, explanation=reasons.get((judge, row["sample_id"], row["turn"])))
    return scores


def _plain(condition: dict[str, Any]) -> dict[str, Any]:
    """Conditions as JSON knows them."""
    return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in condition.items()}
