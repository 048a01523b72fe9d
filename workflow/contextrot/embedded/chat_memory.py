"""Dated chat histories with facts to remember, in the JSON format of LongMemEval (Wu et al., arXiv:2410.10813).

The same generator makes the embedded model's training prompts (split `train`) and this project's offline data set
(split `evaluation`). The two splits share the wording of their sentences but no name, object, place or other value,
so an evaluation answer can't have been learnt. Filler turns are sentences of the essays.

Differences from the published data set: sentences are plain and the answer is a span of the history (or a count, or the
fixed abstention below), so that a deterministic judge can score it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contextrot.embedded.chat_frames import (
    ASSISTANT_FRAMES,
    COUNT_WORDS,
    PREFERENCE_FRAMES,
    USER_FRAMES,
    Frame,
    with_article,
)
from contextrot.embedded.chat_vocabulary import draw

ABSTENTION = "You did not tell me."
"""Gold answer, and the trained reply, where the history does not hold what is asked."""

QUESTION_TYPES = (
    "single-session-user",
    "single-session-assistant",
    "single-session-preference",
    "multi-session",
    "knowledge-update",
    "temporal-reasoning",
)

ABSTAINING_TYPES = ("single-session-user", "multi-session", "temporal-reasoning", "knowledge-update")

Turn = dict[str, Any]


def load_passages(folder: Path) -> dict[str, list[str]]:
    """Sentences of every essay in a folder by its title (first line), for the filler turns."""
    passages = {}
    for path in sorted(folder.glob("*.txt")):
        title, _, body = path.read_text(encoding="utf-8").partition("\n")
        text = " ".join(body.split())
        passages[title.strip()] = [s.strip() + "." for s in text.split(". ") if 20 < len(s) < 160 and '"' not in s]
    return passages


def approximate_tokens(text: str) -> int:
    """Four thirds of the number of words: good enough to size a history without a tokenizer."""
    return len(text.split()) * 4 // 3


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


def generate(
    rng: np.random.Generator,
    questions: int,
    split: str,
    passages: Mapping[str, Sequence[str]],
    history_tokens: tuple[int, int] = (2500, 3200),
    count_tokens: Callable[[str], int] = approximate_tokens,
    abstention_share: float = 0.1,
    question_types: Sequence[str] = QUESTION_TYPES,
) -> list[dict[str, Any]]:
    """Histories and questions in LongMemEval's format, question types in turn.

    Args:
        split: `train` or `evaluation`; they share no value of any fact.
        passages: Sentences by topic, for filler turns; see `load_passages`.
        history_tokens: Least and greatest size of a whole history, measured by `count_tokens`. A history is never
            smaller than its answer sessions.
        abstention_share: Share of questions whose answer is left out of the history (`_abs` in their id).

    Returns:
        One dict per question with LongMemEval's fields, and `reply`, the sentence the embedded model is trained on.
    """
    items = []
    for index in range(questions):
        kind = question_types[index % len(question_types)]
        recollection = _RECOLLECT[kind](rng, split)
        if kind in ABSTAINING_TYPES and rng.random() < abstention_share * len(question_types) / len(ABSTAINING_TYPES):
            recollection = _forget(rng, recollection, split)
        identifier = f"{split}-{index:04d}" + ("_abs" if recollection.abstains else "")
        size = int(rng.integers(history_tokens[0], history_tokens[1] + 1))
        items.append(_write_history(rng, identifier, recollection, split, passages, size, count_tokens))
    return items


def dense_history(
    rng: np.random.Generator,
    split: str,
    passages: Mapping[str, Sequence[str]],
    history_tokens: int,
    count_tokens: Callable[[str], int] = approximate_tokens,
) -> tuple[list[list[Turn]], list[str], list[tuple[str, str]]]:
    """One history with many facts in it, for training: its sessions, their dates and the question's, (question, reply)."""
    sequences, asked, topics, used = [], [], [], 0
    while used < history_tokens:
        recollection = _RECOLLECT[QUESTION_TYPES[int(rng.integers(len(QUESTION_TYPES)))]](rng, split)
        if rng.random() < 0.12:
            recollection = _forget(rng, recollection, split)
        parts = recollection.topic.split("|")
        if any(part in known or known in part for part in parts for known in topics):
            used += 1
            continue
        topics += parts
        sequence = [_session(rng, passages, exchange, evidence=True) for exchange in recollection.sessions]
        used += sum(count_tokens(t["content"]) + 6 for session in sequence for t in session)
        sequences.append(sequence)
        asked.append(recollection)
    # Interleave the sequences, each in its own order.
    owners = rng.permutation([i for i, sequence in enumerate(sequences) for _ in sequence])
    places: dict[int, list[int]] = {}
    for place, owner in enumerate(owners.tolist()):
        places.setdefault(owner, []).append(place)
    iterators = [iter(sequence) for sequence in sequences]
    history = [next(iterators[owner]) for owner in owners.tolist()]
    dates = _dates(rng, len(history) + 1)
    questions = []
    for index in rng.permutation(len(asked)).tolist():
        day0 = dates[places[index][0]].split()[0]
        questions.append((asked[index].question, asked[index].reply.replace("{date0}", day0)))
    return history, dates, questions


def _forget(rng: np.random.Generator, known: Recollection, split: str) -> Recollection:
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
        ((_sentence(frame.statement.format(**told)), _acknowledge(rng)),),
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
        _sentence(frame.reply.format(**words)),
        ((_sentence(frame.statement.format(**words)), _acknowledge(rng)),),
        frame.topic(words),
    )


def _single_session_assistant(rng: np.random.Generator, split: str) -> Recollection:
    frame = ASSISTANT_FRAMES[int(rng.integers(len(ASSISTANT_FRAMES)))]
    words = frame.fill(rng, split)
    return Recollection(
        "single-session-assistant",
        frame.question.format(**words),
        frame.gold.format(**words),
        _sentence(frame.reply.format(**words)),
        ((frame.request.format(**words), _sentence(frame.statement.format(**words))),),
        frame.topic(words),
    )


def _single_session_preference(rng: np.random.Generator, split: str) -> Recollection:
    frame = PREFERENCE_FRAMES[int(rng.integers(len(PREFERENCE_FRAMES)))]
    words = frame.fill(rng, split)
    return Recollection(
        "single-session-preference",
        frame.question.format(**words),
        frame.gold.format(**words),
        _sentence(frame.reply.format(**words)),
        ((_sentence(frame.statement.format(**words)), _acknowledge(rng)),),
        frame.topic(words),
    )


def _multi_session(rng: np.random.Generator, split: str) -> Recollection:
    """Either two facts of two sessions in one answer, or a count over sessions."""
    if rng.random() < 0.4:
        count = int(rng.integers(1, 4))
        things = [str(t) for t in rng.permutation(sorted({draw(rng, "purchase", split) for _ in range(40)}))[:count]]
        sessions = tuple((f"I bought {with_article(t)} at the flea market.", _acknowledge(rng)) for t in things)
        number = COUNT_WORDS[count]
        return Recollection(
            "multi-session", "How many things did I buy at the flea market?", number,
            f"You bought {number} at the flea market.", sessions, "flea market",
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
        tuple((_sentence(frame.statement.format(**w)), _acknowledge(rng)) for w in (here, there)),
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
        _sentence(frame.reply.format(**after)),
        (
            (_sentence(frame.statement.format(**before)), _acknowledge(rng)),
            (_sentence(frame.update.format(**after)), _acknowledge(rng)),
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
            "temporal-reasoning", f"On which date did I {asked[0]}?", "{date0}", f"You {past[0]} on {{date0}}.",
            ((f"Today I {past[0]}.", _acknowledge(rng)),), past[0],
        )
    order = [0, 1] if rng.random() < 0.5 else [1, 0]
    return Recollection(
        "temporal-reasoning", f"Which did I do first: {asked[order[0]]} or {asked[order[1]]}?", past[0],
        f"You {past[0]} first.",
        tuple((f"Today I {deed}.", _acknowledge(rng)) for deed in past), f"{past[0]}|{past[1]}",
    )


_RECOLLECT = {
    "single-session-user": _single_session_user,
    "single-session-assistant": _single_session_assistant,
    "single-session-preference": _single_session_preference,
    "multi-session": _multi_session,
    "knowledge-update": _knowledge_update,
    "temporal-reasoning": _temporal_reasoning,
}


def _write_history(
    rng: np.random.Generator,
    identifier: str,
    recollection: Recollection,
    split: str,
    passages: Mapping[str, Sequence[str]],
    history_tokens: int,
    count_tokens: Callable[[str], int],
) -> dict[str, Any]:
    sessions = [_session(rng, passages, exchange, evidence=True) for exchange in recollection.sessions]
    used = sum(count_tokens(t["content"]) + 6 for s in sessions for t in s)
    fillers = []
    while used < history_tokens:
        filler = _session(rng, passages, _decoy(rng, split, recollection.topic), evidence=False)
        used += sum(count_tokens(t["content"]) + 6 for t in filler)
        if used <= history_tokens:
            fillers.append(filler)

    # The answer sessions keep their order in time; everything else may stand anywhere.
    places = set(rng.choice(len(sessions) + len(fillers), size=len(sessions), replace=False).tolist())
    answers, others = iter(sessions), iter(fillers)
    history = [next(answers) if i in places else next(others) for i in range(len(sessions) + len(fillers))]
    dates = _dates(rng, len(history) + 1)
    ids = [f"{identifier}-s{i:02d}" for i in range(len(history))]
    answer_ids = [ids[i] for i in sorted(places)]
    day0 = dates[min(places)].split()[0] if places else ""
    return {
        "question_id": identifier,
        "question_type": recollection.question_type,
        "question": recollection.question,
        "answer": recollection.answer.replace("{date0}", day0),
        "reply": recollection.reply.replace("{date0}", day0),
        "question_date": dates[-1],
        "haystack_session_ids": ids,
        "haystack_dates": dates[:-1],
        "haystack_sessions": history,
        "answer_session_ids": answer_ids,
    }


def _session(
    rng: np.random.Generator, passages: Mapping[str, Sequence[str]], exchange: tuple[str, str] | None, evidence: bool
) -> list[Turn]:
    """Two to three exchanges about an essay's topic; one of them carries the fact."""
    topic = str(rng.choice(sorted(passages)))
    sentences = passages[topic]
    openings = ("Tell me about {t}.", "What do you know about {t}?", "I am reading about {t}.", "Let us talk of {t}.")
    follow_ups = ("Go on.", "Tell me more.", "And then?", "That is interesting.", "What else?")
    exchanges = []
    for index in range(int(rng.integers(1, 3))):
        said = str(rng.choice(openings)).format(t=topic.lower()) if index == 0 else str(rng.choice(follow_ups))
        start = int(rng.integers(max(1, len(sentences) - 2)))
        exchanges.append((said, " ".join(sentences[start : start + int(rng.integers(1, 3))])))
    turns: list[Turn] = []
    place = int(rng.integers(0, len(exchanges) + 1)) if exchange else -1
    for index in range(len(exchanges) + 1):
        if exchange and index == place:
            for role, content in zip(("user", "assistant"), exchange, strict=True):
                turns.append({"role": role, "content": content, "has_answer": evidence})
        if index < len(exchanges):
            for role, content in zip(("user", "assistant"), exchanges[index], strict=True):
                turns.append({"role": role, "content": content, "has_answer": False})
    return turns


def _decoy(rng: np.random.Generator, split: str, topic: str) -> tuple[str, str] | None:
    """Another fact, or none, that shares no topic with the question."""
    if rng.random() < 0.25:
        return None
    if rng.random() < 0.2:
        deed = draw(rng, "deed", split).split("/")[1]
        return None if deed in topic else (f"Today I {deed}.", _acknowledge(rng))
    frames: Sequence[Frame] = (*USER_FRAMES, *ASSISTANT_FRAMES, *PREFERENCE_FRAMES)
    frame = frames[int(rng.integers(len(frames)))]
    words = frame.fill(rng, split)
    if any(part in frame.topic(words) or frame.topic(words) in part for part in topic.split("|")):
        return None
    if frame.request:
        return frame.request.format(**words), _sentence(frame.statement.format(**words))
    return _sentence(frame.statement.format(**words)), _acknowledge(rng)


def _dates(rng: np.random.Generator, count: int) -> list[str]:
    """Strictly increasing dates in LongMemEval's form, such as `2023/05/20 (Sat) 02:21`."""
    moment = dt.datetime(2023, 1, 1) + dt.timedelta(minutes=int(rng.integers(0, 365 * 1440)))
    dates = []
    for _ in range(count):
        moment += dt.timedelta(minutes=int(rng.integers(1440, 12 * 1440)))
        dates.append(moment.strftime("%Y/%m/%d (%a) %H:%M"))
    return dates


def _acknowledge(rng: np.random.Generator) -> str:
    return str(rng.choice(["I see.", "Good to know.", "Thank you for telling me.", "I will remember.", "Noted."]))


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".")
