"""Codes at the beginning of prompts, which make them new to every server.

Each measured prompt begins with one (`Text 1a2b3c4d:`), so that nothing after it can be read from a prefix cache unless the same
prompt was sent before. A run writes codes of its own salt over them; the salt is recorded, and a run that is given it sends the same again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from contextrot.records import Sample
from contextrot.samples import prompts

if TYPE_CHECKING:
    from contextrot.samples.tokenizers import Tokenizer

Messages = list[dict[str, str]]
CODE = re.compile(r"\AText ([0-9a-f]{8}):")
CANDIDATES = 64
UNSALTED = "0" * 8


class CodedTokenizer:
    """A tokenizer that counts chats as if a code stood before them, so that another task's prompts have the asked length with it."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def count_chat(self, messages: Messages) -> int:
        """Tokens of the chat with a code."""
        return self._tokenizer.count_chat(coded(messages, UNSALTED))


def coded(messages: Messages, code: str) -> Messages:
    """The chat with a code before its first message."""
    first = messages[0]
    return [{**first, "content": prompts.SERVING_CODE.format(code=code) + first["content"]}, *messages[1:]]


def code_of(*names: object) -> str:
    """A code of eight hexadecimal digits, the same for the same names."""
    return hashlib.sha256("\x1f".join(map(str, names)).encode()).hexdigest()[:8]


def salted(sample: Sample, salt: str, count: Callable[[str], int]) -> Sample:
    """The sample with another code, of as many tokens as the one it had where a candidate has.

    Samples that share a code (a shared prefix) share the new one too.

    Args:
        count: tokens of a text.

    Raises:
        ValueError: if the prompt does not begin with a code.
    """
    first = sample.messages[0]
    match = CODE.match(first["content"])
    if match is None:
        raise ValueError(f"the prompt of {sample.sample_id!r} does not begin with a code")
    around = first["content"][: match.end() + 32]
    wanted = count(around)
    codes = [hashlib.sha256(f"{salt}\0{match[1]}\0{i}".encode()).hexdigest()[:8] for i in range(CANDIDATES)]
    code = next((one for one in codes if count(around.replace(match[1], one, 1)) == wanted), codes[0])
    content = f"Text {code}:{first['content'][match.end() :]}"
    return replace(sample, messages=[{**first, "content": content}, *sample.messages[1:]])
