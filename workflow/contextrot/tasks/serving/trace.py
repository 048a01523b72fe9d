"""Traces of a service's requests: when each came, how long its prompt and answer were, and what prompts shared.

Forms, told by their columns or keys (names without regard to case, blanks for underscores):

- Mooncake, and vLLM's `timed_trace` (JSONL): timestamp in milliseconds, input_length, output_length, hash_ids of blocks of 512 tokens.
  Source: R. Qin et al. (2024), Mooncake: A KVCache-centric Disaggregated Architecture for LLM Serving, arXiv 2407.00079.
- Alibaba's Bailian (JSONL): the same with chat_id and parent_chat_id, seconds and blocks of 16 tokens.
- BurstGPT, which vLLM's benchmark reads (CSV): Timestamp in seconds, Request tokens, Response tokens, perhaps Session ID. Source: Y. Wang et
  al. (2024), BurstGPT: A Real-world Workload Dataset to Optimize LLM Serving Systems, arXiv 2401.17644.
- Plain (CSV or JSONL): time in seconds, input tokens, output tokens, and session, which may be empty.

Two prompts share a beginning as far as their hash ids agree. A session without hash ids is one chat whose prompts each begin with the one
before, so far as they are longer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contextrot.errors import DataError
from contextrot.files.tables import read_rows

NAMES = {
    "time": ("time", "timestamp", "time seconds", "arrival time"),
    "input": ("input tokens", "input length", "request tokens", "prompt tokens"),
    "output": ("output tokens", "output length", "response tokens", "completion tokens"),
    "session": ("session", "session id", "conversation id"),
}
MOST_TOKENS = 10**9
MOST_BLOCKS = 10**6


@dataclass(frozen=True)
class Arrival:
    """One request of a trace.

    Attributes:
        due_seconds: from the first request of the trace.
        input_tokens, output_tokens: of prompt and answer.
        session: name of the chat that it belongs to; None if it stands alone.
        blocks: names of the blocks of its prompt, in order; prompts share what blocks of one name they begin with.
    """

    due_seconds: float
    input_tokens: int
    output_tokens: int
    session: str | None
    blocks: tuple[str, ...]


@dataclass(frozen=True)
class Trace:
    """A trace as it is replayed.

    Attributes:
        arrivals: by the time they are due.
        block_tokens: tokens of a block.
        without_answer: rows whose output has no token (failed requests of the recording); they are left out.
    """

    arrivals: list[Arrival]
    block_tokens: int
    without_answer: int

    def shared_tokens(self) -> list[int]:
        """How many tokens of each prompt an earlier one began with, in the order of `arrivals`."""
        nodes: dict[tuple[int, str], list[int]] = {}  # (node before, block) -> node, tokens of the block that were sent
        found = []
        for arrival in self.arrivals:
            node, shared, known = 0, 0, True
            for index, block in enumerate(arrival.blocks):
                own = min(arrival.input_tokens - index * self.block_tokens, self.block_tokens)
                entry = nodes.setdefault((node, block), [len(nodes) + 1, 0])
                if known:
                    shared += min(entry[1], own)
                    known = entry[1] >= own
                node, entry[1] = entry[0], max(entry[1], own)
            found.append(shared)
        return found


def read_trace(
    path: str | Path, block_tokens: int | None = None, unit_seconds: float | None = None, seconds: float | None = None
) -> Trace:
    """Reads a trace; see the module for its forms.

    Args:
        block_tokens: tokens that one hash id stands for, where they are not the form's own.
        unit_seconds: seconds that one of its times stands for, where they are not the form's own.
        seconds: only what came in the first so many seconds.

    Raises:
        DataError: for a file that is in none of the forms, or a value that cannot be one; names row and column.
    """
    rows = read_rows(path, "the trace")
    if not rows:
        raise DataError(f"the trace {path} has no request.")
    columns = _columns(rows[0], rows[0].where)
    hashed, chats = columns.get("hash_ids"), columns.get("chat_id")
    unit = unit_seconds or (0.001 if hashed and not chats else 1.0)
    block = block_tokens or (16 if chats else 512)
    found, sessions, without = [], {}, 0
    for row in rows:
        where = row.where
        time = _number(row.get(columns["time"]), columns["time"], where) * unit
        prompt, answer = (_tokens(row.get(columns[side]), columns[side], where) for side in ("input", "output"))
        session = _session(row, columns, sessions)
        if not answer:
            without += 1
            continue
        if not prompt:
            raise DataError(f"{where}: {columns['input']} is 0; a prompt has at least one token.")
        needed = math.ceil(prompt / block)
        if needed > MOST_BLOCKS:
            raise DataError(f"{where}: {columns['input']} = {prompt} is too long for a prompt.")
        blocks = _blocks(row.get(hashed) if hashed else None, session, len(found), needed, where)
        found.append((time, Arrival(time, prompt, answer, session, blocks)))
    if not found:
        raise DataError(f"the trace {path} has no request with an answer.")
    found.sort(key=lambda pair: pair[0])
    first = found[0][0]
    arrivals = [Arrival(a.due_seconds - first, a.input_tokens, a.output_tokens, a.session, a.blocks) for _, a in found]
    return Trace([a for a in arrivals if seconds is None or a.due_seconds < seconds], block, without)


def _columns(values: Mapping[str, Any], where: str) -> dict[str, str]:
    """What is needed -> the column's own name."""
    plain = {name.strip().lower().replace("_", " "): name for name in values}
    found = {what: plain[name] for what, names in NAMES.items() for name in reversed(names) if name in plain}
    for name in ("hash ids", "chat id", "parent chat id"):
        if name in plain:
            found[name.replace(" ", "_")] = plain[name]
    missing = [NAMES[what][0] for what in ("time", "input", "output") if what not in found]
    if missing:
        raise DataError(
            f"{where}: no column for {' and '.join(missing)} among {', '.join(values)}. A trace has time (or timestamp), input tokens (or "
            "input_length, Request tokens), output tokens (or output_length, Response tokens), and perhaps session or hash_ids."
        )
    return found


def _number(value: Any, name: str, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise DataError(f"{where}: {name} = {value!r} is not a number.")
    return number


def _tokens(value: Any, name: str, where: str) -> int:
    number = _number(value, name, where)
    if number != int(number) or not 0 <= number <= MOST_TOKENS:
        raise DataError(f"{where}: {name} = {value!r} is not a number of tokens, a whole number from 0 to {MOST_TOKENS:,}.")
    return int(number)


def _session(values: Mapping[str, Any], columns: Mapping[str, str], roots: dict[str, str]) -> str | None:
    """The session's name; of Bailian's chats that of the first one, which `roots` keeps."""
    if "chat_id" in columns:
        chat, parent = str(values.get(columns["chat_id"])), values.get(columns.get("parent_chat_id", ""), -1)
        roots[chat] = chat if parent in (-1, "-1", None, "") else roots.get(str(parent), str(parent))
        return roots[chat]
    value = values.get(columns["session"]) if "session" in columns else None
    return None if value is None or str(value).strip() == "" else str(value).strip()


def _blocks(hashes: Any, session: str | None, index: int, needed: int, where: str) -> tuple[str, ...]:
    """Names of a prompt's blocks: its hash ids, and beyond them (or without) those of its session, else its own."""
    if hashes is not None and not isinstance(hashes, list):
        raise DataError(f"{where}: hash_ids = {hashes!r} is not a list.")
    named = [f"#{one}" for one in (hashes or [])][:needed]
    own = f"row {index}" if hashes or session is None else f"session {session}"
    return tuple(named + [f"{own}, block {i}" for i in range(len(named), needed)])
