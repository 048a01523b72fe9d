"""Budgets against servers that keep a book of their own: every run ends by itself, none bills more than budget and what is under way."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections import Counter
from contextlib import suppress

import pytest

from contextrot.errors import RequestError
from contextrot.records import Sample, write_samples
from contextrot.responses.prices import pricing_of
from contextrot.settings import ModelSettings, Price
from tests.client_session import Session, model_at
from tests.faults.test_requests import start
from tests.scripted_server import Act, ScriptedServer, error

LISTED = ["gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano", "gpt-4o", "gpt-4o-mini", "o3", "gpt-5", "gpt-5-mini"]
LIMIT, PROMPT, CONCURRENCY = 50, 400, 4


def list_price(name):
    model = ModelSettings(engine="external", provider="openai", name=name, window=1000, max_output_tokens=LIMIT)
    [(_, rate), *_] = pricing_of(model).tiers
    million = 1e6
    return Price(
        input_usd_per_million_tokens=rate.prompt * million,
        output_usd_per_million_tokens=rate.completion * million,
        cached_input_usd_per_million_tokens=rate.cached * million,
    )


class Billing:
    """A server that bills, and answers in one way.

    Attributes:
        billed: USD so far; `dearest` the largest bill of one request.
    """

    def __init__(self, way, price, seed):
        self.way, self.price, self.rng = way, price, random.Random(seed)
        self.billed = self.dearest = 0.0
        self.asked = 0

    def __call__(self, prompt, before):
        tokens, output = int(prompt.split()[1]), self.rng.randint(1, LIMIT)
        act = Act(text="word " * output, delay_seconds=self.rng.random() / 500)
        usage = {"prompt_tokens": tokens, "completion_tokens": output}
        if self.way == "thinks beyond the limit":
            output = round(4.9 * LIMIT)
            usage["completion_tokens"] = output
        elif self.way == "reasons beside the count":
            usage["completion_tokens_details"] = {"reasoning_tokens": 200}
            output += 200
        elif self.way == "counts 1.4 times":
            tokens = usage["prompt_tokens"] = round(1.4 * tokens)
        elif self.way == "null":
            usage = None
        elif self.way == "missing":
            usage = {}
        elif self.way == "zero":
            usage = {"prompt_tokens": 0, "completion_tokens": 0}
        elif self.way == "negative":
            usage = {"prompt_tokens": -tokens, "completion_tokens": -1}
        elif self.way == "all is cached":
            usage["prompt_tokens_details"] = {"cached_tokens": 10**6}
        act.usage = usage
        if self.way == "silent":
            act, output = Act(silent=True), LIMIT
        elif self.way == "cut":
            act.cut = True
        elif self.way == "reset":
            act.reset = True
        elif self.way == "no choices":
            act.body = json.dumps({"choices": [], "usage": usage}).encode()
            act.headers = {"Content-Type": "application/json"}
        elif self.way == "no JSON":
            act.body = b"well, no"
        elif self.way == "another model":
            act.model = "somebody-else"
        elif self.way == "resets kept connections":
            tokens, output, self.asked = PROMPT, LIMIT, self.asked + 1
            act.stream, act.reset = False, self.asked > CONCURRENCY and self.asked % 2 == 1
            act.usage = {"prompt_tokens": tokens, "completion_tokens": output}
        elif self.way in ("500", "502", "504"):
            act = error(int(self.way), "the upstream gave up")
        elif self.way == "gives up":
            act.finish = "error"
        elif self.way in ODD_WAYS:
            output = self._odd(act, usage, output)
            tokens = usage["prompt_tokens"]
        cost = tokens * self.price.input_usd_per_million_tokens / 1e6 + output * self.price.output_usd_per_million_tokens / 1e6
        self.billed += cost
        self.dearest = max(self.dearest, cost)
        return act

    def _odd(self, act, usage, output):
        """Does something that no honest server does, and gives the tokens of the answer that it bills."""
        act.headers, told = {"Content-Type": "application/json"}, {"usage": usage}
        choice = {"index": 0, "message": {"role": "assistant", "content": "word " * output}, "finish_reason": "stop"}
        slow = {"message": "slow down", "code": 429}
        if self.way == "an answer that shrinks":
            act.body = events(told, delta("word " * output, "stop"), {"usage": usage | {"completion_tokens": 1}}, "[DONE]")
        elif self.way == "counts after the end":
            act.body = events(delta("word ", "stop"), "[DONE]", told)
        elif self.way == "an error in the middle":
            act.body = events(delta("word " * output), {"error": slow})
        elif self.way == "two answers":
            act.body = json.dumps(
                {"choices": [choice, choice | {"index": 1}], "usage": usage | {"completion_tokens": 2 * output}}
            ).encode()
            output *= 2
        elif self.way == "two answers without counts":
            act.body, output = json.dumps({"choices": [choice, choice | {"index": 1}]}).encode(), 2 * LIMIT
        elif self.way == "two streams without counts":
            act.body = events(delta("word "), delta("word ", index=1), delta("", "stop"), delta("", "stop", 1), "[DONE]")
            output = 2 * LIMIT
        elif self.way == "an error that counts":
            act.body = json.dumps({"error": slow} | told).encode()
        elif self.way == "counts beside a 429":
            act.status, act.body = 429, json.dumps({"error": slow} | told).encode()
        elif self.way == "slow headers":
            act.delay_seconds = 0.4
        elif self.way == "no content":
            act.status, act.body = 204, b""
        elif self.way == "counts in words":
            act.usage = {name: f"{count} tokens" for name, count in usage.items()}
        elif self.way == "more in the total":
            act.usage = usage | {
                "total_tokens": usage["prompt_tokens"] + output + 200,
                "completion_tokens_details": {"reasoning_tokens": 3},
            }
            output += 200
        if act.body and act.body.startswith(b"data:"):
            act.headers = {"Content-Type": "text/event-stream"}
        return output


def delta(text, finish=None, index=0):
    return {"choices": [{"index": index, "delta": {"content": text}, "finish_reason": finish}]}


def events(*chunks):
    return "".join(f"data: {chunk if isinstance(chunk, str) else json.dumps(chunk)}\n\n" for chunk in chunks).encode()


def questions(count, rng):
    return [f"q {rng.randint(PROMPT // 4, PROMPT)} {i}" for i in range(count)]


def run_out(folder, billing, budget, runs=1):
    """Runs, each resumed from the one before, until every one has ended; their results."""
    with ScriptedServer(billing) as server:
        model = model_at(server, price=billing.price, concurrency=CONCURRENCY, timeout_seconds=0.3)
        results = []
        for number in range(runs):
            session = Session(folder, model, budget_usd=budget, retry_deadline_seconds=2, allow_failed=True)
            rng = random.Random(number)
            begin = time.monotonic()
            results += session.ask(*questions(150, rng), prompt_tokens=PROMPT)
            assert time.monotonic() - begin < 20
        return results


@pytest.mark.parametrize("way", ["exact", "null", "missing", "zero"])
@pytest.mark.parametrize("name", LISTED)
def test_a_budgeted_run_ends_by_itself_and_bills_no_more(tmp_path, name, way):
    price = list_price(name)
    billing = Billing(way, price, f"{name} {way}")
    worst = (PROMPT * price.input_usd_per_million_tokens + LIMIT * price.output_usd_per_million_tokens) / 1e6
    results = run_out(tmp_path, billing, 20 * worst)
    assert any(isinstance(r, RequestError) and "budget_usd is used up" in str(r) for r in results)
    assert not [r for r in results if isinstance(r, Exception) and not isinstance(r, RequestError)]
    assert billing.billed <= 20 * worst
    assert Counter(isinstance(r, RequestError) for r in results)[False] >= 16


WAYS = [
    "thinks beyond the limit", "reasons beside the count", "counts 1.4 times", "null", "missing", "zero", "negative", "all is cached",
    "silent", "cut", "reset", "resets kept connections", "no choices", "no JSON", "another model", "500", "502", "504", "gives up",
]  # fmt: skip


ODD_WAYS = [
    "an answer that shrinks", "counts after the end", "an error in the middle", "two answers", "two answers without counts",
    "two streams without counts", "an error that counts", "counts beside a 429", "slow headers", "no content", "counts in words", "more in the total",
]  # fmt: skip


@pytest.mark.parametrize("way", [*WAYS, *ODD_WAYS])
def test_no_server_bills_more_than_the_budget_and_what_was_under_way_in_five_runs(tmp_path, way):
    price = list_price("gpt-4.1")
    billing = Billing(way, price, way)
    worst = (PROMPT * price.input_usd_per_million_tokens + LIMIT * price.output_usd_per_million_tokens) / 1e6
    results = run_out(tmp_path, billing, 15 * worst, runs=5)
    assert not [r for r in results if isinstance(r, Exception) and not isinstance(r, RequestError)]
    assert "budget_usd is used up" in str(results[-1])
    assert billing.billed <= 15 * worst + (CONCURRENCY * billing.dearest if billing.dearest > worst else 0)


@pytest.mark.soak
@pytest.mark.parametrize("way", ["exact", *WAYS, *ODD_WAYS])
def test_no_server_bills_more_than_the_budget_and_what_was_under_way_whatever_is_killed(tmp_path, way):
    price, rng = list_price("gpt-4.1"), random.Random(way)
    billing = Billing(way, price, way)
    prices = price.input_usd_per_million_tokens, price.output_usd_per_million_tokens
    worst = (PROMPT * prices[0] + LIMIT * prices[1]) / 1e6
    asked = [Sample(f"s{i}", [{"role": "user", "content": q}], ["x"], LIMIT, PROMPT) for i, q in enumerate(questions(200, rng))]
    write_samples(tmp_path / "test/m/e/samples.parquet", asked)
    environment = {
        "TEST_PRICE": f"{prices[0]} {prices[1]}",
        "TEST_BUDGET": str(40 * worst),
        "TEST_TIMEOUT": "0.3",
        "TEST_DEADLINE": "2",
    }
    with ScriptedServer(billing) as server:
        for kills_left in (3, 2, 1, 0, 0):
            job = start(tmp_path, server.url, CONCURRENCY, **environment, TEST_ALLOW_FAILED="1")
            until = len(server.prompts) + rng.randint(3, 12)
            while kills_left and job.poll() is None and len(server.prompts) < until:
                time.sleep(0.002)
            if kills_left:
                job.kill()
            with suppress(subprocess.TimeoutExpired):  # what heals by itself is waited for
                output, _ = job.communicate(timeout=30)
                assert "Traceback" not in output
            job.kill()
            job.wait()
            job.stdout.close()
    assert (
        "budget_usd is used up" in output
        or way.isdigit()
        or way in ("an error in the middle", "an error that counts", "counts beside a 429")
    )
    assert billing.billed <= 40 * worst + (CONCURRENCY * billing.dearest if billing.dearest > worst else 0)


def test_an_answer_without_counts_has_a_cost_that_is_marked_as_the_most(tmp_path):
    with ScriptedServer(lambda *_: Act(usage={})) as server:
        price = Price(input_usd_per_million_tokens=10, output_usd_per_million_tokens=100)
        [r] = Session(tmp_path, model_at(server, price=price)).ask("q", prompt_tokens=7)
    assert (r.prompt_tokens, r.completion_tokens, r.cost_at_most) == (None, None, True)
    assert r.cost_usd == pytest.approx((7 * 10 + 50 * 100) / 1e6)
