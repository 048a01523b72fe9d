"""The facts that a chat history can hold, each as one sentence, its question and its answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embedded_model.chat_vocabulary import draw

COUNT_WORDS = ("no things", "one thing", "two things", "three things", "four things")


@dataclass(frozen=True)
class Frame:
    """One kind of fact about a `subject` with a `value`; the fields are templates of both.

    Attributes:
        statement: What is said in the history (by the user, or by the assistant after `request`).
        reply: The answer as a full sentence.
        gold: The part of the reply that makes it right.
        update: How the user later says that the value has changed; empty if it can't.
        request: For facts that the assistant states: what the user asked for.
    """

    name: str
    subject_kind: str
    value_kind: str
    statement: str
    question: str
    reply: str
    gold: str = "{value}"
    update: str = ""
    request: str = ""

    def fill(self, rng: np.random.Generator, split: str, subject: str | None = None) -> dict[str, str]:
        """Words of a split for the templates."""
        if subject is None:
            subject = draw(rng, self.subject_kind, split)
        value = draw(rng, self.value_kind, split)
        return {"subject": subject, "value": value, "a_value": with_article(value)}

    def topic(self, words: dict[str, str]) -> str:
        """What the fact is about; two facts with one topic would answer the same question."""
        return f"{self.name} {words['subject']}" if self.subject_kind != "none" else self.name


def with_article(noun: str) -> str:
    """The noun with `a` or `an`."""
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


USER_FRAMES = (
    Frame(
        "called",
        "pet",
        "name",
        "my {subject} is called {value}",
        "What is my {subject} called?",
        "your {subject} is called {value}",
    ),
    Frame(
        "lives",
        "relative",
        "place",
        "my {subject} lives in {value}",
        "Where does my {subject} live?",
        "your {subject} lives in {value}",
        update="my {subject} has moved and now lives in {value}",
    ),
    Frame(
        "favourite",
        "thing",
        "name",
        "my favourite {subject} is called {value}",
        "What is my favourite {subject} called?",
        "your favourite {subject} is called {value}",
        update="I changed my mind, now my favourite {subject} is called {value}",
    ),
    Frame(
        "kept",
        "object",
        "container",
        "I keep my {subject} in the {value}",
        "Where do I keep my {subject}?",
        "you keep your {subject} in the {value}",
        update="I have moved things, and now I keep my {subject} in the {value}",
    ),
    Frame(
        "works",
        "relative",
        "job",
        "my {subject} works as {a_value}",
        "What does my {subject} work as?",
        "your {subject} works as {a_value}",
        update="my {subject} has a new job and now works as {a_value}",
    ),
    Frame(
        "plays",
        "relative",
        "instrument",
        "my {subject} plays the {value}",
        "Which instrument does my {subject} play?",
        "your {subject} plays the {value}",
    ),
    Frame(
        "allergic",
        "relative",
        "food",
        "my {subject} is allergic to {value}",
        "What is my {subject} allergic to?",
        "your {subject} is allergic to {value}",
    ),
    Frame(
        "code",
        "lockable",
        "code",
        "the code of my {subject} is {value}",
        "What is the code of my {subject}?",
        "the code of your {subject} is {value}",
        update="it was changed, now the code of my {subject} is {value}",
    ),
    Frame(
        "event",
        "event",
        "day",
        "my {subject} is on {value}",
        "When is my {subject}?",
        "your {subject} is on {value}",
        update="there was a change of plan, so now my {subject} is on {value}",
    ),
    Frame(
        "named",
        "relative",
        "name",
        "the name of my {subject} is {value}",
        "What is the name of my {subject}?",
        "the name of your {subject} is {value}",
    ),
    Frame(
        "born",
        "relative",
        "place",
        "my {subject} was born in {value}",
        "Where was my {subject} born?",
        "your {subject} was born in {value}",
    ),
)

ASSISTANT_FRAMES = (
    Frame(
        "book",
        "subject",
        "title",
        "a good book about {subject} is {value}",
        "Which book about {subject} did you mention?",
        "a good book about {subject} is {value}",
        request="Can you name a book about {subject}?",
    ),
    Frame(
        "course",
        "subject",
        "name",
        "the best course on {subject} is given by {value}",
        "Who gives the best course on {subject}, as you said?",
        "the best course on {subject} is given by {value}",
        request="Where can I learn about {subject}?",
    ),
    Frame(
        "museum",
        "subject",
        "place",
        "the museum of {subject} is in {value}",
        "Where did you say the museum of {subject} is?",
        "the museum of {subject} is in {value}",
        request="Is there a museum of {subject}?",
    ),
)

PREFERENCE_FRAMES = (
    Frame(
        "evening",
        "none",
        "pleasure",
        "what I enjoy most on a free evening is {value}",
        "What would you suggest for my free evening?",
        "what you enjoy most on a free evening is {value}",
    ),
    Frame(
        "rainy",
        "none",
        "pleasure",
        "what I like best on a rainy day is {value}",
        "What would you suggest for a rainy day?",
        "what you like best on a rainy day is {value}",
    ),
    Frame(
        "birthday",
        "none",
        "pleasure",
        "what I want most for my birthday is {value}",
        "What would you plan for my birthday?",
        "what you want most for your birthday is {value}",
    ),
    Frame(
        "present",
        "relative",
        "pleasure",
        "what my {subject} likes most is {value}",
        "What would please my {subject}?",
        "what your {subject} likes most is {value}",
    ),
)
