"""Engine llama_cpp without a server: what its command says, and what is refused before anything starts."""

from __future__ import annotations

import pytest

from contextrot.engines import llama_cpp
from contextrot.errors import ConfigError
from contextrot.plan.responses import answering
from contextrot.responses.identity import model_identity
from contextrot.samples.tokenizers import tokenizer_of
from contextrot.settings import ModelSettings
from tests.gguf_files import write_gguf

TEMPLATE = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"


@pytest.fixture
def server(tmp_path):
    """`server(help)`: an executable whose help text is that."""

    def make(said):
        path = tmp_path / "llama-server"
        path.write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nEND\n")
        path.chmod(0o755)
        llama_cpp.help_of.cache_clear()
        return str(path)

    return make


def block(name, **settings):
    return ModelSettings(engine="llama_cpp", name=str(name), window=512, max_output_tokens=64, **settings)


def command(model):
    return llama_cpp.command(model, llama_cpp.options_of(model), "m", "slots", 1)


def test_options_that_a_build_does_not_know_are_left_out(server, tmp_path):
    old = command(block(tmp_path / "m.gguf", engine_options={"server": server("--no-context-shift --jinja --host")}))
    new = command(block(tmp_path / "m.gguf", engine_options={"server": server(" ".join(o[0] for o in llama_cpp.OPTIONAL))}))
    assert "--no-context-shift" in old and "--cache-ram" not in old and "--swa-full" not in old and "0" not in old
    assert {"--no-context-shift", "--cache-ram", "--swa-full", "--jinja"} <= set(new)
    assert "--flash-attn" not in new  # how `auto` is said differs between builds, and is what they do by themselves


@pytest.mark.parametrize("argument", ["--host", "--port=80", "-c", "--api-key", "--context-shift", "--parallel"])
def test_an_argument_that_stands_for_a_setting_is_refused(tmp_path, argument):
    with pytest.raises(ConfigError, match=r"is not accepted here; use"):
        llama_cpp.options_of(block(tmp_path / "m.gguf", engine_options={"arguments": [argument, "1"]}))


def test_a_file_without_a_chat_template_is_refused_until_one_is_named(tmp_path):
    file = write_gguf(tmp_path / "base.gguf", {"general.architecture": "llama"})
    with pytest.raises(ConfigError, match="would take ChatML"):
        llama_cpp.check_template(str(file), None)
    with pytest.raises(ConfigError, match="cannot be read"):
        llama_cpp.check_template(str(file), str(tmp_path / "nowhere.jinja"))
    (tmp_path / "own.jinja").write_text(TEMPLATE)
    llama_cpp.check_template(str(file), str(tmp_path / "own.jinja"))


def test_of_two_template_files_the_one_that_is_counted_with_is_served(data, tmp_path):
    file = write_gguf(tmp_path / "base.gguf", {"general.architecture": "llama"})
    own, other = tmp_path / "own.jinja", tmp_path / "other.jinja"
    own.write_text(TEMPLATE)
    other.write_text("other")
    options = {"chat_template_file": str(other)}
    model = block(file, tokenizer=str(data / "models/embedded"), chat_template=str(own), engine_options=options)
    assert command(model)[-2:] == ["--chat-template-file", str(own)]
    assert tokenizer_of(model).render_chat([{"role": "user", "content": "Hello"}]) == "[user]Hello"


def test_a_template_file_is_what_is_served_counted_and_part_of_the_identity(data, tmp_path):
    file = write_gguf(tmp_path / "base.gguf", {"general.architecture": "llama"})
    own = tmp_path / "own.jinja"
    own.write_text(TEMPLATE)
    messages = [{"role": "user", "content": "Hello"}]
    named = {"chat_template": str(own)}, {"engine_options": {"chat_template_file": str(own)}}
    identities = []
    for settings in named:
        model = block(file, tokenizer=str(data / "models/embedded"), **settings)
        assert command(model)[-2:] == ["--chat-template-file", str(own)]
        assert tokenizer_of(model).render_chat(messages) == "[user]Hello"
        identities.append(model_identity(model))
        assert str(own) in answering(model)
    own.write_text(TEMPLATE + "!")
    for settings, before in zip(named, identities, strict=True):
        assert model_identity(block(file, tokenizer=str(data / "models/embedded"), **settings)) != before
