"""Answers apart from the thoughts that a server leaves in their text.

Templates of thinking models differ: some let the model open its thought (`<think>...</think>answer`), others open it in the prompt, so
that the text holds a closing mark only. What stands behind the last closing mark is the answer. A thought that is not closed is no
answer. A text that merely speaks of such marks is one: it holds an opening mark within a line, or the marks in quotes. A thought that
begins on a line of its own is one wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from contextrot.errors import ContextRotError
from contextrot.records import Response
from contextrot.samples.tokenizers import Tokenizer, tokenizer_of

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
    ("Here is my thought process:", "Here is my response:"),  # Granite 3.2
    ("Here's my thought process:", "Here's my response:"),
    ("Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]"),  # Apriel
)
"""Opening and closing mark of a thought, by the chat templates on the models' cards."""

_TAG = re.compile(
    r"<(?P<bar>\|?)(?P<close>/?)(?P<name>[\w:.-]*?(?:think|thought|reason|scratchpad|reflection|monologue)[\w:.-]*)(?P=bar)>",
    re.IGNORECASE,
)
"""Marks that are written as tags and named for thinking, of whatever model: `<longcat_think>`, `<scratchpad>`, `<|/thinking|>`."""

_HARMONY = re.compile(r"(<\|channel\|>(?:analysis|commentary|final))[^<]{0,100}(?:<\|constrain\|>[^<]{0,40})?<\|message\|>")
"""Headers of harmony's messages, with a recipient or a format."""

_FRAME = re.compile(
    r"<\|(?:return|end|start|im_end|START_RESPONSE|END_RESPONSE|(?:begin|end)_of_(?:solution|box)|call)\|>(?:assistant)?|\[END FINAL RESPONSE\]"
)
_ROLE = re.compile(r"\s*(?:(?:<\|(?:start|im_start|start_header_id)\|>)?assistant(?:<\|end_header_id\|>)?\s*:?\s*)?")
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
        self._any_tag = self._pairs == FAMILIES
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
        if "<|channel|>" in text:
            text = _HARMONY.sub(r"\1<|message|>", text)
        pairs = self._pairs_in(text)
        begun = _opening_at_start(text, pairs)
        closing = self._last_closing(text, begun, bool(reasoning.strip()), pairs)
        if closing is not None:
            thought, answer = text[: closing[0]], text[closing[1] :]
            if (again := _opening_at_start(answer, pairs)) is not None:
                return "", _joined(reasoning, thought, answer[again[1] :])
            before = ""
            if begun:
                thought = thought[begun[1] :]
            elif (own := _on_a_line_of_its_own(thought, pairs)) is not None:
                before, thought = thought[: own[0]], thought[own[1] :]
            return _unframed(answer if answer.strip() else before), _joined(reasoning, thought)
        if begun is not None:
            return "", _joined(reasoning, text[begun[1] :])
        if (own := _on_a_line_of_its_own(text, pairs)) is not None:
            return "" if cut else text[: own[0]], _joined(reasoning, text[own[1] :])
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

    def _pairs_in(self, text: str) -> tuple[Pair, ...]:
        """The pairs of which a mark stands in a text, those of unknown models included."""
        lowered = text.casefold()
        if self._any_tag and any(
            sign in lowered for sign in ("think", "thought", "reason", "scratchpad", "reflection", "monologue")
        ):
            return (*self._pairs, *_tags_in(text))
        return self._pairs if any(mark in lowered for mark in self._marks) else ()

    def _last_closing(
        self, text: str, begun: tuple[int, int, Pair] | None, has_reasoning: bool, pairs: Sequence[Pair]
    ) -> tuple[int, int] | None:
        """Where the last closing mark that counts begins and ends.

        After an opening mark at the start, only one of its own kind closes. Without one, the thought was opened in the prompt, unless an
        opening mark stands before within a line: that text speaks of marks. What comes beside reasoning of its own has only the mark at its start.
        """
        found = []
        for opening, closing in pairs:
            if begun and closing != begun[2][1]:
                continue
            places = _places(text, closing)
            if not places:
                continue
            if not begun:
                before = text[: places[0]]
                if has_reasoning and before.strip():
                    continue
                if (
                    _places(before, opening)
                    and not self._opens_in_prompt
                    and _on_a_line_of_its_own(before, [(opening, closing)]) is None
                ):
                    continue
            found.append((places[-1], places[-1] + len(closing)))
        return max(found, default=None)


def _tags_in(text: str) -> list[Pair]:
    """Pairs of tags that are named for thinking, as they are written in a text."""
    known = {mark.casefold() for pair in FAMILIES for mark in pair}
    pairs: dict[Pair, None] = {}
    for tag in _TAG.finditer(text):
        if tag[0].casefold() in known:
            continue
        bar, name = tag["bar"], tag["name"]
        if tag["close"]:
            pairs[f"<{bar}{name}{bar}>", tag[0]] = None
        elif name[:3].casefold() == "end":
            pairs[f"<{bar}begin{name[3:]}{bar}>", tag[0]] = None
        else:
            end = re.sub(r"^(begin|start)", "end", name, flags=re.IGNORECASE)
            pairs[tag[0], f"<{bar}{end}{bar}>" if end != name else f"<{bar}/{name}{bar}>"] = None
    return list(pairs)[:20]


def _opening_at_start(text: str, pairs: Sequence[Pair]) -> tuple[int, int, Pair] | None:
    """Where an opening mark that the text begins with stands, and of which pair it is."""
    if not pairs:
        return None
    framed = _ROLE.match(text)
    begin = framed.end() if framed else 0
    for pair in pairs:
        if text[begin : begin + len(pair[0])].casefold() == pair[0].casefold():
            return begin, begin + len(pair[0]), pair
    return None


def _on_a_line_of_its_own(text: str, pairs: Sequence[Pair]) -> tuple[int, int] | None:
    """Where the first opening mark that begins a line of a text begins and ends."""
    found = [
        (place, place + len(opening))
        for opening, _ in pairs
        for place in _places(text, opening)
        if not text[:place].rpartition("\n")[2].strip()
    ]
    return min(found, default=None)


def template_opens_thought(tokenizer: Any, pairs: Sequence[Pair] = FAMILIES) -> bool:
    """Whether a tokenizer's chat template ends its prompt within a thought; false for one without a template."""
    render = getattr(tokenizer, "render_chat", None)
    if render is None:
        return False
    prompt = render([{"role": "user", "content": "?"}]).rstrip().casefold()
    return any(prompt.endswith(opening.casefold()) for opening, _ in pairs)


def template_knows_thoughts(tokenizer: Any, pairs: Sequence[Pair] = FAMILIES) -> bool:
    """Whether a chat template is of a model that thinks: its prompt ends within a thought, or it takes thoughts out of earlier turns.

    A prompt that ends behind a closed thought, as `enable_thinking: false` makes it, asks for an answer without one.
    """
    render = getattr(tokenizer, "render_chat", None)
    if render is None:
        return False
    asked = {"role": "user", "content": "?"}
    prompt = render([asked]).rstrip().casefold()
    if any(prompt.endswith(opening.casefold()) for opening, _ in pairs):
        return True
    if any(prompt.endswith(closing.casefold()) for _, closing in pairs):
        return False
    for opening, closing in pairs:
        with suppress(ContextRotError):
            said = {"role": "assistant", "content": f"{opening}\nwondering\n{closing}\n\nanswered"}
            shown = render([asked, said, asked])
            if "answered" in shown and "wondering" not in shown:
                return True
    return False


def _template_of_opens_thought(model: ModelSettings, pairs: Sequence[Pair]) -> bool:
    tokenizer = own_tokenizer(model)
    return tokenizer is not None and template_opens_thought(tokenizer, pairs)


def own_tokenizer(model: ModelSettings) -> Tokenizer | None:
    """A model's tokenizer with its chat template; None where another stands in for it, or it is not there."""
    if (model.tokenizer or model.name).startswith("tiktoken:"):
        return None
    try:
        return tokenizer_of(model)
    except ContextRotError:
        return None


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
