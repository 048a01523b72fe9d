"""Where files lie in a bucket: what a second Snakemake must be told to find them, without the keys, which stand in the environment."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from typing import Any


def bucket_arguments(settings: Any, provider_arguments: Callable[[], Iterable[str]]) -> Callable[[], list[str]]:
    """A function that gives the arguments; none without a bucket.

    Args:
        settings: Snakemake's `default_storage_provider`, `default_storage_prefix` and `local_storage_prefix`.
        provider_arguments: gives the provider's own, each as one text for a shell.
    """

    def arguments() -> list[str]:
        if settings.default_storage_provider is None:
            return []
        return [
            "--default-storage-provider",
            settings.default_storage_provider,
            "--default-storage-prefix",
            settings.default_storage_prefix,
            "--local-storage-prefix",
            str(settings.local_storage_prefix),
            *(word for text in provider_arguments() for word in shlex.split(text)),
        ]

    return arguments


def submits_jobs(workflow: Any) -> bool:
    """Whether a Snakemake workflow's jobs go to a cluster, or this is such a job; known once its executor is chosen."""
    return bool(workflow.non_local_exec or workflow.remote_exec)
