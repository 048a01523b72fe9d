"""What the estimate says before is what the ledger says after, in tokens and USD, of stand-ins that count and bill as providers do."""

from __future__ import annotations

import json
import random
import zlib
from functools import partial

import pytest

from contextrot import tasks
from contextrot.randomness import generator_for
from contextrot.records import Sample, write_samples
from contextrot.responses.collect import collect_responses
from contextrot.responses.expected_output import measured_output
from contextrot.responses.prefix_sharing import shared_tokens
from contextrot.responses.rehearsal import estimate_experiment
from contextrot.responses.usage import summarize
from contextrot.settings import ModelSettings, Price, Settings
from contextrot.task import Parameters, SampleContext, Task
from tests.scripted_server import Act, ScriptedServer
from tests.servers.anthropic_cache import AnthropicCache
from tests.servers.batch_server import BatchServer

WITHIN = 0.15
PRICE = Price(
    input_usd_per_million_tokens=3,
    output_usd_per_million_tokens=15,
    cached_input_usd_per_million_tokens=0.3,
    cache_write_usd_per_million_tokens=3.75,
)
NEEDLES = {"lengths": [600, 1500], "depths": [0, 50, 100], "needles": ["night_train_high", "restaurant_high"]}
CONVERSATIONS = {
    "niah": {**NEEDLES, "answer_tokens": 60},
    "retest": {"of": "niah", "parameters": NEEDLES, "times": 3},
    "remedies": {"of": "niah", "parameters": NEEDLES, "part_tokens": 400},
    "context_switching": {
        "targets": ["sentiment"],
        "distractors": ["sentiment"],
        "history_turns": [0, 3],
        "items": 6,
        "history": "conversational",
    },
    "story_sequences": {"output_tokens": 150, "margin_tokens": 20, "window": 900, "policy": "sliding", "sequences": 4},
}


class Counting(ScriptedServer):
    """Counts as the tokenizer does, bills each request that it answers, and says between a tenth and nine tenths of the limit."""

    def __init__(self, tokenizer) -> None:
        super().__init__()
        self.tokenizer, self.usd, self.tokens = tokenizer, 0.0, 0

    def act(self, request, authorization):
        super().act(request, authorization)
        draw = random.Random(zlib.crc32(json.dumps(request["messages"]).encode()))
        tokens = max(1, round(draw.uniform(0.1, 0.9) * request["max_tokens"]))
        prompt = self.tokenizer.count_chat(request["messages"])
        self.tokens += prompt + tokens
        self.usd += (prompt * 3 + tokens * 15) / 1e6
        text = self.tokenizer.decode(self.tokenizer.encode(f"In the year {draw.randrange(9999)} it was seen. " * tokens)[:tokens])
        return Act(text, usage={"prompt_tokens": prompt, "completion_tokens": tokens})


def built(task, tokenizer, data, window):
    return task.samples(SampleContext(tokenizer, window, 1000, data, partial(generator_for, 1)))


def asked(folder, task, model, samples, **settings):
    """Token counts and cost by the ledger of a run of its own."""
    folder.mkdir(parents=True)
    write_samples(folder / "samples.parquet", samples)
    about = {"task": task, "model_name": "m", "model": model, "experiment": "e", "shard": 1, "shards": 1, "log": folder / "log"}
    settings = Settings(request_store=str(folder / "store"), **settings)
    collect_responses(folder / "samples.parquet", folder / "responses.parquet", settings=settings, **about)
    return summarize(folder.parent)["answers"]


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_however_a_task_asks_its_estimate_is_what_it_costs(name, tmp_path, embedded_tokenizer, data):
    task = tasks.load(name)(tasks.load(name).Parameters(**CONVERSATIONS[name]))
    samples = built(task, embedded_tokenizer, data, 4096)
    with Counting(embedded_tokenizer) as server:
        model = ModelSettings(
            engine="external", name="m", base_url=server.url, window=4096, max_output_tokens=1000, price=PRICE,
            tokenizer=str(data / "models/embedded"), tokens_per_minute=10**9,
        )  # fmt: skip
        asked(tmp_path / "pilot" / "m" / "e", task, model, samples[::3])
        server.usd = server.tokens = 0
        server.requests.clear()
        expected = measured_output(tmp_path, "m", "e")
        estimate = estimate_experiment("m", "e", task, model, samples, expected)
        found = asked(tmp_path / "full" / "m" / "e", task, model, samples)
        requests = len(server.requests)
    assert (found["total_tokens"], found["cost_usd"]) == (server.tokens, pytest.approx(server.usd))
    assert estimate.calls == requests == found["calls"]
    assert estimate.prompt_tokens + estimate.output_tokens == pytest.approx(server.tokens, rel=WITHIN)
    assert estimate.usd == pytest.approx(server.usd, rel=WITHIN)
    assert estimate.usd_low <= server.usd <= estimate.usd_high or name != "niah"


@pytest.mark.parametrize("length", [4_000, 12_000])
def test_a_prompt_cache_costs_what_was_estimated(length, tmp_path, o200k, data, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "none")
    parameters = {"lengths": [length], "depths": list(range(0, 101, 10)), "needles": ["spare_key_low"], "repeats": 1}
    task = tasks.load("niah")(tasks.load("niah").Parameters(**parameters))
    samples = built(task, o200k, data, 200_000)
    with AnthropicCache(lambda text: len(o200k.encode(text))) as server:
        model = ModelSettings(
            engine="external", name="claude-sonnet-4-5", provider="anthropic", base_url=server.url, window=200_000, max_output_tokens=64,
            price=PRICE, tokenizer="tiktoken:o200k_base", tokens_per_minute=10**9,
        )  # fmt: skip
        found = asked(tmp_path / "full" / "m" / "e", task, model, samples)
        account = server.account
    usd = (account.plain * 3 + account.written * 3.75 + account.read * 0.3 + 2 * account.requests * 15) / 1e6
    assert found["cost_usd"] == pytest.approx(usd)
    expected = measured_output(tmp_path, "m", "e")
    estimate = estimate_experiment("m", "e", task, model, samples, expected, shared_tokens(samples, model))
    assert estimate.usd == pytest.approx(usd, rel=WITHIN)
    assert estimate.prompt_tokens == pytest.approx(account.all, rel=WITHIN)


@pytest.mark.parametrize("faults", [0.0, 0.5])
def test_batches_cost_what_was_estimated(faults, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    for name, seconds in (("QUIET_SECONDS", 0.3), ("SECONDS_TO_APPEAR", 0.05)):
        monkeypatch.setattr(f"contextrot.responses.batches.{name}", seconds)
    task = Task(Parameters())
    samples = [Sample(f"s{i:02}", [{"role": "user", "content": f"question s{i:02}"}], ["x"], 20, 100) for i in range(40)]
    with BatchServer(faults=faults) as server:
        model = ModelSettings(
            engine="external", name="m", provider="openai", base_url=server.url, window=1000, max_output_tokens=50, ask="batch", price=PRICE,
            tokenizer="tiktoken:o200k_base", tokens_per_minute=10**9,
        )  # fmt: skip
        found = asked(tmp_path / "full" / "m" / "e", task, model, samples, batch={"look_seconds": 0.02})
        usd = (100 * 3 + 10 * 15) / 2e6 * sum(server.billed.values())
    assert found["cost_usd"] == pytest.approx(usd)
    estimate = estimate_experiment("m", "e", task, model, samples, measured_output(tmp_path, "m", "e"), by_batch=True)
    assert estimate.usd == pytest.approx(usd, rel=WITHIN)
