"""The prompt cache: who is asked after whom, where blocks end, and what a stand-in with Anthropic's rules bills by its own count."""

from __future__ import annotations

import itertools
import time
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextrot.randomness import generator_for
from contextrot.records import Sample
from contextrot.responses.collect import ask_samples
from contextrot.responses.prefix_sharing import Marks, caching_of, common_length, share_prefixes, shared_before, walk_of
from contextrot.responses.prices import pricing_of
from contextrot.responses.usage import Ledger
from contextrot.settings import ModelSettings, Price, Settings
from contextrot.task import Parameters, SampleContext, Task
from contextrot.tasks import load
from tests.servers.anthropic_cache import AnthropicCache

CLAUDE = {"engine": "external", "name": "claude-sonnet-4-5", "provider": "anthropic", "window": 200_000, "max_output_tokens": 64}
PRICE = Price(
    input_usd_per_million_tokens=10,
    output_usd_per_million_tokens=0,
    cached_input_usd_per_million_tokens=1,
    cache_write_usd_per_million_tokens=12.5,
)


def claude(**more):
    return ModelSettings(**CLAUDE, tokenizer="tiktoken:o200k_base", tokens_per_minute=10**9, **more)


def sample(name, text, group="g", later=()):
    messages = [{"role": "user", "content": text}]
    return Sample(name, messages, ["x"], 10, len(text) // 5, later_prompts=list(later), condition={"prefix_group": group})


def words(name, count):
    return " ".join(f"{name}{i}" for i in range(count))


@given(st.lists(st.integers(0, 6), max_size=40))
def test_what_is_shared_with_earlier_ones_is_that_of_all_pairs(beside):
    walk = walk_of(beside)
    expected = []
    for place in range(1, len(walk)):
        leaf = walk[place]
        shared = [(min(beside[min(leaf, other) : max(leaf, other)]), other) for other in walk[:place]]
        most = max(length for length, _ in shared)
        expected.append((most, next(other for length, other in shared if length == most)))
    assert shared_before(walk, beside) == expected


def test_ten_thousand_prompts_of_one_beginning_are_compared_in_no_time():
    begin = time.process_time()
    assert shared_before(range(10_000), [50] * 9_999) == [(50, 0)] * 9_999
    assert time.process_time() - begin < 1


@pytest.fixture(scope="module")
def depths(o200k, data):
    """Eleven depths of one haystack of 12,000 tokens."""
    task = load("niah")
    context = SampleContext(o200k, 200_000, 64, data, partial(generator_for, 1))
    values = {"lengths": [12_000], "depths": list(range(0, 101, 10)), "needles": ["spare_key_low"], "repeats": 1}
    return task(task.Parameters(**values)).samples(context)


def ask(samples, model, folder, server, monkeypatch, task=None, **settings):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "none")
    usage = Ledger(folder / "t" / "m" / "e", "1-of-1", "m", pricing_of(model))
    settings = Settings(request_store=str(folder / "store"), **settings)
    return ask_samples(samples, task or Task(Parameters()), model, settings, usage, folder / "log", "job"), usage


def test_eleven_depths_of_a_haystack_cost_six_and_a_half(depths, o200k, tmp_path, monkeypatch):
    with AnthropicCache(lambda text: len(o200k.encode(text))) as server:
        model = claude(base_url=server.url, price=PRICE)
        answers, usage = ask(depths, model, tmp_path, server, monkeypatch)
        account = server.account
    assert account.requests == 11
    not_read = (account.plain + account.written) / account.all
    assert not_read <= 6.5 / 11 + 0.01  # the needles' and the question's own tokens are shared by nobody
    assert account.written <= account.all / 11  # each stretch is written once
    rows = [row for found in answers.values() for row in found]
    assert sum(row.cached_tokens for row in rows) == account.read
    assert sum(row.cache_written_tokens for row in rows) == account.written
    billed = (10 * account.plain + 12.5 * account.written + account.read) / 1e6
    assert usage.spent_usd == pytest.approx(billed)
    assert usage.cache_saved_usd == pytest.approx(10 * account.all / 1e6 - billed)


def test_what_is_asked_is_the_same_with_and_without_marks(depths, o200k, tmp_path, monkeypatch):
    with AnthropicCache(lambda text: len(text) // 4) as server:
        ask(depths[:3], claude(base_url=server.url, price=PRICE), tmp_path, server, monkeypatch)
        marked = server.account.requests
        answers, _ = ask(
            depths[:3], claude(base_url=server.url, price=PRICE, prompt_caching="off"), tmp_path, server, monkeypatch
        )
        assert server.account.requests == marked == 3
        sent = {"".join(part["text"] for part in body["messages"][0]["content"]) for body in server.bodies}
    assert all(rows[0].cached for rows in answers.values())
    assert sent == {sample.messages[0]["content"] for sample in depths[:3]}


def test_a_chat_that_goes_on_reads_its_earlier_turns(tmp_path, monkeypatch):
    chat = sample("a", words("w", 3000), later=["And then?", "And now?"])
    with AnthropicCache(lambda text: len(text) // 4) as server:
        ask([chat], claude(base_url=server.url, price=PRICE), tmp_path, server, monkeypatch)
        assert server.account.requests == 3
        assert server.account.read >= 2 * (len(words("w", 3000)) // 4)


def test_groups_that_part_twice_are_read_at_both_places(tmp_path, monkeypatch):
    trunk, left, right = words("t", 2000), words("l", 2000), words("r", 2000)
    samples = [
        sample(f"{b}{i}", f"{trunk} {side} {words('x' + str(i), 5)}") for b, side in (("l", left), ("r", right)) for i in range(3)
    ]
    with AnthropicCache(lambda text: len(text) // 4) as server:
        ask(samples, claude(base_url=server.url, price=PRICE), tmp_path, server, monkeypatch)
        account = server.account
    tree = (len(trunk) + len(left) + len(right)) // 4
    assert account.plain + account.written <= tree * 1.02 + 200


def test_a_walk_enters_the_smaller_branch_first():
    texts = sorted(["a0", "ab0", "abc0", "abcd"])
    beside = [common_length(a, b) for a, b in itertools.pairwise(texts)]
    assert [texts[leaf] for leaf in walk_of(beside)] == ["a0", "ab0", "abc0", "abcd"]
    assert walk_of([]) == [0]


@pytest.mark.parametrize(
    ("values", "how"),
    [
        ({"provider": "anthropic"}, "breakpoints"),
        ({"provider": "openrouter", "name": "anthropic/claude-sonnet-4.5"}, "breakpoints"),
        ({"provider": "openai", "name": "gpt-4.1"}, "order"),
        ({"provider": None, "base_url": "http://127.0.0.1:1/v1", "name": "m"}, "off"),
        ({"provider": "anthropic", "prompt_caching": "off"}, "off"),
    ],
)
def test_how_a_cache_is_used_follows_from_the_provider(values, how):
    assert caching_of(ModelSettings(**(CLAUDE | values))) == how


def test_groups_are_asked_side_by_side_and_have_a_key_with_openai():
    samples = [sample(f"{group}{i}", f"{words(group, 500)} {i}", group) for group in "ab" for i in range(3)]
    model = ModelSettings(**(CLAUDE | {"provider": "openai", "name": "gpt-4.1"}))
    sharing = share_prefixes(samples, range(6), model, side_by_side=2)
    assert [samples[index].sample_id for index in sharing.order] == ["a0", "b0", "a1", "b1", "a2", "b2"]
    assert sharing.before == {"a1": "a0", "a2": "a1", "b1": "b0", "b2": "b1"}
    assert len(set(sharing.keys.values())) == 2 and not sharing.cuts
    marks = sharing.marks(samples[0], samples[0].messages, 0)
    assert marks.on({"messages": samples[0].messages})["prompt_cache_key"] == sharing.keys["a0"]


def test_a_text_that_the_tokenizer_changed_is_sent_without_blocks():
    samples = [sample(f"a{i}", f"{words('w', 500)} {i}") for i in range(2)]
    sharing = share_prefixes(samples, range(2), claude(), 8)
    other = [{"role": "user", "content": "system text " + samples[0].messages[0]["content"]}]
    assert sharing.marks(samples[0], samples[0].messages, 0) is not None
    assert sharing.marks(samples[0], other, 0) is None


def test_no_mark_is_the_plain_body():
    body = {"messages": [{"role": "user", "content": "text"}], "max_tokens": 1}
    assert Marks().on(body) == body
