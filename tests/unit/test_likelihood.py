"""Likelihoods of labels: all their tokens, as the chat template puts them, equal to a direct computation."""

from __future__ import annotations

import pytest
import torch

from contextrot.hidden_states.likelihood import answer_ids, likeliest, prompt_ids, sensitivity
from contextrot.hidden_states.probe import LayerProbe, Probe
from tests.plain_hidden_states import plain_measure
from tests.tiny_models import TEMPLATE, tiny_llama, word_tokenizer

CHAT = [{"role": "user", "content": "the film is bright"}]
LABELS = ["positive", "not very good", "not very bad"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return word_tokenizer(tmp_path_factory.mktemp("words"))


def test_the_answers_tokens_are_those_after_the_prompt(tokenizer):
    (ids,) = answer_ids(tokenizer, CHAT, ["not very good"])
    assert tokenizer.decode(ids) == "not very good"
    assert len(ids) == 3


def test_what_the_template_puts_before_an_answer_belongs_to_it(tmp_path):
    spaced = TEMPLATE.replace("{{ m['content'] }}", "{{ 'is ' if m['role'] == 'assistant' else '' }}{{ m['content'] }}")
    tokenizer = word_tokenizer(tmp_path, spaced)
    assert [tokenizer.decode(ids) for ids in answer_ids(tokenizer, CHAT, LABELS)] == [f"is {label}" for label in LABELS]


def test_a_template_that_takes_no_chat_ending_with_an_answer_leaves_the_answer_as_it_stands(tmp_path):
    strict = "{% if messages[-1].role != 'user' %}{{ raise_exception('must end with user') }}{% endif %}" + TEMPLATE
    tokenizer = word_tokenizer(tmp_path, strict)
    assert [tokenizer.decode(ids) for ids in answer_ids(tokenizer, CHAT, LABELS)] == LABELS


def test_the_end_of_the_turn_is_no_part_of_the_answer(tokenizer):
    assert tokenizer.encode("end")[0] not in answer_ids(tokenizer, CHAT, ["positive"])[0]


def test_the_embedded_models_answers_begin_as_its_histories_show_them(embedded_tokenizer):
    prompt = prompt_ids(embedded_tokenizer, CHAT)
    for label, ids in zip(("positive", "A"), answer_ids(embedded_tokenizer, CHAT, ["positive", "A"]), strict=True):
        shown = prompt_ids(embedded_tokenizer, [*CHAT, {"role": "assistant", "content": label}, *CHAT])
        assert shown[: len(prompt) + len(ids)] == prompt + ids


def test_label_likelihoods_equal_a_direct_computation(tokenizer):
    model = tiny_llama()
    prompt = prompt_ids(tokenizer, CHAT)
    answers = answer_ids(tokenizer, CHAT, LABELS)
    (found,) = LayerProbe(model).measure([Probe(prompt, answers)])
    direct = []
    for answer in answers:
        total, context = 0.0, list(prompt)
        for token in answer:  # one token at a time, each given all before it
            with torch.no_grad():
                total += model(torch.tensor([context])).logits[0, -1].log_softmax(-1)[token].item()
            context.append(token)
        direct.append(total)
    assert found.log_likelihoods == pytest.approx(direct, abs=1e-4)
    assert found.log_likelihoods == pytest.approx(plain_measure(model, prompt, answers)["log_likelihoods"], abs=1e-4)


def test_labels_that_share_their_first_tokens_differ_by_their_last(tokenizer):
    model = tiny_llama()
    answers = answer_ids(tokenizer, CHAT, LABELS[1:])
    assert answers[0][:2] == answers[1][:2]
    (found,) = LayerProbe(model).measure([Probe(prompt_ids(tokenizer, CHAT), answers)])
    assert found.log_likelihoods[0] != found.log_likelihoods[1]


def test_the_likeliest_label_is_not_normalised_by_length():
    assert likeliest(["long label", "short"], [-4.0, -3.0]) == "short"
    assert likeliest([], []) is None


def test_tau_is_zero_shot_minus_with_history_and_missing_without_either():
    assert sensitivity(-1.0, -3.5) == 2.5
    assert sensitivity(-2.0, -2.0) == 0.0
    assert sensitivity(None, -1.0) is None
    assert sensitivity(-1.0, None) is None
