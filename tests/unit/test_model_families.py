"""States and likelihoods of many families equal those of one plain pass a prompt, or the family is refused."""

from __future__ import annotations

import copy
import logging

import numpy as np
import pytest
import torch

from contextrot.errors import DataError
from contextrot.hidden_states.probe import LayerProbe, Probe
from tests.tiny_families import FAMILIES, LAYERS, tiny_family
from tests.unit.test_hidden_states import growing_histories

REFUSED = {"modernbert-decoder", "bert", "xlnet", "gemma3n"}
PLAIN = {
    "llama-dynamic", "mistral-windowed", "gemma2", "gemma3", "phi3-longrope", "gpt-neo", "gpt-oss", "falcon-alibi", "bloom", "mpt",
    "olmo3", "cohere2", "mamba", "mamba2", "falcon-mamba", "rwkv", "lfm2", "qwen3-next", "recurrent-gemma", "exaone4", "openai-gpt", "jamba", "granite-hybrid", "falcon-h1",
}  # fmt: skip
"""Families whose prompts must not be shared: windows of 8 tokens, recurrent states, biases by distance, scaling by length."""


@pytest.fixture(autouse=True)
def one_quiet_thread():
    threads, logger = torch.get_num_threads(), logging.getLogger("transformers")
    level = logger.level
    torch.set_num_threads(1)
    logger.setLevel(logging.ERROR)
    yield
    torch.set_num_threads(threads)
    logger.setLevel(level)


def plain_pass(model, name: str, sequence: list[int], place: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Every layer's output at one place, (layers, width), and log-probabilities at every place of one pass by a fresh model."""
    model, states = copy.deepcopy(model), []
    for layer in model.get_submodule(LAYERS.get(name, "model.layers")):
        layer.register_forward_hook(
            lambda _m, _i, out: states.append((out[0] if isinstance(out, tuple | list) else out)[0, place])
        )
    with torch.no_grad():
        logits = model(torch.tensor([sequence]), use_cache=False).logits[0]
    return torch.stack(states), logits.log_softmax(-1)


def compare(model, name: str, probes: list[Probe], probe: LayerProbe) -> None:
    """States to 1e-5 of their norm, likelihoods to 1e-5."""
    for one, found in zip(probes, probe.measure(probes), strict=True):
        end = len(one.prompt) - 1
        states, last = plain_pass(model, name, one.prompt, end)
        assert ((found.states - states).norm(dim=-1) / states.norm(dim=-1)).max().item() < 1e-5
        assert found.top_tokens == last[end].topk(5).indices.tolist()
        for answer, value in zip(one.answers, found.log_likelihoods, strict=True):
            _, logged = plain_pass(model, name, one.prompt + answer, end)
            expected = sum(logged[end + i, token].item() for i, token in enumerate(answer))
            assert value == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", [name for name in FAMILIES if name not in REFUSED])
def test_a_family_has_the_states_and_likelihoods_of_plain_passes(name):
    model = tiny_family(name)
    probe = LayerProbe(copy.deepcopy(model), final_norm=True, batch_tokens=40)
    probes = growing_histories(turns=5)
    compare(model, name, probes, probe)
    assert probe.share_prefixes == (name not in PLAIN)
    assert probe.length_dependent == (name in ("llama-dynamic", "phi3-longrope"))
    np.testing.assert_allclose(probe.measure(probes[:1])[0].logit_cosines[-1], 1, atol=1e-4)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_family_whose_layers_cannot_be_read_is_refused_by_name(name):
    model = tiny_family(name)
    with pytest.raises(DataError, match=f"{type(model).__name__}.*leave out"):
        LayerProbe(model).measure(growing_histories(turns=1))


@pytest.mark.parametrize("name", ["phi3-longrope", "llama-dynamic"])
def test_below_the_length_where_scaling_switches_prompts_are_shared_and_a_longer_one_ends_that(name):
    model = tiny_family(name)
    probe, short, long = LayerProbe(copy.deepcopy(model)), growing_histories(turns=1), growing_histories(turns=5)
    assert max(len(p.prompt) for p in short) < 28
    compare(model, name, short, probe)
    assert probe.share_prefixes and not probe.length_dependent
    compare(model, name, [short[0], *long, short[1]], probe)
    assert probe.length_dependent and not probe.share_prefixes


@pytest.mark.parametrize("batch_tokens", [16, 48, 4096])
def test_where_all_prompts_are_long_a_short_beginning_in_a_pass_of_its_own_is_not_taken_for_one(batch_tokens):
    model = tiny_family("phi3-longrope")
    probes = [Probe([1, 2, *probe.prompt[2:]] * 2, probe.answers) for probe in growing_histories(turns=8)[5:]]
    probes += [Probe([1, 2, 60 - place, *probe.prompt[3:]], probe.answers) for place, probe in enumerate(probes)]
    assert min(len(probe.prompt) for probe in probes) > 64
    compare(model, "phi3-longrope", probes, LayerProbe(copy.deepcopy(model), batch_tokens=batch_tokens))


def test_lengths_that_came_in_parts_are_tried_together():
    model, probes = tiny_family("phi3-longrope"), growing_histories(turns=8)
    probe = LayerProbe(copy.deepcopy(model))
    compare(model, "phi3-longrope", probes[5:], probe)
    compare(model, "phi3-longrope", probes[:2], probe)
    compare(model, "phi3-longrope", probes, probe)


def test_a_prompt_of_one_word_over_and_over_is_tried_too():
    model = tiny_family("llama")
    probe, probes = LayerProbe(copy.deepcopy(model), batch_tokens=16), [Probe([7] * n, [[7], [8, 7]]) for n in (40, 50, 60)]
    compare(model, "llama", probes, probe)
    assert probe.share_prefixes


def test_within_its_window_a_windowed_model_shares(caplog):
    model = tiny_family("mistral-windowed")
    model.config.sliding_window = 64
    probe, probes = LayerProbe(copy.deepcopy(model)), growing_histories(turns=4)
    compare(model, "mistral-windowed", probes, probe)
    assert probe.share_prefixes


def test_a_last_norm_that_is_not_known_is_refused_not_left_out():
    model = tiny_family("llama")
    model.model.norm.register_forward_hook(lambda _m, _i, out: out + 1)
    model.model.norm.forward = lambda state: state * 2  # what the probe calls is what the model calls: still read
    LayerProbe(model, final_norm=True).measure(growing_histories(turns=1))
    model.model.last_norm, model.model.norm = model.model.norm, torch.nn.Identity()
    model.lm_head.register_forward_pre_hook(lambda _m, inputs: (model.model.last_norm(inputs[0]),))
    with pytest.raises(DataError, match="does more between its last layer and its logits"):
        LayerProbe(model).measure(growing_histories(turns=1))


@pytest.mark.parametrize("name", ["llama", "gemma2", "gpt2", "bloom", "opt-350m", "qwen3-moe", "phi3-longrope", "mamba"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_of_few_bits_are_computed_with_in_float32(name, dtype):
    narrow = tiny_family(name).to(dtype)
    wide = copy.deepcopy(narrow).float()
    probe, probes = LayerProbe(narrow), growing_histories(turns=3)
    for one, other in zip(probe.measure(probes), LayerProbe(wide).measure(probes), strict=True):
        torch.testing.assert_close(one.states, other.states, atol=1e-5, rtol=1e-5)
        assert one.log_likelihoods == pytest.approx(other.log_likelihoods, abs=1e-5)
    assert probe.dtype == torch.float32
    assert {p.dtype for layer in probe.parts.layers for p in layer.parameters()} == {dtype}  # held as they came


def test_another_arithmetic_is_only_used_if_asked_for():
    probe = LayerProbe(tiny_family("llama").to(torch.bfloat16), float32=False)
    (found,) = probe.measure(growing_histories(turns=0))
    assert probe.dtype == torch.bfloat16
    assert found.states.dtype == torch.float32
