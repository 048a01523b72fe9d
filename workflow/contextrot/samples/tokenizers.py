"""Counting and slicing by the model's own tokenizer, chat template included."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from contextrot.errors import ConfigError, DataError
from contextrot.samples.chat_templates import FastTokenizer, TemplatedTokenizer, TemplateRenderer, read_template, without_template

if TYPE_CHECKING:
    from contextrot.settings import ModelSettings

AS_IT_IS: dict[str, Any] = {"add_special_tokens": False, "truncation": False, "padding": False, "return_attention_mask": False}
"""How text is counted: nothing added, cut or filled up, whatever a tokenizer was saved with."""
CHANGE_TOKENS = ("added_tokens_decoder", "extra_special_tokens", "split_special_tokens", "add_prefix_space")
"""Keys of a tokenizer_config.json that change what its tokenizer.json does."""


class Tokenizer(Protocol):
    """What a sample builder needs of a tokenizer.

    Attributes:
        exact: whether counts equal the server's: false where the provider publishes no tokenizer or template.
        lossless: whether decoding gives back what was encoded; where not, text must be cut as text, not as tokens.
    """

    exact: bool

    @property
    def lossless(self) -> bool: ...

    def encode(self, text: str) -> list[int]:
        """Token ids of plain text, without special tokens."""

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """Token ids of many texts."""

    def decode(self, ids: list[int]) -> str:
        """Text of token ids."""

    def count_chat(self, messages: list[dict[str, str]]) -> int:
        """Tokens of the chat as the server renders it, the start of the answer included."""

    def as_sent(self, messages: list[dict[str, str]]) -> list[dict[str, str]]:
        """The messages as they are to be sent: not the same where the chat template has no place for a system message."""


class HuggingFaceTokenizer(TemplatedTokenizer):
    """Tokenizer and chat template of a model folder or Hugging Face id, with what `engine_options` add to the template.

    Raises:
        DataError: if it is not there, or has no chat template.
    """

    def __init__(
        self,
        name: str,
        revision: str | None = None,
        template_arguments: dict[str, Any] | None = None,
        chat_template: str | None = None,
    ) -> None:
        from transformers import AutoTokenizer

        self.name = name
        folder = Path(name)
        if (folder.is_absolute() or name.startswith(("./", "../", "data/"))) and not (folder / "tokenizer_config.json").exists():
            raise DataError(
                f"{name} holds no tokenizer (tokenizer_config.json is missing); check `name` or `tokenizer` of the model."
            )
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
        except Exception as error:  # tokenizers raises bare ones for a file that is not in its format
            raise DataError(
                f"the tokenizer of {name!r} could not be loaded: {_first_line(error)} "
                "Check the name, its files, the network, and HF_TOKEN if the model is gated."
            ) from error
        self._tokenizer.model_max_length = int(1e30)  # what is too long is found by the window, not told by a warning
        if chat_template:
            self._tokenizer.chat_template = read_template(chat_template)
        if not self._tokenizer.chat_template:
            raise without_template(name)
        self._template_arguments = template_arguments or {}

    def encode(self, text: str) -> list[int]:
        return self._tokenizer(text, **AS_IT_IS)["input_ids"]

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return self._tokenizer(texts, **AS_IT_IS)["input_ids"] if texts else []

    def decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, clean_up_tokenization_spaces=False)

    def _render(self, messages: list[dict[str, str]]) -> str:
        return self._tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, **self._template_arguments
        )


class FolderTokenizer(FastTokenizer):
    """A folder's tokenizer.json and chat template without a Python class of their own: the same as HuggingFaceTokenizer
    gives, without the seconds that importing transformers takes.
    """

    def __init__(self, folder: Path, config: dict[str, Any], template: str, template_arguments: dict[str, Any]) -> None:
        from tokenizers import Tokenizer as Fast

        self.name = str(folder)
        try:
            self._tokenizer = Fast.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # a bare one for a file that is not in its format
            raise DataError(
                f"{folder / 'tokenizer.json'} is not a tokenizer that can be read: {_first_line(error)} Restore it, or name another "
                "`tokenizer`."
            ) from error
        self._tokenizer.no_truncation()  # a tokenizer.json may have been saved with both
        self._tokenizer.no_padding()
        named = {key: value.get("content") if isinstance(value, dict) else value for key, value in config.items()}
        tokens = {key: value for key, value in named.items() if key.endswith("_token") and isinstance(value, str)}
        self._template = TemplateRenderer(template, tokens | template_arguments)

    @classmethod
    def open(
        cls, name: str, template_arguments: dict[str, Any] | None, chat_template: str | None = None
    ) -> FolderTokenizer | None:
        """The tokenizer of a folder, or None if `name` is none, or one that needs its Python class."""
        folder = Path(name)
        files = [folder / file for file in ("tokenizer_config.json", "tokenizer.json")]
        template = Path(chat_template) if chat_template else folder / "chat_template.jinja"
        if not all(file.is_file() for file in [*files, template]):
            return None
        try:
            config = json.loads(files[0].read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(f"{files[0]} is not valid JSON: {error}. Restore it, or name another `tokenizer`.") from error
        if (
            not isinstance(config, dict)
            or config.get("tokenizer_class") != "PreTrainedTokenizerFast"
            or any(config.get(key) for key in CHANGE_TOKENS)
        ):
            return None
        return cls(folder, config, read_template(str(template)), template_arguments or {})

    def _render(self, messages: list[dict[str, str]]) -> str:
        return self._template.render(messages)


ChatTokenizer = TemplatedTokenizer
"""Tokenizers with a chat template: what reads a model's layers needs one."""


class TiktokenTokenizer:
    """An encoding of tiktoken, from litellm's bundled copy where it has one; the chat's frame is counted as OpenAI describes:
    3 tokens and the role for each message, 3 for the start of the answer.
    """

    exact = False
    lossless = True

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

    def as_sent(self, messages: list[dict[str, str]]) -> list[dict[str, str]]:
        return messages


def _first_line(error: Exception) -> str:
    """The first line of what an error says, or its class where it says nothing."""
    return next((line.strip()[:300] for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _litellm_tokenizers() -> str | None:
    from importlib.util import find_spec

    spec = find_spec("litellm")
    folder = Path(spec.origin).parent / "litellm_core_utils" / "tokenizers" if spec and spec.origin else None
    return str(folder) if folder and folder.is_dir() else None


def load_tokenizer(
    name: str,
    revision: str | None = None,
    template_arguments: dict[str, Any] | None = None,
    chat_template: str | None = None,
) -> Tokenizer:
    """The tokenizer of that name: `tiktoken:ENCODING`, a GGUF file, a folder, or a Hugging Face id.

    Args:
        template_arguments: names that the chat template may use beside its own.
        chat_template: file of a template to use instead of the tokenizer's own.

    Raises:
        ConfigError, DataError: if there is none.
    """
    if name.startswith("tiktoken:"):
        return TiktokenTokenizer(name.removeprefix("tiktoken:"))
    if name.lower().endswith(".gguf"):
        from contextrot.samples.gguf_tokenizer import GGUFTokenizer

        return GGUFTokenizer(name, template_arguments, chat_template)
    folder = FolderTokenizer.open(name, template_arguments, chat_template)
    return folder or HuggingFaceTokenizer(name, revision, template_arguments, chat_template)


def template_file(model: ModelSettings) -> str | None:
    """The file of a chat template that takes the place of the tokenizer's own: the model's, or the one that its engine is given."""
    options = model.engine_options
    return model.chat_template or options.get("chat_template") or options.get("chat_template_file")


def tokenizer_of(model: ModelSettings) -> Tokenizer:
    """The model's tokenizer, with the template and template arguments that its engine will be given.

    Raises:
        ConfigError, DataError: if there is none.
    """
    options = model.engine_options
    body = options.get("extra_body")
    arguments = options.get("chat_template_kwargs") or (body.get("chat_template_kwargs") if isinstance(body, dict) else None)
    template = template_file(model)
    if model.tokenizer == "server":
        from contextrot.samples.server_tokenizer import ServerTokenizer

        return ServerTokenizer.of(model, arguments)
    return load_tokenizer(model.tokenizer or model.name, model.revision, arguments, template)
