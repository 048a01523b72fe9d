"""The simulated engine: opt-in, marked as such, and true to its curve."""

from pathlib import Path

import numpy as np
import pytest

from contextrot.engines import simulated
from contextrot.engines.simulated import Options, right_probability, true_length
from contextrot.errors import ConfigError, EngineError
from contextrot.records import Sample
from contextrot.scores.rot_curves import effective_length
from contextrot.settings import ModelSettings
from contextrot.task import Parameters, Task


class Counter:
    def __init__(self):
        self.responses = []

    def record(self, key, response):
        self.responses.append((key, response))


@pytest.fixture
def allowed(monkeypatch):
    monkeypatch.setenv(simulated.VARIABLE, "1")


def model(**options):
    return ModelSettings(
        engine="simulated",
        name="curve",
        tokenizer="tiktoken:o200k_base",
        window=100_000,
        max_output_tokens=64,
        engine_options=options,
    )


def sample(name="a", tokens=1000, references=("blue",), later=(), limit=64):
    return Sample(name, [{"role": "user", "content": "?"}], list(references), limit, tokens, later_prompts=list(later))


def ask(samples, **options):
    usage = Counter()
    return simulated.answers(samples, Task(Parameters()), model(**options), Path("data"), usage), usage


@pytest.mark.parametrize("value", [None, "0", "true", ""])
def test_it_runs_only_when_the_environment_says_1(monkeypatch, value):
    monkeypatch.delenv(simulated.VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(simulated.VARIABLE, value)
    with pytest.raises(EngineError, match=f"drawn from a curve, not given by a model.*set {simulated.VARIABLE}=1"):
        ask([sample()])


def test_it_serves_no_judge(allowed, tmp_path):
    from contextrot import engines

    with pytest.raises(EngineError, match="runs no server"):
        engines.serve(model(), tmp_path / "log")


def test_every_row_says_simulated(allowed):
    answers, _ = ask([sample("a"), sample("b")])
    assert all(r.engine == "simulated" and r.model == "SIMULATED curve" for rows in answers.values() for r in rows)


def test_misspelt_option_names_the_near_one(allowed):
    with pytest.raises(ConfigError, match=r"unknown key 'half_lenght_tokens'.*Did you mean 'half_length_tokens'"):
        ask([sample()], half_lenght_tokens=100)


def test_curve_falls_by_the_slopes_doublings_of_the_odds():
    options = Options(top=1, half_length_tokens=1000, slope=3)
    assert right_probability(options, 1000) == 0.5
    p = right_probability(options, 2000)
    assert p / (1 - p) == pytest.approx(2**-3)


def test_true_length_is_where_the_curve_has_the_probability():
    options = Options(top=0.95, floor=0.1, half_length_tokens=3000, slope=1.3)
    assert right_probability(options, true_length(options, 0.8)) == pytest.approx(0.8)
    assert true_length(options, 0.97) is None
    assert true_length(options, 0.05) is None


def test_lengths_without_limit_do_not_overflow():
    assert right_probability(Options(slope=400), 1e9) < 1e-9


def test_answers_depend_on_seed_and_sample_alone_not_on_their_company(allowed):
    names = [f"s{i}" for i in range(40)]
    together, _ = ask([sample(name, 8192) for name in names])
    alone, _ = ask([sample("s7", 8192)])
    other, _ = ask([sample(name, 8192) for name in names], seed=1)
    assert alone["s7"] == together["s7"]
    assert [together[n][0].text for n in names] != [other[n][0].text for n in names]


def test_right_answers_are_the_references_and_wrong_ones_hold_none(allowed):
    right, _ = ask([sample(references=["blue", "seven"])], top=1, half_length_tokens=1e12)
    wrong, _ = ask([sample()], top=0)
    assert right["a"][0].text == "blue\nseven"
    assert "blue" not in wrong["a"][0].text


def test_a_reference_beyond_the_answers_limit_is_truncated(allowed):
    answers, _ = ask([sample(references=["one two three four five six seven"], limit=3)], top=1, half_length_tokens=1e12)
    response = answers["a"][0]
    assert (response.outcome, response.finish_reason, response.completion_tokens) == ("truncated", "length", 3)


def test_later_turns_are_answered_too_and_all_are_counted(allowed):
    answers, usage = ask([sample(later=["and then?", "and now?"])])
    assert [r.turn for r in answers["a"]] == [0, 1, 2]
    assert answers["a"][1].prompt_tokens != 1000
    assert [key for key, _ in usage.responses] == ["a 0 0", "a 1 0", "a 2 0"]


def test_seconds_grow_with_the_prompt_and_are_not_waited_for(allowed):
    answers, _ = ask([sample("short", 1000), sample("long", 90_000)], prefill_tokens_per_second=1000)
    assert answers["long"][0].first_token_seconds == pytest.approx(90, rel=0.5)
    assert answers["short"][0].first_token_seconds == pytest.approx(1, rel=0.5)
    assert all(r[0].total_seconds >= r[0].first_token_seconds for r in answers.values())


@pytest.mark.parametrize("definition", ["ruler", "nolima"])
def test_effective_length_of_simulated_answers_covers_the_true_one_in_93_percent_of_200_seeds(allowed, definition):
    options = {"top": 0.98, "half_length_tokens": 12_000, "slope": 1.7}
    lengths = [500 * 2**k for k in range(8)]
    samples = [sample(f"{length}-{i}", length) for length in lengths for i in range(11)]
    curve = Options(**options)
    truth = true_length(curve, 0.856 if definition == "ruler" else 0.85 * right_probability(curve, 500))
    covered = 0
    for seed in range(200):
        answers, _ = ask(samples, **options, seed=seed)
        scores = [float(answers[s.sample_id][0].text == "blue") for s in samples]
        names = [s.sample_id for s in samples]
        rng = np.random.default_rng(seed)
        found = effective_length([s.prompt_tokens for s in samples], scores, rng, names, definition, draws=300)
        covered += (found.low or 0) <= truth <= (found.high or np.inf)
    assert covered >= 0.93 * 200
