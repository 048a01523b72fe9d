"""The answers of a page as JSON, each with its prompt, verdicts and outcome, cut so that all of them together fit the page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot.plan.shown import ShownExperiment
from contextrot.records import Judgement, Response, Sample, read_judgements, read_responses, sample_of
from contextrot.report.charts import Chart, in_words, plain
from contextrot.report.excerpts import DETAILS, Detail, excerpt, places, shortened, visible
from contextrot.report.failures import NOT_CONDITIONS, problem_of

if TYPE_CHECKING:
    import pandas as pd

SAMPLES_AT_ONCE = 8
LONGEST_CONDITION = 60
MAX_ROW_BYTES = 120_000
LEAST_ROW_BYTES = 1_100
"""Below it an answer says too little: then not all of them are in the page."""
MEASURED = ("prompt_tokens", "server_prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens",
            "first_token_seconds", "total_seconds", "cost_usd")  # fmt: skip


class Room:
    """What is left of a page's bytes, shared evenly by the answers that are still to come.

    Args:
        size: bytes for all answers.
        answers: how many there are.
    """

    def __init__(self, size: int, answers: int) -> None:
        self.left, self.answers = size, answers
        self.every = max(1, -(-answers * LEAST_ROW_BYTES // max(size, 1)))
        """Each how-manieth answer is in the page."""
        self.kept = -(-answers // self.every)
        self._seen = 0

    def takes_next(self) -> bool:
        """Whether the next answer is one of those in the page."""
        self._seen += 1
        return (self._seen - 1) % self.every == 0

    @property
    def of_next(self) -> int:
        """Bytes that the next answer may take."""
        return min(MAX_ROW_BYTES, self.left // max(self.kept, 1))

    def take(self, size: int) -> bool:
        """Takes what an answer needs; False if there is no room for it."""
        self.kept -= 1
        if size > self.left:
            return False
        self.left -= size
        return True


def json_in_html(value: Any) -> str:
    """JSON that can stand in a script element: no text in it can end the element or begin a comment."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def rows_of(one: ShownExperiment, scores: pd.DataFrame, chart: Chart, room: Room) -> tuple[list[str], list[str], int]:
    """The answers of one model's experiment.

    Returns:
        Names of the conditions that tell its answers apart, the JSON of each answer that is in the page, and how many are not.
    """
    by_sample: dict[str, list[dict[str, Any]]] = {}
    for row in scores.to_dict("records"):
        by_sample.setdefault(row["sample_id"], []).append(row)
    responses: dict[tuple[str, int], Response] = {}
    if "responses.parquet" in one.files:
        responses = {(r.sample_id, r.turn): r for r in read_responses(one.files["responses.parquet"])}
    judgements: dict[tuple[str, int], list[Judgement]] = {}
    for path in one.judgements:
        for judgement in read_judgements(path):
            judgements.setdefault((judgement.sample_id, judgement.turn), []).append(judgement)
    conditions: list[str] = []
    found: list[str] = []
    omitted, level = 0, 0
    for sample in _samples(one.files.get("samples.parquet"), by_sample):
        if not conditions:
            conditions = _telling(scores, sample)
        passages = one.task.passages(sample, one.data) if sample.messages else []
        for row in by_sample.get(sample.sample_id, []):
            key = (sample.sample_id, row["turn"])
            text = None
            if room.takes_next():
                answer = _Answer(sample, row, responses.get(key), judgements.get(key, []), conditions, chart, passages)
                text, level = answer.fitted(room.of_next, level)
            if text is not None and room.take(len(text.encode())):
                found.append(text)
            else:
                omitted += 1
    return conditions, found, omitted


class _Answer:
    """One answer on its way to JSON."""

    def __init__(
        self,
        sample: Sample,
        row: dict[str, Any],
        response: Response | None,
        judgements: list[Judgement],
        conditions: list[str],
        chart: Chart,
        passages: list[tuple[str, str]],
    ) -> None:
        self.sample, self.row, self.response, self.judgements = sample, row, response, judgements
        self.conditions, self.cell = conditions, chart.cell_of.get(chart.key(row))
        self.prompt = prompt_text(sample, row["turn"])
        self.marked = places(self.prompt, passages)

    def fitted(self, size: int, level: int) -> tuple[str, int]:
        """JSON of at most `size` bytes with as much of the texts as goes in (with the least of them if nothing does), and its level.

        Args:
            level: of DETAILS, that of the answer before: its neighbours are tried first.
        """
        text = json_in_html(self._with(DETAILS[level]))
        while len(text.encode()) > size and level + 1 < len(DETAILS):
            level += 1
            text = json_in_html(self._with(DETAILS[level]))
        while level and 2 * len(text.encode()) <= size:
            more = json_in_html(self._with(DETAILS[level - 1]))
            if len(more.encode()) > size:
                break
            text, level = more, level - 1
        return text, level

    def _with(self, detail: Detail) -> dict[str, Any]:
        row, response = self.row, self.response
        verdicts = [column.removeprefix("verdict_") for column in row if column.startswith("verdict_")]
        value: dict[str, Any] = {
            "id": self.sample.sample_id,
            "turn": int(row["turn"]),
            "cell": self.cell,
            "outcome": row["outcome"],
            "problem": problem_of(row, [row[f"verdict_{judge}"] for judge in verdicts]),
            "score": plain(row.get("score")),
            "conditions": [shortened(in_words(row.get(name)), LONGEST_CONDITION) for name in self.conditions],
            "measured": [plain(row.get(name)) for name in MEASURED],
            "prompt": excerpt(self.prompt, self.marked, detail),
            "expected": [shortened(reference, detail.answer // 2) for reference in self.sample.references[:8]],
            "verdicts": [[j.judge, j.verdict, shortened(j.explanation or "", detail.answer // 2)] for j in self.judgements[:24]],
        }
        if response is not None:
            value["answer"] = None if response.text is None else shortened(response.text, detail.answer)
            if response.reasoning:
                value["reasoning"] = shortened(response.reasoning, detail.answer)
            if response.finish_reason:
                value["finish"] = shortened(response.finish_reason, 40)
            if response.error_message:
                value["error"] = shortened(response.error_message, detail.answer // 2)
        return value


def prompt_text(sample: Sample, turn: int) -> str:
    """What was asked in a turn: the chat's messages with their roles, or the later prompt."""
    if turn:
        return sample.later_prompts[turn - 1] if turn <= len(sample.later_prompts) else ""
    if len(sample.messages) == 1:
        return sample.messages[0]["content"]
    return "\n\n".join(f"— {message['role']} —\n{message['content']}" for message in sample.messages)


def _samples(path: Path | None, wanted: Mapping[str, Any]) -> Iterator[Sample]:
    """The samples of a file, a few prompts at a time in memory; bare ones where there is no file."""
    if path is None:
        for name in wanted:
            yield Sample(name, [], [], 0, None)
        return
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(SAMPLES_AT_ONCE, use_threads=False):
            for row in batch.to_pylist():
                if row["sample_id"] in wanted:
                    yield sample_of(row)


def _telling(scores: pd.DataFrame, sample: Sample) -> list[str]:
    """The conditions that differ between answers and are short enough to stand in a list."""
    found = []
    for name in sample.condition:
        if name in NOT_CONDITIONS or name not in scores or isinstance(sample.condition[name], list | dict):
            continue
        texts = scores[name].map(in_words)
        if texts.nunique() > 1 and texts.str.len().max() <= 2 * LONGEST_CONDITION:
            found.append(visible(name))
    return found
