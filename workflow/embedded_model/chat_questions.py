"""The questions of the chat histories: what is asked, what must be answered, and what the sessions must say for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embedded_model.chat_frames import ASSISTANT_FRAMES, COUNT_WORDS, PREFERENCE_FRAMES, USER_FRAMES, with_article
from embedded_model.chat_vocabulary import draw

ABSTENTION = "You did not tell me."
"""Gold answer, and the trained reply, where the history does not hold what is asked."""

ABSTAINING_TYPES = ("single-session-user", "multi-session", "temporal-reasoning", "knowledge-update")


@dataclass(frozen=True)
class Recollection:
    """A question about a history, before the history around it is written.

    Attributes:
        sessions: For each session that holds a part of the answer, in order of time: (user turn, assistant turn).
        reply: The full sentence that the embedded model is trained to answer with; it contains `answer`.
        topic: Words that no decoy may share, so that nothing else answers the question.
    """

    question_type: str
    question: str
    answer: str
    reply: str
    sessions: tuple[tuple[str, str], ...]
    topic: str
    abstains: bool = False


def forget(rng: np.random.Generator, known: Recollection, split: str) -> Recollection:
    """The same question with the session that answers it replaced by another fact of the same kind."""
    frame = USER_FRAMES[int(rng.integers(len(USER_FRAMES)))]
    asked, told = frame.fill(rng, split), frame.fill(rng, split)
    while told["subject"] == asked["subject"] or told["value"] == asked["value"]:
        told = frame.fill(rng, split)
    return Recollection(
        known.question_type,
        frame.question.format(**asked),
        ABSTENTION.rstrip("."),
        ABSTENTION,
        ((sentence(frame.statement.format(**told)), acknowledge(rng)),),
        frame.topic(asked),
        abstains=True,
    )


def _single_session_user(rng: np.random.Generator, split: str) -> Recollection:
    frame = USER_FRAMES[int(rng.integers(len(USER_FRAMES)))]
    words = frame.fill(rng, split)
    return Recollection(
        "single-session-user",
        frame.question.format(**words),
        frame.gold.format(**words),
        sentence(frame.reply.format(**words)),
        ((sentence(frame.statement.format(**words)), acknowledge(rng)),),
        frame.topic(words),
    )


def _single_session_assistant(rng: np.random.Generator, split: str) -> Recollection:
    frame = ASSISTANT_FRAMES[int(rng.integers(len(ASSISTANT_FRAMES)))]
    words = frame.fill(rng, split)
    return Recollection(
        "single-session-assistant",
        frame.question.format(**words),
        frame.gold.format(**words),
        sentence(frame.reply.format(**words)),
        ((frame.request.format(**words), sentence(frame.statement.format(**words))),),
        frame.topic(words),
    )


def _single_session_preference(rng: np.random.Generator, split: str) -> Recollection:
    frame = PREFERENCE_FRAMES[int(rng.integers(len(PREFERENCE_FRAMES)))]
    words = frame.fill(rng, split)
    return Recollection(
        "single-session-preference",
        frame.question.format(**words),
        frame.gold.format(**words),
        sentence(frame.reply.format(**words)),
        ((sentence(frame.statement.format(**words)), acknowledge(rng)),),
        frame.topic(words),
    )


def _multi_session(rng: np.random.Generator, split: str) -> Recollection:
    """Either two facts of two sessions in one answer, or a count over sessions."""
    if rng.random() < 0.4:
        count = int(rng.integers(1, 4))
        things = [str(t) for t in rng.permutation(sorted({draw(rng, "purchase", split) for _ in range(40)}))[:count]]
        sessions = tuple((f"I bought {with_article(t)} at the flea market.", acknowledge(rng)) for t in things)
        number = COUNT_WORDS[count]
        return Recollection(
            "multi-session",
            "How many things did I buy at the flea market?",
            number,
            f"You bought {number} at the flea market.",
            sessions,
            "flea market",
        )
    first, second = draw(rng, "relative", split), draw(rng, "relative", split)
    while second == first:
        second = draw(rng, "relative", split)
    frame = next(f for f in USER_FRAMES if f.name == "lives")
    here, there = frame.fill(rng, split, subject=first), frame.fill(rng, split, subject=second)
    while there["value"] == here["value"]:
        there = frame.fill(rng, split, subject=second)
    return Recollection(
        "multi-session",
        f"Where do my {first} and my {second} live?",
        f"{here['value']} and your {second} lives in {there['value']}",
        f"Your {first} lives in {here['value']} and your {second} lives in {there['value']}.",
        tuple((sentence(frame.statement.format(**w)), acknowledge(rng)) for w in (here, there)),
        f"{first}|{second}",
    )


def _knowledge_update(rng: np.random.Generator, split: str) -> Recollection:
    changing = [frame for frame in USER_FRAMES if frame.update]
    frame = changing[int(rng.integers(len(changing)))]
    before = frame.fill(rng, split)
    after = frame.fill(rng, split, subject=before["subject"])
    while after["value"] == before["value"]:
        after = frame.fill(rng, split, subject=before["subject"])
    return Recollection(
        "knowledge-update",
        frame.question.format(**after),
        frame.gold.format(**after),
        sentence(frame.reply.format(**after)),
        (
            (sentence(frame.statement.format(**before)), acknowledge(rng)),
            (sentence(frame.update.format(**after)), acknowledge(rng)),
        ),
        frame.topic(after),
    )


def _temporal_reasoning(rng: np.random.Generator, split: str) -> Recollection:
    """Which of two deeds came first, or the date of one; dates are those of the sessions."""
    deeds = [draw(rng, "deed", split).split("/") for _ in range(2)]
    while deeds[0] == deeds[1]:
        deeds[1] = draw(rng, "deed", split).split("/")
    # "paint/painted the fence": the infinitive, then the past tense with its object.
    past = [deed[1] for deed in deeds]
    asked = [f"{deed[0]} {deed[1].split(' ', 1)[1]}" for deed in deeds]
    if rng.random() < 0.5:
        return Recollection(
            "temporal-reasoning",
            f"On which date did I {asked[0]}?",
            "{date0}",
            f"You {past[0]} on {{date0}}.",
            ((f"Today I {past[0]}.", acknowledge(rng)),),
            past[0],
        )
    order = [0, 1] if rng.random() < 0.5 else [1, 0]
    return Recollection(
        "temporal-reasoning",
        f"Which did I do first: {asked[order[0]]} or {asked[order[1]]}?",
        past[0],
        f"You {past[0]} first.",
        tuple((f"Today I {deed}.", acknowledge(rng)) for deed in past),
        f"{past[0]}|{past[1]}",
    )


RECOLLECT = {
    "single-session-user": _single_session_user,
    "single-session-assistant": _single_session_assistant,
    "single-session-preference": _single_session_preference,
    "multi-session": _multi_session,
    "knowledge-update": _knowledge_update,
    "temporal-reasoning": _temporal_reasoning,
}


def acknowledge(rng: np.random.Generator) -> str:
    return str(rng.choice(["I see.", "Good to know.", "Thank you for telling me.", "I will remember.", "Noted."]))


def sentence(text: str) -> str:
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".")
