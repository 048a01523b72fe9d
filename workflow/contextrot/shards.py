"""Which job asks which sample, and in which order: stable, balanced by tokens, samples with one prefix together."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from contextrot.errors import DataError
from contextrot.records import Response, Sample, read_responses, read_samples, write_responses

PREFIX_COLUMN = "prefix_group"  # a task may give this condition column: samples that share a prefix go to one server


def tokens_of(sample: Sample) -> int:
    """What a sample weighs: prompt and answer limit, of every turn; nothing if it is never sent."""
    if not sample.fits_window:
        return 0
    return (sample.prompt_tokens or 0) + sample.max_output_tokens * (1 + len(sample.later_prompts))


def assign_shards(samples: Iterable[Sample], shards: int) -> list[int]:
    """The shard of each sample, counted from 1.

    The heaviest group first, each to the lightest shard so far (longest processing time first: at most 4/3 of the best
    balance); ties by name, so that the same samples always fall the same way.
    """
    groups: dict[str, list[int]] = {}
    weights: dict[str, int] = {}
    count = 0
    for index, sample in enumerate(samples):
        prefix = sample.condition.get(PREFIX_COLUMN)
        name = f"id {sample.sample_id}" if prefix is None else f"prefix {prefix}"
        groups.setdefault(name, []).append(index)
        weights[name] = weights.get(name, 0) + tokens_of(sample)
        count += 1
    loads = [(0, 0, shard) for shard in range(1, shards + 1)]
    assigned = [0] * count
    for name in sorted(groups, key=lambda name: (-weights[name], name)):
        weight, rows, shard = heapq.heappop(loads)
        for index in groups[name]:
            assigned[index] = shard
        heapq.heappush(loads, (weight + weights[name], rows + len(groups[name]), shard))
    return assigned


def asking_order(samples: Iterable[Sample]) -> list[int]:
    """Indices of the samples that fit the window, in the order in which they are asked.

    The group with the longest sample first, so that no long one is left for the end; samples of one group in succession, the longest
    first, so that what they share is still in the server's cache even if that holds little more than one of them.
    """
    first: dict[object, int] = {}  # of a group's samples; a group goes by its number
    indices, groups, weights = array("q"), array("q"), array("q")
    for index, sample in enumerate(samples):
        if sample.fits_window:
            prefix = sample.condition.get(PREFIX_COLUMN)
            indices.append(index)
            groups.append(index if prefix is None else first.setdefault(prefix, index))
            weights.append(tokens_of(sample))
    group, weight = np.array(groups), np.array(weights)
    heaviest = np.zeros(max(indices, default=-1) + 1, dtype=np.int64)
    np.maximum.at(heaviest, group, weight)
    return np.array(indices)[np.lexsort((-weight, group, -heaviest[group]))].tolist()


def gather_responses(samples_path: Path, shard_paths: Sequence[Path], output: Path) -> None:
    """Writes the responses of all shards as one file, in the samples' order.

    Raises:
        DataError: if a row is missing, doubled, or answers no sample.
    """
    found: dict[str, dict[int, Response]] = {}
    for path in shard_paths:
        for response in read_responses(path):
            turns = found.setdefault(response.sample_id, {})
            if response.turn in turns:
                raise DataError(
                    f"{path} answers turn {response.turn} of sample {response.sample_id!r}, which another shard answers too; "
                    "delete the files of the shards and run again (nothing is asked again)."
                )
            turns[response.turn] = response
    rows = []
    for sample in read_samples(samples_path, columns=["later_prompts"]):
        turns = found.pop(sample.sample_id, {})
        expected = range(1 + len(sample.later_prompts))
        if sorted(turns) != list(expected):
            raise DataError(
                f"sample {sample.sample_id!r} has answers to the turns {sorted(turns)}, not {list(expected)}; delete the files "
                f"of the shards beside {shard_paths[0]} and run again (nothing is asked again)."
            )
        rows += [turns[turn] for turn in expected]
    if found:
        raise DataError(f"sample {next(iter(found))!r} is answered but not asked in {samples_path}; delete the shards' files.")
    write_responses(output, rows)
