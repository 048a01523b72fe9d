"""These are earlier chat sessions with the user.

Session of 2023/12/03 (Sun) 22:06
user: Let us talk of the discipline of rehearsal.
assistant: Out in the dark the six of them carried on.
user: My flatmate works as a beekeeper.
assistant: Good to know.

Current date: 2024/01/15 (Mon) 07:04
Question: What does my flatmate work as?
-> Your flatmate works as a beekeeper.

LongMemEval: a question about earlier chats, with the answer sessions alone (focused) and with the whole history (full).

Source: D. Wu et al. (2025), LongMemEval, arXiv:2410.10813; the two conditions of K. Hong, A. Troynikov, J. Huber (2025),
Context Rot (Chroma). Deviation: Chroma's focused prompts hold excerpts (269 tokens in the mean), ours the whole answer
sessions; Chroma's own prompts can be read instead (`focused_prompts`, `full_prompts`).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from contextrot.errors import ConfigError, DataError
from contextrot.records import Sample
from contextrot.samples import published
from contextrot.samples.conversation import fewest_dropped
from contextrot.samples.hub import is_file_name
from contextrot.samples.published import Recorded
from contextrot.samples.reading import Reading
from contextrot.scores import paired
from contextrot.task import Parameters, SampleContext, Task
from contextrot.tasks.longmemeval.data import (
    CHROMA_TYPES,
    PUBLIC_REVISION,
    ChatSession,
    Chosen,
    Question,
    QuestionType,
    download_questions,
    load_questions,
)

if TYPE_CHECKING:
    import pandas as pd

HISTORIES = ("focused", "full")


class LongMemEvalParameters(Parameters):
    """Parameters of task `longmemeval`."""

    dataset: str = "longmemeval/generated.json"
    """A JSON, JSONL or parquet file in LongMemEval's format, from the data folder, or the id of a data set of the Hub: xiaowu0162/longmemeval-cleaned."""
    dataset_file: str = "longmemeval_s_cleaned.json"
    """File of a data set of the Hub: of longmemeval-cleaned also longmemeval_oracle.json (the answer sessions alone) and
    longmemeval_m_cleaned.json (some 500 sessions a question)."""
    revision: str = PUBLIC_REVISION
    """Revision of a data set of the Hub."""
    sha256: str | None = Field(None, pattern="^[0-9a-fA-F]{64}$")
    """SHA-256 that `dataset_file` must have; without it, the one under which the Hub keeps the file."""
    question_types: Literal["all", "chroma"] | list[QuestionType] = "all"
    """Which questions: `all` six types, `chroma` for multi-session, temporal-reasoning and knowledge-update, or a list."""
    histories: list[Literal["focused", "full"]] = ["focused", "full"]
    """What the question is asked with: the answer sessions alone (focused), the whole history (full)."""
    every: int = Field(1, ge=1)
    """Only every so many questions, the same ones in both conditions."""
    truncate: Literal["none", "oldest"] = "none"
    """What is done with a history that exceeds the window: nothing (it is not sent, and counted), or its oldest sessions go."""
    answer_tokens: int = Field(500, gt=0)
    """Limit of the answer, tokens."""
    focused_prompts: str | None = None
    """Chroma's CSV of focused prompts (custom_id, question, answer, focused_prompt), in place of `dataset`; from the data folder."""
    full_prompts: str | None = None
    """Chroma's CSV of full prompts (custom_id, question, answer, full_prompt)."""
    focused_answers: str | None = None
    """CSV of an earlier run's answers (custom_id, question, answer, output, perhaps llm_judge_output), for engine `recorded`."""
    full_answers: str | None = None
    """The same for the full histories."""
    types_from_dataset: bool = False
    """With CSV files: look the question types up in `dataset`, by id."""


class LongMemEval(Task):
    """Does a long chat history hurt, compared with only the sessions that matter?"""

    Parameters = LongMemEvalParameters
    version = 1
    apart = "history"
    groupings = [("history",), ("history", "question_type"), ("history", "abstention"), ()]
    ranges = {"type_average": (0, 1)}

    def data_files(self, data: Path) -> list[Path]:
        p = self.parameters
        files = [*self._tables(data, "prompts").values(), *self._tables(data, "answers").values()]
        return files + ([data / p.dataset] if self._reads_dataset and is_file_name(p.dataset, data) else [])

    @property
    def _reads_dataset(self) -> bool:
        p = self.parameters
        return p.types_from_dataset or not any((p.focused_prompts, p.full_prompts, p.focused_answers, p.full_answers))

    def _tables(self, data: Path, kind: str) -> dict[str, Path]:
        """Condition -> CSV file, of those that the parameters name."""
        named = {history: getattr(self.parameters, f"{history}_{kind}") for history in self.parameters.histories}
        return {history: data / name for history, name in named.items() if name}

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters)
        self._asked: dict[str, Question] = {}

    def _questions(self, data: Path, chosen: Chosen | None = None) -> list[Question]:
        p = self.parameters
        if is_file_name(p.dataset, data):
            return load_questions(data / p.dataset, chosen)
        return download_questions(p.dataset, p.dataset_file, p.revision, p.sha256, chosen)

    def _chosen(self) -> Chosen:
        """Whether an entry is asked; counts the wanted types' entries, so that it is called with each once, in order."""
        number = count()
        return lambda entry: self._wants(entry.get("question_type")) and next(number) % self.parameters.every == 0

    def _wants(self, question_type: str | None) -> bool:
        asked = self.parameters.question_types
        return asked == "all" or question_type in (CHROMA_TYPES if asked == "chroma" else asked)

    def samples(self, context: SampleContext) -> list[Sample]:
        p = self.parameters
        if self._tables(context.data, "prompts") or self._tables(context.data, "answers"):
            return self._samples_from_tables(context)
        chosen = self._questions(context.data, self._chosen())
        if not chosen:
            raise ConfigError(f"{p.dataset} holds no question of the types {p.question_types}.")
        self._asked = {question.question_id: question for question in chosen}
        return [self._sample(context, question, history) for history in p.histories for question in chosen]

    def _sample(self, context: SampleContext, question: Question, history: str) -> Sample:
        sessions = _history(question, history)
        output_tokens = context.output_tokens(self.parameters.answer_tokens)

        def messages(dropped: int) -> list[dict[str, str]]:
            return [{"role": "user", "content": question.prompt(sessions[dropped:])}]

        dropped, tokens = 0, context.tokenizer.count_chat(messages(0))
        if not context.fits(tokens, output_tokens) and self.parameters.truncate == "oldest":
            dropped = fewest_dropped(
                len(sessions), lambda n: context.fits(context.tokenizer.count_chat(messages(n)), output_tokens)
            )
            tokens = context.tokenizer.count_chat(messages(dropped))
        fits = context.fits(tokens, output_tokens)
        return Sample(
            sample_id=f"{question.question_id}-{history}",
            messages=messages(dropped) if fits else [],
            references=[question.answer],
            max_output_tokens=output_tokens,
            prompt_tokens=tokens,
            fits_window=fits,
            condition=_condition(
                question.question_id,
                question.question_type,
                question.question,
                history,
                sessions=len(sessions) - dropped,
                dropped_sessions=dropped,
                dropped_evidence=sum(session.is_evidence for session in sessions[:dropped]),
            ),
        )

    def _samples_from_tables(self, context: SampleContext) -> list[Sample]:
        """Chroma's prompts, or an earlier run's rows where there are no prompts; rows are joined by id."""
        types = {}
        if self.parameters.types_from_dataset:
            types = {question.question_id: question.question_type for question in self._questions(context.data)}
        answers = {history: _by_id(path, ()) for history, path in self._tables(context.data, "answers").items()}
        prompts = {
            history: _by_id(path, ("prompt",), {"prompt": f"{history}_prompt"})
            for history, path in self._tables(context.data, "prompts").items()
        }
        rows = {history: prompts.get(history) or answers.get(history, {}) for history in self.parameters.histories}
        ids = list(dict.fromkeys(name for table in rows.values() for name in table))
        kinds = {name: types.get(name) or next((t[name].get("type") for t in rows.values() if name in t), None) for name in ids}
        chosen = [name for name in ids if self._wants(kinds[name])][:: self.parameters.every]
        if not chosen:
            raise ConfigError(
                f"no row is of the question types {self.parameters.question_types}: the files name "
                f"{', '.join(sorted(set(filter(None, kinds.values())))) or 'no types (see types_from_dataset)'}."
            )
        return [
            self._sample_from_row(context, rows[history][name], kinds[name], history)
            for history in self.parameters.histories
            for name in chosen
            if name in rows[history]
        ]

    def _sample_from_row(self, context: SampleContext, row: Mapping[str, str], kind: str | None, history: str) -> Sample:
        output_tokens = context.output_tokens(self.parameters.answer_tokens)
        messages, fits, tokens = [], True, published.whole_number(row.get("tokens"))
        if "prompt" in row:
            messages = [{"role": "user", "content": row["prompt"]}]
            tokens = context.tokenizer.count_chat(messages)
            fits = context.fits(tokens, output_tokens)
        return Sample(
            sample_id=f"{row['id']}-{history}",
            messages=messages if fits else [],
            references=[row["answer"]],
            max_output_tokens=output_tokens,
            prompt_tokens=tokens,
            fits_window=fits,
            condition=_condition(row["id"], kind, row["question"], history),
        )

    def reading(self, sample: Sample, data: Path, passage_words: int) -> Reading | None:
        if self._tables(data, "prompts") or self._tables(data, "answers"):
            return None
        if not self._asked:
            self._asked = {question.question_id: question for question in self._questions(data, self._chosen())}
        question = self._asked[sample.condition["question_id"]]
        sessions = _history(question, sample.condition["history"])[sample.condition["dropped_sessions"] :]
        if not sessions:
            return None
        passages = [session.text(number) for number, session in enumerate(sessions, 1)]
        context = "\n\n".join(passages)
        before, _, after = question.prompt(sessions).partition(context)
        evidence = frozenset(i for i, session in enumerate(sessions) if session.is_evidence)
        return Reading(before, context, after, question.question, passages, evidence)

    def recorded_answers(self, data: Path) -> dict[str, Recorded]:
        tables = self._tables(data, "answers")
        if not tables:
            raise ConfigError(
                "there are no recorded answers: give `focused_answers` and `full_answers` in the experiment's parameters."
            )
        return {
            f"{name}-{history}": published.recorded(row)
            for history, path in tables.items()
            for name, row in _by_id(path, ("output",)).items()
        }

    def metrics(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Adds the mean of the question types' means (`type_average`, the paper's task-averaged accuracy; see scores.macro), and, overall
        and by type, the paired comparison of the two conditions; see scores.paired."""
        import pandas as pd

        from contextrot.scores.macro import macro_averages
        from contextrot.scores.score import averages

        found = averages(self, scores)
        by_type = macro_averages(found, "question_type", ["history"], "type_average")
        pairs = paired.pair(scores, "question_id", "history", HISTORIES, keep=["question_type"])
        comparison = paired.compare(pairs, HISTORIES, [(), ("question_type",)])
        return pd.concat([found, by_type, comparison], ignore_index=True)


def _history(question: Question, history: str) -> tuple[ChatSession, ...]:
    """The sessions that a question is asked with."""
    return question.evidence if history == "focused" else question.sessions


def _by_id(path: Path, needed: tuple[str, ...], prefer: Mapping[str, str] | None = None) -> dict[str, dict[str, str]]:
    rows = published.read_rows(path, ("id", "question", "answer", *needed), prefer)
    found = {row["id"].strip(): row for row in rows}
    if len(found) != len(rows):
        raise DataError(f"{path} has {len(rows)} rows but {len(found)} different ids; each question must stand once.")
    return found


def _condition(
    question_id: str,
    question_type: str | None,
    question: str,
    history: str,
    sessions: int | None = None,
    dropped_sessions: int | None = None,
    dropped_evidence: int | None = None,
) -> dict[str, Any]:
    return {
        "question_id": question_id,
        "question_type": question_type,
        "abstention": "_abs" in question_id,
        "history": history,
        "question": question,
        "sessions": sessions,
        "dropped_sessions": dropped_sessions,
        "dropped_evidence": dropped_evidence,
    }
