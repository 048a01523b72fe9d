"""Tokens and money of an experiment: counted per job, kept within the budget, shown live.

Every job (a shard of the inference, a judge) has a *part*, `.usage/{part}.json` in the experiment's folder; the dashboard and
its JSON twin are the sum of the parts. Totals are of the answers, whoever asked for them first: an answer from the
request store counts with the tokens and the cost that it once had, so that a resumed run shows the same totals. What requests without an
answer may have cost is added at its worst. The budget is kept by the job's `spending.Account`.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from contextrot.errors import RequestError, StoreError
from contextrot.files.regular_files import read_regular
from contextrot.records import Response, read_responses, write_text
from contextrot.responses.money import bills, picos, usd
from contextrot.responses.prices import Pricing
from contextrot.responses.spending import Account

CALLS_BETWEEN_WRITES = 10
SECONDS_BETWEEN_WRITES = 1.0  # a server that answers a thousand times a second needs no thousand dashboards
_LARGEST_DASHBOARD = _LARGEST_PART = 1 << 20
_LARGEST_NUMBER = 1e18
_COUNTS = (
    "calls",
    "from_store",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cache_written_tokens",
    "calls_of_unknown_cost",
    "run_calls",
    "run_tokens",
)
_NUMBERS = (*_COUNTS, "known_cost_usd", "cache_saved_usd", "started", "updated")
_ADDED = ("cache_written_tokens", "cache_saved_usd")
"""What parts of earlier versions do not have."""
_RULE = "=" * 80
_SHARD = re.compile(r"(\d+|all)-of-\d+")
HOST = os.uname().nodename

log = logging.getLogger(__name__)


class Ledger:
    """What one job has used.

    Args:
        folder: the experiment's results folder.
        part: the job's name within it, such as `1-of-4` or `judge-llm`.
        model: shown in the dashboard.
        pricing: None if the price is unknown.
        budget_usd: this job's share of the budget; None for none.
        rows: number of rows (sample x turn) that the job will write, for progress; None if unknown.

    Attributes:
        account: what the requests have cost.
        cache_saved_usd: what the same answers would have cost more without a prompt cache; less than 0 if writing to it cost more.
    """

    def __init__(
        self,
        folder: str | Path,
        part: str,
        model: str,
        pricing: Pricing | None,
        budget_usd: float | None = None,
        rows: int | None = None,
    ) -> None:
        if budget_usd is not None and pricing is None:
            raise RequestError(
                f"budget_usd = {budget_usd:g} cannot be kept: the price of model {model!r} is unknown. "
                "Set its `price` in the models file (0 for a free server), or unset budget_usd."
            )
        self.folder, self.part, self.model, self.pricing, self.budget_usd = Path(folder), part, model, pricing, budget_usd
        self.rows, self.rows_done, self.rows_failed = rows, 0, 0
        self.counts = dict.fromkeys(_COUNTS, 0)
        self.account = Account(None if budget_usd is None else picos(budget_usd))
        self._answers_usd = self.cache_saved_usd = 0.0
        self.stage = "running"
        self._seen: set[str] = set()
        self._begin = time.time()
        self._written_at = 0.0

    @property
    def spent_usd(self) -> float:
        """Cost of all answers, as far as known, and what was perhaps billed for none."""
        return self._answers_usd + usd(self.account.unknown)

    def keep_account(self, root: Path) -> None:
        """Keeps the account in the ledger below `root`, if the model bills anything."""
        if bills(self.pricing):
            tier, model, experiment = ("", "", "", *self.folder.parts)[-3:]
            self.account.keep_in(root, tier, model, experiment, self.part)

    def record(self, key: str, response: Response) -> None:
        """Counts one answer, once per key of the request store; every few calls the dashboard is written."""
        if key in self._seen:
            return
        self._seen.add(key)
        counts = self.counts
        tokens = (response.prompt_tokens or 0) + (response.completion_tokens or 0)
        counts["calls"] += 1
        counts["input_tokens"] += response.prompt_tokens or 0
        counts["output_tokens"] += response.completion_tokens or 0
        counts["cached_tokens"] += response.cached_tokens or 0
        counts["cache_written_tokens"] += response.cache_written_tokens or 0
        self.cache_saved_usd += self._saved(response)
        if response.cost_usd is None:
            counts["calls_of_unknown_cost"] += 1
        else:
            self._answers_usd += response.cost_usd
        if response.cached:
            counts["from_store"] += 1
            if self.pricing is not None:
                self.account.stored(key, picos(self._cost(response)))
        else:
            counts["run_calls"] += 1
            counts["run_tokens"] += tokens
            if counts["run_calls"] % CALLS_BETWEEN_WRITES == 0 and abs(time.time() - self._written_at) >= SECONDS_BETWEEN_WRITES:
                self.write()

    def _cost(self, response: Response) -> float:
        """What a stored answer cost; by today's price if there was none then."""
        if response.cost_usd is not None:
            return response.cost_usd
        counts = response.prompt_tokens or 0, response.completion_tokens or 0
        return self.pricing.cost(*counts, response.cached_tokens or 0, response.cache_written_tokens or 0)

    def _saved(self, response: Response) -> float:
        read, written = response.cached_tokens or 0, response.cache_written_tokens or 0
        if self.pricing is None or not (read or written):
            return 0.0
        prompt = response.prompt_tokens or 0
        return self.pricing.cost(prompt, 0) - self.pricing.cost(prompt, 0, read, written)

    def write(self) -> None:
        """Writes this job's part, the dashboard and its JSON twin."""
        self._written_at = time.time()
        part = {
            "part": self.part,
            "model": self.model,
            **self.counts,
            "cost_usd": self.spent_usd if self.counts["calls_of_unknown_cost"] == 0 else None,
            "known_cost_usd": self.spent_usd,
            "cache_saved_usd": self.cache_saved_usd,
            "started": self._begin,
            "updated": self._written_at,
            "elapsed_seconds": max(0.0, self._written_at - self._begin),
            "rows": self.rows,
            "rows_done": self.rows_done,
            "rows_failed": self.rows_failed,
            "stage": self.stage,
            "host": HOST,
            "pid": os.getpid(),
        }
        _replace(self.folder / ".usage" / f"{self.part}.json", json.dumps(part, indent=1))
        totals = summarize(self.folder)
        _replace(self.folder / "token_summary.json", json.dumps(totals, indent=2) + "\n")
        _append(self.folder / "token_dashboard.txt", dashboard(self.folder, totals))


def write_dashboard(responses_path: str | Path, shards: int, model: str) -> None:
    """Writes the final token_dashboard.txt and token_summary.json beside gathered responses.

    Parts of an earlier number of shards are removed first, for they count the same answers. Where jobs share no folder their parts are
    not here: then the answers themselves are counted.
    """
    folder = Path(responses_path).parent
    wanted = {f"{shard}-of-{shards}" for shard in range(1, shards + 1)}
    there = {path.stem: path for path in folder.glob(".usage/*-of-*.json")}
    for name, path in there.items():
        if name not in wanted or not wanted <= set(there):
            path.unlink(missing_ok=True)
    if not wanted <= set(there):
        counted = Ledger(folder, f"all-of-{shards}", model, None)
        for number, response in enumerate(read_responses(responses_path)):
            if response.attempts or response.cached:
                steps = json.loads(response.details or "{}").get("steps") or {}  # of a row that took several requests
                response = replace(
                    response, **{name: steps[name] for name in ("prompt_tokens", "completion_tokens") if name in steps}
                )
                counted.record(str(number), replace(response, cached=True))
                counted.counts["calls"] += steps.get("requests", 1) - 1
        counted.stage = "done"
        counted.write()
    write_text(folder / "token_dashboard.txt", dashboard(folder, write_summary(folder)))


def read_parts(folder: str | Path) -> list[dict[str, Any]]:
    """The parts of an experiment, sorted by name; what cannot be read is left out."""
    parts = []
    for path in sorted(Path(folder).glob(".usage/*.json")):
        with suppress(OSError, ValueError, RecursionError):
            part = json.loads(read_regular(str(path), _LARGEST_PART))
            if isinstance(part, dict):
                part = {**dict.fromkeys(_ADDED, 0), **part}
            if (
                isinstance(part, dict)
                and isinstance(part.get("model"), str)
                and {"stage", "part"} <= set(part)
                and all(map(_is_number, map(part.get, _NUMBERS)))
            ):
                parts.append(part)
    return parts


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _LARGEST_NUMBER


def summarize(folder: str | Path) -> dict[str, Any]:
    """Totals of an experiment, in all, of the answers without their judges, and by model; a cost is None as soon as one call's price is unknown."""
    parts = read_parts(folder)
    asking = [part for part in parts if _SHARD.fullmatch(str(part["part"]))]
    models = {name: _sum([p for p in parts if p["model"] == name]) for name in sorted({p["model"] for p in parts})}
    experiment = Path(folder)
    return {"experiment": "/".join(experiment.parts[-3:]), **_sum(parts), "answers": _sum(asking), "models": models}


def _sum(parts: list[dict[str, Any]]) -> dict[str, Any]:
    totals = {name: sum(p[name] for p in parts) for name in _COUNTS}
    begin = min((p["started"] for p in parts), default=0.0)
    end = max((p["updated"] for p in parts), default=0.0)
    elapsed = end - begin
    return {
        **totals,
        "total_tokens": totals["input_tokens"] + totals["output_tokens"],
        "cost_usd": None if totals["calls_of_unknown_cost"] else sum(p["known_cost_usd"] for p in parts),
        "known_cost_usd": sum(p["known_cost_usd"] for p in parts),
        "cache_saved_usd": sum(p["cache_saved_usd"] for p in parts),
        "updated": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(end)) if parts else None,
        "elapsed_seconds": elapsed,
        "tokens_per_minute": totals["run_tokens"] / elapsed * 60 if elapsed > 0 else None,
    }


def write_summary(folder: str | Path) -> dict[str, Any]:
    """Writes token_summary.json from the parts, and returns its content."""
    totals = summarize(folder)
    write_text(Path(folder) / "token_summary.json", json.dumps(totals, indent=2) + "\n")
    return totals


def dashboard(folder: str | Path, totals: dict[str, Any]) -> str:
    """The totals as text for a terminal."""
    rate = totals["tokens_per_minute"]
    lines = [
        _RULE,
        f"Token Usage Dashboard - {totals['experiment']}",
        f"Last updated: {totals['updated']}",
        f"Elapsed time: {totals['elapsed_seconds'] / 60:.1f} minutes",
        _RULE,
        "",
        "TOTALS:",
        f"  API calls: {totals['calls']:,} ({totals['from_store']:,} of them answered from the request store)",
        f"  Input tokens: {totals['input_tokens']:,}",
        f"  Output tokens: {totals['output_tokens']:,}",
        f"  Cached tokens: {totals['cached_tokens']:,} read, {totals['cache_written_tokens']:,} written{_saved_by_cache(totals)}",
        f"  Total tokens: {totals['total_tokens']:,}",
        f"  Rate: {'unknown' if rate is None else format(rate, ',.0f')} tokens/min",
        f"  Estimated cost: {_usd(totals)}",
        "",
        "PER-MODEL BREAKDOWN:",
    ]
    for name, model in totals["models"].items():
        lines += [
            f"  {name}:",
            f"    Calls: {model['calls']:,}",
            f"    Input: {model['input_tokens']:,} tokens",
            f"    Output: {model['output_tokens']:,} tokens",
            f"    Cached: {model['cached_tokens']:,} tokens read, {model['cache_written_tokens']:,} written",
            f"    Total: {model['total_tokens']:,} tokens",
            f"    Cost: {_usd(model)}",
        ]
    path = Path(folder) / "token_dashboard.txt"
    return "\n".join([*lines, "", _RULE, f"To monitor live: tail -f {path}", _RULE, ""])


def _saved_by_cache(totals: dict[str, Any]) -> str:
    return f" (saves ${totals['cache_saved_usd']:.4f})" if totals["cache_saved_usd"] else ""


def _usd(totals: dict[str, Any]) -> str:
    if totals["cost_usd"] is None:
        known = f" (known part ${totals['known_cost_usd']:.4f})" if totals["known_cost_usd"] else ""
        return f"unknown{known}"
    return f"${totals['cost_usd']:.4f}"


def _replace(path: Path, text: str) -> None:
    """Replaces a live file at once, without the flush to the disk that a result gets: it is written again in a moment."""
    temporary = path.with_name(f".{path.name}.{HOST}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise StoreError(f"cannot write {path}: {error.strerror or error}. Free space or permissions, then run again.") from error


def _append(path: Path, text: str) -> None:
    """Adds a snapshot with one write: `tail -f` follows a file that grows, not one that is replaced."""
    try:
        mode = os.O_TRUNC if path.exists() and path.stat().st_size > _LARGEST_DASHBOARD else os.O_APPEND
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | mode, 0o644)
        try:
            os.write(handle, text.encode())
        finally:
            os.close(handle)
    except OSError as error:
        log.warning("%s could not be written: %s", path, error)
