"""Answers apart from the thoughts that a server leaves in their text.

Templates of thinking models differ: some let the model open its thought (`<think>...</think>answer`), others open it in the prompt, so
that the text holds a closing mark only. What stands behind the last closing mark is the answer. A thought that is not closed is no
answer. A text that merely speaks of such marks is one: it holds an opening mark further in, or the marks in quotes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from contextrot.errors import ContextRotError
from contextrot.records import Response
from contextrot.samples.tokenizers import load_tokenizer

if TYPE_CHECKING:
    from contextrot.settings import ModelSettings

Pair = tuple[str, str]

FAMILIES: tuple[Pair, ...] = (
    ("<think>", "</think>"),  # DeepSeek-R1, QwQ, Qwen3, GLM-4.5, MiniMax-M1, Phi-4-reasoning, Nemotron, Hunyuan, ERNIE
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),  # EXAONE Deep
    ("<thoughts>", "</thoughts>"),
    ("<reasoning>", "</reasoning>"),  # Reka Flash 3
    ("<seed:think>", "</seed:think>"),  # Seed-OSS
    ("[THINK]", "[/THINK]"),  # Magistral
    ("◁think▷", "◁/think▷"),  # Kimi-VL, Kimi-Thinking
    ("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A Reasoning
    ("<|begin_of_thought|>", "<|end_of_thought|>"),  # Sky-T1, OpenThinker
    ("<|inner_prefix|>", "<|inner_suffix|>"),  # Apertus
    ("<unused94>thought", "<unused95>"),  # MedGemma
    ("<|channel>thought", "<channel|>"),  # Gemma
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),  # gpt-oss: harmony
    ("<|channel|>commentary<|message|>", "<|channel|>final<|message|>"),
)
"""Opening and closing mark of a thought, by the chat templates on the models' cards."""

_FRAME = re.compile(
    r"<\|(?:return|end|start|im_end|START_RESPONSE|END_RESPONSE|begin_of_solution|end_of_solution|call)\|>(?:assistant)?"
)
_WRAPPED = re.compile(r"\s*<(answer|response|solution)>(.*)</\1>\s*", re.DOTALL)
_SPELLED_OUT = re.compile(r"\s*analysis(?=\S).*assistantfinal", re.DOTALL)
"""Harmony from a server that drops special tokens but not what they frame."""
_QUOTES = ("`", '"', "'", "“", "”", "‘", "’")


class Thoughts:
    """Splits the replies of one model.

    Args:
        pairs: opening and closing marks.
        thinks: whether an unmarked text that the limit cut is a thought whose opening mark stands in the prompt; asked when needed.
    """

    def __init__(self, pairs: Sequence[Pair] = FAMILIES, thinks: Callable[[], bool] = lambda: False) -> None:
        self._pairs = tuple(pairs)
        self._thinks = thinks
        self._marks = tuple(dict.fromkeys(mark.casefold() for pair in self._pairs for mark in pair))

    @classmethod
    def of(cls, model: ModelSettings) -> Thoughts:
        """By a model's settings; its chat template is looked at only when a text needs it."""
        marks = model.thinking_marks
        pairs: Sequence[Pair] = FAMILIES if marks is None else [(marks[0], marks[1])] if marks else ()

        def thinks() -> bool:
            if model.thinking_marks:
                return True
            if model.hosted:  # a provider keeps thoughts out of the text
                return False
            return model.reasoning_tokens > 0 or _template_of_opens_thought(model, pairs)

        return cls(pairs, thinks)

    @cached_property
    def _opens_in_prompt(self) -> bool:
        return self._thinks()

    def split(self, text: str, reasoning: str = "", cut: bool = False) -> tuple[str, str]:
        """Answer and thought; both may be empty.

        Args:
            text, reasoning: as the server gave them.
            cut: whether the limit of the answer came before its end, and the server did not count thoughts apart.
        """
        if not text.strip():
            return "", reasoning
        if not self._pairs:
            return text, reasoning
        lowered = text.casefold()
        marked = any(mark in lowered for mark in self._marks)
        begun = self._opening_at_start(text) if marked else None
        closing = self._last_closing(text, begun, bool(reasoning.strip())) if marked else None
        if closing is not None:
            thought, answer = text[: closing[0]], text[closing[1] :]
            if (again := self._opening_at_start(answer)) is not None:
                return "", _joined(reasoning, thought, answer[again[1] :])
            thought = thought[begun[1] :] if begun else thought
            return _unframed(answer), _joined(reasoning, thought)
        if begun is not None:
            return "", _joined(reasoning, text[begun[1] :])
        if spelled := _SPELLED_OUT.match(text):
            return text[spelled.end() :], _joined(reasoning, spelled[0].strip()[len("analysis") : -len("assistantfinal")])
        if cut and not reasoning.strip() and self._opens_in_prompt:
            return "", text
        return text, reasoning

    def without(self, response: Response) -> Response:
        """A response whose text holds the answer alone; one whose text was only a thought is `empty`, unless it is `truncated`."""
        if not response.text or response.outcome not in ("answered", "truncated"):
            return response
        cut = response.outcome == "truncated" and not response.reasoning_tokens
        answer, thought = self.split(response.text, response.reasoning or "", cut)
        if answer == response.text:
            return response
        outcome = "empty" if response.outcome == "answered" and not answer.strip() else response.outcome
        return replace(response, outcome=outcome, text=answer if answer.strip() else None, reasoning=thought or None)

    def _opening_at_start(self, text: str) -> tuple[int, int, Pair] | None:
        """Where an opening mark that the text begins with stands, and of which pair it is."""
        begin = len(text) - len(text.lstrip())
        framed = re.compile(r"(?:<\|start\|>assistant)?\s*").match(text, begin)
        begin = framed.end() if framed else begin
        for pair in self._pairs:
            if text[begin : begin + len(pair[0])].casefold() == pair[0].casefold():
                return begin, begin + len(pair[0]), pair
        return None

    def _last_closing(self, text: str, begun: tuple[int, int, Pair] | None, has_reasoning: bool) -> tuple[int, int] | None:
        """Where the last closing mark that counts begins and ends.

        After an opening mark at the start, only one of its own kind closes. Without one, the thought was opened in the prompt, unless an
        opening mark stands before: that text speaks of marks. What comes beside reasoning of its own has only the mark at its start.
        """
        found = []
        for opening, closing in self._pairs:
            if begun and closing != begun[2][1]:
                continue
            places = _places(text, closing)
            if not places:
                continue
            if not begun:
                if has_reasoning and text[: places[0]].strip():
                    continue
                if _places(text[: places[0]], opening) and not self._opens_in_prompt:
                    continue
            found.append((places[-1], places[-1] + len(closing)))
        return max(found, default=None)


def template_opens_thought(tokenizer: Any, pairs: Sequence[Pair] = FAMILIES) -> bool:
    """Whether a tokenizer's chat template ends its prompt within a thought; false for one without a template."""
    render = getattr(tokenizer, "render_chat", None)
    if render is None:
        return False
    prompt = render([{"role": "user", "content": "?"}]).rstrip().casefold()
    return any(prompt.endswith(opening.casefold()) for opening, _ in pairs)


def _template_of_opens_thought(model: ModelSettings, pairs: Sequence[Pair]) -> bool:
    name = model.tokenizer or model.name
    if name.startswith("tiktoken:"):
        return False
    try:
        tokenizer = load_tokenizer(name, model.revision, model.engine_options.get("chat_template_kwargs"))
    except ContextRotError:
        return False
    return template_opens_thought(tokenizer, pairs)


def _places(text: str, mark: str) -> list[int]:
    """Where a mark stands, in any case of letters; one in quotes is spoken of and does not count."""
    found = []
    for match in re.finditer(re.escape(mark), text, re.IGNORECASE):
        before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
        if not (before in _QUOTES and after in _QUOTES):
            found.append(match.start())
    return found


def _unframed(answer: str) -> str:
    """An answer without the marks that frame answers in some of the same templates."""
    answer = _FRAME.sub("", answer)
    wrapped = _WRAPPED.fullmatch(answer)
    return wrapped[2] if wrapped else answer


def _joined(*thoughts: str) -> str:
    return "\n".join(part for part in (_FRAME.sub("", thought) for thought in thoughts) if part.strip())
