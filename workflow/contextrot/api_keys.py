"""The key of a model's server or provider, from the environment or from `.env` in the folder where snakemake was started.

Keys are written nowhere.
"""

from __future__ import annotations

import os
import re

from contextrot import secrets
from contextrot.errors import ConfigError
from contextrot.settings import OWN_PROVIDERS, ModelSettings

KEY_VARIABLES = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "groq": "GROQ_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "together_ai": "TOGETHERAI_API_KEY",
    "xai": "XAI_API_KEY",
    "azure": "AZURE_API_KEY",
}
NO_KEY = ("bedrock", "vertex_ai", "sagemaker", "sagemaker_chat", "hosted_vllm", *OWN_PROVIDERS)
"""Providers that are let in by other means than one key, or need none."""
INSTEAD_OF_KEY = {
    "azure": ("AZURE_AD_TOKEN", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"),
    "gemini": ("GOOGLE_API_KEY",),
    "together_ai": ("TOGETHER_API_KEY", "TOGETHER_AI_API_KEY"),
}
"""Variables that let a provider in without its usual key."""


def api_key(model: ModelSettings) -> str | None:
    """The model's key from the environment, or else from `.env`; None where none is needed.

    Raises:
        ConfigError: naming the variable, if it is needed and not set.
    """
    name = model.api_key_env
    needed = name is not None or (model.base_url is None and model.provider not in NO_KEY)
    if name is None and model.provider not in (None, *NO_KEY):
        name = KEY_VARIABLES.get(model.provider, f"{model.provider.upper()}_API_KEY")
    if name is None:
        return None
    key = variable(name)
    if key is None and needed and model.api_key_env is None and any(map(variable, INSTEAD_OF_KEY.get(model.provider, ()))):
        return None
    if key is None and needed:
        raise ConfigError(
            f"model {model.name!r} needs an API key: set the environment variable {name}, "
            f"or write {name}=... into .env in the folder where snakemake is started."
        )
    return key


def variable(name: str) -> str | None:
    """A variable of the environment, or else of `.env`, without the blanks, line ends and quotes around it; None if it is empty.

    Raises:
        ConfigError: if it holds a blank or line end, which no key does.
    """
    from dotenv import dotenv_values

    for value in (os.environ.get(name), dotenv_values(".env").get(name)):
        trimmed = (value or "").strip().strip("\"'").strip()
        if trimmed:
            secrets.learn(trimmed)
            if re.search(r"\s", trimmed) or not trimmed.isascii():
                raise ConfigError(
                    f"the value of {name} (environment or .env) holds a blank, a line end or a letter that no key has; "
                    "write the key alone."
                )
            return trimmed
    return None
