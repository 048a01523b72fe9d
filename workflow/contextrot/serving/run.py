"""What happens while the engine is up: warm-up, groups of requests under load, the search of rates, and what decides whether they were cold."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, replace
from itertools import groupby
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import numpy as np

from contextrot import engines
from contextrot.engines.vllm.pair import records_of, transfers_of
from contextrot.errors import RequestError
from contextrot.randomness import generator_for
from contextrot.records import Sample
from contextrot.responses.input_cut import counts_exactly
from contextrot.responses.prices import pricing_of
from contextrot.scores.tails import quantile_interval
from contextrot.serving.arrivals import due_seconds
from contextrot.serving.cold import Coldness, Probe, coldness
from contextrot.serving.counters import check_loaded, difference, read_counters
from contextrot.serving.energy import EnergyMeter
from contextrot.serving.load import LoadGenerator
from contextrot.serving.memory import MemorySampler
from contextrot.serving.rate_search import Trial, highest_rate
from contextrot.serving.rows import Session, mark_cut, row_of, rows_of, scores_of, sessions_of
from contextrot.serving.sending import Bodies
from contextrot.serving.simulated import simulated_load
from contextrot.serving.timings import Answer, FailedRequest, Timing, Turn, all_answered

if TYPE_CHECKING:
    from contextrot.engines import Endpoint
    from contextrot.settings import ModelSettings
    from contextrot.tasks.serving.task import Serving

log = logging.getLogger(__name__)

OF_ONE_LENGTH = 1.05
MOST_LEFT_OUT = 8
"""Parts of a request that a server may refuse, one after the other."""
REFUSED = (400, 422)
"""Statuses of a server that does not take a part of a request."""


class Run:
    """What happens while the engine is up; a context manager.

    Args:
        salted: gives a sample whose prompt was never sent before.
        shared_tokens: how much all prompts begin with.
        count: tokens of a text.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        task: Serving,
        settings: ModelSettings,
        mode: str,
        seed: int,
        salted: Callable[..., Sample],
        shared_tokens: int,
        count: Callable[[str], int],
    ) -> None:
        self.endpoint, self.task, self.settings, self.mode, self.salted = endpoint, task, settings, mode, salted
        self.seed, self.shared_tokens, self.count = seed, shared_tokens, count
        self.load = LoadGenerator(endpoint, settings.timeout_seconds, Bodies(endpoint, settings))
        self.pricing = pricing_of(settings)
        self.rows: list[dict[str, Any]] = []
        self.memory: list[dict[str, Any]] = []
        self.energy: list[dict[str, Any]] = []
        self.growth: list[dict[str, Any]] = []
        self.cold: list[dict[str, Any]] = []
        self.warmups = 0
        self.counts_cached = False

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.load.__exit__()

    def warm_up(self, samples: list[Sample]) -> None:
        """Requests that count nowhere; they tell what the server takes, and whether it counts what it had cached.

        A part of the request that a server elsewhere refuses by its name is left out of all.

        Raises:
            RequestError: if one fails: nothing that follows could be measured.
        """
        fresh = [self.salted(sample) for sample in samples]
        for _ in range(MOST_LEFT_OUT if fresh and engines.of(self.settings).elsewhere else 0):
            [first] = self._load(fresh[:1], 1)[0]
            if not isinstance(first, FailedRequest) or first.status not in REFUSED:
                break
            if not self.load.bodies.leave_out(first.message, fresh[0], self.task.request_options(fresh[0])):
                break
        answers = all_answered(self._load(fresh, 1)[0])
        self.warmups = len(answers)
        self.counts_cached = bool(answers) and all(answer.cached_tokens is not None for answer in answers)

    def measure(self, samples: list[Sample]) -> None:
        """Measures every length, load and repeat, each from an empty cache where the engine can empty it.

        Raises:
            RequestError: if no request at all was answered.
        """
        names = ("length", self.task.load_column, "repeat")

        def group(sample: Sample) -> tuple[Any, ...]:
            return tuple(sample.condition[name] for name in names)

        for key, members in groupby(samples, group):
            members = list(members)
            load = {self.task.load_column: key[1]}
            over = [sample for sample in members if not sample.fits_window]
            self.rows += [load | row_of(sample, self.mode, "over_window") for sample in over]
            members = [sample for sample in members if sample.fits_window]
            if members:
                self._measure_group(dict(zip(names, key, strict=True)), key, members)
        mark_cut(self.rows, counts_exactly(self.settings))  # by another tokenizer's counts only several lengths tell
        failed = [row for row in self.rows if row["outcome"] == "failed"]
        if failed and not any(row["outcome"] == "answered" for row in self.rows):
            raise RequestError(f"no request of the measurement was answered; the first: {failed[0]['error']}")

    def _measure_group(self, conditions: dict[str, Any], key: tuple[Any, ...], members: list[Sample]) -> None:
        self.endpoint.reset()
        probe = self._probe(members)
        sessions = self._sessions([self.salted(sample) for sample in members], key)
        meter = EnergyMeter(self.endpoint)
        with MemorySampler(self.endpoint) if self.task.parameters.memory else nullcontext() as sampler, meter:
            answers, seconds, growth, records = self._play(sessions, key[1])
        keys = {record["request_id"]: record for record in records}
        transfers = transfers_of(self.endpoint)
        rows = self._rows(sessions, answers)
        if self.task.parameters.task:
            for row, score in zip(rows, scores_of(sessions, answers, self.task.parameters), strict=True):
                row["score"] = score
        for row in rows:
            record = keys.get(row["request_id"], {})
            row |= {self.task.load_column: key[1], "group_seconds": seconds}
            row |= _transfer(record, transfers.get(record.get("key"), {}))
        found = self._coldness([row for row in rows if row["outcome"] == "answered"], growth["counters"], probe)
        self.cold.append({**conditions, **asdict(found)})
        self.rows += [row | {"warm": found.warm} for row in rows]
        self.growth.append({**conditions, **growth})
        if meter.joules:
            self.energy.append({**conditions, "seconds": seconds, "joules": meter.joules})
        if sampler:
            self.memory.append({**conditions, "instances": sampler.peaks})
        log.info("%s, %s: %d requests in %.2f s", self.mode, conditions, len(rows), seconds)
        if found.warm:
            log.warning("%s, %s: prompts were read from a cache (%s); they are not averaged", self.mode, conditions, found)

    def _probe(self, members: list[Sample]) -> Probe | None:
        """New prompts, and one sent again, where only their times can tell whether a group is cold."""
        told = self.counts_cached or self.endpoint.details.get("instances") or engines.of(self.settings).rates
        sizes = [sample.prompt_tokens or 0 for sample in members]
        if told or max(sizes) > OF_ONE_LENGTH * min(sizes):  # prompts of several lengths take times of their own
            return None
        one, other = (replace(self.salted(members[0], salt=token_hex(8)), later_prompts=[]) for _ in range(2))
        answers = self._load([one, one, other], 1)[0]
        times = [answer.ttft_seconds for answer in answers if isinstance(answer, Timing)]
        return Probe(min(times[0], times[2]), times[1]) if len(times) == len(answers) else None

    def _coldness(self, answered: list[dict[str, Any]], counters: dict[str, dict[str, float]], probe: Probe | None) -> Coldness:
        computing = counters.get("prefill") or next(iter(counters.values()), {})
        hits = computing.get("prefix_cache_hits")
        p = self.task.parameters
        prefix = "trace" if p.trace else p.prefix
        return coldness(answered, prefix, self.shared_tokens, None if hits is None else int(hits), probe)

    def answer(self, samples: list[Sample]) -> list[dict[str, Any]]:
        """Greedy answers, one at a time, for the comparison of modes.

        Raises:
            RequestError: if a request fails.
        """
        if not samples:
            return []
        self.endpoint.reset()
        timings = all_answered(self._load(samples, 1, options={"temperature": 0})[0])
        names = ("sample_id", "text", "prompt_tokens", "completion_tokens", "finish_reason")
        return [{"mode": self.mode, **{name: getattr(timing, name) for name in names}} for timing in timings]

    def find_rates(self, samples: list[Sample]) -> list[dict[str, Any]]:
        """For each length the highest rate at which the asked share of requests keeps the limits; see `highest_rate`."""
        p, found = self.task.parameters, []
        limits = p.limits
        for length, members in groupby((s for s in samples if s.fits_window), lambda sample: sample.condition["length"]):
            pool = list(members)

            def measure(rate: float, count: int, length: int = length, pool: list[Sample] = pool) -> Trial:
                self.endpoint.reset()
                asked = [self.salted(pool[i % len(pool)], salt=token_hex(8)) for i in range(count)]
                due = self._due(rate, count, (length, rate, token_hex(4)))
                sessions = [[Turn(sample, at)] for sample, at in zip(asked, due, strict=True)]
                answers, _, growth, _ = self._play(sessions, rate)
                answered = [row for row in self._rows(sessions, answers) if row["outcome"] == "answered"]
                percentiles = {}
                for name in limits:
                    values = np.array([row[name] for row in answered if row[name] is not None])
                    batches = np.arange(len(values)) * 10 // max(len(values), 1)
                    percentiles[name] = quantile_interval(values, batches, p.find_rate_quantile)
                warm = self._coldness(answered, growth["counters"], None).warm
                return Trial(rate, count, percentiles, len(answers) - len(answered), warm)

            answer = highest_rate(measure, limits, min(p.rates), requests=p.find_rate_requests, most=8 * p.find_rate_requests)
            found.append({"length": length, "limits": limits, "quantile": p.find_rate_quantile, **asdict(answer)})
        return found

    def _rows(self, sessions: list[Session], answers: list[Answer]) -> list[dict[str, Any]]:
        rows = rows_of(sessions, answers, self.mode, self.pricing)
        mark_cut(rows, counts_exactly(self.settings))
        return rows

    @property
    def burstiness(self) -> float:
        """Shape of the gamma distributed gaps of an open loop; infinity for a constant gap."""
        asked = self.task.parameters.burstiness
        return math.inf if asked == "constant" else asked

    def _due(self, rate: float, count: int, key: tuple[Any, ...]) -> list[float]:
        times: list[float] = due_seconds(rate, count, self.burstiness, generator_for(self.seed, "arrivals", *key)).tolist()
        return times

    def _sessions(self, samples: list[Sample], key: tuple[Any, ...]) -> list[Session]:
        p = self.task.parameters
        due = self._due(key[1], len(samples), key) if p.rates else None
        return sessions_of(samples, p, due, generator_for(self.seed, "think", *key), self.count)

    def _load(
        self, samples: list[Sample], at_once: int, options: dict[str, Any] | None = None
    ) -> tuple[list[Answer], float, dict[str, Any], list[dict[str, Any]]]:
        """A closed loop of single requests."""
        return self._play([[Turn(sample)] for sample in samples], at_once, options, closed=True)

    def _play(
        self, sessions: list[Session], load: float, options: dict[str, Any] | None = None, closed: bool = False
    ) -> tuple[list[Answer], float, dict[str, Any], list[dict[str, Any]]]:
        """Answers, seconds, growth of the engine's counters, and a pair's records."""
        if not sessions:
            return [], 0.0, {"counters": {}}, []
        at_once = int(load) if closed or self.task.load_column == "concurrency" else None
        if engines.of(self.settings).rates:
            simulated, seconds = simulated_load(self.settings, sessions, at_once)
            return list(simulated), seconds, {"counters": {}}, []
        records_of(self.endpoint)
        before = read_counters(self.endpoint)
        asked = self.task.request_options if options is None else options
        answers, seconds = self.load.play(sessions, asked, at_once, self.settings.window)
        growth: dict[str, Any] = {"counters": difference(before, read_counters(self.endpoint))}
        records = records_of(self.endpoint)
        if "connector" in self.endpoint.details:
            growth["loaded"] = check_loaded(growth["counters"], records, self.endpoint.details["connector"])
        return answers, seconds, growth, records

    def cache_state(self) -> dict[str, Any]:
        """What is known of the caches: whether they were emptied, how much they held, which groups were warm."""
        answered = [row for row in self.rows if row["outcome"] == "answered"]
        cached = [row["cached_tokens"] for row in answered if row["cached_tokens"] is not None]
        prompt = sum(row["server_prompt_tokens"] or 0 for row in answered)
        local = sum(
            int(counters.get("prefix_cache_hits", 0)) for growth in self.growth for counters in growth["counters"].values()
        )
        return {
            "prefix": self.task.parameters.prefix,
            "reset_before_each_group": self.endpoint.can_reset,
            "prompt_tokens": prompt or None,
            "cached_tokens": sum(cached) if cached else None,
            "prefix_cache_hit_tokens": local if self.endpoint.details.get("instances") else None,
            "cold_groups": sum(group["warm"] is False for group in self.cold),
            "warm_groups": sum(group["warm"] is True for group in self.cold),
            "groups": self.cold,
        }

    def transfers(self) -> dict[str, Any] | None:
        """What was transferred from prefill to decode; None for one engine."""
        checks = [growth["loaded"] for growth in self.growth if "loaded" in growth]
        if not checks:
            return None
        total = {name: sum(check[name] for check in checks) for name in checks[0] if name != "every_request_loaded"}
        measured = {"bytes": 0.0, "seconds": 0.0}
        if self.endpoint.details["connector"].startswith("Nixl"):
            for growth in self.growth:
                measured["bytes"] += growth["counters"]["decode"].get("nixl_bytes", 0.0)
                measured["seconds"] += growth["counters"]["decode"].get("nixl_seconds", 0.0)
            source = "vllm:nixl_bytes_transferred, vllm:nixl_xfer_time_seconds of the decode instance"
        else:
            for row in self.rows:
                measured["bytes"] += row.get("kv_bytes") or 0
                measured["seconds"] += (row.get("kv_store_seconds") or 0.0) + (row.get("kv_load_seconds") or 0.0)
            source = "bytes read and seconds spent by the connector, store and load together"
        return {**total, "every_request_loaded": True, **measured, "measured_by": source, "groups": self.growth}


def _transfer(record: dict[str, Any], transfer: dict[str, Any]) -> dict[str, Any]:
    """What the pair adds to a request's row; nothing for one engine."""
    if not record:
        return {}
    return {
        "prefill_seconds": record["prefill_seconds"],
        "expected_kv_tokens": record["expected_tokens"],
        "loaded_kv_tokens": record["loaded_tokens"],
        "kv_bytes": transfer.get("load_bytes"),
        "kv_store_seconds": transfer.get("store_seconds"),
        "kv_load_seconds": transfer.get("load_seconds"),
    }
