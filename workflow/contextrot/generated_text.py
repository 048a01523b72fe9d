"""The corpora of the topics whose text is generated (see `filler`), a million tokens or more each; the same on every machine."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from contextrot import filler
from contextrot.sentences import split_text

LANGUAGES = filler.TOPICS
"""Topic -> its language."""
SENTENCES = 60_000
_SEED = 1


@lru_cache(maxsize=2)
def generated_documents(topic: str) -> list[list[str]]:
    """Documents of sentences, hardly one of which stands twice."""
    rng = np.random.default_rng(_SEED)
    documents = filler.generated_documents(rng, SENTENCES, LANGUAGES[topic])
    return [[piece.strip() for piece in split_text(document)] for document in documents]
