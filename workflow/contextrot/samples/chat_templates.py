"""Chats rendered by a model's own template, as its server renders them; templates are others' code and run sandboxed.

`transformers serve` and vLLM tokenise the rendered text and add nothing, so a template that writes the beginning-of-sequence token
has it once and one that does not has none. llama.cpp adds that token where the text does not begin with it (see gguf_tokenizer).
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from contextrot.errors import ConfigError, ContextRotError, DataError

Message = dict[str, str]
SYSTEM_MARK = "zqsystemqz"
MARKS = ("zqfirstqz", "zqsecondqz", "zqthirdqz")
ROUND_TRIP = "Über 1,024 naïve  words .\n\n\t“你好” नमस्ते 🙂 don't , do n't ?\r\nEnd "
FUEL = 20_000_000
"""Steps that a template may take; one that takes more (a loop without end) is refused."""

log = logging.getLogger(__name__)


class TemplatedTokenizer(ABC):
    """A tokenizer with a chat template.

    Attributes:
        exact: counts equal the server's.
        name: as the config names it, for messages.
    """

    exact = True
    name: str

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Token ids of plain text, without special tokens."""

    @abstractmethod
    def decode(self, ids: list[int]) -> str:
        """Text of token ids."""

    @abstractmethod
    def _render(self, messages: list[Message]) -> str:
        """The template's text; any exception means that it refuses."""

    @cached_property
    def lossless(self) -> bool:
        """Whether decoding gives back what was encoded; where not, text must be cut as text, not as tokens."""
        return self.decode(self.encode(ROUND_TRIP)) == ROUND_TRIP

    @cached_property
    def takes_system(self) -> bool:
        """Whether the template has a place for a system message: some refuse one, some leave it out without a word."""
        try:
            text = self._render(self._in_its_form([{"role": "system", "content": SYSTEM_MARK}, {"role": "user", "content": "x"}]))
        except ContextRotError:
            raise
        except Exception:
            return False
        return SYSTEM_MARK in text.lower()

    @cached_property
    def takes_parts(self) -> bool:
        """Whether the template shows a message only where its content is a list of parts; servers then turn texts into parts.

        Raises:
            DataError: if it shows a user's text in neither form.
        """
        rendered = False
        for parts in (False, True):
            content: Any = _parts(MARKS[0]) if parts else MARKS[0]
            try:
                text = self._render([{"role": "user", "content": content}])
            except ContextRotError:
                raise
            except Exception:  # what it says of a chat of its own is said when that chat is rendered
                continue
            if MARKS[0] in text.lower():
                return parts
            rendered = True
        if rendered:
            raise DataError(
                f"the chat template of {self.name!r} leaves out what the user says. Name a file with the template that the server uses as "
                "the model's `chat_template`."
            )
        return False

    @cached_property
    def keeps_turns(self) -> bool:
        """Whether the template shows all turns of a conversation; some show the last one alone."""
        chat = [{"role": ("user", "assistant")[i % 2], "content": mark} for i, mark in enumerate(MARKS)]
        try:
            text = self._render(self._in_its_form(chat)).lower()
        except ContextRotError:
            raise
        except Exception:
            return True
        return all(mark in text for mark in MARKS)

    def _in_its_form(self, messages: list[Message]) -> list[Message]:
        return [{**m, "content": _parts(m["content"])} for m in messages] if self.takes_parts else messages  # type: ignore[dict-item]

    def as_sent(self, messages: list[Message]) -> list[Message]:
        """The messages as they are to be sent: where the template takes no system message, its text leads the first prompt."""
        if not messages or messages[0]["role"] != "system" or self.takes_system:
            return messages
        size = next((i for i, m in enumerate(messages) if m["role"] != "system"), len(messages))
        if size == len(messages) or messages[size]["role"] != "user":
            raise DataError(
                f"the chat template of {self.name!r} takes no system message, and no prompt follows it that its text could lead."
            )
        lead = "\n\n".join(message["content"] for message in messages[:size])
        return [{**messages[size], "content": f"{lead}\n\n{messages[size]['content']}"}, *messages[size + 1 :]]

    def render_chat(self, messages: list[Message]) -> str:
        """The chat as one text, ending where the answer begins.

        Raises:
            DataError: if the template refuses it, or leaves out a part of it.
        """
        sent = self.as_sent(messages)
        if sum(message["role"] != "system" for message in sent) > 1 and not self.keeps_turns:
            raise DataError(
                f"the chat template of {self.name!r} leaves out earlier turns of a conversation, and so does its server: use a model or "
                "`chat_template` that shows them, or leave out the experiment."
            )
        try:
            return self._render(self._in_its_form(sent))
        except ContextRotError:
            raise
        except Exception as error:
            raise self._refusal(sent, error) from error

    def _refusal(self, messages: list[Message], error: Exception) -> DataError:
        """The error for a chat that the template does not take, with its own reason."""
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        roles = ", ".join(message["role"] for message in messages[:8]) + (", ..." if len(messages) > 8 else "")
        return DataError(
            f"the chat template of {self.name!r} refuses a chat of the roles {roles}: {reason[:300]} Its server would refuse it too: "
            "use a model or `chat_template` that takes such chats, or leave out the experiment."
        )

    def count_chat(self, messages: list[Message]) -> int:
        """Tokens of the chat as the server renders it, the start of the answer included."""
        return len(self.encode(self.render_chat(messages)))


class FastTokenizer(TemplatedTokenizer):
    """A tokenizer of the `tokenizers` library, `_tokenizer`, which a derived class loads."""

    _tokenizer: Any

    def encode(self, text: str) -> list[int]:
        """Token ids of plain text, without special tokens."""
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """Token ids of many texts."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch(texts, add_special_tokens=False)]

    def decode(self, ids: list[int]) -> str:
        """Text of token ids."""
        return self._tokenizer.decode(ids, skip_special_tokens=False)


class TemplateRenderer:
    """Renders one template by minijinja, from which it cannot reach Python; what minijinja does not know, transformers renders in
    its sandbox.

    Args:
        values: names that the template may use, such as bos_token.
    """

    def __init__(self, template: str, values: dict[str, Any]) -> None:
        from minijinja import Environment

        self._template = template
        self._environment = Environment(trim_blocks=True, lstrip_blocks=True)  # as in transformers
        self._environment.fuel = FUEL
        self._environment.remove_filter("tojson")  # which is another one there
        self._environment.add_global(
            "strftime_now", lambda form: datetime.now().strftime(form)
        )  # as in transformers and llama.cpp
        self._values = {"tools": None, "documents": None, "add_generation_prompt": True} | values

    def render(self, messages: list[Message]) -> str:
        """The chat as one text.

        Raises:
            Exception: of the template's own making, or of a language that neither knows.
        """
        from minijinja import TemplateError

        try:
            return self._environment.render_str(self._template, messages=messages, **self._values)
        except TemplateError as error:
            if getattr(error, "kind", "") == "OutOfFuel":
                raise
            from transformers.utils.chat_template_utils import render_jinja_template

            return render_jinja_template(conversations=[messages], chat_template=self._template, **self._values)[0][0]


def _parts(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


def read_template(path: str) -> str:
    """The text of a template's file.

    Raises:
        ConfigError: if it cannot be read.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"chat_template = {path!r} cannot be read: {error}. Name a file with a Jinja template.") from error


def without_template(name: str) -> DataError:
    """The error for a tokenizer that has no chat template."""
    return DataError(
        f"the tokenizer of {name!r} has no chat template. Name a chat model, another `tokenizer`, or a file with the template that the "
        "server uses as the model's `chat_template`."
    )
