"""Counting and slicing by the model's own tokenizer, chat template included."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Protocol

from contextrot.errors import ConfigError, DataError


class Tokenizer(Protocol):
    """What a sample builder needs of a tokenizer.

    Attributes:
        exact: whether counts equal the server's: false where the provider publishes no tokenizer or template.
    """

    exact: bool

    def encode(self, text: str) -> list[int]:
        """Token ids of plain text, without special tokens."""

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """Token ids of many texts."""

    def decode(self, ids: list[int]) -> str:
        """Text of token ids."""

    def count_chat(self, messages: list[dict[str, str]]) -> int:
        """Tokens of the chat as the server renders it, the start of the answer included."""


class HuggingFaceTokenizer:
    """Tokenizer and chat template of a model folder or Hugging Face id, with what `engine_options` add to the template.

    Raises:
        DataError: if it is not there, or has no chat template.
    """

    exact = True

    def __init__(self, name: str, revision: str | None = None, template_arguments: dict[str, Any] | None = None) -> None:
        from transformers import AutoTokenizer

        folder = Path(name)
        if (folder.is_absolute() or name.startswith(("./", "../", "data/"))) and not (folder / "tokenizer_config.json").exists():
            raise DataError(
                f"{name} holds no tokenizer (tokenizer_config.json is missing); check `name` or `tokenizer` of the model."
            )
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise DataError(
                f"the tokenizer of {name!r} could not be loaded: {str(error).splitlines()[0]} "
                "Check the name, the network, and HF_TOKEN if the model is gated."
            ) from error
        if not self._tokenizer.chat_template:
            raise DataError(f"the tokenizer of {name!r} has no chat template; name a chat model or another `tokenizer`.")
        self._template_arguments = template_arguments or {}

    def encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False)

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return self._tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []

    def decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, clean_up_tokenization_spaces=False)

    def render_chat(self, messages: list[dict[str, str]]) -> str:
        """The chat as one text, ending where the answer begins."""
        return self._tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, **self._template_arguments
        )

    def count_chat(self, messages: list[dict[str, str]]) -> int:
        return len(self.encode(self.render_chat(messages)))


class FolderTokenizer:
    """A folder's tokenizer.json and chat template without a Python class of their own: the same as HuggingFaceTokenizer
    gives, without the seconds that importing transformers takes.

    Templates are rendered by minijinja, from which they cannot reach Python; what it does not know, transformers renders.
    """

    exact = True

    def __init__(self, folder: Path, config: dict[str, Any], template: str, template_arguments: dict[str, Any]) -> None:
        from minijinja import Environment
        from tokenizers import Tokenizer as Fast

        self._tokenizer = Fast.from_file(str(folder / "tokenizer.json"))
        self._template = template
        self._environment = Environment(trim_blocks=True, lstrip_blocks=True)  # as in transformers
        self._environment.remove_filter("tojson")  # which is another one there
        named = {key: value.get("content") if isinstance(value, dict) else value for key, value in config.items()}
        tokens = {key: value for key, value in named.items() if key.endswith("_token") and isinstance(value, str)}
        self._template_arguments = tokens | template_arguments

    @classmethod
    def open(cls, name: str, template_arguments: dict[str, Any] | None) -> FolderTokenizer | None:
        """The tokenizer of a folder, or None if `name` is none, or one that needs its Python class."""
        folder = Path(name)
        files = [folder / file for file in ("tokenizer_config.json", "chat_template.jinja", "tokenizer.json")]
        if not all(file.is_file() for file in files):
            return None
        config = json.loads(files[0].read_text(encoding="utf-8"))
        if config.get("tokenizer_class") != "PreTrainedTokenizerFast":
            return None
        return cls(folder, config, files[1].read_text(encoding="utf-8"), template_arguments or {})

    def encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch(texts, add_special_tokens=False)]

    def decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=False)

    def render_chat(self, messages: list[dict[str, str]]) -> str:
        """The chat as one text, ending where the answer begins."""
        from minijinja import TemplateError

        values = {"tools": None, "documents": None, "add_generation_prompt": True} | self._template_arguments
        try:
            return self._environment.render_str(self._template, messages=messages, **values)
        except TemplateError:
            from transformers.utils.chat_template_utils import render_jinja_template

            return render_jinja_template(conversations=[messages], chat_template=self._template, **values)[0][0]

    def count_chat(self, messages: list[dict[str, str]]) -> int:
        return len(self.encode(self.render_chat(messages)))


ChatTokenizer = HuggingFaceTokenizer | FolderTokenizer
"""Tokenizers with a chat template: what reads a model's layers needs one."""


class TiktokenTokenizer:
    """An encoding of tiktoken, from litellm's bundled copy where it has one; the chat's frame is counted as OpenAI describes:
    3 tokens and the role for each message, 3 for the start of the answer.
    """

    exact = False

    def __init__(self, encoding: str) -> None:
        import tiktoken

        bundled = _litellm_tokenizers()
        if bundled:
            os.environ.setdefault("TIKTOKEN_CACHE_DIR", bundled)
        try:
            self._encoding = tiktoken.get_encoding(encoding)
        except ValueError as error:
            raise ConfigError(
                f"tiktoken has no encoding {encoding!r}. Known: {', '.join(tiktoken.list_encoding_names())}."
            ) from error
        except OSError as error:
            raise DataError(f"tiktoken's encoding {encoding!r} could not be downloaded: {error}") from error

    def encode(self, text: str) -> list[int]:
        return self._encoding.encode_ordinary(text)

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return self._encoding.encode_ordinary_batch(texts, num_threads=2)

    def decode(self, ids: list[int]) -> str:
        return self._encoding.decode(ids)

    def count_chat(self, messages: list[dict[str, str]]) -> int:
        return 3 + sum(3 + len(self.encode(m["role"])) + len(self.encode(m["content"])) for m in messages)


def _litellm_tokenizers() -> str | None:
    from importlib.util import find_spec

    spec = find_spec("litellm")
    folder = Path(spec.origin).parent / "litellm_core_utils" / "tokenizers" if spec and spec.origin else None
    return str(folder) if folder and folder.is_dir() else None


def load_tokenizer(name: str, revision: str | None = None, template_arguments: dict[str, Any] | None = None) -> Tokenizer:
    """The tokenizer of that name: `tiktoken:ENCODING`, a folder, or a Hugging Face id.

    Raises:
        ConfigError, DataError: if there is none.
    """
    if name.startswith("tiktoken:"):
        return TiktokenTokenizer(name.removeprefix("tiktoken:"))
    return FolderTokenizer.open(name, template_arguments) or HuggingFaceTokenizer(name, revision, template_arguments)
