"""Asking by batches: every answer once, none paid twice, the same as from direct asking, whatever a provider's batches do."""

from __future__ import annotations

import json

import pytest

from contextrot.errors import ConfigError, ContextRotError, RequestError
from contextrot.records import Sample
from contextrot.responses.asking_by_batch import asks_by_batch
from contextrot.responses.batch_api import json_lines
from contextrot.responses.collect import ask_samples
from contextrot.responses.prices import pricing_of
from contextrot.responses.provider_batches import from_gemini
from contextrot.responses.usage import Ledger
from contextrot.settings import ModelSettings, Price, Settings
from contextrot.task import Parameters, Task
from contextrot.wire.heard import end_of_googles
from tests.servers.batch_server import BatchServer, answer_to

PRICE = Price(input_usd_per_million_tokens=1000, output_usd_per_million_tokens=10_000)
USD_A_REQUEST = 0.1 + 0.1
PROVIDERS = ["openai", "anthropic", "gemini", None]


def samples(count, later=()):
    return [
        Sample(f"s{i:03}", [{"role": "user", "content": f"question s{i:03}"}], ["x"], 20, 100, later_prompts=list(later))
        for i in range(count)
    ]


class Job:
    def __init__(self, folder, server, monkeypatch, provider="openai", **batch):
        for name in ("OPENAI", "ANTHROPIC", "GEMINI"):
            monkeypatch.setenv(f"{name}_API_KEY", "none")
        monkeypatch.setattr("contextrot.responses.batches.QUIET_SECONDS", 0.3)
        monkeypatch.setattr("contextrot.responses.batches.SECONDS_TO_APPEAR", 0.05)
        url = server.plain_url if provider in ("anthropic", "gemini") else server.url
        self.folder = folder
        self.model = ModelSettings(
            engine="external", name="m", provider=provider, base_url=url, window=1000, max_output_tokens=50, ask="batch", price=PRICE,
            tokenizer="tiktoken:o200k_base", tokens_per_minute=10**9,
        )  # fmt: skip
        self.batch = {"look_seconds": 0.02} | batch

    def __call__(self, asked, ask="batch", store="store", **settings):
        model = self.model.model_copy(update={"ask": ask})
        self.usage = Ledger(self.folder / "t" / "m" / "e", "1-of-1", "m", pricing_of(model), settings.get("budget_usd"))
        chosen = Settings(request_store=str(self.folder / store), batch=self.batch, **({"retry_deadline_seconds": 20} | settings))
        return ask_samples(asked, Task(Parameters()), model, chosen, self.usage, self.folder / "log", "job")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_answer_comes_once_at_half_the_price_whatever_a_batch_does(provider, tmp_path, monkeypatch):
    asked = samples(40)
    with BatchServer(faults=0.5, busy=2) as server:
        job = Job(tmp_path, server, monkeypatch, provider)
        answers = job(asked)
        assert sum(server.billed.values()) == 40 == len(server.billed)
        assert not server.direct
        assert len(server.submitted) >= 2
        assert job.usage.account.charged == pytest.approx(40 * USD_A_REQUEST / 2 * 1e12)
        again = job(asked)
        assert sum(server.billed.values()) == 40
    for sample in asked:
        [row], [cached] = answers[sample.sample_id], again[sample.sample_id]
        assert (row.outcome, row.text) == ("answered", answer_to(sample.messages)) == (cached.outcome, cached.text)
        assert row.cost_usd == pytest.approx(USD_A_REQUEST / 2) and row.total_seconds is None
    assert not list((tmp_path / "store" / "batches").glob("*/*.json"))


class OddServer(BatchServer):
    """Answers of which some have a value, anywhere, that no provider sends."""

    share = 0.0

    def get(self, path):
        return self._odd(*super().get(path))

    def post(self, path, content):
        return self._odd(*super().post(path, content))

    def _odd(self, status, answer):
        lines = json_lines(answer) if isinstance(answer, bytes) else [answer]
        for line in lines:
            if self.rng.random() < self.share:
                self._spoil(line)
        return status, "\n".join(map(json.dumps, lines)).encode() if isinstance(answer, bytes) else answer

    def _spoil(self, value):
        while isinstance(value, (dict, list)) and value:
            place = self.rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
            if not isinstance(value[place], (dict, list)) or self.rng.random() < 0.3:
                value[place] = self.rng.choice([None, True, 7, -1.5, 1e999, "", "x", [], [1], {}, {"a": [None]}, [[]], 10**400])
                return
            value = value[place]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_odd_answers_of_a_batch_api_are_failed_rows_or_one_message(provider, seed, tmp_path, monkeypatch):
    with OddServer(seed=seed) as server:
        server.share = 0.2
        job = Job(tmp_path, server, monkeypatch, provider, wait_hours=0.0005)
        try:
            answers = job(samples(12), retry_deadline_seconds=0.5, allow_failed=True)
        except ContextRotError as error:
            assert len(str(error)) < 2000
        else:
            assert {row.outcome for rows in answers.values() for row in rows} <= {"answered", "failed", "empty", "truncated"}


def test_answers_are_those_of_direct_asking_and_stored_under_the_same_keys(tmp_path, monkeypatch):
    asked = samples(5)
    with BatchServer() as server:
        job = Job(tmp_path, server, monkeypatch, None)
        by_batch = job(asked)
        directly = job(asked, ask="direct")
        assert not server.direct and all(rows[0].cached for rows in directly.values())
        other = job(asked, ask="direct", store="other")
        assert sum(server.direct.values()) == 5
    for name, [row] in by_batch.items():
        [alone] = other[name]
        assert (row.text, row.outcome, row.prompt_tokens, row.model) == (
            alone.text,
            alone.outcome,
            alone.prompt_tokens,
            alone.model,
        )
        assert row.cost_usd == pytest.approx(alone.cost_usd / 2)


@pytest.mark.parametrize("provider", PROVIDERS[:3])
def test_a_job_that_ends_while_a_batch_is_under_way_finds_it_again(provider, tmp_path, monkeypatch):
    with BatchServer(looks=3) as server:
        job = Job(tmp_path, server, monkeypatch, provider, wait_hours=0)
        for _ in range(3):
            with pytest.raises(RequestError, match="Run the same command later"):
                job(samples(6))
            assert job.usage.account.charged == 0
        assert len(job(samples(6))) == 6
        assert server.submitted == [6] and sum(server.billed.values()) == 6


@pytest.mark.parametrize("provider", PROVIDERS[:3])
def test_a_batch_that_nobody_saw_submitted_is_found(provider, tmp_path, monkeypatch):
    with BatchServer(looks=1) as server:
        job = Job(tmp_path, server, monkeypatch, provider, wait_hours=0)
        with pytest.raises(RequestError):
            job(samples(6))
        [record] = (tmp_path / "store" / "batches").glob("*/*.json")
        record.write_text(json.dumps(json.loads(record.read_text()) | {"id": None}))
        job.batch["wait_hours"] = 1
        assert len(job(samples(6))) == 6
        assert server.submitted == [6]


def test_what_fails_in_a_batch_can_be_asked_directly(tmp_path, monkeypatch):
    with BatchServer(faults=0.5) as server:
        job = Job(tmp_path, server, monkeypatch, None, failed="direct")
        assert len(job(samples(30))) == 30
        assert len(server.submitted) == 1 and sum(server.direct.values()) > 0
        assert sum(server.billed.values()) + sum(server.direct.values()) == 30
        expected = (sum(server.billed.values()) / 2 + sum(server.direct.values())) * USD_A_REQUEST
        assert job.usage.account.charged == pytest.approx(expected * 1e12)


def test_limits_of_size_and_number_split_a_run_into_batches(tmp_path, monkeypatch):
    monkeypatch.setattr("contextrot.responses.batch_api.OpenAIBatches.most_items", 10)
    with BatchServer() as server:
        assert len(Job(tmp_path, server, monkeypatch)(samples(35))) == 35
        assert sorted(server.submitted) == [5, 10, 10, 10]


def test_a_later_turn_is_in_a_later_batch(tmp_path, monkeypatch):
    with BatchServer() as server:
        answers = Job(tmp_path, server, monkeypatch)(samples(4, later=["question two", "question three"]))
        assert server.submitted == [4, 4, 4] and all(len(rows) == 3 for rows in answers.values())


def test_a_budget_holds_a_batch_back(tmp_path, monkeypatch):
    # at most 0.1 USD of prompt and 20 tokens of answer, at half the price: 0.15 a request
    with BatchServer() as server:
        with pytest.raises(RequestError, match="budget_usd is used up"):
            Job(tmp_path, server, monkeypatch)(samples(20), budget_usd=1.0)
        assert sum(server.billed.values()) * USD_A_REQUEST / 2 <= 1.0
        assert sum(server.billed.values()) >= 6


def test_money_is_set_aside_at_the_price_of_a_batch_whatever_share_that_is(tmp_path, monkeypatch):
    monkeypatch.setattr("contextrot.responses.prices.BATCH_SHARE", 1.0)
    with BatchServer() as server:
        with pytest.raises(RequestError, match="budget_usd is used up"):
            Job(tmp_path, server, monkeypatch)(samples(20), budget_usd=1.0)
        assert 0.6 <= sum(server.billed.values()) * USD_A_REQUEST <= 1.0


@pytest.mark.parametrize(("failed", "usd"), [("batch", "0.60"), ("direct", "1.20")])
def test_the_cost_that_is_told_is_that_of_batches_unless_what_fails_is_asked_directly(failed, usd, tmp_path, monkeypatch, capsys):
    # at most 0.1 USD of prompt and 20 tokens of answer for each of 4, at half the price
    with BatchServer() as server:
        Job(tmp_path, server, monkeypatch, failed=failed)(samples(4))
    assert f"at most {usd} USD" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "ends"),
    [
        ({"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}]}, [("a", "STOP")]),
        ({"candidates": [{"content": {"parts": [{"text": "a"}]}}]}, [("a", None)]),
        ({"candidates": [{"finishReason": 7}]}, [("", None)]),
        ({"promptFeedback": {"blockReason": "SAFETY"}}, [("", "content_filter")]),
        ({"promptFeedback": {"blockReason": "SAFETY"}, "candidates": [{"finishReason": "SAFETY"}]}, [("", "SAFETY")]),
        ({"promptFeedback": "none"}, []),
        ({}, []),
    ],
    ids=str,
)
def test_geminis_answers_in_a_batch_end_as_those_that_are_asked_directly(answer, ends):
    choices = from_gemini(answer)["choices"]
    assert [(choice["message"]["content"], choice["finish_reason"]) for choice in choices] == ends
    assert all(choice["finish_reason"] == end_of_googles([answer]) for choice in choices)


def test_who_is_asked_by_batch():
    block = {"engine": "external", "name": "m", "window": 1000, "max_output_tokens": 50}
    hosted, local = ModelSettings(**block, provider="openai"), ModelSettings(**block, base_url="http://127.0.0.1:1/v1")
    run = Settings(ask="batch")
    assert asks_by_batch(hosted, run) and not asks_by_batch(hosted, Settings())
    assert not asks_by_batch(local, run) and asks_by_batch(local.model_copy(update={"ask": "batch"}), Settings())
    assert not asks_by_batch(hosted.model_copy(update={"ask": "direct"}), run)
    with pytest.raises(ConfigError, match="no batch API"):
        asks_by_batch(ModelSettings(**block, provider="groq", ask="batch"), Settings())
