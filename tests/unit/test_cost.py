"""Prices and the estimate, against hand-computed sums; an unknown price is unknown."""

from __future__ import annotations

import json

import pytest

from contextrot.plan.cost_estimate import cost_table, estimate_cost, expected_output
from contextrot.project import Project
from contextrot.records import Response, Sample, write_responses, write_samples
from contextrot.responses.expected_output import ExpectedOutput, gold_output, measured_output, thinks
from contextrot.responses.prices import FREE, pricing_of
from contextrot.responses.rehearsal import Rehearsal, estimate_experiment
from contextrot.samples.sample_table import SampleTable
from contextrot.settings import ModelSettings, Price
from contextrot.task import Parameters, Task
from tests.tiny_models import word_tokenizer


def model(**values):
    defaults = {"engine": "external", "provider": "openai", "name": "gpt-4.1", "window": 10**6, "max_output_tokens": 100}
    return ModelSettings(**(defaults | {"tokenizer": "tiktoken:o200k_base"} | values))


def sample(name, prompt_tokens, *later, fits=True):
    return Sample(name, [], ["gold answer"], 100, prompt_tokens, fits_window=fits, later_prompts=list(later))


def mean(tokens):
    """Answers of so many tokens at the limit that samples have here."""
    return ExpectedOutput(tokens / 100, None, 0, 100, "a test")


PLAIN = Task(Parameters())
PRICE = Price(input_usd_per_million_tokens=2, output_usd_per_million_tokens=8, cached_input_usd_per_million_tokens=0.5)


def test_litellms_table_gives_the_price_of_a_known_model():
    # 2 USD a million prompt tokens, 0.5 cached, 8 completion
    assert pricing_of(model()).cost(1_000_000, 500_000, 200_000) == pytest.approx(0.8 * 2 + 0.2 * 0.5 + 0.5 * 8)


def test_a_longer_prompt_may_cost_more_a_token():
    # gemini-2.5-pro: 1.25 and 10 USD up to 200k prompt tokens, above that 2.5 and 15 for the whole request
    pricing = pricing_of(model(provider="gemini", name="gemini-2.5-pro"))
    assert pricing.cost(200_000, 1000) == pytest.approx(0.2 * 1.25 + 0.001 * 10)
    assert pricing.cost(200_001, 1000) == pytest.approx(0.200001 * 2.5 + 0.001 * 15)


def test_the_configs_price_comes_before_the_table():
    assert pricing_of(model(price=PRICE)).cost(10**6, 0) == pytest.approx(2)


def test_cached_tokens_cost_as_others_without_a_price_of_their_own():
    price = Price(input_usd_per_million_tokens=2, output_usd_per_million_tokens=8)
    assert pricing_of(model(price=price)).cost(10**6, 0, 10**6) == pytest.approx(2)


@pytest.mark.parametrize(
    "values",
    [{"name": "no-such-model"}, {"provider": "openrouter"}, {"provider": None, "base_url": "http://gpu-server:8000/v1"}],
    ids=str,
)
def test_an_unknown_price_is_unknown(values):
    assert pricing_of(model(**values)) is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "[::1]", "user:pw@localhost"])
def test_a_server_of_this_machine_bills_nothing(host):
    assert pricing_of(model(provider=None, base_url=f"http://{host}:8080/v1")) is FREE


def test_a_provider_behind_a_proxy_of_this_machine_bills_as_ever():
    assert pricing_of(model(base_url="http://localhost:4000")) == pricing_of(model())
    assert pricing_of(model(base_url="http://localhost:4000")).cost(10**6, 0) > 0


def test_a_provider_is_known_by_its_openai_compatible_address():
    assert pricing_of(model(provider=None, base_url="https://api.openai.com/v1")) == pricing_of(model())


def test_ollama_bills_nothing():
    assert pricing_of(model(provider="ollama")) is FREE


def test_a_server_of_ours_bills_nothing():
    assert pricing_of(model(engine="vllm", provider=None)) is FREE


def test_calls_tokens_money_and_hours_of_one_experiment():
    samples = [sample("a", 1000), sample("b", 3000), sample("never", None, fits=False)]
    e = estimate_experiment(
        "gpt", "niah", PLAIN, model(price=PRICE, tokens_per_minute=2000, requests_per_minute=4), samples, mean(20)
    )
    assert (e.calls, e.prompt_tokens, e.output_tokens, e.output_tokens_at_most) == (2, 4000, 40, 200)
    assert e.usd == pytest.approx(4000 * 2e-6 + 40 * 8e-6)
    assert e.usd_at_most == pytest.approx(4000 * 2e-6 + 200 * 8e-6)
    assert e.hours == pytest.approx(4040 / 2000 / 60)


def test_requests_a_minute_may_be_the_stricter_limit():
    e = estimate_experiment("gpt", "niah", PLAIN, model(price=PRICE, requests_per_minute=1), [sample("a", 1)] * 120, mean(1))
    assert e.hours == pytest.approx(2)


def test_without_earlier_answers_the_expected_output_is_the_limit_with_room_for_thinking():
    e = estimate_experiment("gpt", "niah", PLAIN, model(reasoning_tokens=900), [sample("a", 1000)])
    assert (e.output_tokens, e.output_tokens_at_most) == (1000, 1000)


def chat(o200k, *later):
    """A conversation whose first prompt has 1,000 tokens."""
    prompt = [{"role": "user", "content": " word" * (1000 - o200k.count_chat([{"role": "user", "content": ""}]))}]
    assert o200k.count_chat(prompt) == 1000
    return Sample("a", prompt, ["gold answer"], 100, 1000, later_prompts=list(later))


def test_later_turns_send_the_whole_conversation_again(o200k):
    e = estimate_experiment("gpt", "stories", PLAIN, model(), [chat(o200k, "and then")], mean(20))
    # turn 0: 1000; turn 1: 1000, the answer's 20, "and then" (2), and the marks of two messages more
    assert e.calls == 2 and 1022 <= e.prompt_tokens - 1000 <= 1022 + 10


def test_a_conversation_that_outgrows_the_window_is_not_sent(o200k):
    e = estimate_experiment("gpt", "stories", PLAIN, model(window=1110), [chat(o200k, "and then")], mean(20))
    assert (e.calls, e.prompt_tokens) == (1, 1000)


class Chat(Rehearsal):
    """Bills each request as a provider does."""

    def usd(self, sample):
        calls = self.hold([sample])[sample.sample_id]
        return sum(c.prompt_tokens * 2e-6 + min(self._tokens_of(c.output_limit), c.output_limit) * 8e-6 for c in calls)


@pytest.mark.parametrize("window", [1110, 1500, 2000, 10_000])
@pytest.mark.parametrize("told", [1, 10, 30, 60, 99, 100])
def test_a_conversation_costs_no_more_than_was_said_however_long_its_answers_are(window, told, o200k):
    sample, asked = chat(o200k, *["and then"] * 20), model(window=window, price=PRICE)
    usd = Chat(PLAIN, asked, lambda limit: told, {}).usd(sample)
    for expected in (None, mean(10)):
        assert usd <= estimate_experiment("gpt", "stories", PLAIN, asked, [sample], expected).usd_at_most + 1e-9


def test_a_server_of_ours_has_no_rate_limit_and_a_url_and_a_provider_have_defaults():
    assert estimate_experiment("m", "e", PLAIN, model(engine="vllm", provider=None), [sample("a", 1000)]).hours is None
    hosted = estimate_experiment("m", "e", PLAIN, model(), [sample("a", 199_900)])
    local = estimate_experiment("m", "e", PLAIN, model(provider=None, base_url="http://h/v1"), [sample("a", 49_900)])
    assert hosted.hours == local.hours == pytest.approx(1 / 60)


def test_unknown_stays_unknown_in_the_sum_and_the_table_says_so():
    known = estimate_experiment("gpt", "niah", PLAIN, model(price=PRICE), [sample("a", 10**6)], mean(0))
    unknown = estimate_experiment("ollama", "niah", PLAIN, model(provider=None, base_url="http://h/v1"), [sample("a", 1000)])
    table = cost_table("full", [known, unknown])
    assert table.count("unknown") >= 4
    assert "known part is 2.00 USD" in table


def measured(folder, lengths, limit=100, **thought):
    folder.mkdir(parents=True)
    samples = [Sample(f"s{i}", [], ["x"], limit, 100) for i in range(len(lengths))]
    write_samples(folder / "samples.parquet", samples)
    rows = [
        Response(s.sample_id, 0, "answered", "a", completion_tokens=n, **thought) for s, n in zip(samples, lengths, strict=True)
    ]
    write_responses(folder / "responses.parquet", rows)


def test_output_is_expected_from_what_the_model_answered_before_else_the_task_else_others(tmp_path):
    assert measured_output(tmp_path, "gpt", "niah") is None
    measured(tmp_path / "test" / "other" / "niah", [90] * 4)
    assert measured_output(tmp_path, "gpt", "niah").share == pytest.approx(0.9)
    measured(tmp_path / "test" / "gpt" / "niah_more", [50] * 4)
    assert measured_output(tmp_path, "gpt", "niah", ["niah", "niah_more"]).share == pytest.approx(0.5)
    measured(tmp_path / "test" / "gpt" / "niah", [20, 30, 40])
    expected = measured_output(tmp_path, "gpt", "niah", ["niah", "niah_more"])
    assert (expected.share, expected.spread, expected.basis) == (pytest.approx(0.3), pytest.approx(10), "3 of gpt's answers")
    # 12 answers of 30 +- 10: sqrt(12 * 100 + 12^2 / 3 * 100), times 1.96
    low, high = expected.interval([100] * 12)
    assert (high - low) / 2 == pytest.approx(1.96 * 10 * (12 + 12**2 / 3) ** 0.5)


@pytest.mark.parametrize("block", [{"reasoning_tokens": 900}, {"reasoning_effort": "high"}], ids=["tokens", "effort"])
def test_how_long_a_model_thinks_no_other_model_tells(block, root, tmp_path):
    project = Project({"models": [], "experiments": ["niah"]}, root)
    path = tmp_path / "test" / "gpt" / "niah" / "samples.parquet"
    measured(tmp_path / "test" / "other" / "niah", [10] * 4)
    for values, basis in ((block, None), ({}, "4 of other models' answers")):
        project.models["gpt"] = model(**values)
        expected = expected_output(project, path, "gpt", "niah", [])
        assert (expected and expected.basis) == basis
    measured(path.parent, [60] * 4)
    project.models["gpt"] = model(**block)
    assert expected_output(project, path, "gpt", "niah", []).basis == "4 of gpt's answers"


THINKING = {
    "opened in the prompt": "{% for m in messages %}{{ m['content'] }} {% endfor %}<think>",
    "taken out of earlier turns": "{% for m in messages %}{{ m['content'].split('</think>')[-1] }} {% endfor %}",
}


@pytest.mark.parametrize("kind", [*THINKING, "neither", "closed in the prompt"])
def test_a_template_tells_that_a_model_thinks(kind, tmp_path):
    plain = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
    template = THINKING.get(kind) or plain + "<think></think>" * (kind == "closed in the prompt")
    word_tokenizer(tmp_path, template)
    local = model(engine="transformers", provider=None, name=str(tmp_path), tokenizer=None)
    assert thinks(local) == (kind in THINKING)


def test_of_a_provider_s_models_the_table_tells():
    assert thinks(model(name="o3")) and not thinks(model())
    claude = {"provider": "anthropic", "name": "claude-sonnet-4-5"}
    assert not thinks(model(**claude)) and thinks(model(**claude, reasoning_effort="low"))


def test_what_others_thought_is_not_expected_of_a_model_that_does_not(tmp_path):
    measured(tmp_path / "test" / "thinker" / "niah", [90] * 4, reasoning_tokens=60, reasoning="hm")
    assert measured_output(tmp_path, "gpt", "niah").share == pytest.approx(0.3)
    measured(tmp_path / "test" / "untold" / "niah", [90] * 4, reasoning="hm")
    assert measured_output(tmp_path, "gpt", "niah").answers == 4
    assert measured_output(tmp_path, "thinker", "niah").share == pytest.approx(0.9)


def test_what_batches_and_a_cache_would_save_is_told():
    shared = {"a": (0, 600), "b": (600, 0)}
    samples = [sample("a", 1000), sample("b", 1000)]
    claude = model(provider="anthropic", name="claude-sonnet-4-5")
    e = estimate_experiment("c", "niah", PLAIN, claude, samples, mean(0), shared=shared)
    # 3 USD a million, 3.75 written, 0.3 read
    assert e.usd == pytest.approx((400 * 3 + 600 * 3.75 + 400 * 3 + 600 * 0.3) / 1e6)
    assert e.usd_saved_by_cache == pytest.approx(2000 * 3 / 1e6 - e.usd)
    assert e.usd_in_batches == pytest.approx(2000 * 1.5 / 1e6)
    by_batch = estimate_experiment("c", "niah", PLAIN, claude, samples, mean(0), shared=shared, by_batch=True)
    assert by_batch.usd == pytest.approx(e.usd_in_batches) and by_batch.usd_saved_by_cache is None
    assert "in batches" in cost_table("test", [e])


def test_without_any_answer_the_gold_answers_tell_how_long_answers_are(o200k):
    expected = gold_output([sample("a", 1000), sample("b", 1000)], o200k)
    # "gold answer" and its end have 3 tokens: sqrt(3 x 100)
    assert expected.of(100) == pytest.approx(300**0.5) and expected.interval([100, 100]) == (pytest.approx(6), 200)


@pytest.mark.parametrize(
    ("block", "reads"),
    [({}, True), ({"prompt_caching": "off"}, False), ({"ask": "batch"}, False)],
    ids=["cached", "off", "batch"],
)
def test_prompts_are_read_only_for_a_cache_that_is_counted_on(block, reads, root, tmp_path, monkeypatch):
    blocks = {"gpt": {"engine": "external", "provider": "openai", "name": "gpt-4.1", "window": 10**6, "max_output_tokens": 100,
                      "tokenizer": "tiktoken:o200k_base"} | block}  # fmt: skip
    (tmp_path / "models.yaml").write_text(json.dumps(blocks))
    project = Project({"models": ["gpt"], "experiments": ["niah"], "model_definitions": str(tmp_path / "models.yaml")}, root)
    path = tmp_path / "results/test/gpt/niah/samples.parquet"
    path.parent.mkdir(parents=True)
    write_samples(path, [sample("a", 1000)])
    read, of_file = [], SampleTable.read
    monkeypatch.setattr(SampleTable, "read", lambda file: read.append(file) or of_file(file))
    estimate_cost(project, "test", [str(path)], tmp_path / "cost.json", tmp_path / "cost.md")
    assert bool(read) == reads
    assert json.loads((tmp_path / "cost.json").read_text())["estimates"][0]["prompt_tokens"] == 1000
