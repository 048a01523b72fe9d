"""What a job says before it asks: the limit that it waits for, and what its requests will cost."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from contextrot import engines
from contextrot.records import Sample
from contextrot.responses.limits import rate_limits_of
from contextrot.responses.rehearsal import estimate_experiment
from contextrot.settings import ModelSettings
from contextrot.task import Task

log = logging.getLogger(__name__)


def announce_default_limit(name: str, model: ModelSettings) -> None:
    """Says the limit of a server at a URL that has none in config, as it can be what a run waits for."""
    if engines.of(model).elsewhere and not model.hosted and model.tokens_per_minute is None:
        limit, _ = rate_limits_of(model)
        _say(
            f"{name}: at most {limit:,} tokens a minute, the default for a server at a URL; `tokens_per_minute` of the model sets another"
        )


def announce_cost(name: str, task: Task, model: ModelSettings, samples: Sequence[Sample], by_batch: bool) -> None:
    """Says what the requests of a billed model will cost, before the first is sent.

    Args:
        by_batch: whether all are asked in batches, what failed in one as well.
    """
    estimate = estimate_experiment(model.name, name, task, model, samples, by_batch=by_batch)
    usd = "an unknown price" if estimate.usd_at_most is None else f"at most {estimate.usd_at_most:.2f} USD"
    hours = "" if estimate.hours is None else f", {estimate.hours:.1f} hours at its rate limits"
    tokens = f"{estimate.prompt_tokens:,} prompt and at most {estimate.output_tokens_at_most:,} output tokens"
    _say(f"{name}: {estimate.calls:,} requests to {model.provider}, {tokens}, {usd}{hours}")


def _say(line: str) -> None:
    log.info("%s", line)
    print(line, file=sys.stderr)
