"""Measures one mode of one serving experiment: starts the engine, warms it up, loads it, reads its counters, stops it.

Prompts get codes of the run's own salt, and what the server says (or a probe) decides whether a group was cold. A request that fails is
counted; an instance that stops, a recomputed prompt, or a run in which nothing was answered leaves no file behind.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from contextrot import engines
from contextrot.errors import ConfigError
from contextrot.records import read_samples, write_table, write_text
from contextrot.responses import kept_servers
from contextrot.samples.tokenizers import tokenizer_of
from contextrot.serving.addresses import timed_endpoint
from contextrot.serving.benchmark import cross_check
from contextrot.serving.cold import shared_tokens
from contextrot.serving.exports import vllm_bench_lines
from contextrot.serving.guidellm_form import guidellm_report
from contextrot.serving.run import Run
from contextrot.serving.yarn import stretched
from contextrot.tasks.serving.codes import salted
from contextrot.tasks.serving.summary import SIMULATED, as_json, kept_up, load_column, summarize_requests

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
    """Measures one server and writes requests.parquet, parity.parquet, summary.json, run_metadata.json, vllm_bench.jsonl and guidellm.json.

    Args:
        task: with its parameters.
        about: what runs, for run_metadata.json and the summary: tier, seed, and the one model and experiment in `runs`.
        paths: the prompts, the same for every mode; samples whose greedy answers are kept for the comparison of modes, or
            None; the folder to write to.

    Raises:
        ConfigError: if the model's engine cannot serve in this mode.
        EngineError: if the engine stops, or a decode instance did not load what it should.
        RequestError: if nothing could be measured.
    """
    samples_path, parity_path, output = paths
    variant = next((one for one in task.parameters.variants if one.name == mode), None)
    if variant is None:
        raise ConfigError(
            f"{mode!r} is none of this experiment's servers: {', '.join(v.name for v in task.parameters.variants)}."
        )
    varied = model.model_copy(update={"engine_options": variant.applied(model.engine_options)})
    settings = mode_settings(varied, variant.mode, task.parameters.yarn_factor)
    note = {"note": SIMULATED} if engines.of(settings).rates else {}
    samples = read_samples(samples_path)
    parity = [s for s in read_samples(parity_path) if s.fits_window] if parity_path else []
    with serve(settings, log_path) as endpoint:
        if not note:
            endpoint = timed_endpoint(endpoint, settings.name)
        salt = task.parameters.salt or token_hex(8)
        seed = about["seed"] if task.parameters.seed is None else task.parameters.seed
        tokenizer = tokenizer_of(settings)
        count = lambda text: len(tokenizer.encode(text))  # noqa: E731
        fresh = partial(salted, salt=salt, count=count)
        with Run(endpoint, task, settings, mode, seed, fresh, shared_tokens(tokenizer), count) as run:
            run.warm_up([s for s in samples if s.condition["phase"] == "warmup" and s.fits_window])
            run.measure([s for s in samples if s.condition["phase"] == "measured"])
            highest_rates = (
                run.find_rates([s for s in samples if s.condition["phase"] == "measured"]) if task.parameters.find_rate else None
            )
            answers = run.answer(parity)
        checked = [s for s in samples if s.condition["phase"] == "cross_check" and s.fits_window]
        agreement = cross_check(endpoint, settings, checked, task.request_options(checked[0]), log_path) if checked else None
        details = endpoint.details
    import pandas as pd

    requests = pd.DataFrame(run.rows)
    requests = requests.assign(**note)
    metrics = summarize_requests(requests, task.parameters.limits)
    summary = {
        **note,
        **{name: about["runs"][0][name] for name in ("model", "experiment")},
        "tier": about["tier"],
        "mode": mode,
        "varied": variant.options or None,
        "engine": settings.engine,
        "versions": details.get("versions"),
        "connector": details.get("connector"),
        "parameters": task.parameters.model_dump(mode="json"),
        "salt": salt,
        "warmup_requests": run.warmups,
        "failed_requests": sum(row["outcome"] == "failed" for row in run.rows),
        "groups": nested(metrics),
        "open_loop": kept_up(requests),
        "highest_rates": highest_rates,
        "reconnected_requests": run.load.reconnected,
        "left_out_of_requests": run.load.bodies.changes,
        "energy": run.energy or None,
        "cache": run.cache_state(),
        "kv_transfer": run.transfers(),
        "memory": run.memory or None,
        "cross_check": agreement,
        "parity_answers": len(answers),
    }
    write_table(output / "requests.parquet", requests)
    columns = ["sample_id", "mode", "text", "prompt_tokens", "completion_tokens", "finish_reason"]
    write_table(output / "parity.parquet", pd.DataFrame(answers, columns=columns))
    named = {
        "date": about.get("created"),
        "model_id": settings.name,
        "tokenizer_id": settings.tokenizer or settings.name,
        "burstiness": run.burstiness,
        **note,
    }
    write_text(output / "vllm_bench.jsonl", vllm_bench_lines(requests, named, task.parameters.limits))
    write_text(output / "guidellm.json", guidellm_report(requests, run.burstiness))
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


def nested(metrics: Any) -> list[dict[str, Any]]:
    """Metrics as one entry per length and load: measure -> value, low, high, n."""
    entries = []
    load = load_column(metrics)
    for (length, value), rows in metrics.groupby(["length", load], sort=True):
        measures = {row.measure: {"value": row.value, "low": row.low, "high": row.high, "n": row.n} for row in rows.itertuples()}
        entries.append({"length": int(length), load: value, "measures": measures})
    return entries


def metadata(about: dict[str, Any], mode: str, task: Serving, details: dict[str, Any]) -> dict[str, Any]:
    """What ran, with the engine's own versions and commands."""
    shown = {name: value for name, value in details.items() if name != "transfer_folder"}
    seed = about["seed"] if task.parameters.seed is None else task.parameters.seed
    return {**about, "mode": mode, "seed": seed, "engine": shown}
