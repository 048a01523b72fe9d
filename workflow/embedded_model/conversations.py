"""Training conversations of every task, in the very prompts that the tasks use.

Each function returns the (user, assistant) turns of one conversation. Where a task allows it, many questions are asked
about one document, so that most tokens teach something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from contextrot.samples import prompts
from embedded_model.chat_memory import dense_history, load_passages
from embedded_model.heldout import EVALUATED_PAIRS, excluded_words
from embedded_model.needles import Fact, FactWriter, pieces, plant
from embedded_model.reviews import ReviewWriter

Turns = list[tuple[str, str]]


def render_sessions(sessions: Sequence[Sequence[Mapping[str, str]]], dates: Sequence[str], question: str) -> str:
    """The prompt of dated sessions; the last date is the question's."""
    rendered = [
        prompts.DATED_SESSION.format(date=date, turns="\n".join(f"{t['role']}: {t['content']}" for t in session))
        for session, date in zip(sessions, dates, strict=False)
    ]
    return prompts.DATED_SESSIONS.format(sessions="\n\n".join(rendered), date=dates[-1], question=question)


@dataclass
class ConversationWriter:
    """Writes conversations from the corpora in `data` and the training text in `data/tasks/training`."""

    data: Path

    def __post_init__(self) -> None:
        training = self.data / "tasks" / "training"
        self.passages = load_passages(self.data / "essays")
        science = load_passages(self.data / "science")
        self.sentences = [*self.passages.values(), *science.values()]
        self.corpus = " ".join(sentence for article in self.sentences for sentence in article)
        self.facts = FactWriter(training, self.corpus, excluded_words())
        self.reviews = ReviewWriter(training, self.facts)
        posts = yaml.safe_load((training / "posts.yaml").read_text(encoding="utf-8"))
        self.posts = [pieces(frame) for frame in posts["frames"]]
        self.choice_questions = pieces(posts["questions"])

    def _haystack(self, rng: np.random.Generator, words: int) -> list[str]:
        """Consecutive sentences of one or more articles, about `words` words of them."""
        sentences: list[str] = []
        while words > 0:
            article = self.sentences[int(rng.integers(len(self.sentences)))]
            start = int(rng.integers(len(article)))
            for sentence in article[start:]:
                sentences.append(sentence)
                words -= len(sentence.split())
                if words <= 0:
                    break
        return sentences

    def needles(self, rng: np.random.Generator, tokens: int) -> Turns:
        """Questions about facts planted in a haystack; some ask for a sentence of the haystack by its beginning."""
        share = float(rng.uniform(0.45, 0.85))
        document_words = int(tokens * share * 0.72) - 20
        # A fact costs about 20 words in the document and 45 with its question and answer.
        room = max(1, int(tokens * (1 - share) * 0.72) // 34)
        count = int(rng.integers(1, room + 1)) if rng.random() < 0.4 else room
        with_distractors = rng.random() < 0.4
        facts = [self.facts.fact(rng, int(rng.integers(0, 4)) if with_distractors else 0) for _ in range(count)]
        planted = [f.statement for f in facts] + [d for f in facts for d in f.distractors]
        background = self._haystack(rng, max(10, document_words - 17 * len(planted)))
        turns = [(fact.question, fact.statement) for fact in facts]
        for _ in range(room - count):
            sentence = background[int(rng.integers(len(background)))]
            beginning = " ".join(sentence.split()[: int(rng.integers(3, 7))])
            turns.append((f'Which sentence begins with "{beginning}"?', sentence))
        order = rng.permutation(len(turns))
        document = plant(rng, background, planted)
        asked = [turns[i] for i in order]
        first = prompts.NEEDLE_IN_A_HAYSTACK.format(haystack=document, question=asked[0][0])
        return [(first, asked[0][1]), *((f"Question: {q}", a) for q, a in asked[1:])]

    def chat(self, rng: np.random.Generator, tokens: int) -> Turns:
        """Questions about a history of dated sessions."""
        sessions, dates, asked = dense_history(rng, "train", self.passages, int(tokens * rng.uniform(0.4, 0.62)))
        if not asked:
            return self.needles(rng, tokens)
        first = render_sessions(sessions, dates, asked[0][0])
        return [(first, asked[0][1]), *((f"Question: {q}", a) for q, a in asked[1:])]

    def repeated_words(self, rng: np.random.Generator, tokens: int) -> Turns:
        """One word many times and another once, to be repeated."""
        word, other = self._word_pair(rng)
        while word == other or {word, other} in map(set, EVALUATED_PAIRS):
            word, other = self._word_pair(rng)
        # Tokens of a word are not known here, only that most short ones are one.
        size = 1 if len(word) < 8 and word.islower() and " " not in word else 3
        limit = max(4, (tokens - 24) // (2 * size))
        count = (
            int(rng.integers(limit // 4 + 2, limit + 1))
            if rng.random() < 0.75
            else int(np.exp(rng.uniform(1.1, np.log(limit + 1))))
        )
        words = [word] * count
        words[int(rng.choice([0, -1, int(rng.integers(count))], p=[0.05, 0.3, 0.65]))] = other
        text = " ".join(words)
        return [(prompts.REPEATED_WORDS.format(text=text), text)]

    def _word_pair(self, rng: np.random.Generator) -> tuple[str, str]:
        """A word and another: its plural, itself with a capital, or any noun; at times one that is measured in another pair."""
        if rng.random() < 0.85:
            word = self.facts.pick(rng, "nouns", 0.9)
        else:
            word = self.facts.fill(rng, ("adj", "past", "np", "Name")[int(rng.integers(4))])
        others = (f"{word}s", f"{word}s", word.capitalize(), self.facts.fill(rng, "n"))
        other = others[int(rng.integers(4))]
        measured = [word for pair in EVALUATED_PAIRS for word in pair]
        kind = rng.random()
        if kind < 0.1:
            word = measured[int(rng.integers(len(measured)))]
        elif kind < 0.25:
            other = measured[int(rng.integers(len(measured)))]
        return word, other

    def sentiment(self, rng: np.random.Generator, tokens: int) -> Turns:
        """Reviews to be judged, one a turn."""
        turns = []
        for _ in range(max(1, tokens // 30)):
            text, label = self.reviews.review(rng)
            turns.append((prompts.SENTIMENT.format(text=text), label))
        return turns

    def multiple_choice(self, rng: np.random.Generator, tokens: int) -> Turns:
        """Which of four words is of a kind; answered with a letter."""
        kinds = {
            "colour": "colours",
            "material": "materials",
            "name": "names",
            "place": "places",
            "number": "numbers",
            "profession": "people",
            "time": "times",
        }
        turns = []
        for _ in range(max(1, tokens // 60)):
            kind = sorted(kinds)[int(rng.integers(len(kinds)))]
            right = int(rng.integers(4))
            style = rng.random()
            wrong = ["n", "np", "adj", "vp"][int(rng.integers(4))]
            options = [self.facts.fill(rng, wrong).capitalize() for _ in range(4)]
            options[right] = self.facts.pick(rng, kinds[kind], 0.0).capitalize()
            question = self.choice_questions[int(rng.integers(len(self.choice_questions)))].replace("{kind}", kind)
            if style < 0.3:
                question = self.facts.fact(rng).statement + " " + question
            a, b, c, d = options
            turns.append((prompts.MULTIPLE_CHOICE.format(question=question, a=a, b=b, c=c, d=d), "ABCD"[right]))
        return turns

    def posts_and_questions(self, rng: np.random.Generator, tokens: int) -> Turns:
        """Short posts with a question whose answer is a span of the post."""
        turns = []
        for _ in range(max(1, tokens // 75)):
            post, question, answer = self.posts[int(rng.integers(len(self.posts)))]
            if rng.random() < 0.35:
                fact: Fact = self.facts.fact(rng)
                post = f"{fact.statement} {post}" if rng.random() < 0.5 else f"{post} {fact.statement}"
            post, question, answer = self.facts.fill_together(rng, (post, question, answer))
            turns.append((prompts.SHORT_POST_QUESTION.format(post=post, question=question), answer))
        return turns

    def switching(self, rng: np.random.Generator, tokens: int) -> Turns:
        """Turns of several short tasks in no order, and a last one."""
        turns: Turns = []
        while len(turns) < max(1, tokens // 50):
            task = (self.sentiment, self.multiple_choice, self.posts_and_questions)[int(rng.integers(3))]
            turns += task(rng, 1)[:1]
        return turns

    def story(self, rng: np.random.Generator, tokens: int) -> Turns:
        """A wish for a long text, answered with sentences of the corpora."""
        asks = (
            "Write a story about a {np1} and a {person}.",
            "Write a long text about a {np1} in {place}.",
            "Write a chapter in which a {person} has to {vp}. Describe the {np1} in detail.",
            "Building on what you wrote above, tell what happens to the {np1}.",
            "Write a campaign for a {np1}, with a {np2} for every {n3}.",
        )
        (ask,) = self.facts.fill_together(rng, (asks[int(rng.integers(len(asks)))],))
        if rng.random() < 0.6:
            ask += " " + " ".join(self.facts.fact(rng).statement for _ in range(int(rng.integers(1, 5))))
        answer = " ".join(self._haystack(rng, int(tokens * 0.7)))
        return [(ask, answer)]
