"""A model that knows every answer scores 1 at every length, whatever its kind's way of answering: form is not taken for rot.

Three kinds, each with a template as such models have it: a base model that goes on writing the user's next line, an instruct model whose
template refuses a system message and that answers in whole sentences, and one that thinks aloud first.
"""

from __future__ import annotations

from functools import partial

import pandas as pd
import pytest

from contextrot import tasks
from contextrot.checked import validate
from contextrot.judging.judge import is_judged
from contextrot.matching.match import match
from contextrot.randomness import generator_for
from contextrot.responses.collect import ask_samples
from contextrot.responses.prices import pricing_of
from contextrot.responses.usage import Ledger
from contextrot.samples.tokenizers import tokenizer_of
from contextrot.settings import ModelSettings, Settings
from contextrot.task import SampleContext
from tests.scripted_server import Act, ScriptedServer

PLAIN = "{% for m in messages %}{{ m.role|capitalize }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
NO_SYSTEM = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for m in messages %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
THINKING = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content.split('</think>')[-1].lstrip('\n') }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
KINDS = {
    "base": (PLAIN, {"request": {"stop": ["\nUser:"]}}),
    "no system role": (NO_SYSTEM, {}),
    "thinking": (THINKING, {"reasoning_tokens": 200}),
}
PARAMETERS = {
    "niah": {"lengths": [256, 1024], "needles": ["restaurant_high"], "depths": [0, 50, 100], "answer_tokens": 40},
    "longmemeval": {"every": 9, "answer_tokens": 40},
    "repeated_words": {"counts": [25, 100], "positions": 3},
    "context_switching": {"targets": ["sentiment", "multiple_choice"], "history_turns": [0, 4], "items": 3},
}


def in_a_sentence(task, sample):
    gold = sample.references[0]
    if task == "repeated_words":
        return gold
    if labels := sample.condition.get("labels"):
        return f"The correct answer is {gold}." if len(labels[0]) == 1 else f"This film review is **{gold}**. The critic says so."
    return f"Sure! {gold[:1].upper()}{gold[1:]}"


def answer(kind, task, sample):
    gold = sample.references[0]
    if kind == "base":
        return f" {gold}\nUser: And what else?\nAssistant: Nothing of that kind"
    if kind == "thinking":
        wrong = "positive or negative, A or B, apple"
        return f"<think>\nLet me see. Is it {wrong}? I don't know.\n</think>\n\n{gold}"
    return in_a_sentence(task, sample)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PARAMETERS)
def test_who_knows_every_answer_scores_1_at_every_length(tmp_path, data, name, kind):
    template, settings = KINDS[kind]
    (tmp_path / "template.jinja").write_text(template)
    kind_of_task = tasks.load(name)
    task = kind_of_task(validate(kind_of_task.Parameters, PARAMETERS[name], "a test"))
    golds = {}
    with ScriptedServer(lambda prompt, before: Act(text=golds[prompt])) as server:
        model = ModelSettings(
            engine="external", name="m", base_url=server.url, window=4096, max_output_tokens=1024, tokens_per_minute=10**9,
            tokenizer=str(data / "models" / "embedded"), chat_template=str(tmp_path / "template.jinja"), **settings,
        )  # fmt: skip
        context = SampleContext(tokenizer_of(model), 4096, 1024, data, partial(generator_for, 1))
        samples = [sample for sample in task.samples(context) if sample.fits_window]
        golds.update({sample.messages[-1]["content"]: answer(kind, name, sample) for sample in samples})
        run = Settings(request_store=str(tmp_path / "store"), allow_input_cut=True)
        usage = Ledger(tmp_path / "t" / "m" / "e", "1-of-1", "m", pricing_of(model), None)
        responses = ask_samples(samples, task, model, run, usage, tmp_path / "log", "m", canaries=False)
    rows = []
    for sample in samples:
        [response] = responses[sample.sample_id]
        assert is_judged(response), response
        right = match(
            sample.references[0], response.text, sample.condition.get("question") or "",
            abstention=bool(sample.condition.get("abstention")),
        )  # fmt: skip
        rows.append({**sample.condition, **task.score(sample, response, [right is not None]), "text": response.text})
    scores = pd.DataFrame(rows)
    assert len(scores) > 5
    assert scores[scores["score"] < 1][["score", "text"]].to_dict("records") == []
    assert "format_error" not in scores or scores["format_error"].sum() == 0
