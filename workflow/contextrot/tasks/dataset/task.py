"""Any data with a context and a question: a file or a data set of the Hub, scored by a scorer of the user's choice.

The question that this task answers is "does a longer context hurt on my documents?": contexts are padded to the asked lengths, with
other documents of the set or with a corpus, the evidence at the asked depths; or they are asked as they are, or cut.
"""

from __future__ import annotations

import logging
import re
from functools import cached_property
from itertools import product
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from contextrot.errors import ConfigError
from contextrot.matching.scorers import SCORERS
from contextrot.records import Response, Sample
from contextrot.samples import hub, prompts
from contextrot.samples.composed import Messages, cut_to, sample_of_length
from contextrot.samples.corpus import corpus_path, document_paths
from contextrot.samples.haystack import LENGTH_TOLERANCE
from contextrot.samples.reading import Reading, tagged_reading
from contextrot.samples.realised import length_class
from contextrot.task import Parameters, SampleContext, Task
from contextrot.tasks.dataset.data import Item, file_of, read_items
from contextrot.tasks.dataset.padding import OTHERS, Filler

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

_log = logging.getLogger(__name__)

JUDGE = "judge"
OWN_COLUMNS = (
    "sample_id", "turn", "item", "question", "answers", "scorer", "length", "depth", "actual_depth", "treatment", "on_target",
    "answer_in_filler", "repetitions", "prefix_group", "score", "outcome", "unjudged", "target_tokens", "prompt_tokens",
    "server_prompt_tokens", "completion_tokens", "total_seconds", "own_length", "own_depth", "grouping", "measure", "value", "low",
    "high", "n",
)  # fmt: skip
"""Columns of the scores and metrics that a condition of the user's must not take."""


class DatasetParameters(Parameters):
    """Parameters of task `dataset`."""

    long_texts = frozenset({"template"})
    may_be_empty = frozenset({"lengths", "conditions"})

    file: str | None = None
    """A CSV, TSV, JSON, JSONL or parquet file, from the data folder or the working folder; the forms of SQuAD,
    lm-evaluation-harness and evalscope are known."""
    hub: str | None = None
    """Instead of `file`: a data set of the Hugging Face Hub, or a local folder that `datasets` can load."""
    subset: str | None = None
    """Configuration of the Hub's data set."""
    split: str = "test"
    """Split of the Hub's data set."""
    revision: str | None = None
    """Pinned revision of the Hub's data set."""
    context: str | None = "context"
    """Column of the context: a text, or a list of passages (texts, or objects with `text` or `content`, as a RAG log has them)."""
    messages: str | None = None
    """Instead of `context`: column of a conversation, a list of {role, content} (or {from, value})."""
    question: str | None = "question"
    """Column of the question; null if the context or the conversation's last message asks."""
    references: str = "answers"
    """Column of the accepted answers: a text, a list, or SQuAD's object; a row without one is left out."""
    choices: str | None = None
    """Column of the choices, for scorer multiple_choice: a list (in a CSV file as JSON, or parted by |)."""
    id: str | None = None
    """Column of a row's id; the row's number without it."""
    length: str | None = None
    """Column of a row's own length, where no `lengths` are asked; without it the prompt's tokens, rounded up to a power of two."""
    depth: str | None = None
    """Column of where a row's evidence stands, percent, where no `lengths` are asked."""
    conditions: list[str] = Field(default_factory=list)
    """Columns that scores are averaged by too, alone and by length; a dot leads into an object (metadata.topic)."""
    template: str | None = None
    """The prompt, with {context}, {question}, {choices} and any other column in braces; without it a short one of this project."""
    scorer: Literal[
        "exact", "f1", "rouge_l", "numeric", "multiple_choice", "contains_all", "contains_any", "code", "levenshtein", "judge"
    ] = "f1"
    """How an answer is scored: exact and f1 as SQuAD does, contains_all as RULER does (share of the answers that it holds), contains_any,
    the last number (numeric), the letter (multiple_choice), code's edit similarity as LongBench has it, levenshtein, or by the judges."""
    answer_tokens: int = Field(128, gt=0)
    """Limit of an answer, tokens."""
    items: int | None = Field(None, gt=0)
    """How many rows are asked; all without it."""
    every: int = Field(1, ge=1)
    """Only every so-manieth row."""
    lengths: list[Annotated[int, Field(gt=0)]] = Field(default_factory=list)
    """Lengths of the rendered prompt to which each context is padded or cut, tokens; none asks them as they are."""
    depths: list[Annotated[float, Field(ge=0, le=100)]] = [50]
    """Where the context stands in its filler, percent of the filler's tokens before it."""
    pad_with: str | None = None
    """What contexts are padded with: `others` (the set's other contexts), or a topic as of task niah (essays, science, generated, a folder
    or file)."""
    cut: Literal["none", "start", "middle", "end"] = "none"
    """Which part of a context is left out where it is longer than the asked length (or the window); none: a row that is longer than the
    shortest of `lengths` is left out of all of them, so that all lengths ask the same."""

    @model_validator(mode="after")
    def _usable_together(self) -> DatasetParameters:
        if bool(self.file) == bool(self.hub):
            raise ValueError("give either `file` or `hub`")
        if self.hub and hub.is_file_name(self.hub) and not Path(self.hub).is_dir():
            raise ValueError(f"hub = {self.hub!r} is a file or path, or does not exist; name it in `file`")
        if self.messages and self.context == "context":
            self.context = None
        if not self.messages and not self.context:
            raise ValueError("name the column of the `context`, or that of the conversation in `messages`")
        if self.messages and self.question == "question" and "question" not in self.model_fields_set:
            self.question = None
        taken = sorted(set(self.conditions) & set(OWN_COLUMNS))
        if taken:
            raise ValueError(f"conditions: {', '.join(taken)} is a column of the results; rename it in the file")
        if self.lengths and not self.pad_with and self.cut == "none":
            raise ValueError(
                "lengths needs `pad_with` (others, essays, ...) to make contexts longer, or `cut` to make them shorter"
            )
        if self.scorer == "multiple_choice" and not self.choices and self.template is None:
            raise ValueError("scorer multiple_choice needs the column of the `choices`, or a `template` that shows them")
        try:
            fields = [(name, form, kind) for _, name, form, kind in Formatter().parse(self.prompt_template) if name is not None]
        except ValueError as error:
            raise ValueError(f"template: {error}; a brace that is text is doubled") from error
        for name, form, kind in fields:
            if form or kind or not re.fullmatch(r"[^\[\]{}]+", name) or name.isdigit():
                raise ValueError(
                    f"template: {{{name}}} is no field; write a column's name in it, and double a brace that is text"
                )
        if self.context and not any(name == "context" for name, _, _ in fields):
            raise ValueError("template: {context} is missing")
        return self

    @property
    def prompt_template(self) -> str:
        """The template in force."""
        if self.template is not None:
            return self.template
        if self.messages:
            return "{question}\n{choices}\nAnswer with one letter." if self.choices else "{question}"
        if self.question is None:
            return "{context}"
        return prompts.DATASET_CHOICE if self.choices else prompts.DATASET


class Dataset(Task):
    """Does a longer context hurt on these documents?"""

    Parameters = DatasetParameters
    version = 4
    judged = False
    length_column = "length"
    pair_columns = ["item", "length", "depth"]

    def __init__(self, parameters: DatasetParameters) -> None:
        super().__init__(parameters)
        self._own: dict[str, str] = {}
        self.groupings = [("length",), ("length", "depth"), ("depth",), ()]
        for name in parameters.conditions:
            self.groupings += [(name, "length"), (name,)]

    @classmethod
    def is_judged(cls, parameters: Mapping[str, Any]) -> bool:
        return parameters.get("scorer") == JUDGE

    def data_files(self, data: Path) -> list[Path]:
        p = self.parameters
        path = file_of(p, data)
        files = [] if path is None else [path]
        topic = corpus_path(p.pad_with, data) if p.pad_with and p.pad_with != OTHERS else None
        return files + (document_paths(topic) if topic is not None else [])

    @cached_property
    def _fields(self) -> list[str]:
        return [name for _, name, _, _ in Formatter().parse(self.parameters.prompt_template) if name]

    def samples(self, context: SampleContext) -> list[Sample]:
        p = self.parameters
        items = read_items(p, context.data)
        if not p.lengths:
            return [self._as_it_is(context, item) for item in items]
        filler = Filler(p.pad_with, items, context) if p.pad_with else None
        output_tokens = context.output_tokens(p.answer_tokens)
        bare = {item.item_id: context.tokenizer.count_chat(self._chat(item)(item.context, list(item.history))) for item in items}
        if p.cut == "none":
            shortest = min(p.lengths)
            fitting = [item for item in items if bare[item.item_id] <= shortest - 2 * LENGTH_TOLERANCE]
            if not fitting:
                raise ConfigError(
                    f"lengths: no row's prompt fits into {shortest} tokens (they have {min(bare.values())} to {max(bare.values())}); "
                    "ask for longer ones, or set `cut`."
                )
            if len(fitting) < len(items):
                _log.warning("%d of %d rows are longer than %d tokens and left out of all lengths", len(items) - len(fitting), len(items), shortest)  # fmt: skip
            items = fitting
        samples = []
        for item, length in product(items, p.lengths):
            if bare[item.item_id] > length - 2 * LENGTH_TOLERANCE or filler is None:
                samples.append(self._cut(context, item, length, output_tokens))
            else:
                samples += [self._padded(context, filler, item, length, depth) for depth in p.depths]
        return samples

    def _chat(self, item: Item) -> Any:
        def chat(text: str, history: Messages) -> Messages:
            # by replacement: the texts' own braces are text
            fields = {"context": text, **item.values}
            parts = []
            for literal, name, _, _ in Formatter().parse(self.parameters.prompt_template):
                parts += [literal, fields[name] if name else ""]
            return [*history, {"role": "user", "content": "".join(parts)}]

        return chat

    def _condition(self, item: Item, length: float | None, depth: float | None, treatment: str) -> dict[str, Any]:
        columns = {name: value for name, value in item.columns.items() if not name.startswith("own_")}
        return {
            "item": item.item_id,
            "question": item.values["question"],
            "answers": list(item.answers),
            "scorer": self.parameters.scorer,
            "length": length,
            "depth": depth,
            **columns,
            "treatment": treatment,
            "actual_depth": None,
            "on_target": None,
            "answer_in_filler": None,
            "repetitions": None,
        }

    def _references(self, item: Item) -> list[str]:
        several = self.parameters.scorer in (JUDGE, "contains_all")
        return list(item.answers) if several else [item.answers[0]]

    def _padded(self, context: SampleContext, filler: Filler, item: Item, length: int, depth: float) -> Sample:
        name = f"{item.item_id}-{length:07d}-{depth:05.1f}"
        rng = context.rng("filler", item.item_id, length)  # the same text at every depth

        def build() -> tuple[Messages, dict[str, Any]]:
            made = filler.around(item, length, depth, self._chat(item), rng, name)
            return made.messages, {
                "actual_depth": made.actual_depth,
                "on_target": made.on_target,
                "answer_in_filler": made.answer_in_filler,
                "repetitions": made.repetitions,
            }

        condition = self._condition(item, float(length), float(depth), "padded")
        return sample_of_length(context, name, length, self._references(item), self.parameters.answer_tokens, build, condition)

    def _cut(self, context: SampleContext, item: Item, length: int, output_tokens: int) -> Sample:
        """The item cut to a length, or as it is if it is shorter (there is nothing to pad it with)."""
        fits = context.fits(length, output_tokens)
        messages = self._shortened(context, item, length) if fits else []
        tokens = context.tokenizer.count_chat(messages) if fits else None
        whole = fits and tokens < length - LENGTH_TOLERANCE
        return Sample(
            sample_id=f"{item.item_id}-{length:07d}-{'whole' if whole else 'cut'}",
            messages=messages,
            references=self._references(item),
            max_output_tokens=output_tokens,
            target_tokens=None if whole else length,
            prompt_tokens=tokens,
            fits_window=fits,
            condition=self._condition(item, float(length), None, "whole" if whole else "cut"),
        )

    def _shortened(self, context: SampleContext, item: Item, length: int) -> Messages:
        """The messages with as much of the context as the length allows; of a conversation, the oldest turns go (cut: start)."""
        chat = self._chat(item)
        if not item.history:
            text = cut_to(item.context, self.parameters.cut, length, lambda part: context.tokenizer.count_chat(chat(part, [])))
            return chat(text, [])
        text = "\n".join(f"{message['role']}: {message['content']}" for message in item.history)
        count = context.tokenizer.count_chat
        whole = chat(item.context, list(item.history))
        if count(whole) <= length:
            return whole
        longest = max(range(len(item.history)), key=lambda i: len(item.history[i]["content"]))

        def with_part(part: str) -> Messages:
            history = [dict(message) for message in item.history]
            history[longest]["content"] = part
            return chat(item.context, history)

        kept = cut_to(item.history[longest]["content"], self.parameters.cut, length, lambda part: count(with_part(part)))
        return with_part(kept)

    def _as_it_is(self, context: SampleContext, item: Item) -> Sample:
        p = self.parameters
        output_tokens = context.output_tokens(p.answer_tokens)
        messages = self._chat(item)(item.context, list(item.history))
        tokens, treatment = context.tokenizer.count_chat(messages), "whole"
        if not context.fits(tokens, output_tokens) and p.cut != "none":
            messages, treatment = self._shortened(context, item, context.window - output_tokens), "cut"
            tokens = context.tokenizer.count_chat(messages)
        fits = context.fits(tokens, output_tokens)
        own = item.columns["own_length"]
        length = own if own is not None else length_class(tokens)
        return Sample(
            sample_id=item.item_id,
            messages=messages if fits else [],
            references=self._references(item),
            max_output_tokens=output_tokens,
            prompt_tokens=tokens,
            fits_window=fits,
            condition=self._condition(item, length, item.columns["own_depth"], treatment),
        )

    def reading(self, sample: Sample, data: Path, passage_words: int) -> Reading | None:
        if not sample.messages or self.parameters.messages or self.parameters.template is not None:
            return None
        own = self._contexts(data).get(sample.condition["item"], "") if sample.condition["treatment"] == "padded" else ""
        return tagged_reading(sample.messages[-1]["content"], "text", sample.condition["question"], [own], passage_words)

    def _contexts(self, data: Path) -> dict[str, str]:
        if not self._own:
            self._own.update({item.item_id: item.context for item in read_items(self.parameters, data)})
        return self._own

    def score(self, sample: Sample, response: Response, verdicts: list[bool | None]) -> dict[str, Any]:
        """The named scorer's score; a judge's is right if it accepts any of the answers."""
        if self.parameters.scorer == JUDGE:
            return {"score": float(any(bool(verdict) for verdict in verdicts))}
        return {"score": SCORERS[self.parameters.scorer](response.text or "", list(sample.condition["answers"]))}

    def metrics(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Averages of the rows whose context stands at the asked depth."""
        from contextrot.scores.score import averages, on_target

        return averages(self, on_target(scores))

    @property
    def has_depths(self) -> bool:
        """Whether rows have a depth, by their own column or among the filler."""
        p = self.parameters
        return bool(p.depth or (p.lengths and p.pad_with))
