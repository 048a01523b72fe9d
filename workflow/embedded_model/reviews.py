"""Film reviews with a label, from hand-written sentences, frames and words that lean one way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from embedded_model.needles import FactWriter, pieces

REVIEW_SLOTS = {
    "{good}": "positive_adjectives",
    "{good2}": "positive_adjectives",
    "{bad}": "negative_adjectives",
    "{bad2}": "negative_adjectives",
    "{aspect}": "aspects",
    "{aspect2}": "aspects",
    "{kind}": "kinds",
}


class ReviewWriter:
    """Draws reviews from the files in data/tasks/training; nouns and people come from `facts`."""

    def __init__(self, training: Path, facts: FactWriter) -> None:
        self.facts = facts
        reviews = yaml.safe_load((training / "review_words.yaml").read_text(encoding="utf-8"))
        self.fragments = {kind: pieces(text) for kind, text in reviews.items()}
        self.written_reviews = {
            label: (training / f"reviews_{label}.txt").read_text(encoding="utf-8").splitlines()
            for label in ("positive", "negative")
        }
        frames = (training / "review_frames.txt").read_text(encoding="utf-8").splitlines()
        self.review_frames = [pieces(line) for line in frames if not line.startswith("#")]
        leaning = yaml.safe_load((training / "sentiment_words.yaml").read_text(encoding="utf-8"))
        self.leaning = {kind: text.replace("-", " ").split() for kind, text in leaning.items()}

    def review(self, rng: np.random.Generator) -> tuple[str, str]:
        """One film review and its label."""
        label = ("positive", "negative")[int(rng.integers(2))]
        kind = rng.random()
        if kind < 0.6:
            return self.written_review(rng, label), label
        if kind < 0.7:
            return self.framed_review(rng, label), label
        if kind < 0.85:
            return self.leaning_words(rng, label), label
        other = "negative" if label == "positive" else "positive"

        def draw(kind: str) -> str:
            return self.fragments[kind][int(rng.integers(len(self.fragments[kind])))]

        def sentence(text: str) -> str:
            return text[0].upper() + text[1:] + "."

        aspect, second, film = draw("aspects"), draw("aspects"), draw("kinds")
        adjective, adjective2 = draw(f"{label}_adjectives"), draw(f"{label}_adjectives")
        noun, verb, clause = draw(f"{label}_nouns"), draw(f"{label}_verbs"), draw(f"{label}_clauses")
        article = "an" if adjective[0] in "aeiou" else "a"
        subject = self.facts.fill(rng, "n")
        options = (
            clause,
            clause,
            f"the {aspect} is {adjective} and the {second} is {adjective2}",
            f"the {aspect} {verb}",
            f"this {film} about a {subject} is {article} {adjective} {noun}",
            f"what {article} {adjective} {film}",
            f"{article} {adjective} {film} whose {aspect} {verb}",
            f"for a {film} about the {subject} it is {adjective}",
            f"it is {adjective}, {adjective2} and, in the end, {draw(f'{label}_adjectives')}",
            f"the {self.facts.fill(rng, 'person')} in it is {adjective}",
            f"{draw('concessions')}, but the {aspect} {verb}",
            f"{draw('concessions')}, but {clause}",
            f"although {draw('concessions')}, it {verb}",
            f"the {second} is {draw(f'{other}_adjectives')}, but the {film} {verb} and {clause}",
            f"the {film} {verb}, {'and' if rng.random() < 0.5 else 'so'} {clause}",
        )
        text = sentence(options[int(rng.integers(len(options)))])
        if rng.random() < 0.35:
            text += " " + sentence(options[int(rng.integers(10))])
        return text, label

    def written_review(self, rng: np.random.Generator, label: str) -> str:
        """A hand-written review, often with parts missing, so that it is not learnt by heart; sometimes two."""
        written = self.written_reviews[label]
        text = thin_out(rng, written[int(rng.integers(len(written)))])
        if rng.random() < 0.15:
            text += " " + thin_out(rng, written[int(rng.integers(len(written)))])
        return text

    def leaning_words(self, rng: np.random.Generator, label: str) -> str:
        """Words that lean one way among words that do not, in no order: what single words are worth."""
        other = "negative" if label == "positive" else "positive"
        counts = {label: int(rng.integers(2, 5)), other: int(rng.integers(0, 2)), "neutral": int(rng.integers(3, 12))}
        words = [self.leaning[k][int(i)] for k, n in counts.items() for i in rng.integers(len(self.leaning[k]), size=n)]
        words = [words[int(i)] for i in rng.permutation(len(words))]
        return " ".join(words).capitalize() + "."

    def framed_review(self, rng: np.random.Generator, label: str) -> str:
        """A frame filled with words."""
        frames = [text for sign, text in self.review_frames if sign == label]
        text = frames[int(rng.integers(len(frames)))]
        for slot, kind in REVIEW_SLOTS.items():
            words = self.fragments[kind]
            text = text.replace(slot, words[int(rng.integers(len(words)))])
        (text,) = self.facts.fill_together(rng, (text,))
        return text[0].upper() + text[1:]


def thin_out(rng: np.random.Generator, text: str) -> str:
    """Often only a part of a text, or all of it without some of its words."""
    words = text.split()
    kind = rng.random()
    if kind < 0.3 or len(words) < 6:
        return text
    if kind < 0.65:
        kept = int(rng.integers(len(words) // 2, len(words) + 1))
        start = int(rng.integers(len(words) - kept + 1))
        words = words[start : start + kept]
    else:
        words = [word for word in words if rng.random() > 0.15]
    return " ".join(words)
