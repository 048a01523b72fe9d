import pytest

from contextrot.engines import Endpoint
from contextrot.errors import ConfigError
from contextrot.serving.addresses import timed_endpoint


def of(provider, base_url=None):
    return timed_endpoint(Endpoint("external", "m", provider, base_url=base_url, api_key="k"), "m")


def test_a_server_s_own_address_is_left_as_it_is():
    assert of("hosted_vllm", "http://127.0.0.1:8000/v1").base_url == "http://127.0.0.1:8000/v1"


def test_ollama_streams_in_openai_s_form_below_v1():
    assert of("ollama", "http://127.0.0.1:11434").base_url == "http://127.0.0.1:11434/v1"


@pytest.mark.parametrize(
    ("provider", "url"),
    [
        ("openai", "https://api.openai.com/v1"),
        ("anthropic", "https://api.anthropic.com/v1"),
        ("groq", "https://api.groq.com/openai/v1"),
        ("deepseek", "https://api.deepseek.com"),
    ],
)
def test_hosted_providers_are_measured_at_their_own_address(provider, url):
    found = of(provider)
    assert found.base_url.startswith(url) and found.details["measured_at"].startswith(url)
    assert found.request_headers == {"Authorization": "Bearer k"}


@pytest.mark.parametrize(("provider", "message"), [("azure", "/openai/v1"), ("no_such", "give it as `base_url`")])
def test_without_an_address_the_message_says_what_to_give(provider, message):
    with pytest.raises(ConfigError, match=message):
        of(provider)


@pytest.mark.parametrize(
    ("provider", "variable", "below"),
    [
        ("openai", "OPENAI_BASE_URL", ""),
        ("openai", "OPENAI_API_BASE", ""),
        ("anthropic", "ANTHROPIC_BASE_URL", "/v1"),
        ("gemini", "GEMINI_API_BASE", "/openai"),
    ],
)
def test_the_environment_s_address_of_a_provider_is_measured_and_its_password_not_shown(monkeypatch, provider, variable, below):
    monkeypatch.setenv(variable, "http://me:geheim-wort@127.0.0.1:9/of/")
    found = of(provider)
    assert found.base_url == f"http://me:geheim-wort@127.0.0.1:9/of{below}"
    assert "geheim-wort" not in found.details["measured_at"]


def test_a_provider_at_an_address_of_config_is_measured_below_it():
    assert of("anthropic", "http://127.0.0.1:9").base_url == "http://127.0.0.1:9/v1"
    assert of("anthropic", "http://127.0.0.1:9/v1").base_url == "http://127.0.0.1:9/v1"
