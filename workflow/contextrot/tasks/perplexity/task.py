"""Perplexity by length: how likely a text's own next tokens are after more and more of the text before them.

Source: PG-19 (J. Rae et al. 2019, arXiv 1911.05507) as long-context papers use it. The same passage is continued at every length, so that
lengths differ by what stands before it alone. README.md beside this file lists the deviations.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from contextrot.errors import ConfigError
from contextrot.files import as_text
from contextrot.records import Response, Sample
from contextrot.samples import hub
from contextrot.samples.composed import Messages, cut_to, longest_beginning, sample_of_length
from contextrot.samples.corpus import corpus_path, document_paths, topic_documents
from contextrot.samples.prompts import CONTINUE_TEXT
from contextrot.task import Parameters, SampleContext, StateRequest, Task

if TYPE_CHECKING:
    import pandas as pd

_WORD = re.compile(r"\w+(?:['’-]\w+)*")


class PerplexityParameters(Parameters):
    """Parameters of task `perplexity`."""

    topic: str = "essays"
    """The texts, as of task niah: a folder of books, each a file (such as PG-19's test books), or a topic."""
    hub: str | None = None
    """Instead of `topic`: a data set of the Hub with a book a row, such as emozilla/pg19."""
    split: str = "test"
    """Split of the Hub's data set."""
    column: str = "text"
    """Column of the Hub's data set that holds the books."""
    revision: str | None = None
    """Pinned revision of the Hub's data set."""
    lengths: list[Annotated[int, Field(gt=0)]] = [512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 65_536, 131_072]
    """Lengths of the rendered prompt, tokens."""
    passages: int = Field(20, ge=1, le=100_000)
    """Passages that are continued, each of another book where there are as many, else at other places of the texts one after the other."""
    continuation_tokens: int = Field(128, gt=0)
    """How much of the text's own continuation is looked at, tokens."""


class Perplexity(Task):
    """Does more of a text make its continuation likelier?"""

    Parameters = PerplexityParameters
    version = 2
    judged = False
    groupings = [("length",), ("passage",), ()]
    measures = ["score", "nll"]
    length_column = "length"
    cluster_column = "passage"
    pair_columns = ["passage", "length"]
    score_inputs = ["likelihoods.parquet"]

    def data_files(self, data: Path) -> list[Path]:
        path = None if self.parameters.hub else corpus_path(self.parameters.topic, data)
        return document_paths(path) if path is not None else []

    def _books(self, data: Path) -> list[str]:
        p = self.parameters
        if p.hub is None:
            return ["".join(document).strip() for document in topic_documents(p.topic, data)]
        rows = hub.load_rows(p.hub, None, p.split, p.revision)
        books = [as_text(row.get(p.column), f"{p.hub}, row {number}") for number, row in enumerate(rows, 1)]
        if not any(books):
            raise ConfigError(
                f"column = {p.column!r}: {p.hub} has no text there; its columns: {', '.join(rows[0]) if rows else 'none'}."
            )
        return [book.strip() for book in books if book]

    def samples(self, context: SampleContext) -> list[Sample]:
        p = self.parameters
        fitting = [length for length in p.lengths if context.fits(length, p.continuation_tokens)]
        longest = max(fitting, default=min(p.lengths))
        passages = _passages(self._books(context.data), p.passages, longest, p.continuation_tokens, context)
        return [self._sample(context, number, *parts, length) for number, parts in enumerate(passages) for length in p.lengths]

    def _sample(self, context: SampleContext, number: int, before: str, after: str, length: int) -> Sample:
        name = f"{number:04d}-{length:07d}"

        def chat(text: str) -> Messages:
            return [{"role": "user", "content": CONTINUE_TEXT.format(text=text)}]

        def build() -> tuple[Messages, dict[str, Any]]:
            return chat(cut_to(before, "start", length, lambda text: context.tokenizer.count_chat(chat(text)))), {}

        condition = {
            "passage": f"{number:04d}",
            "length": length,
            "next_word": _next_word(after),
            "continuation_tokens": len(context.tokenizer.encode(after)),
            "prefix_group": name,
        }
        return sample_of_length(context, name, length, [after], self.parameters.continuation_tokens, build, condition)

    def state_requests(self, samples: list[Sample], responses: dict[str, Response]) -> list[StateRequest]:
        return [
            StateRequest(sample.sample_id, sample.sample_id, labels=[sample.references[0]])
            for sample in samples
            if sample.fits_window
        ]

    def score(self, sample: Sample, response: Response, verdicts: list[bool | None]) -> dict[str, Any]:
        """1 if the answer's first word is the text's next one, whatever its case."""
        return {"score": float(_next_word(response.text or "").lower() == sample.condition["next_word"].lower() != "")}

    def metrics(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Adds `nll`, the mean negative log-likelihood of a token in nats, and `perplexity`, its exponential, as is its interval."""
        import numpy as np
        import pandas as pd

        from contextrot.scores.score import averages

        found = averages(self, with_nll(scores))
        rows = found[found["measure"] == "nll"].copy()
        rows["measure"] = "perplexity"
        for column in ("value", "low", "high"):
            rows[column] = np.exp(rows[column].astype(float))
        return pd.concat([found, rows], ignore_index=True)


def with_nll(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores with `nll`: minus the log-likelihood of the continuation, by its tokens; empty where no model gave it."""
    name = "label_log_likelihoods"
    if name not in scores:
        return scores.assign(nll=None)
    known = [None if found is None or not len(found) else -float(found[0]) / tokens for found, tokens in zip(scores[name], scores["continuation_tokens"], strict=True)]  # fmt: skip
    return scores.assign(nll=known)


def _next_word(text: str) -> str:
    found = _WORD.search(text)
    return found[0] if found else ""


def _passages(books: list[str], count: int, longest: int, tokens: int, context: SampleContext) -> list[tuple[str, str]]:
    """(the text before a passage, the passage) for each; the text before has more than `longest` tokens.

    Books that are long enough are taken first, each at a place of its own; where there are too few, all texts one after the other are.

    Raises:
        ConfigError: if all texts together are too short.
    """
    count_tokens = context.tokenizer.encode
    letters = 8 * longest  # a token has fewer letters in the mean, with any tokenizer

    def place(text: str, start: int) -> tuple[str, str] | None:
        start = text.find(" ", start)
        if start < 0:
            return None
        before, rest = text[max(0, start - letters) : start], text[start + 1 : start + 1 + 40 * tokens]
        after = longest_beginning(rest, lambda part: len(count_tokens(part)) <= tokens).strip()
        enough = len(count_tokens(before)) > longest and len(count_tokens(after)) > tokens // 2
        return (before, after) if enough and _next_word(after) else None

    found: list[tuple[str, str]] = []
    for number, book in enumerate(books):
        if len(found) == count:
            return found
        if len(book) < 2 * longest:
            continue
        share = context.rng("place", number).random()
        made = place(book, int((0.5 + 0.4 * share) * len(book))) or place(book, len(book) - 12 * tokens)
        if made:
            found.append(made)
    if len(found) < count:
        together = "\n\n".join(books)
        starts = sorted(context.rng("places").integers(min(len(together) - 1, 6 * longest), len(together), size=4 * count))
        found += [made for start in starts if (made := place(together, int(start)))][: count - len(found)]
    if not found:
        raise ConfigError(
            f"topic: the texts have {sum(map(len, books)):,} characters, too few for a prompt of {longest} tokens and {tokens} more; give longer "
            "texts, or ask for shorter lengths."
        )
    return found
