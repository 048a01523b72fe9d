"""Measures one mode of one serving experiment: starts the engine, warms it up, loads it, reads its counters, stops it.

A run is all or nothing: whatever fails (a request, an instance, a recomputed prompt) leaves no file behind.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot import engines
from contextrot.engines.vllm.pair import records_of, transfers_of
from contextrot.errors import ConfigError
from contextrot.records import Sample, read_samples, write_table, write_text
from contextrot.responses import kept_servers
from contextrot.serving.benchmark import cross_check
from contextrot.serving.counters import check_loaded, difference, read_counters
from contextrot.serving.load import Timing, run_load
from contextrot.serving.memory import MemorySampler
from contextrot.serving.simulated import simulated_load
from contextrot.serving.yarn import stretched
from contextrot.tasks.serving.summary import SIMULATED, as_json, summarize_requests

if TYPE_CHECKING:
    from contextrot.engines import Endpoint
    from contextrot.settings import ModelSettings
    from contextrot.tasks.serving.task import Serving

log = logging.getLogger(__name__)


def measure_mode(
    task: Serving,
    model: ModelSettings,
    mode: str,
    about: dict[str, Any],
    paths: tuple[Path, Path | None, Path],
    log_path: Path,
) -> None:
    """Measures one mode and writes requests.parquet, parity.parquet, summary.json and run_metadata.json.

    Args:
        task: with its parameters.
        about: what runs, for run_metadata.json and the summary: tier, seed, and the one model and experiment in `runs`.
        paths: the prompts, the same for every mode; samples whose greedy answers are kept for the comparison of modes, or
            None; the folder to write to.

    Raises:
        ConfigError: if the model's engine cannot serve in this mode.
        EngineError: if the engine stops, or a decode instance did not load what it should.
        RequestError: if a request fails.
    """
    samples_path, parity_path, output = paths
    settings = mode_settings(model, mode, task.parameters.yarn_factor)
    note = {"note": SIMULATED} if engines.of(settings).rates else {}
    samples = read_samples(samples_path)
    parity = [s for s in read_samples(parity_path) if s.fits_window] if parity_path else []
    with serve(settings, log_path) as endpoint:
        if (endpoint.base_url is None or endpoint.provider != "hosted_vllm") and not note:
            raise ConfigError(
                f"task 'serving' measures a server with an OpenAI-compatible URL; {settings.name!r} has none (`base_url` without `provider`)."
            )
        run = _Run(endpoint, task, settings, mode)
        run.warm_up([s for s in samples if s.condition["phase"] == "warmup" and s.fits_window])
        run.measure([s for s in samples if s.condition["phase"] == "measured"])
        answers = run.answer(parity)
        checked = [s for s in samples if s.condition["phase"] == "cross_check" and s.fits_window]
        agreement = cross_check(endpoint, settings, checked, task.request_options(checked[0]), log_path) if checked else None
        details = endpoint.details
    import pandas as pd

    requests = pd.DataFrame(run.rows)
    requests = requests.assign(**note)
    metrics = summarize_requests(requests, task.parameters.ttft_limit_seconds, task.parameters.tpot_limit_seconds)
    summary = {
        **note,
        **{name: about["runs"][0][name] for name in ("model", "experiment")},
        "tier": about["tier"],
        "mode": mode,
        "engine": settings.engine,
        "versions": details.get("versions"),
        "connector": details.get("connector"),
        "parameters": task.parameters.model_dump(mode="json"),
        "warmup_requests": run.warmups,
        "groups": nested(metrics),
        "cache": run.cache_state(),
        "kv_transfer": run.transfers(),
        "memory": run.memory or None,
        "cross_check": agreement,
        "parity_answers": len(answers),
    }
    write_table(output / "requests.parquet", requests)
    columns = ["sample_id", "mode", "text", "prompt_tokens", "completion_tokens", "finish_reason"]
    write_table(output / "parity.parquet", pd.DataFrame(answers, columns=columns))
    write_text(output / "run_metadata.json", as_json(metadata(about, mode, task, details) | note))
    write_text(output / "summary.json", as_json(summary))


@contextmanager
def serve(settings: ModelSettings, log_path: Path) -> Iterator[Endpoint]:
    """The model's engine; one whose times are computed, if it may be used, has nothing to start."""
    engine = engines.of(settings)
    if engine.rates:
        engine.check(settings)
        yield engines.Endpoint(engine=settings.engine, model=settings.name, provider="none")
        return
    kept_servers.stop_idle()
    with engines.serve(settings, log_path) as endpoint:
        yield endpoint


def mode_settings(model: ModelSettings, mode: str, yarn_factor: float | None) -> ModelSettings:
    """The model's settings for one mode.

    Raises:
        ConfigError: for `disaggregated` or YaRN with an engine that has not got it.
    """
    engine = engines.of(model)
    if mode == "disaggregated" and engine.in_mode is None:
        raise _needs("mode 'disaggregated'", engines.that(lambda one: one.in_mode), model)
    if yarn_factor and not engine.takes_overrides:
        raise _needs("`yarn_factor`", engines.that(lambda one: one.takes_overrides), model)
    model = engine.in_mode(model, mode) if engine.in_mode else model
    return stretched(model, yarn_factor) if yarn_factor else model


def _needs(what: str, known: str, model: ModelSettings) -> ConfigError:
    return ConfigError(f"{what} needs engine {known}, but this model has engine {model.engine!r}.")


class _Run:
    """What happens while the engine is up."""

    def __init__(self, endpoint: Endpoint, task: Serving, settings: ModelSettings, mode: str) -> None:
        self.endpoint, self.task, self.settings, self.mode = endpoint, task, settings, mode
        self.rows: list[dict[str, Any]] = []
        self.memory: list[dict[str, Any]] = []
        self.growth: list[dict[str, Any]] = []
        self.warmups = 0

    def warm_up(self, samples: list[Sample]) -> None:
        """Requests that count nowhere."""
        self._load(samples, 1)
        self.warmups = len(samples)

    def measure(self, samples: list[Sample]) -> None:
        """Measures every length, concurrency and repeat, each from an empty cache."""

        def group(sample: Sample) -> tuple[int, int, int]:
            return tuple(sample.condition[name] for name in ("length", "concurrency", "repeat"))

        for key, members in groupby(samples, group):
            members = list(members)
            if not members[0].fits_window:
                self.rows += [_row(sample, self.mode, "over_window") for sample in members]
                continue
            self.endpoint.reset()
            with MemorySampler(self.endpoint) if self.task.parameters.memory else nullcontext() as sampler:
                timings, seconds, growth, records = self._load(members, key[1])
            keys = {record["request_id"]: record for record in records}
            transfers = transfers_of(self.endpoint)
            for sample, timing in zip(members, timings, strict=True):
                record = keys.get(sample.sample_id, {})
                self.rows.append(
                    _row(sample, self.mode, "answered", timing)
                    | {"group_seconds": seconds}
                    | _transfer(record, transfers.get(record.get("key"), {}))
                )
            conditions = dict(zip(("length", "concurrency", "repeat"), key, strict=True))
            self.growth.append({**conditions, **growth})
            if sampler:
                self.memory.append({**conditions, "instances": sampler.peaks})
            log.info("%s, %s: %d requests in %.2f s", self.mode, conditions, len(members), seconds)

    def answer(self, samples: list[Sample]) -> list[dict[str, Any]]:
        """Greedy answers, one at a time, for the comparison of modes."""
        if not samples:
            return []
        self.endpoint.reset()
        timings = self._load(samples, 1, {"temperature": 0})[0]
        names = ("sample_id", "text", "prompt_tokens", "completion_tokens", "finish_reason")
        return [{"mode": self.mode, **{name: getattr(timing, name) for name in names}} for timing in timings]

    def _load(
        self, samples: list[Sample], concurrency: int, options: dict[str, Any] | None = None
    ) -> tuple[list[Timing], float, dict[str, Any], list[dict[str, Any]]]:
        if not samples:
            return [], 0.0, {}, []
        if engines.of(self.settings).rates:
            return *simulated_load(self.settings, samples, concurrency), {"counters": {}}, []
        records_of(self.endpoint)
        before = read_counters(self.endpoint)
        options = options or self.task.request_options(samples[0])
        timings, seconds = run_load(self.endpoint, samples, concurrency, options, self.settings.timeout_seconds)
        growth: dict[str, Any] = {"counters": difference(before, read_counters(self.endpoint))}
        records = records_of(self.endpoint)
        if "connector" in self.endpoint.details:
            growth["loaded"] = check_loaded(growth["counters"], records, self.endpoint.details["connector"])
        return timings, seconds, growth, records

    def cache_state(self) -> dict[str, Any]:
        """How much of the measured prompts the prefix cache held, by the server's own count."""
        answered = [row for row in self.rows if row["outcome"] == "answered"]
        cached = [row["cached_tokens"] for row in answered if row["cached_tokens"] is not None]
        prompt = sum(row["server_prompt_tokens"] for row in answered)
        local = sum(
            int(counters.get("prefix_cache_hits", 0)) for growth in self.growth for counters in growth["counters"].values()
        )
        return {
            "prefix": self.task.parameters.prefix,
            "reset_before_each_group": True,
            "prompt_tokens": prompt,
            "cached_tokens": sum(cached) if cached else None,
            "prefix_cache_hit_tokens": local if self.endpoint.details.get("instances") else None,
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


def _row(sample: Sample, mode: str, outcome: str, timing: Timing | None = None) -> dict[str, Any]:
    return {
        "sample_id": sample.sample_id,
        "mode": mode,
        **{name: sample.condition[name] for name in ("length", "concurrency", "repeat", "index")},
        "outcome": outcome,
        "unjudged": False,
        "target_tokens": sample.target_tokens,
        "prompt_tokens": sample.prompt_tokens,
        "server_prompt_tokens": timing and timing.prompt_tokens,
        "completion_tokens": timing and timing.completion_tokens,
        "cached_tokens": timing and timing.cached_tokens,
        "ttft_seconds": timing and timing.ttft_seconds,
        "tpot_seconds": timing and timing.tpot_seconds,
        "itl_seconds": timing.itl_seconds if timing else [],
        "end_to_end_seconds": timing and timing.end_to_end_seconds,
        "text": timing and timing.text,
        "finish_reason": timing and timing.finish_reason,
    }


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


def nested(metrics: Any) -> list[dict[str, Any]]:
    """Metrics as one entry per length and concurrency: measure -> value, low, high, n."""
    entries = []
    for (length, concurrency), rows in metrics.groupby(["length", "concurrency"], sort=True):
        measures = {row.measure: {"value": row.value, "low": row.low, "high": row.high, "n": row.n} for row in rows.itertuples()}
        entries.append({"length": int(length), "concurrency": int(concurrency), "measures": measures})
    return entries


def metadata(about: dict[str, Any], mode: str, task: Serving, details: dict[str, Any]) -> dict[str, Any]:
    """What ran, with the engine's own versions and commands."""
    shown = {name: value for name, value in details.items() if name != "transfer_folder"}
    seed = about["seed"] if task.parameters.seed is None else task.parameters.seed
    return {**about, "mode": mode, "seed": seed, "engine": shown}
