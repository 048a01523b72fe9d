"""The Hugging Face Hub: what its errors mean for a person, and which of its settings were in force."""

from __future__ import annotations

import os

from contextrot.errors import DataError

VARIABLES = (
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_DATASETS_CACHE",
    "HF_TOKEN_PATH",
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
    "HF_DATASETS_OFFLINE",
    "PYTORCH_CUDA_ALLOC_CONF",
)
"""Variables that say where models and data sets are kept and loaded from; the token itself is never among them."""


def environment() -> dict[str, str]:
    """Those of VARIABLES that are set."""
    return {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}


def explain(kind: str, name: str, error: Exception) -> DataError:
    """The error for a person when a model or data set could not be loaded.

    Args:
        kind: "model" or "data set".
        name: its id, with configuration, split or revision where they matter.
        error: what the library raised.
    """
    chain, cause = [], error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    kinds = {type(link).__name__ for link in chain}
    text = " ".join(str(link) for link in chain)
    first = next((line.strip() for link in chain for line in str(link).splitlines() if line.strip()), type(error).__name__)
    if "GatedRepoError" in kinds or "gated" in text.lower():
        advice = "It is gated: accept its licence on huggingface.co, then set HF_TOKEN to a token that may read it."
    elif (
        kinds & {"OfflineModeIsEnabled", "LocalEntryNotFoundError", "ConnectionError", "ConnectError"}
        or "offline" in text.lower()
    ):
        advice = "It is not in the local cache and the Hub could not be reached: check the network, or point HF_HOME to a cache that has it."
    elif kinds & {"RepositoryNotFoundError", "DatasetNotFoundError", "RevisionNotFoundError"}:
        advice = "Check its name and revision; if it is private, set HF_TOKEN to a token that may read it."
    else:
        advice = "Check its name, configuration, split and revision, and the network."
    return DataError(f"{kind} {name} could not be loaded: {first[:300]} {advice}")
