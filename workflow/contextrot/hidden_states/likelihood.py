"""Log-likelihoods of given answers: which label a model finds likeliest, and how an answer's likelihood changes.

The log-likelihood of an answer is the sum of the log-probabilities of *all* its tokens after the prompt, not length-normalised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from contextrot.errors import DataError

JOINED_CHARACTERS = 120
"""How much of a prompt's end is tokenised together with an answer: more than any token is long."""

if TYPE_CHECKING:
    from contextrot.samples.tokenizers import ChatTokenizer


def prompt_ids(tokenizer: ChatTokenizer, messages: list[dict[str, str]]) -> list[int]:
    """Tokens of the chat as the server renders it, up to where the answer begins."""
    return tokenizer.encode(tokenizer.render_chat(messages))


def answer_ids(tokenizer: ChatTokenizer, messages: list[dict[str, str]], answers: Sequence[str]) -> list[list[int]]:
    """Tokens of each answer as they follow the prompt, the end of the turn not included.

    The chat template decides what stands between prompt and answer (Llama 2 puts a space there), so an answer is rendered as the
    assistant's message to see it. Answers are tokenised together with the prompt's end where its tokens stay the same.
    """
    if not answers:
        return []
    prompt = tokenizer.render_chat(messages)
    try:
        whole = tokenizer.render_chat([*messages, {"role": "assistant", "content": answers[0]}])
    except DataError:  # the template takes no chat that ends with an answer
        whole = ""
    place = whole.find(answers[0], len(prompt)) if whole.startswith(prompt) else -1
    lead = whole[len(prompt) : place] if place >= 0 else ""
    end = prompt[-JOINED_CHARACTERS:]
    before = tokenizer.encode(end)
    found = []
    for answer in answers:
        together = tokenizer.encode(end + lead + answer)
        found.append(together[len(before) :] if together[: len(before)] == before else tokenizer.encode(lead + answer))
    return found


def likeliest(labels: Sequence[str], log_likelihoods: Sequence[float]) -> str | None:
    """The label with the highest log-likelihood, the first of equals; None without labels."""
    if not labels:
        return None
    return max(zip(labels, log_likelihoods, strict=True), key=lambda pair: pair[1])[0]


def sensitivity(zero_shot: float | None, with_history: float | None) -> float | None:
    """tau of one item: log P(r0 | u) - log P(r0 | u, history), r0 being the zero-shot answer; None if either is not known.

    Source: Gupta et al. (2024), LLM Task Interference (arXiv 2402.18216); its tau is the mean of this over items.
    """
    return None if zero_shot is None or with_history is None else zero_shot - with_history
