"""`tokenizer: server`: counting by the server that will answer, with its own tokenizer and chat template.

llama.cpp: /v1/chat/completions/input_tokens (or /apply-template, then /tokenize), /detokenize. vLLM: /tokenize, with text or with
messages, /detokenize. Which of the two it is shows in its answer.
"""

from __future__ import annotations

import hashlib
import json
import logging
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any

from contextrot.api_keys import api_key
from contextrot.errors import ConfigError, EngineError
from contextrot.samples.chat_templates import Message, TemplatedTokenizer

if TYPE_CHECKING:
    from contextrot.settings import ModelSettings

TRIES = 3
AT_ONCE = 8
NOT_READY = (429, 502, 503, 504)
CACHED_CHARACTERS = 2_000
"""Longest text whose tokens are remembered; of chats only counts are."""

log = logging.getLogger(__name__)


class _Refused(Exception):
    """The server refuses a request, in its own words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ServerTokenizer(TemplatedTokenizer):
    """A running server's tokenizer and chat template.

    Args:
        base_url: of the OpenAI-compatible API, ending in /v1 or not.
        model: its name in requests.
        template_arguments: sent as chat_template_kwargs.
        api_key: sent as a bearer token.
        timeout_seconds: for one request.

    Attributes:
        kind: "llama.cpp" or "vllm".
        window: the server's own context window, tokens, None if it does not say.

    Raises:
        EngineError: if the server is not up, or answers with something else than tokens.
        ConfigError: if it has no such endpoint.
    """

    takes_parts = False  # the server turns texts into parts itself

    def __init__(
        self,
        base_url: str,
        model: str,
        template_arguments: dict[str, Any] | None = None,
        api_key: str | None = None,
        timeout_seconds: float = 60,
    ) -> None:
        import httpx

        try:
            url = httpx.URL(base_url.rstrip("/").removesuffix("/v1") + "/")
        except httpx.InvalidURL as error:
            raise ConfigError(f"base_url = {base_url!r} of model {model!r} is not a URL: {error}.") from error
        if api_key and not (api_key.isascii() and api_key.isprintable()):
            raise ConfigError(f"the key of model {model!r} (`api_key_env`) has characters that no key has, such as a line's end.")
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        if url.scheme not in ("http", "https") or not url.host:
            raise ConfigError(f"base_url = {base_url!r} of model {model!r} is not a URL; it begins with http:// or https://.")
        self.name = str(url.copy_with(userinfo=b""))
        self._model, self._key = model, api_key
        self._template_arguments = {"chat_template_kwargs": template_arguments} if template_arguments else {}
        limits = httpx.Limits(max_connections=AT_ONCE)
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout_seconds, limits=limits, trust_env=False)
        weakref.finalize(self, self._http.close)
        self._counts: dict[str, int] = {}
        self._ids: dict[str, list[int]] = {}
        self._counts_chats = True  # whether llama.cpp is new enough to count chats in one request
        self.kind, self.window = self._look()

    @classmethod
    def of(cls, model: ModelSettings, template_arguments: dict[str, Any] | None = None) -> ServerTokenizer:
        """The tokenizer of a model's server.

        Raises:
            ConfigError: if the model has no `base_url`.
        """
        if not model.base_url:
            raise ConfigError(
                f"`tokenizer: server` of model {model.name!r} needs the `base_url` of a server that runs; "
                "leave `tokenizer` out for a model whose folder or Hugging Face id `name` is."
            )
        tokenizer = cls(model.base_url, model.name, template_arguments, api_key(model), min(model.timeout_seconds, 120))
        if tokenizer.window is not None and tokenizer.window < model.window:
            log.warning(
                "the server at %s has a window of %d tokens, but `window` of model %r is %d: longer prompts will be refused or cut",
                tokenizer.name, tokenizer.window, model.name, model.window,
            )  # fmt: skip
        return tokenizer

    def encode(self, text: str) -> list[int]:
        if text in self._ids:
            return list(self._ids[text])
        if self.kind == "vllm":
            ids = self._ask("tokenize", {"model": self._model, "prompt": text, "add_special_tokens": False}, _tokens)
        else:
            ids = self._ask("tokenize", {"content": text, "add_special": False, "parse_special": True}, _tokens)
        if len(text) <= CACHED_CHARACTERS:
            self._ids[text] = ids
        return list(ids)

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """Token ids of many texts, several asked at once."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(self.encode, texts))

    def decode(self, ids: list[int]) -> str:
        name = {"model": self._model} if self.kind == "vllm" else {}
        return self._ask("detokenize", {**name, "tokens": list(ids)}, _text("prompt" if name else "content"))

    def count_chat(self, messages: list[Message]) -> int:
        """Tokens of the chat as the server itself counts them.

        Raises:
            DataError: if its template refuses the chat.
        """
        sent = self.as_sent(messages)
        key = hashlib.sha256(json.dumps(sent).encode()).hexdigest()
        if key not in self._counts:
            try:
                self._counts[key] = self._count(sent)
            except _Refused as error:
                raise self._refusal(sent, error) from error
        return self._counts[key]

    def _count(self, messages: list[Message]) -> int:
        chat = {"model": self._model, "messages": messages, **self._template_arguments}
        if self.kind == "vllm":
            return self._ask("tokenize", {**chat, "add_generation_prompt": True}, _number("count"))
        if self._counts_chats:
            try:
                return self._ask("v1/chat/completions/input_tokens", chat, _number("input_tokens"))
            except _Refused as error:
                if error.status not in (404, 405, 501):
                    raise
                self._counts_chats = False
        text = self._render(messages)
        return len(self._ask("tokenize", {"content": text, "add_special": True, "parse_special": True}, _tokens))

    def _render(self, messages: list[Message]) -> str:
        chat = {"messages": messages, **self._template_arguments}
        if self.kind != "vllm":
            return self._ask("apply-template", chat, _text("prompt"))
        return self.decode(self._ask("tokenize", {"model": self._model, "add_generation_prompt": True, **chat}, _tokens))

    @cached_property
    def takes_system(self) -> bool:
        """Whether the server's template has a place for a system message; taken to have one if it renders nothing for others."""
        try:
            self._render([{"role": "user", "content": "x"}])
        except _Refused as error:
            if error.status in (404, 405, 501):
                return True
        return super().takes_system

    def _look(self) -> tuple[str, int | None]:
        """Which server it is, from its answer to a request that both understand, and its window."""
        both = {"model": self._model, "prompt": "a", "content": "a", "add_special_tokens": False}
        try:
            found = self._ask("tokenize", both, lambda reply: (_tokens(reply), reply))[1]
        except _Refused as error:
            if error.status in (401, 403):
                raise ConfigError(
                    f"the server at {self.name} refuses the key ({error.status}: {error}); check `api_key_env`."
                ) from error
            raise ConfigError(
                f"the server at {self.name} has no /tokenize as llama.cpp and vLLM have it ({error.status}: {error}). If it is one of them, "
                "check `base_url` and `name`; Ollama and providers have none: name a Hugging Face id, a GGUF file or tiktoken:ENCODING as "
                "`tokenizer` of the model."
            ) from error
        if "count" in found:
            window = found.get("max_model_len")
            return "vllm", window if isinstance(window, int) and not isinstance(window, bool) and window > 0 else None
        try:
            settings = self._ask("props", None, lambda reply: reply.get("default_generation_settings"))
        except (_Refused, EngineError):
            return "llama.cpp", None
        window = settings.get("n_ctx") if isinstance(settings, dict) else None
        return "llama.cpp", window if isinstance(window, int) and window > 0 else None

    def _ask(self, path: str, body: dict[str, Any] | None, read: Callable[[dict[str, Any]], Any]) -> Any:
        import httpx

        for attempt in range(1, TRIES + 1):
            try:
                reply = self._http.get(path) if body is None else self._http.post(path, json=body)
                break
            except (httpx.TransportError, httpx.InvalidURL) as error:
                closed = isinstance(error, (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError))
                if attempt < TRIES and closed:  # a kept connection that the server had closed meanwhile
                    continue
                raise EngineError(
                    f"the server at {self.name} does not answer ({type(error).__name__}: {self._safe(error)}). `tokenizer: server` "
                    "counts by it: start it before samples are built, and check `base_url`."
                ) from error
        if reply.status_code in NOT_READY:
            raise EngineError(
                f"the server at {self.name} is not ready ({reply.status_code}: {self._safe(_message(reply))}); wait until it is, and run again."
            )
        if reply.status_code != 200:
            raise _Refused(reply.status_code, self._safe(_message(reply)))
        try:
            return read(reply.json())
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise EngineError(
                f"the server at {self.name} answered /{path} with something else than expected: {self._safe(reply.text[:200])!r}. "
                "`tokenizer: server` works with llama.cpp and vLLM."
            ) from error

    def _safe(self, text: object) -> str:
        """The text without the key."""
        return str(text).replace(self._key, "[key]") if self._key else str(text)


def _tokens(reply: dict[str, Any]) -> list[int]:
    tokens = reply["tokens"]
    if not isinstance(tokens, list) or not all(type(token) is int and token >= 0 for token in tokens):
        raise ValueError("tokens are no list of numbers")
    return tokens


def _number(key: str) -> Callable[[dict[str, Any]], int]:
    def read(reply: dict[str, Any]) -> int:
        if type(reply[key]) is not int or reply[key] < 0:
            raise ValueError(f"{key} is no count")
        return reply[key]

    return read


def _text(key: str) -> Callable[[dict[str, Any]], str]:
    def read(reply: dict[str, Any]) -> str:
        if not isinstance(reply[key], str):
            raise ValueError(f"{key} is no text")
        return reply[key]

    return read


def _message(reply: Any) -> str:
    """What a refusal says, in at most 300 characters."""
    try:
        content = reply.json()
        inner = content.get("error", content.get("message", content.get("detail", content)))
        text = inner.get("message", inner) if isinstance(inner, dict) else inner
    except (ValueError, AttributeError, RecursionError):
        text = reply.text
    return " ".join(str(text).split())[:300]
