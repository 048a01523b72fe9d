"""What the environment and `.env` say of providers: keys, and the settings that litellm reads from the environment."""

from __future__ import annotations

import os
import re

from contextrot import secrets
from contextrot.api_keys import variable
from contextrot.errors import ConfigError

FAMILIES = (
    "AI21 ANTHROPIC ANYSCALE AWS AZURE BEDROCK CEREBRAS CLOUDFLARE COHERE CO DATABRICKS DATAROBOT DEEPINFRA DEEPSEEK FIREWORKS "
    "FIREWORKS_AI FRIENDLIAI GEMINI GITHUB GOOGLE GROQ HUGGINGFACE HF HOSTED_VLLM HYPERBOLIC IBM LAMBDA LITELLM LM_STUDIO MINIMAX "
    "MISTRAL MOONSHOT NEBIUS NOVITA NVIDIA NVIDIA_NIM OLLAMA OPENAI OPENROUTER OR OVHCLOUD PERPLEXITYAI PREDIBASE REPLICATE SAMBANOVA "
    "SNOWFLAKE TOGETHERAI TOGETHER TOGETHER_AI VERTEX VERTEXAI VOLCENGINE WATSONX WX XAI ZAI ZHIPUAI"
).split()
GENERAL = re.compile(
    r"(HTTPS?|NO|ALL)_PROXY|SSL_(CERT_FILE|CERT_DIR|VERIFY)|REQUESTS_CA_BUNDLE|\w+_API_(KEY|BASE|VERSION)", re.IGNORECASE
)
SAME = {
    "VERTEX_PROJECT": "VERTEXAI_PROJECT",
    "VERTEX_LOCATION": "VERTEXAI_LOCATION",
    "VERTEX_CREDENTIALS": "VERTEXAI_CREDENTIALS",
}
"""Names that people use -> the one that litellm reads everywhere."""


def hand_over(provider: str | None = None) -> None:
    """Puts what `.env` says of providers, proxies and certificates into this process's environment, where it is not set yet.

    Args:
        provider: one whose variables begin with its own name, beside the known families.
    """
    values = secrets.everything_set()
    secrets.learn_environment(values)
    families = tuple(f"{family}_" for family in [*FAMILIES, *([provider.upper()] if provider else [])])
    for name, value in values.items():
        wanted = name.startswith(families) or GENERAL.fullmatch(name)
        if wanted and value and value.strip():
            os.environ.setdefault(name, value.strip())
    for name, other in SAME.items():
        if os.environ.get(name):
            os.environ.setdefault(other, os.environ[name])


def filled_in(name: str, text: str) -> str:
    """A header's value with `${VARIABLE}` from the environment or `.env`.

    Raises:
        ConfigError: if the variable is not set.
    """

    def value(found: re.Match[str]) -> str:
        given = variable(found[1])
        if given is None:
            raise ConfigError(f"header {name!r} names the variable {found[1]}, which is neither in the environment nor in .env.")
        return given

    return re.sub(r"\$\{(\w+)\}", value, text)
