"""Texts as vectors, by a sentence-transformers model: an optional dependency."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from contextrot.errors import ConfigError, DataError

if TYPE_CHECKING:
    import numpy as np


@lru_cache(maxsize=1)
def _encoder(model: str) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ConfigError(
            f"the embedding model {model!r} needs sentence-transformers: pip install '.[similarity]', or leave it out."
        ) from error
    try:
        return SentenceTransformer(model, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise DataError(f"the embedding model {model!r} could not be loaded: {str(error).splitlines()[0]}") from error


def embeddings(texts: Sequence[str], model: str) -> np.ndarray:
    """Unit vectors, shape (texts, width).

    Args:
        model: name or folder of a sentence-transformers model.

    Raises:
        ConfigError: if sentence-transformers is not installed.
        DataError: if the model cannot be loaded.
    """
    vectors: np.ndarray = _encoder(model).encode(list(texts), normalize_embeddings=True)
    return vectors
