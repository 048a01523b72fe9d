"""`collect_responses` as a process of its own, for tests that kill it: python -m tests.faults.collect FOLDER URL CONCURRENCY."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from contextrot.jobs.reporting import reporting_errors
from contextrot.responses.collect import collect_responses
from contextrot.settings import ModelSettings, Price, Settings
from contextrot.task import Parameters, Task


def prices(given: str | None) -> Price | None:
    """The prices of input and output tokens, USD a million."""
    if given is None:
        return None
    prompt, completion = map(float, given.split())
    return Price(input_usd_per_million_tokens=prompt, output_usd_per_million_tokens=completion)


def main(folder: str, url: str, concurrency: str) -> None:
    """Asks all samples of FOLDER/test/m/e/samples.parquet; the key comes from MY_TEST_KEY if that is set.

    TEST_SHARD is such as "2-of-8". TEST_ASK is how the model is asked.  With OPENAI_API_KEY it goes through litellm as to OpenAI, at OPENAI_BASE_URL.
    """
    budget = os.environ.get("TEST_BUDGET")
    hosted = "OPENAI_API_KEY" in os.environ
    ask = os.environ.get("TEST_ASK")
    experiment = Path(folder) / "test" / "m" / "e"
    shard, shards = map(int, os.environ.get("TEST_SHARD", "1-of-1").split("-of-"))
    model = ModelSettings(
        engine="external",
        name="gpt-4o-mini" if hosted else "m",
        provider="openai" if hosted else None,
        base_url=None if hosted else url,
        window=1000,
        max_output_tokens=50,
        concurrency=int(concurrency),
        tokens_per_minute=10**9,
        timeout_seconds=float(os.environ.get("TEST_TIMEOUT", 600)),
        price=prices(os.environ.get("TEST_PRICE")),
        tokenizer="tiktoken:o200k_base",
        ask=ask,
        api_key_env="MY_TEST_KEY" if "MY_TEST_KEY" in os.environ else None,
    )
    with reporting_errors(Path(folder) / f"log-{shard}" if shards > 1 else Path(folder) / "log"):
        collect_responses(
            experiment / "samples.parquet",
            experiment / "responses" / f"{shard}-of-{shards}.parquet",
            task=Task(Parameters()),
            model_name="m",
            model=model,
            settings=Settings(
                request_store=os.environ.get("TEST_STORE", f"{folder}/store"),
                max_attempts=3,
                retry_deadline_seconds=float(os.environ.get("TEST_DEADLINE", 60)),
                allow_failed="TEST_ALLOW_FAILED" in os.environ,
                batch={"look_seconds": 0.1},
                budget_usd=None if budget is None else float(budget),
            ),
            experiment="e",
            shard=shard,
            shards=shards,
            log=Path(folder) / "log",
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
