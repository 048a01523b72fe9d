"""The same weights by three engines: counts equal on every sample, greedy texts equal or apart where two tokens are nearly alike, accuracy
within its interval."""

from __future__ import annotations

from functools import cache, partial
from itertools import takewhile

import pytest

from contextrot.matching.match import match
from contextrot.randomness import generator_for
from contextrot.responses.collect import ask_samples
from contextrot.responses.prices import pricing_of
from contextrot.responses.usage import Ledger
from contextrot.samples.tokenizers import tokenizer_of
from contextrot.scores.stats import wilson_interval
from contextrot.settings import Settings
from contextrot.task import SampleContext

REFERENCE = "smollm2"
OTHERS = {"smollm2-llama": 1.0, "smollm2-vllm": 0.01}
"""Engine's model -> how much likelier (nats) the reference's token may be than its own where texts part: llama.cpp rounds activations to
8 bits, vLLM computes in float32 as the reference does."""


@pytest.fixture(scope="module")
def samples(project):
    model = project.models[REFERENCE]
    context = SampleContext(tokenizer_of(model), model.window, 24, project.data, partial(generator_for, 1))
    return [s for s in project.task("test", REFERENCE, "niah").samples(context) if s.target_tokens == 500][:3]


@pytest.fixture(scope="module")
def answers_of(project, samples, tmp_path_factory):
    """`answers_of(model)`: its response to each sample, in their order."""

    @cache
    def ask(name):
        folder, model = tmp_path_factory.mktemp(name), project.models[name]
        if model.engine == "llama_cpp":
            model = model.model_copy(update={"engine_options": {**model.engine_options, "threads": 1}, "window": 1024})
        usage, task = Ledger(folder, "1-of-1", name, pricing_of(model)), project.task("test", name, "niah")
        answers = ask_samples(samples, task, model, Settings(request_store=str(folder / "store")), usage, folder / "log", "niah")
        return [answers[sample.sample_id][0] for sample in samples]

    return ask


@pytest.fixture(scope="module")
def likelier(project):
    """`likelier(prompt, shared, one, other)`: how much likelier token `one` is than `other` after a prompt and a shared beginning, nats."""
    from contextrot.engines.local_models import load_model

    model = load_model(project.models[REFERENCE].name, dtype="float32", device="cpu")

    def difference(prompt, shared, one, other):
        import torch

        with torch.inference_mode():
            logits = model(torch.tensor([[*prompt, *shared]]), logits_to_keep=1).logits[0, -1]
        return float(logits[one] - logits[other])

    return difference


@pytest.mark.parametrize("name", OTHERS)
def test_counts_texts_and_accuracy_are_those_of_the_reference(project, samples, answers_of, likelier, name):
    if name == "smollm2-vllm" and not (project.root / ".venv-vllm/bin/python").exists():
        pytest.skip("vLLM is not built: make vllm-cpu")
    ours, theirs = answers_of(REFERENCE), answers_of(name)
    assert [a.prompt_tokens for a in theirs] == [a.prompt_tokens for a in ours] == [s.prompt_tokens for s in samples]
    tokenizer = tokenizer_of(project.models[REFERENCE])
    for sample, a, b in zip(samples, ours, theirs, strict=True):
        one, other = (list(tokenizer.encode(answer.text)) for answer in (a, b))
        shared = [x for x, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))]
        if len(shared) < min(len(one), len(other)):
            prompt = tokenizer.encode(tokenizer.render_chat(sample.messages))
            place = len(shared)
            assert abs(likelier(prompt, shared, one[place], other[place])) < OTHERS[name], (a.text, b.text)
    right = [
        sum(match(s.references[0], x.text, s.condition["question"]) is not None for s, x in zip(samples, answers, strict=True))
        for answers in (ours, theirs)
    ]
    low, high = wilson_interval(right[0], len(samples))
    assert low <= right[1] / len(samples) <= high
