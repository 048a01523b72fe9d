"""Endpoints elsewhere: keys, a provider's settings, addresses with credentials, proxies."""

import os

import pytest

from contextrot import secrets
from contextrot.engines import Endpoint, external
from contextrot.errors import ConfigError
from contextrot.responses import outgoing
from contextrot.responses.transport import DirectTransport, LitellmTransport, transport_for
from contextrot.settings import ModelSettings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    """An empty folder, no variable of a provider, and all that is set meanwhile taken back."""
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    for name in list(os.environ):
        if name.startswith(("OPENAI", "AZURE", "AWS", "VERTEX", "GOOGLE", "GEMINI", "ANTHROPIC")) or name.lower().endswith(
            "_proxy"
        ):
            monkeypatch.delenv(name)
    yield
    os.environ.clear()
    os.environ.update(before)
    secrets.forget()


def model(**values):
    return ModelSettings(**{"engine": "external", "name": "m", "window": 9, "max_output_tokens": 9} | values)


def endpoint(**values) -> Endpoint:
    return external.endpoint_of(model(**values))


@pytest.mark.parametrize("written", ["sk-1234567890", " sk-1234567890\n", '"sk-1234567890"', "\t'sk-1234567890' \r\n"])
def test_blanks_line_ends_and_quotes_around_a_key_are_no_part_of_it(written, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", written)
    assert endpoint(provider="openai").api_key == "sk-1234567890"


@pytest.mark.parametrize("written", ["", " \n", '""'])
def test_an_empty_key_is_a_missing_one(written, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", written)
    with pytest.raises(ConfigError, match="set the environment variable OPENAI_API_KEY"):
        endpoint(provider="openai")


def test_an_empty_variable_leaves_the_key_of_the_file(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "")
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-file-1234567890\n")
    assert endpoint(provider="openai").api_key == "sk-file-1234567890"


def test_a_key_with_something_in_the_middle_is_refused_without_showing_it(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-12345\nsk-67890")
    with pytest.raises(ConfigError, match="OPENAI_API_KEY") as error:
        endpoint(provider="openai")
    assert "12345" not in str(error.value)


def test_all_settings_of_providers_in_the_file_reach_the_environment_below_what_is_set(monkeypatch, tmp_path):
    lines = {
        "AZURE_API_BASE": "https://r.openai.azure.com", "AZURE_API_VERSION": "2024-10-21", "AWS_SECRET_ACCESS_KEY": "canary-aws-1",
        "AWS_REGION_NAME": "eu-west-1", "VERTEX_PROJECT": "p", "GOOGLE_APPLICATION_CREDENTIALS": "/a/b.json", "OPENAI_ORGANIZATION": "org",
        "ACME_API_BASE": "http://a", "HTTPS_PROXY": "http://proxy:3128", "UNRELATED": "x", "AZURE_API_TYPE": "",
    }  # fmt: skip
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    monkeypatch.setenv("AZURE_API_VERSION", "2025-01-01")
    monkeypatch.delenv("UNRELATED", raising=False)
    endpoint(provider="bedrock")
    assert os.environ["AZURE_API_VERSION"] == "2025-01-01"
    assert os.environ["VERTEXAI_PROJECT"] == "p"
    for name in set(lines) - {"UNRELATED", "AZURE_API_TYPE", "AZURE_API_VERSION"}:
        assert os.environ[name] == lines[name]
    assert "UNRELATED" not in os.environ and "AZURE_API_TYPE" not in os.environ
    assert secrets.clean("said canary-aws-1") == "said [key]"


def test_azure_needs_an_address_and_a_key_or_a_token(monkeypatch):
    with pytest.raises(ConfigError, match="AZURE_API_BASE"):
        endpoint(provider="azure")
    monkeypatch.setenv("AZURE_API_BASE", "https://r.openai.azure.com")
    with pytest.raises(ConfigError, match="AZURE_API_KEY"):
        endpoint(provider="azure")
    monkeypatch.setenv("AZURE_AD_TOKEN", "token-1234567890")
    assert endpoint(provider="azure").api_key is None


def test_an_address_goes_together_with_a_provider(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-1234567890")
    made = endpoint(provider="anthropic", base_url="https://proxy.example/anthropic")
    assert (made.provider, made.base_url, made.api_key) == ("anthropic", "https://proxy.example/anthropic", "sk-1234567890")
    assert isinstance(transport_for(made), LitellmTransport)
    assert isinstance(transport_for(endpoint(base_url="http://h/v1")), DirectTransport)


def test_openrouter_is_spoken_to_directly_because_it_names_its_upstream(monkeypatch):
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-1234567890")
    made = endpoint(provider="openrouter")
    assert (made.base_url, made.provider) == ("https://openrouter.ai/api/v1", "openrouter")
    assert isinstance(transport_for(made), DirectTransport)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"base_url": "h:80/v1"},
        {"base_url": "http://"},
        {"base_url": "http://[::1"},
        {"base_url": "http://u:canary-pw[@h/v1"},
        {"base_url": "u:canary-pw@h/v1"},
        {"base_url": "http://u:canary-pw/x@h/v1"},
    ],
)
def test_neither_or_no_url_is_said_without_credentials(values):
    with pytest.raises(ConfigError, match="base_url") as error:
        endpoint(**values)
    assert "canary-pw" not in str(error.value)


def test_credentials_of_an_address_become_a_header_and_its_query_goes_along():
    made = endpoint(base_url="https://me:p%40ss-word@h:8/v1/?key=abcdef123&api-version=1")
    assert made.base_url == "https://h:8/v1"
    assert made.request_headers == {"Authorization": "Basic bWU6cEBzcy13b3Jk"}
    assert made.url("chat/completions") == "https://h:8/v1/chat/completions?key=abcdef123&api-version=1"
    assert "abcdef123" not in repr(made) and "p@ss" not in repr(made) + str(made.details)


def test_a_header_takes_its_value_from_the_environment(monkeypatch):
    monkeypatch.setenv("GATEWAY", "gate-1234567890")
    made = endpoint(base_url="http://h/v1", engine_options={"headers": {"api-key": "${GATEWAY}", "X-Team": "rot-team"}})
    assert made.request_headers == {"api-key": "gate-1234567890", "X-Team": "rot-team"}
    with pytest.raises(ConfigError, match="NOT_THERE"):
        endpoint(base_url="http://h/v1", engine_options={"headers": {"api-key": "${NOT_THERE}"}})


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://far.example/v1", "http://proxy:3128"),
        ("https://far.example/v1", "http://secure:3128"),
        ("https://inside.example/v1", None),
        ("https://api.inside.example:8443/v1", None),
        ("http://127.0.0.1:8000/v1", None),
        ("http://localhost:8000/v1", None),
    ],
)
def test_proxies_are_honoured_but_not_for_this_machine(url, proxy, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    monkeypatch.setenv("HTTPS_PROXY", "secure:3128")
    monkeypatch.setenv("NO_PROXY", "other,inside.example")
    assert outgoing.proxy_for(url) == proxy


def test_without_proxies_there_is_none():
    assert outgoing.proxy_for("https://far.example/v1") is None
