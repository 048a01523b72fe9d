"""What is trained on when: stages of growing length, each a mixture of tasks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """A part of the training.

    Attributes:
        tokens: How many tokens it lasts, padding included.
        lengths: Weight of each row length.
        copying: Share of rows of random tokens.
    """

    name: str
    tokens: int
    lengths: dict[int, float]
    copying: float


STAGES = (
    Stage("copying", 2_000_000, {64: 1, 128: 1, 256: 1}, copying=1.0),
    Stage("short", 7_000_000, {128: 1, 256: 2.5, 512: 0.8}, copying=0.12),
    Stage("growing", 11_000_000, {64: 0.8, 128: 1, 256: 1.5, 512: 1.6, 1024: 1}, copying=0.06),
    Stage("long", 13_000_000, {64: 0.8, 128: 0.9, 256: 0.8, 512: 0.9, 1024: 1.7, 2048: 0.3, 4096: 0.08}, copying=0.04),
    Stage("counting", 6_000_000, {64: 0.6, 128: 3.5, 256: 0.6, 512: 0.5, 1024: 1.5, 2048: 0.2}, copying=0.03),
    Stage("repeating", 6_000_000, {64: 1, 128: 6, 256: 1, 512: 0.5, 1024: 1}, copying=0.0),
    Stage("reviews", 14_000_000, {64: 1.5, 128: 3.5, 256: 1.3, 512: 0.7, 1024: 1.6, 2048: 0.25}, copying=0.02),
    Stage("counting again", 30_000_000, {64: 0.8, 128: 6.5, 256: 1.6, 512: 0.5, 1024: 1.5, 2048: 0.3}, copying=0.0),
    Stage("measured words", 16_000_000, {64: 0.8, 128: 6.5, 256: 1.6, 512: 0.5, 1024: 1.5, 2048: 0.3}, copying=0.04),
)

TASKS: dict[int, dict[str, float]] = {
    64: {"sentiment": 3, "repeated_words": 4, "posts_and_questions": 1},
    128: {
        "sentiment": 2.5,
        "multiple_choice": 0.7,
        "posts_and_questions": 1.3,
        "switching": 0.5,
        "repeated_words": 12,
        "needles": 1,
    },
    256: {
        "switching": 1,
        "sentiment": 0.5,
        "multiple_choice": 0.4,
        "posts_and_questions": 0.7,
        "repeated_words": 1.8,
        "needles": 5,
        "chat": 2,
    },
    512: {"sentiment": 0.3, "posts_and_questions": 0.3, "repeated_words": 1, "needles": 6, "chat": 3, "story": 0.4},
    1024: {"repeated_words": 0.4, "needles": 6, "chat": 3, "story": 0.4},
    2048: {"needles": 6, "chat": 3},
    4096: {"needles": 6, "chat": 3},
}
"""Weight of each task by row length."""


def stage_at(tokens: int) -> Stage | None:
    """The stage that training is in after so many tokens; None when it is over."""
    for stage in STAGES:
        if tokens < stage.tokens:
            return stage
        tokens -= stage.tokens
    return None


def rate_at(tokens: int, decay_share: float = 0.3) -> float:
    """Factor of the learning rate: constant, then falling in a straight line to 2 % over the last share of training."""
    total = sum(stage.tokens for stage in STAGES)
    return max(0.02, min(1.0, (total - tokens) / (decay_share * total)))
