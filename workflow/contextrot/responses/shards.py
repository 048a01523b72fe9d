"""Which job asks which sample, and in which order: stable, balanced by tokens, samples with one prefix together."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from contextrot.errors import DataError
from contextrot.records import Response, Sample, read_responses, read_samples, write_responses
from contextrot.responses.input_cut import mark_cut
from contextrot.responses.length_audit import LengthAudit
from contextrot.samples.sample_table import column

PREFIX_COLUMN = "prefix_group"  # a task may give this condition column: samples that share a prefix go to one server


def token_weights(samples: Sequence[Sample]) -> list[int]:
    """What each sample weighs: prompt and answer limit, of every turn; nothing if it is never sent."""
    names = ("prompt_tokens", "max_output_tokens", "later_prompts", "fits_window")
    rows = zip(*(column(samples, name) for name in names), strict=True)
    return [(prompt or 0) + limit * (1 + len(later)) if fits else 0 for prompt, limit, later, fits in rows]


def assign_shards(samples: Sequence[Sample], shards: int) -> list[int]:
    """The shard of each sample, counted from 1.

    The heaviest group first, each to the lightest shard so far (longest processing time first: at most 4/3 of the best
    balance); ties by name, so that the same samples always fall the same way.
    """
    groups: dict[str, list[int]] = {}
    weights: dict[str, int] = {}
    columns = column(samples, "sample_id"), column(samples, PREFIX_COLUMN), token_weights(samples)
    for index, (sample_id, prefix, weight) in enumerate(zip(*columns, strict=True)):
        name = f"id {sample_id}" if prefix is None else f"prefix {prefix}"
        groups.setdefault(name, []).append(index)
        weights[name] = weights.get(name, 0) + weight
    loads = [(0, 0, shard) for shard in range(1, shards + 1)]
    assigned = [0] * len(samples)
    for name in sorted(groups, key=lambda name: (-weights[name], name)):
        weight, rows, shard = heapq.heappop(loads)
        for index in groups[name]:
            assigned[index] = shard
        heapq.heappush(loads, (weight + weights[name], rows + len(groups[name]), shard))
    return assigned


def asking_order(samples: Sequence[Sample]) -> list[int]:
    """Indices of the samples that fit the window, in the order in which they are asked.

    The group with the longest sample first, so that no long one is left for the end; samples of one group in succession, the longest
    first, so that what they share is still in the server's cache even if that holds little more than one of them.
    """
    fits = np.array(column(samples, "fits_window"), dtype=bool)
    weight = np.array(token_weights(samples), dtype=np.int64)
    first: dict[Any, int] = {}  # of a group's samples; a group goes by its number
    prefixes = column(samples, PREFIX_COLUMN)
    group = np.array([i if prefix is None else first.setdefault(prefix, i) for i, prefix in enumerate(prefixes)], dtype=np.int64)
    heaviest = np.zeros(len(samples), dtype=np.int64)
    np.maximum.at(heaviest, group, weight)
    order = np.lexsort((-weight, group, -heaviest[group]))
    return order[fits[order]].tolist()


def gather_responses(samples_path: Path, shard_paths: Sequence[Path], output: Path, exact: bool = True) -> LengthAudit:
    """Writes the responses of all shards as one file, in the samples' order, those to cut prompts as `input_cut`.

    Args:
        exact: whether the samples were built by the model's own tokenizer.

    Returns:
        What the server's counts say of the prompts' lengths.

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
    rows, built = [], []
    for sample in read_samples(samples_path, columns=["later_prompts"]):
        turns = found.pop(sample.sample_id, {})
        expected = range(1 + len(sample.later_prompts))
        if sorted(turns) != list(expected):
            raise DataError(
                f"sample {sample.sample_id!r} has answers to the turns {sorted(turns)}, not {list(expected)}; delete the files "
                f"of the shards beside {shard_paths[0]} and run again (nothing is asked again)."
            )
        rows += [turns[turn] for turn in expected]
        built += [sample.prompt_tokens, *(None for _ in sample.later_prompts)]
    if found:
        raise DataError(f"sample {next(iter(found))!r} is answered but not asked in {samples_path}; delete the shards' files.")
    rows, audit = mark_cut(rows, built, exact)
    write_responses(output, rows)
    return audit
