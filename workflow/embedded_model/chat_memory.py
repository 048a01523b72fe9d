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
from pathlib import Path
from typing import Any

import numpy as np

from contextrot.tasks.longmemeval.data import QUESTION_TYPES
from embedded_model.chat_frames import ASSISTANT_FRAMES, PREFERENCE_FRAMES, USER_FRAMES, Frame
from embedded_model.chat_questions import ABSTAINING_TYPES, RECOLLECT, Recollection, acknowledge, forget, sentence
from embedded_model.chat_vocabulary import draw

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
        recollection = RECOLLECT[kind](rng, split)
        if kind in ABSTAINING_TYPES and rng.random() < abstention_share * len(question_types) / len(ABSTAINING_TYPES):
            recollection = forget(rng, recollection, split)
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
        recollection = RECOLLECT[QUESTION_TYPES[int(rng.integers(len(QUESTION_TYPES)))]](rng, split)
        if rng.random() < 0.12:
            recollection = forget(rng, recollection, split)
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
        return None if deed in topic else (f"Today I {deed}.", acknowledge(rng))
    frames: Sequence[Frame] = (*USER_FRAMES, *ASSISTANT_FRAMES, *PREFERENCE_FRAMES)
    frame = frames[int(rng.integers(len(frames)))]
    words = frame.fill(rng, split)
    if any(part in frame.topic(words) or frame.topic(words) in part for part in topic.split("|")):
        return None
    if frame.request:
        return frame.request.format(**words), sentence(frame.statement.format(**words))
    return sentence(frame.statement.format(**words)), acknowledge(rng)


def _dates(rng: np.random.Generator, count: int) -> list[str]:
    """Strictly increasing dates in LongMemEval's form, such as `2023/05/20 (Sat) 02:21`."""
    moment = dt.datetime(2023, 1, 1) + dt.timedelta(minutes=int(rng.integers(0, 365 * 1440)))
    dates = []
    for _ in range(count):
        moment += dt.timedelta(minutes=int(rng.integers(1440, 12 * 1440)))
        dates.append(moment.strftime("%Y/%m/%d (%a) %H:%M"))
    return dates
