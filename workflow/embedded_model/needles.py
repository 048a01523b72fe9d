"""Synthetic facts with their questions, and the haystack documents that hold them.

A fact is one sentence; the trained answer is that sentence again, word for word. Words are drawn so widely (hand-written
lists, mixed with any word of the corpora) that a model can answer only by finding the sentence and copying it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from embedded_model.chat_vocabulary import invented_name

SLOT = re.compile(r"\{([A-Za-z]+)(\d*)\}")


def pieces(text: str) -> list[str]:
    """Parts of a text between bars."""
    return [piece.strip() for piece in text.split("|")]


@dataclass(frozen=True)
class Fact:
    """One sentence, the question that it answers, and sentences that nearly answer it."""

    statement: str
    question: str
    distractors: tuple[str, ...] = ()


class FactWriter:
    """Fills the training frames with words.

    Args:
        folder: Where words.yaml and needle_frames.txt are (data/tasks/training).
        corpus: Text whose words of at least four letters may stand for any noun, adjective or verb.
        excluded: Words that are never used, being those that the evaluation is about.
    """

    def __init__(self, folder: Path, corpus: str, excluded: frozenset[str]) -> None:
        raw = yaml.safe_load((folder / "words.yaml").read_text(encoding="utf-8"))
        self.words: Mapping[str, list[str]] = {
            kind: [w.strip() for w in (text.split("|") if kind == "tails" else text.split())] for kind, text in raw.items()
        }
        for kind, words in self.words.items():
            self.words[kind][:] = [w for w in dict.fromkeys(words) if w.lower() not in excluded]
        self.any_word = sorted(set(re.findall(r"(?<=[ ])[a-z]{4,12}(?=[ ,.])", corpus)) - excluded)
        lines = (folder / "needle_frames.txt").read_text(encoding="utf-8").splitlines()
        self.frames = [tuple(s.strip() for s in ln.split("|")) for ln in lines if ln and not ln.startswith("#")]

    def pick(self, rng: np.random.Generator, kind: str, wild: float = 0.35) -> str:
        """A listed word of a kind or, with probability `wild`, any word of the corpora."""
        words = self.any_word if rng.random() < wild else self.words[kind]
        return words[int(rng.integers(len(words)))]

    def fill(self, rng: np.random.Generator, slot: str) -> str:
        """Words for one kind of slot."""
        match slot:
            case "n":
                return self.pick(rng, "nouns")
            case "np":
                shape = rng.random()
                if shape < 0.5:
                    return f"{self.pick(rng, 'adjectives')} {self.pick(rng, 'nouns')}"
                if shape < 0.8:
                    return f"{self.pick(rng, 'nouns')} {self.pick(rng, 'nouns')}"
                return self.pick(rng, "nouns")
            case "vp":
                article = ("the", "a", "every", "your", "no", "two")[int(rng.integers(6))]
                verb = self.pick(rng, "verbs_base", 0.2)
                return f"{verb} {article} {self.fill(rng, 'np')}" if rng.random() < 0.8 else verb
            case "past":
                return self.pick(rng, "verbs_past", 0.0)
            case "adj":
                return self.pick(rng, "adjectives")
            case "person":
                return self.pick(rng, "people", 0.1)
            case "Name":
                first = invented_name(rng) if rng.random() < 0.5 else self.pick(rng, "names", 0.0)
                return f"{first} {invented_name(rng)}" if rng.random() < 0.3 else first
            case "Title":
                return f"{self.pick(rng, 'adjectives').capitalize()} {self.pick(rng, 'nouns').capitalize()}"
            case "place":
                return invented_name(rng) if rng.random() < 0.4 else self.pick(rng, "places", 0.0)
            case "year":
                return str(int(rng.integers(1200, 2020)))
            case "digits":
                return str(int(rng.integers(100, 100000)))
            case "num":
                return self.pick(rng, "numbers", 0.0)
            case "unit":
                return self.pick(rng, "units", 0.1)
            case "prep":
                return self.pick(rng, "prepositions", 0.0)
            case _:
                return self.pick(rng, "attributes" if slot == "attr" else f"{slot}s", 0.0)

    def _render(self, template: str, values: Mapping[str, str]) -> str:
        text = SLOT.sub(lambda m: values[m.group(0)], template)
        return text[0].upper() + text[1:]

    def fill_together(self, rng: np.random.Generator, templates: Sequence[str]) -> list[str]:
        """Several templates with the same words in the slots that they share."""
        slots = sorted({m.group(0) for template in templates for m in SLOT.finditer(template)})
        values = {slot: self.fill(rng, SLOT.match(slot).group(1)) for slot in slots}  # type: ignore[union-attr]
        return [SLOT.sub(lambda m: values[m.group(0)], template) for template in templates]

    def fact(self, rng: np.random.Generator, distractors: int = 0) -> Fact:
        """One fact; each distractor shares its frame and all but one or two of the words asked for."""
        statement, question = self.frames[int(rng.integers(len(self.frames)))]
        slots = sorted({m.group(0) for m in SLOT.finditer(statement + question)})
        kinds = {slot: SLOT.match(slot).group(1) for slot in slots}  # type: ignore[union-attr]
        values = {slot: self.fill(rng, kinds[slot]) for slot in slots}
        keys = [slot for slot in slots if slot in question]
        near = []
        for _ in range(distractors):
            changed = set(rng.choice(keys, size=min(len(keys), int(rng.integers(1, 3))), replace=False).tolist())
            other = {s: v if s in keys and s not in changed else self.fill(rng, kinds[s]) for s, v in values.items()}
            near.append(self._render(statement, other))
        return Fact(self._render(statement, values), self._render(question, values), tuple(near))


def plant(rng: np.random.Generator, sentences: Sequence[str], planted: Sequence[str]) -> str:
    """The sentences as one text with the planted ones at random sentence boundaries, in random order."""
    gaps = np.sort(rng.integers(0, len(sentences) + 1, size=len(planted)))
    order = rng.permutation(len(planted))
    text: list[str] = []
    start = 0
    for gap, index in zip(gaps, order, strict=True):
        text.extend(sentences[start:gap])
        text.append(planted[index])
        start = gap
    return " ".join([*text, *sentences[start:]])
