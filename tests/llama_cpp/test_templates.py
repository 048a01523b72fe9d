"""Random models with other makers' templates, by the engines that serve them: what is of the format is named, and the same by every engine."""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache, partial

import pytest

from contextrot import engines, tasks
from contextrot.errors import ContextRotError
from contextrot.randomness import generator_for
from contextrot.responses import kept_servers
from contextrot.responses.collect import ask_samples
from contextrot.responses.prices import pricing_of
from contextrot.responses.usage import Ledger
from contextrot.samples.tokenizers import tokenizer_of
from contextrot.settings import ModelSettings, Settings
from contextrot.task import SampleContext
from tests.tiny_chat_models import TEMPLATES, as_gguf, tiny_chat_model

ENGINES = ["transformers", "llama_cpp"]
SHORT = {"lengths": [300, 900], "depths": [50], "needles": ["night_train_high"]}
EXPERIMENTS = {
    "niah": SHORT,
    "context_switching": {"history_turns": [0, 3], "items": 1, "targets": ["multiple_choice"], "distractors": ["sentiment"]},
    "story_sequences": {
        "sequences": 1,
        "turns": 2,
        "output_tokens": 32,
        "margin_tokens": 8,
        "system_prompt": "You tell stories.",
    },
    "remedies": {"of": "niah", "parameters": {**SHORT, "lengths": [900]}, "arms": ["full", "recursive"], "part_tokens": 400},
}


@pytest.fixture(scope="module")
def model_of(project, model, tmp_path_factory):
    """`model_of(template, engine)`: the settings of a tiny model."""

    @cache
    def folder_of(template):
        folder = tiny_chat_model(tmp_path_factory.mktemp("tiny"), project.data / "models/smollm2", TEMPLATES[template])
        as_gguf(folder, folder / "model.gguf", project.data / "models/smollm2" / model.name.rpartition("/")[2])
        return folder

    def settings_of(template, engine):
        folder, options = folder_of(template), {"threads": 1}
        if engine == "llama_cpp":
            about = {"name": str(folder / "model.gguf"), "tokenizer": str(folder)}
        else:
            about, options = {"name": str(folder)}, {**options, "device": "cpu", "dtype": "float32"}
        return ModelSettings(engine=engine, window=4096, max_output_tokens=24, engine_options=options, **about)

    return settings_of


@pytest.fixture(scope="module")
def answers_of(project, model_of, tmp_path_factory):
    """`answers_of(template, engine)`: experiment -> the rows of some of its samples."""

    @cache
    def ask(template, engine):
        model, folder, found = model_of(template, engine), tmp_path_factory.mktemp(engine), {}
        context = SampleContext(tokenizer_of(model), model.window, 24, project.data, partial(generator_for, 1))
        chosen = {name: tasks.load(name)(tasks.load(name).Parameters(**given)) for name, given in EXPERIMENTS.items()}
        with engines.serve(model, folder / "log") as endpoint, pytest.MonkeyPatch.context() as patch:
            patch.setattr(kept_servers, "serve", lambda *_: nullcontext(endpoint))
            for name, task in chosen.items():
                usage = Ledger(folder / name, "1-of-1", "tiny", pricing_of(model))
                settings = Settings(request_store=str(folder / "store"))
                answers = ask_samples(task.samples(context), task, model, settings, usage, folder / "log", name)
                found[name] = [row for rows in answers.values() for row in rows]
        return found

    return ask


@pytest.mark.parametrize("template", [name for name, text in TEMPLATES.items() if text])
@pytest.mark.parametrize("engine", ENGINES)
def test_every_count_is_ours_and_every_outcome_is_named(answers_of, template, engine):
    for name, rows in answers_of(template, engine).items():
        assert rows and {row.outcome for row in rows} <= {"answered", "truncated", "empty"}, name
        assert [row.prompt_tokens for row in rows if row.built_tokens] == [
            row.built_tokens for row in rows if row.built_tokens
        ], name


def test_a_thought_that_the_prompt_opens_and_the_limit_cuts_is_no_answer_by_any_engine(answers_of):
    for engine in ENGINES:
        rows = [row for rows in answers_of("thought opened in the prompt", engine).values() for row in rows]
        cut = [row for row in rows if row.outcome == "truncated"]
        assert len(cut) > len(rows) / 2
        assert all(row.text is None and row.reasoning for row in cut)


def test_both_engines_say_the_same(answers_of):
    """In float32, but for single tokens that are nearly alike."""
    ours, theirs = (answers_of("no system role", engine) for engine in ENGINES)
    pairs = [(a.text, b.text) for name in EXPERIMENTS for a, b in zip(ours[name], theirs[name], strict=True)]
    assert sum(a[:20] == b[:20] for a, b in pairs) >= 0.7 * len(pairs), pairs


@pytest.mark.parametrize("engine", ENGINES)
def test_a_base_model_is_refused_by_name_until_a_template_is_named(model_of, engine):
    base = model_of("no template", engine)
    with pytest.raises(ContextRotError, match="has no chat template"):
        tokenizer_of(base).count_chat([{"role": "user", "content": "?"}])
