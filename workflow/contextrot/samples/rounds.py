"""Samples in blocks, for a search that asks some of them now and perhaps more later; never the same prompt twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from contextrot.errors import ConfigError
from contextrot.records import Sample

if TYPE_CHECKING:
    from contextrot.task import SampleContext, Task


def blocks_of(task: Task, context: SampleContext, wanted: Mapping[int, range]) -> list[Sample]:
    """The samples of some blocks: the task's own, or dealt; see Task.blocks."""
    own = task.blocks(context, wanted)
    return dealt_blocks(task, context, wanted) if own is None else own


def dealt_blocks(task: Task, context: SampleContext, wanted: Mapping[int, range]) -> list[Sample]:
    """Blocks dealt from all samples that a task's parameters give at each length.

    The samples of each cluster are shuffled by the length's own seed, those of all clusters laid side by side: block i has the i-th of each.

    Raises:
        ConfigError: for a task without lengths.
    """
    if task.length_parameter is None or task.length_column is None:
        raise ConfigError("this task has no length, so that it has no effective length; choose an experiment of another task.")
    found: list[Sample] = []
    for length, numbers in wanted.items():
        given = getattr(task.parameters, task.length_parameter)
        lengths = sorted({length} | ({0} & set(given)))  # what is compared with no history needs the 0
        parameters = type(task.parameters).model_validate({**task.parameters.model_dump(), task.length_parameter: lengths})
        samples = [s for s in type(task)(parameters).samples(context) if s.condition[task.length_column] == length]
        by_cluster: dict[str, list[Sample]] = {}
        for sample in samples:
            by_cluster.setdefault(str(sample.condition.get(task.cluster_column or "", sample.sample_id)), []).append(sample)
        for cluster, members in by_cluster.items():
            order = context.rng("blocks", length, cluster).permutation(len(members))
            found += [members[order[number]] for number in numbers if number < len(members)]
    return found


def refuse_repeats(samples: Iterable[Sample], earlier: Iterable[str]) -> None:
    """Raises ConfigError if a sample was asked in an earlier round already."""
    known = set(earlier)
    for sample in samples:
        if sample.sample_id in known:
            raise ConfigError(
                f"sample {sample.sample_id!r} was asked in an earlier round; delete the folder `rounds` and run again."
            )
        known.add(sample.sample_id)
