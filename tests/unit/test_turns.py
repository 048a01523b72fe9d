"""Jobs that ask one server on this machine share one resource, whatever it is called."""

from __future__ import annotations

import pytest

from contextrot.plan.turns import server_resource
from contextrot.settings import ModelSettings


def at(**values):
    return ModelSettings(**({"engine": "external", "name": "m", "window": 10, "max_output_tokens": 5} | values))


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"base_url": "http://127.0.0.1:8080/v1"}, "server_8080"),
        ({"base_url": "http://localhost:8080/v1"}, "server_8080"),
        ({"base_url": "http://user:secret@127.0.0.1:8080/v1"}, "server_8080"),
        ({"provider": "ollama"}, "server_11434"),
        ({"provider": "ollama", "base_url": "http://127.0.0.1:11434"}, "server_11434"),
        ({"base_url": "http://10.0.0.7:8080/v1"}, None),
        ({"base_url": "https://api.example.org/v1"}, None),
        ({"provider": "openai"}, None),
        ({"engine": "transformers"}, None),
    ],
)
def test_a_server_on_this_machine_is_known_by_its_port(values, name, monkeypatch):
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    monkeypatch.delenv("OLLAMA_API_BASE", raising=False)
    assert server_resource(at(**values)) == name


def test_no_model_asks_no_server():
    assert server_resource(None) is None
