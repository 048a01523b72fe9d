"""Passages ranked for a question by BM25 (package bm25s)."""

from __future__ import annotations

from collections.abc import Sequence

import regex

from contextrot.matching.language import SPACELESS, fold
from contextrot.samples.embeddings import embeddings

_TERM = regex.compile(rf"[{SPACELESS}]\p{{M}}*|(?:(?![{SPACELESS}])[\p{{L}}\p{{M}}\p{{N}}])+")


def terms(text: str) -> list[str]:
    """Words without case, the second half of a plural left off; single characters where a script has no spaces."""
    return [
        word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
        for word in _TERM.findall(fold(text))
    ]


def ranking(passages: Sequence[str], question: str) -> list[int]:
    """Numbers of the passages, the one that fits the question best first; those that fit alike in their own order.

    Source: S. Robertson, H. Zaragoza (2009), The probabilistic relevance framework: BM25 and beyond; X. H. Lu (2024), BM25S.
    """
    import bm25s
    import numpy as np

    corpus, query = [terms(passage) for passage in passages], terms(question)
    known = {term for words in corpus for term in words}
    asked = [term for term in query if term in known]
    if not asked:
        return list(range(len(passages)))
    index = bm25s.BM25(method="lucene")
    index.index(corpus, show_progress=False)
    scores = index.get_scores(asked)
    return [int(place) for place in np.argsort(-np.asarray(scores), kind="stable")]


def dense_ranking(passages: Sequence[str], question: str, model: str) -> list[int]:
    """As `ranking`, by the cosine of the embeddings of passage and question.

    Raises:
        ConfigError, DataError: if there is no such embedding model; see `samples.embeddings`.
    """
    import numpy as np

    if not passages:
        return []
    vectors = embeddings([question, *passages], model)
    return [int(place) for place in np.argsort(-(vectors[1:] @ vectors[0]), kind="stable")]
