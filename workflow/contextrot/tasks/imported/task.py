"""(asked by another tool) What did my neighbour recommend?
-> The Tin Heron.

Answers that another tool already has, judged, corrected and plotted as any others: nothing is asked again.

The forms that are read stand in `tasks.imported.answers`. The model's engine is `recorded`. Where a file holds the whole prompt, its length is counted by the
model's tokenizer and compared with what the tool's server counted, as everywhere.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from contextrot.errors import ConfigError, DataError
from contextrot.records import Response, Sample
from contextrot.samples.published import Recorded
from contextrot.samples.realised import length_class
from contextrot.task import Parameters, SampleContext, Task
from contextrot.tasks.imported.answers import Answer, read_answers

if TYPE_CHECKING:
    import pandas as pd

ANSWER_TOKENS = 4096


class ImportedParameters(Parameters):
    """Parameters of task `imported`."""

    files: list[str] = Field(default_factory=list)
    """Files (or patterns such as runs/*.json) of the data folder, or anywhere: Inspect's logs (.eval, .json), lm-evaluation-harness's samples_*.jsonl, evalscope's
    predictions or reviews, Kamradt's results, Chroma's CSV files, or a table with columns for question, answer (what is right) and output."""
    scorer: str | None = None
    """Whose scores are taken as the tool's verdict, where a file has several; the first without it."""
    answer: str | None = None
    """What is right, for files that do not say it, or whose whole needle is too long to be repeated in an answer."""


class Imported(Task):
    """What do the answers say that another tool recorded?"""

    Parameters = ImportedParameters
    version = 2
    measures = ["score", "tool_score"]
    ranges = {"tool_score": (0, 1)}
    groupings = [("length",), ("length", "depth"), ("depth",), ("type",), ()]
    length_column = "length"
    pair_columns = ["question", "length", "depth"]
    cluster_column = "question"

    def data_files(self, data: Path) -> list[Path]:
        files = self.parameters.files
        if not files:
            raise ConfigError("task imported: name the files of the answers in the experiment's `files`.")
        found = []
        for name in files:
            base, pattern = (Path("/"), name.lstrip("/")) if Path(name).is_absolute() else (data, name)
            matching = sorted(path for path in base.glob(pattern) if path.is_file())
            if not matching:
                raise ConfigError(
                    f"files: {name!r} matches no file below {base}; give a path from the data folder, or a whole one."
                )
            found += matching
        return list(dict.fromkeys(path.absolute() if Path(path).is_absolute() else path for path in found))

    @cached_property
    def _answers(self) -> dict[Path, dict[str, Answer]]:
        return {}

    def _read(self, data: Path) -> dict[str, Answer]:
        """All answers by sample id, read once.

        Raises:
            DataError: if two have the same id in one file, or no file holds an answer.
        """
        if data not in self._answers:
            files, found = self.data_files(data), {}
            above = Path(os.path.commonpath([path.absolute().parent for path in files]))
            for path in files:
                of_file = path.absolute().relative_to(above).with_suffix("").as_posix()
                for answer in read_answers(path, self.parameters.scorer):
                    name = f"{of_file}:{answer.answer_id}" if len(files) > 1 else answer.answer_id
                    if name in found:
                        raise DataError(f"{path}: the id {name!r} stands twice; give each answer its own.")
                    found[name] = answer
            if not found:
                raise DataError(f"{', '.join(map(str, files[:3]))}: no answers in it.")
            self._answers[data] = found
        return self._answers[data]

    def samples(self, context: SampleContext) -> list[Sample]:
        return [self._sample(context, name, answer) for name, answer in self._read(context.data).items()]

    def _sample(self, context: SampleContext, name: str, answer: Answer) -> Sample:
        references = [self.parameters.answer] if self.parameters.answer else list(answer.references)
        if not references:
            raise DataError(f"{name}: the file does not say what is right; set `answer` in the experiment's parameters.")
        tokens = context.tokenizer.count_chat(answer.messages) if answer.messages else answer.tokens
        length = answer.length
        if length is None and tokens:
            length = length_class(tokens)
        return Sample(
            sample_id=name,
            messages=answer.messages,
            references=references,
            max_output_tokens=ANSWER_TOKENS,
            prompt_tokens=tokens,
            condition={
                "length": length,
                "depth": answer.depth,
                "question": answer.question[-2000:],
                "type": answer.columns.get("type"),
                "tool_score": answer.tool_score,
            },
        )

    def recorded_answers(self, data: Path) -> dict[str, Recorded]:
        return {name: _recorded(answer) for name, answer in self._read(data).items()}

    def score(self, sample: Sample, response: Response, verdicts: list[bool | None]) -> dict[str, Any]:
        """Right if the judge accepts any of the references."""
        return {"score": float(any(bool(verdict) for verdict in verdicts))}

    def metrics(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Averages of the groupings whose columns the files fill."""
        from contextrot.scores.score import aggregate

        filled = [g for g in self.groupings if all(scores[column].notna().any() for column in g)]
        measures = [measure for measure in self.measures if measure == "score" or scores[measure].notna().any()]
        as_shares = scores["tool_score"].dropna().between(0, 1).all()  # else it has a scale of its own
        return aggregate(scores, filled, measures, self.ranges if as_shares else {})


def _recorded(answer: Answer) -> Recorded:
    if answer.outcome not in (None, "answered", "truncated", "failed"):
        return Recorded(str(answer.outcome), answer.text or None, tokens=answer.tokens)
    if answer.error is not None or answer.text is None:
        kind = "missing" if answer.error is None else "recorded_error"
        return Recorded("failed", error_type=kind, error_message=answer.error or "the file holds no answer for this row")
    if not answer.text.strip():
        return Recorded("empty", text="", tokens=answer.tokens)
    return Recorded(answer.outcome or "answered", answer.text, answer.verdict, answer.tokens)
