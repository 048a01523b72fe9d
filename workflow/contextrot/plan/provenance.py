"""Where results come from: a hash of the code behind them, and what ran with which versions on which machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot import engines
from contextrot.engines.machine import what_runs_here
from contextrot.errors import ContextRotError
from contextrot.randomness import generator_for
from contextrot.responses.chat_request import ChatRequests
from contextrot.responses.server_records import said_by
from contextrot.secrets import public
from contextrot.task import SampleContext

if TYPE_CHECKING:
    from contextrot.project import Project

FULL_TIER = "full"


def run_metadata(project: Project, tier: str, files: Sequence[str | Path] = ()) -> dict[str, Any]:
    """What ran: code, config, versions, machine, models, and for each experiment how many samples of how many.

    Args:
        files: samples and responses of the experiments; without one its counts are None.

    Holds no secret: keys stand in the environment, of which only NAMED_VARIABLES are kept, and addresses lose their
    user, password and query.
    """
    settings, files, here = project.settings, by_experiment(files), what_runs_here(project.root)
    runs = [
        experiment_metadata(project, tier, model, experiment, files.get((model, experiment), {}))
        for model in project.selected_models
        for experiment in project.selected_experiments
    ]
    prints = sorted({name for run in runs for name in run.get("server_fingerprints", [])})
    return {
        "created": here["created"],
        "workflow": here["workflow"],
        "tier": tier,
        "tier_description": settings.tiers[tier],
        "seed": settings.seed,
        "config_hash": config_hash(project),
        **{name: here[name] for name in ("versions", "machine", "environment")},
        "models": {
            name: {
                **public(project.models[name].model_dump(exclude_none=True)),
                "request_changes": ChatRequests(project.models[name]).changes,
                "prefix_reuse": engines.of(project.models[name]).reuses_prefixes(project.models[name]),
            }
            for name in project.selected_models
        },
        "servers": {name: said_by(Path(settings.request_store), name) for name in prints},
        "runs": runs,
    }


def measurement_metadata(project: Project, tier: str, model: str, experiment: str) -> dict[str, Any]:
    """As `run_metadata`, of one model and experiment, before it has been measured."""
    everything = run_metadata(project, tier)
    block = everything["models"].get(model) or project.models[model].model_dump(exclude_none=True, mode="json")
    return {**everything, "models": {model: block}, "runs": [experiment_metadata(project, tier, model, experiment, {})]}


def experiment_metadata(project: Project, tier: str, model: str, experiment: str, files: Mapping[str, Path]) -> dict[str, Any]:
    """What one model was asked in one experiment, and what came of it; counts are None where a file is not given."""
    entry: dict[str, Any] = {
        "model": model,
        "experiment": experiment,
        "task": project.experiments[experiment].task,
        "task_version": project.task_class(experiment).version,
        "parameters": project.parameters(tier, model, experiment).model_dump(mode="json"),
        "judges": project.judges_of(experiment),
        "samples": None,
        "samples_in_full": sample_count(project, FULL_TIER if FULL_TIER in project.settings.tiers else tier, model, experiment),
    }
    if "samples.parquet" in files:
        import pyarrow.parquet as pq

        entry["samples"] = pq.read_metadata(files["samples.parquet"]).num_rows
    if "responses.parquet" in files:
        entry |= responses_summary(files["responses.parquet"])
    return entry


def by_experiment(files: Iterable[str | Path]) -> dict[tuple[str, str], dict[str, Path]]:
    """Files of several experiments, `.../{model}/{experiment}/{file}` wherever they are: (model, experiment) -> name -> path."""
    found: dict[tuple[str, str], dict[str, Path]] = {}
    for path in map(Path, files):
        found.setdefault((path.parent.parent.name, path.parent.name), {})[path.name] = path
    return found


def responses_summary(path: str | Path) -> dict[str, Any]:
    """Outcomes, engines and models as the servers named them, tokens, cost and time of an experiment's responses."""
    import pandas as pd

    columns = "outcome engine model attempts cached prompt_tokens cached_tokens completion_tokens total_seconds cost_usd server_fingerprint".split()
    table = pd.read_parquet(path, columns=columns)

    def total(column: str) -> float | None:
        known = table[column].dropna()
        return float(known.sum()) if len(known) else None

    answered = table[table["engine"].notna()]
    return {
        "answers": len(table),
        "outcomes": {name: int(count) for name, count in table["outcome"].value_counts().sort_index().items()},
        "engines": sorted(answered["engine"].dropna().unique()),
        "server_models": sorted(public(name) for name in answered["model"].dropna().unique()),
        "server_fingerprints": sorted(answered["server_fingerprint"].dropna().unique()),
        "from_request_store": int(table["cached"].sum()),
        "attempts": int(table["attempts"].sum()),
        "prompt_tokens": total("prompt_tokens"),
        "prompt_tokens_from_prefix_cache": total("cached_tokens"),
        "completion_tokens": total("completion_tokens"),
        "request_seconds": total("total_seconds"),
        "cost_usd": total("cost_usd"),
        "answers_without_price": int(answered["cost_usd"].isna().sum()),
        "answered_until": datetime.fromtimestamp(Path(path).stat().st_mtime, UTC).isoformat(timespec="seconds"),
    }


class _BytesTokenizer:
    """Counts bytes, which costs nothing; for counting samples, whose number does not depend on the tokenizer."""

    exact = False

    def encode(self, text: str) -> bytes:
        return text.encode()

    def encode_batch(self, texts: list[str]) -> list[bytes]:
        return [text.encode() for text in texts]

    def decode(self, ids: bytes) -> str:
        return bytes(ids).decode(errors="replace")

    def count_chat(self, messages: list[dict[str, str]]) -> int:
        return sum(len(message["content"].encode()) for message in messages)


def sample_count(project: Project, tier: str, model: str, experiment: str) -> int | None:
    """How many samples a tier has, without building their prompts (none fits a window of no tokens); None if unknown."""
    tokenizer: Any = _BytesTokenizer()
    context = SampleContext(tokenizer, 0, 1, project.data, partial(generator_for, project.settings.seed))
    try:
        return len(project.task(tier, model, experiment).samples(context))
    except ContextRotError:
        return None


def config_hash(project: Project) -> str:
    """A hash of everything that the config files and the command line say about what was selected."""
    content = {
        "settings": project.settings.model_dump(mode="json"),
        "models": {name: project.models[name].model_dump(mode="json") for name in project.selected_models},
        "experiments": {name: project.experiments[name].model_dump(mode="json") for name in project.selected_experiments},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
