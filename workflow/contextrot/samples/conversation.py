"""Fitting a conversation into a model's context window, in the model's own tokens.

A conversation is a list of chat messages: the system prompt if there is one, earlier turns (a prompt and its answer), and
the current prompt. The budget of the rendered chat is window - output limit - margin. Every policy keeps the system prompt
and the current prompt whole, cuts only at the start of a paragraph, a sentence or (in text without either) a word, and
leaves a conversation that fits as it is, so that applying it twice changes nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from contextrot.errors import unknown

if TYPE_CHECKING:
    from contextrot.samples.tokenizers import Tokenizer

Message = dict[str, str]
Policy = Literal["none", "sliding", "keep_first"]
POLICIES: tuple[str, ...] = get_args(Policy)

# Where text may begin after a cut; the nearest kind that leaves enough room is taken, coarse before fine.
BOUNDARIES = {
    "paragraph": re.compile(r"\n[^\S\n]*\n\s*"),
    "sentence": re.compile(r"""(?<=[.!?…])["'”’»)\]*_]*\s+|\n\s*|(?<=[。！？])["”’」』）]*"""),
    "word": re.compile(r"\s+"),
}


@dataclass(frozen=True)
class Budget:
    """Room for the rendered chat.

    Attributes:
        window: the model's context window, tokens.
        output_tokens: the answer's limit.
        margin_tokens: left free beside both.
    """

    window: int
    output_tokens: int
    margin_tokens: int = 500

    @property
    def prompt_tokens(self) -> int:
        """The longest rendered chat that may be sent; not above 0 if the output limit takes the window."""
        return self.window - self.output_tokens - self.margin_tokens


@dataclass(frozen=True)
class Decision:
    """What was done to one conversation before it was sent: one row.

    Attributes:
        policy: the policy applied.
        budget_tokens: the longest rendered chat allowed.
        tokens_before, tokens_after: the rendered chat before and after.
        tokens_dropped: the difference.
        turns_before, turns_dropped: earlier turns there were, and those left out whole.
        cut_turn: which earlier turn's answer lost its beginning, None if none did.
        cut_at: the boundary it now starts at: paragraph, sentence or word.
        cut_characters: characters that it lost.
        fits: whether the chat is within the budget; if not, it must not be sent.
    """

    policy: str
    budget_tokens: int
    tokens_before: int
    tokens_after: int
    tokens_dropped: int
    turns_before: int
    turns_dropped: int
    cut_turn: int | None
    cut_at: str | None
    cut_characters: int
    fits: bool

    def row(self) -> dict[str, Any]:
        """As a mapping of column names to values."""
        return asdict(self)


def fit_conversation(
    messages: list[Message], tokenizer: Tokenizer, budget: Budget, policy: str = "sliding"
) -> tuple[list[Message], Decision]:
    """The conversation as it may be sent, and the row that says what was done.

    Policies:
        none: nothing is changed; a chat over the budget does not fit.
        sliding: the oldest whole turns go, while more than one earlier turn is left; then the answer of the one that is
            left loses its beginning; if none of it fits, that turn goes too.
        keep_first: the first prompt stays. What follows it goes from the oldest on, an answer with the prompt after it at
            a time, until one answer is left; then that answer loses its beginning. If not a word of it fits between the
            first prompt and the current one, only the current prompt is left (many chat templates refuse two prompts in
            a row).

    Args:
        messages: any number of system messages, then turns, then the current prompt; not changed.
        tokenizer: the model's own; its `count_chat` is what is compared with the budget.

    Raises:
        ConfigError: for an unknown policy.
        ValueError: if there is no current prompt.
    """
    if policy not in POLICIES:
        raise unknown("context policy", policy, POLICIES, "the task's parameters")
    if not messages or messages[-1]["role"] != "user":
        raise ValueError("a conversation to be sent ends with the user's prompt")
    head, turns, prompt = split_turns(messages)
    limit = budget.prompt_tokens

    def fits(candidate: list[Message]) -> bool:
        return tokenizer.count_chat(candidate) <= limit

    before = tokenizer.count_chat(messages)
    fitted, dropped, cut = messages, 0, None
    if before > limit and policy != "none":
        first = turns[0][:1] if policy == "keep_first" and turns and turns[0][0]["role"] == "user" else []
        # With the first prompt kept, what may go is each answer with the prompt that follows it.
        parts = _answers_with_next_prompt(turns) if first else turns
        dropped = fewest_dropped(len(parts) - 1, lambda n: fits([*head, *first, *_join(parts[n:]), prompt]))
        kept = _join(parts[dropped:])
        fitted = [*head, *first, *kept, prompt]
        if kept and not fits(fitted):
            at = next((i for i, m in enumerate(kept) if m["role"] == "assistant"), None)
            if at is not None:
                cut = cut_beginning(
                    kept[at]["content"], lambda text: fits([*head, *first, *_with_content(kept, at, text), prompt])
                )
            if cut:
                fitted = [*head, *first, *_with_content(kept, at, cut[0]), prompt]
            else:
                fitted, dropped = [*head, prompt], len(turns)
    after = tokenizer.count_chat(fitted) if fitted is not messages else before
    return fitted, Decision(
        policy=policy,
        budget_tokens=limit,
        tokens_before=before,
        tokens_after=after,
        tokens_dropped=before - after,
        turns_before=len(turns),
        turns_dropped=dropped,
        cut_turn=dropped if cut else None,
        cut_at=cut[1] if cut else None,
        cut_characters=cut[2] if cut else 0,
        fits=after <= limit,
    )


def split_turns(messages: list[Message]) -> tuple[list[Message], list[list[Message]], Message]:
    """System messages at the front, earlier turns (each from one prompt to before the next), and the current prompt."""
    size = next((i for i, m in enumerate(messages) if m["role"] not in ("system", "developer")), len(messages))
    turns: list[list[Message]] = []
    for message in messages[size:-1]:
        if message["role"] == "user" or not turns:
            turns.append([])
        turns[-1].append(message)
    return messages[:size], turns, messages[-1]


def fewest_dropped(most: int, fits: Callable[[int], bool]) -> int:
    """The smallest number from 0 to `most` that fits, or `most` if none does.

    Use it to drop the oldest of any parts (turns, sessions) until the rest fits: `fewest_dropped(len(parts), lambda n:
    count(parts[n:]) <= room)`. Calls `fits` about log2(most) times, taking that more dropped never is longer, and checks
    the result upwards in case a tokenizer breaks that by a token.
    """
    number = bisect_left(range(max(most, 0)), True, key=fits)
    while number < most and not fits(number):
        number += 1
    return max(min(number, most), 0)


def cut_beginning(text: str, fits: Callable[[str], bool]) -> tuple[str, str, int] | None:
    """The longest end of a text that fits and starts at a paragraph, else at a sentence, else at a word.

    Returns:
        What is left, the kind of boundary, and the number of characters cut; None if not even the last word fits.
    """
    end = len(text.rstrip())
    for kind, pattern in BOUNDARIES.items():
        starts = [match.end() for match in pattern.finditer(text) if 0 < match.end() < end]
        number = fewest_dropped(len(starts), lambda n, starts=starts: fits(text[starts[n] :]))
        if number < len(starts):
            return text[starts[number] :], kind, starts[number]
    return None


def _answers_with_next_prompt(turns: list[list[Message]]) -> list[list[Message]]:
    """The same messages without the first prompt, grouped so that each group ends with the next turn's prompt."""
    following = [turn[:1] if turn[0]["role"] == "user" else [] for turn in turns[1:]]
    answers = [turns[0][1:]] + [turn[len(prompt) :] for turn, prompt in zip(turns[1:], following, strict=True)]
    return [answer + prompt for answer, prompt in zip(answers, [*following, []], strict=True)]


def _with_content(messages: list[Message], at: int, content: str) -> list[Message]:
    return [*messages[:at], {**messages[at], "content": content}, *messages[at + 1 :]]


def _join(parts: list[list[Message]]) -> list[Message]:
    return [message for part in parts for message in part]
