"""Layer states and likelihoods over shared prefixes equal what plain passes give."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
import torch

from contextrot.errors import ConfigError, DataError
from contextrot.hidden_states.probe import LayerProbe, Probe, load_model
from tests.plain_hidden_states import plain_measure
from tests.tiny_models import tiny_llama


@pytest.fixture(scope="module")
def model():
    return tiny_llama()


def growing_histories(turns: int = 8, seed: int = 0) -> list[Probe]:
    """Prompts of h = 0..turns turns before one question, and three answers of one and more tokens for each."""
    rng = np.random.default_rng(seed)
    draw = lambda count: [int(token) for token in rng.integers(5, 64, count)]  # noqa: E731
    start, question = [1, 2], draw(9)
    history = [draw(int(rng.integers(4, 12))) for _ in range(turns)]
    answers = [[7], [8, 9], [8, 9, 10]]
    return [Probe([*start, *chain.from_iterable(history[:h]), *question], answers) for h in range(turns + 1)]


def prepared(model, probes) -> LayerProbe:
    """A probe that has already found out how these can be measured."""
    probe = LayerProbe(model)
    probe.prepare(probes)
    assert probe.share_prefixes
    return probe


@pytest.mark.parametrize("final_norm", [False, True])
def test_cosines_and_label_choices_equal_the_plain_reference_at_every_history_length(model, final_norm):
    probes = growing_histories()
    for probe, found in zip(probes, LayerProbe(model, final_norm).measure(probes), strict=True):
        plain = plain_measure(model, probe.prompt, probe.answers, final_norm)
        np.testing.assert_allclose(found.logit_cosines, plain["cosines"], atol=1e-4, rtol=0)
        np.testing.assert_allclose(found.log_likelihoods, plain["log_likelihoods"], atol=1e-4, rtol=0)
        assert np.argmax(found.log_likelihoods) == np.argmax(plain["log_likelihoods"])


@pytest.mark.parametrize("batch_tokens", [7, 40, 100_000])
def test_cached_states_equal_recomputed_ones_for_every_h_however_small_the_batch(model, batch_tokens):
    probes = growing_histories()
    cached = LayerProbe(model, batch_tokens=batch_tokens).measure(probes)
    recomputed = LayerProbe(model, share_prefixes=False).measure(probes)
    for one, other in zip(cached, recomputed, strict=True):
        torch.testing.assert_close(one.states, other.states, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(one.logit_cosines, other.logit_cosines, atol=1e-5, rtol=0)
        assert one.log_likelihoods == pytest.approx(other.log_likelihoods, abs=1e-5)
        assert one.top_tokens == other.top_tokens


def test_several_questions_in_one_pass_do_not_see_each_other(model):
    first, second = growing_histories(seed=1), growing_histories(seed=2)
    together = LayerProbe(model).measure([*first, *second])
    apart = LayerProbe(model).measure(second)
    for one, other in zip(together[len(first) :], apart, strict=True):
        torch.testing.assert_close(one.states, other.states, atol=1e-5, rtol=1e-5)


def test_the_last_layers_projection_is_the_final_logits_only_with_the_final_norm(model):
    probes = growing_histories(turns=1)
    with_norm = LayerProbe(model, final_norm=True).measure(probes)[0].logit_cosines
    without = LayerProbe(model, final_norm=False).measure(probes)[0].logit_cosines
    assert with_norm[-1].item() == pytest.approx(1, abs=1e-6)
    assert without[-1].item() < 0.9999
    assert len(with_norm) == model.config.num_hidden_layers


def test_a_prompt_that_begins_another_has_its_own_end_not_the_longer_ones(model):
    long = growing_histories(turns=2)[-1].prompt
    short, _ = LayerProbe(model).measure([Probe(long[:6]), Probe(long)])
    plain = plain_measure(model, long[:6], [])
    torch.testing.assert_close(short.states, plain["states"], atol=1e-5, rtol=1e-5)


def test_equal_prompts_are_computed_once(model):
    calls = []
    probe = prepared(model, [Probe([1, 2, 3, 4])])
    handle = model.register_forward_pre_hook(lambda _m, _a, kwargs: calls.append(kwargs["input_ids"].shape[1]), with_kwargs=True)
    probe.measure([Probe([1, 2, 3, 4])] * 3)
    handle.remove()
    assert calls == [4]


def test_a_shared_history_is_computed_once_and_each_question_sees_only_its_part(model):
    probes = growing_histories()
    probe, calls = prepared(model, probes), []
    handle = model.register_forward_pre_hook(lambda _m, _a, kwargs: calls.append(kwargs["input_ids"].shape[1]), with_kwargs=True)
    probe.measure(probes)
    handle.remove()
    question = 9
    shared = len(probes[-1].prompt) + 8 * question + 9 * 2  # the history and one question, the other questions, [8, 9] of answers
    assert sum(calls) <= shared
    assert sum(calls) < sum(len(p.prompt) for p in probes) / 2


def test_a_model_with_a_sliding_window_is_recomputed_not_shared():
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    sizes = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    windowed = MistralForCausalLM(MistralConfig(**sizes, num_key_value_heads=2, sliding_window=8, initializer_range=0.3)).eval()
    probe = LayerProbe(windowed)
    probes = growing_histories(turns=3)
    measured = probe.measure(probes)
    assert probe.share_prefixes is False
    for one, found in zip(probes, measured, strict=True):
        plain = plain_measure(windowed, one.prompt, one.answers)
        np.testing.assert_allclose(found.logit_cosines, plain["cosines"], atol=1e-4, rtol=0)
        np.testing.assert_allclose(found.log_likelihoods, plain["log_likelihoods"], atol=1e-4, rtol=0)


def test_bfloat16_stays_near_float32(model):
    probes = growing_histories(turns=2)
    exact = LayerProbe(model).measure(probes)
    coarse = LayerProbe(tiny_llama().to(torch.bfloat16)).measure(probes)
    for one, other in zip(exact, coarse, strict=True):
        assert other.logit_cosines.dtype == torch.float32
        torch.testing.assert_close(one.logit_cosines, other.logit_cosines, atol=0.05, rtol=0)


def test_a_model_is_loaded_in_the_asked_dtype(model, tmp_path):
    model.save_pretrained(tmp_path)
    assert load_model(str(tmp_path), dtype="bfloat16", device="cpu").dtype == torch.bfloat16
    assert load_model(str(tmp_path), dtype="auto", device="cpu").dtype == torch.float32


def test_a_missing_model_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match="model .* could not be loaded"):
        load_model(str(tmp_path / "nothing"))


def test_a_gpu_that_is_not_there_is_named():
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(ConfigError, match="sees no CUDA GPU"):
        load_model("any", device="cuda")
