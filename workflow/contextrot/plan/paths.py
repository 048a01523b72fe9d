"""The paths that rules and plans share: results, logs and benchmarks of one model's experiment."""

from __future__ import annotations

import re
from collections.abc import Iterable

EXPERIMENT = "results/{tier}/{model}/{experiment}"
LOGS = "logs/{tier}/{model}/{experiment}"
BENCHMARKS = "benchmarks/runs/{tier}/{model}/{experiment}"


def any_of(names: Iterable[str]) -> str:
    """A regular expression of some names, the longest first."""
    return "|".join(map(re.escape, sorted(names, key=len, reverse=True)))


def folder_of(**names: Iterable[str]) -> str:
    """The folder of some tiers, models or experiments alone.

    The constraint stands in the path itself: in a bucket Snakemake prefers the workflow's constraint of a wildcard to the rule's.
    """
    constrained = [
        f"{{{name},{any_of(names[name])}}}" if name in names else f"{{{name}}}" for name in ("tier", "model", "experiment")
    ]
    return "results/{}/{}/{}".format(*constrained)
