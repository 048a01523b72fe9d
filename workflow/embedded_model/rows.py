"""Rows of tokens with loss weights, made of conversations."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from embedded_model.conversations import ConversationWriter, Turns
from embedded_model.copying import repeated_tokens
from embedded_model.curriculum import TASKS, Stage
from embedded_model.tokenizer import BEGIN, END, PAD, SPECIAL_TOKENS

TEXT_SHARE, TEXT_WEIGHT = 0.06, 0.3
ANSWER_WEIGHTS = {
    "story": 0.2,
    "repeated_words": 1.0,
    "sentiment": 10.0,
    "multiple_choice": 4.0,
    "posts_and_questions": 2.0,
    "switching": 4.0,
}
"""Weight of an answer's tokens by task, 1 elsewhere: one-word answers must hold their own against long ones."""
RARE_WORD_WEIGHT = 4.0
"""Weight of the tokens of a repetition that come at most twice: the one other word, and the end."""


class RowWriter:
    """Draws the batches of a stage."""

    def __init__(self, writer: ConversationWriter, tokenizer: PreTrainedTokenizerFast) -> None:
        self.writer = writer
        self.encoder = tokenizer.backend_tokenizer
        self.vocab_size = len(tokenizer)
        self.ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS}

    def encode_turns(self, turns: Turns) -> tuple[list[int], list[bool]]:
        """Token ids as the chat template renders them, and which belong to an answer (its end included)."""
        ids, answer = [self.ids[BEGIN]], [False]
        for turn in turns:
            for role, text in zip(("user", "assistant"), turn, strict=True):
                content = [*self.encoder.encode(" " + text.strip(), add_special_tokens=False).ids, self.ids[END]]
                ids += [self.ids[f"<|{role}|>"], *content]
                answer += [False] + [role == "assistant"] * len(content)
        return ids, answer

    def row(self, rng: np.random.Generator, length: int, copying: float) -> tuple[list[int], list[float]]:
        """`length + 1` tokens and the `length` weights of predicting all but the first."""
        if rng.random() < copying:
            return repeated_tokens(rng, length, len(SPECIAL_TOKENS), self.vocab_size)
        tasks = TASKS[length]
        names = list(tasks)
        share = np.array([tasks[name] for name in names])
        task = names[int(rng.choice(len(names), p=share / share.sum()))]
        ids, answer = self.encode_turns(getattr(self.writer, task)(rng, length))
        text = TEXT_WEIGHT * (rng.random(len(ids)) < TEXT_SHARE)
        weights = np.where(answer, ANSWER_WEIGHTS.get(task, 1.0), text)
        if task == "repeated_words":
            # Where the other word comes and where to stop is the hard part, and a token or two of many.
            counts = np.bincount(np.array(ids)[answer], minlength=self.vocab_size)
            weights[(counts[ids] <= 2) & answer] = RARE_WORD_WEIGHT
        ids, weights = ids[: length + 1], weights[1 : length + 1]
        missing = length + 1 - len(ids)
        return ids + [self.ids[PAD]] * missing, [*weights.tolist(), *[0.0] * missing]

    def batch(self, rng: np.random.Generator, stage: Stage, length: int, tokens: int) -> tuple[Tensor, Tensor]:
        """Token ids (B, length + 1) and weights (B, length) with B x length = tokens."""
        rows = [self.row(rng, length, stage.copying) for _ in range(max(1, tokens // length))]
        return torch.tensor([r[0] for r in rows]), torch.tensor([r[1] for r in rows])
