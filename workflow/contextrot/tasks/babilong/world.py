"""Small worlds of people, places and things: a story of facts, a question, and the one answer that the facts give.

The five kinds of question are those of bAbI's tasks 1 to 5 (J. Weston et al. 2015): one fact, two facts, three facts, two relations, three
relations. Answers are computed from the state of the world that the facts leave.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

Member = TypeVar("Member")

PEOPLE = ("Alva", "Bruno", "Clio", "Dario")
PLACES = ("pantry", "workshop", "cellar", "library", "stable", "greenhouse")
THINGS = ("compass", "ledger", "parcel")
WAYS = {"north": "south", "south": "north", "east": "west", "west": "east"}
MOVES = (
    "{who} went to the {place}.",
    "{who} walked to the {place}.",
    "{who} moved to the {place}.",
    "{who} hurried to the {place}.",
)
TAKES = ("{who} picked up the {thing}.", "{who} took the {thing}.", "{who} grabbed the {thing}.")
DROPS = ("{who} put down the {thing}.", "{who} left the {thing} there.", "{who} dropped the {thing}.")
GIVES = ("{who} handed the {thing} to {whom}.", "{who} gave the {thing} to {whom}.", "{who} passed the {thing} to {whom}.")
RELATION = "The {a} is {way} of the {b}."
_FACT_OF_FILLER = re.compile(rf"\b({'|'.join(PEOPLE)})\b|\bis ({'|'.join(WAYS)}) of\b")
KINDS = ("qa1", "qa2", "qa3", "qa4", "qa5")
LABELS = {**dict.fromkeys(KINDS[:4], PLACES), "qa5": (*PEOPLE, *THINGS)}
"""Kind -> all possible answers."""
STORY_FACTS = {"qa1": (4, 10), "qa2": (8, 20), "qa3": (14, 30), "qa4": (2, 2), "qa5": (8, 20)}
"""Kind -> fewest and most facts of a story."""
MAX_TRIES = 1_000


def without_facts(documents: Sequence[Sequence[str]]) -> list[list[str]]:
    """The documents without the sentences that name one of the PEOPLE, or say where one thing lies from another."""
    kept = [[sentence for sentence in document if not _FACT_OF_FILLER.search(sentence)] for document in documents]
    return [document for document in kept if document]


@dataclass(frozen=True)
class Story:
    """Facts in their order, a question, its answer, and which of the facts it needs."""

    facts: tuple[str, ...]
    question: str
    answer: str


class World:
    """Who is where and has what, kept up while facts happen.

    Attributes:
        facts: what happened so far.
        where: person -> place; thing -> places that it was in, the present one last.
        holds: thing -> its bearer.
        given: (giver, thing, taker) of each gift.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self.facts: list[str] = []
        self.where: dict[str, str] = {}
        self.places: dict[str, list[str]] = {}
        self.holds: dict[str, str] = {}
        self.given: list[tuple[str, str, str]] = []

    def _one(self, members: Sequence[Member]) -> Member:
        return members[int(self._rng.integers(len(members)))]

    def _tell(self, forms: Sequence[str], **words: str) -> None:
        self.facts.append(self._one(forms).format(**words))

    def move(self) -> None:
        """Somebody goes elsewhere, with all that they hold."""
        who = self._one(PEOPLE)
        place = self._one([place for place in PLACES if place != self.where.get(who)])
        self.where[who] = place
        self._tell(MOVES, who=who, place=place)
        for thing, bearer in self.holds.items():
            if bearer == who:
                self.places.setdefault(thing, []).append(place)

    def take(self) -> None:
        """Somebody takes a thing that nobody holds, where it lies (or was never seen before)."""
        possible = [
            (who, thing)
            for who, place in self.where.items()
            for thing in THINGS
            if thing not in self.holds and self.places.get(thing, [place])[-1] == place
        ]
        if possible:
            who, thing = self._one(possible)
            self.holds[thing] = who
            if thing not in self.places:
                self.places[thing] = [self.where[who]]
            self._tell(TAKES, who=who, thing=thing)

    def drop(self) -> None:
        """Somebody puts down what they hold."""
        if self.holds:
            thing = self._one(sorted(self.holds))
            self._tell(DROPS, who=self.holds.pop(thing), thing=thing)

    def give(self) -> None:
        """Somebody gives a thing to another person, wherever that one is."""
        if self.holds:
            thing = self._one(sorted(self.holds))
            who = self.holds[thing]
            whom = self._one([person for person in PEOPLE if person != who])
            self.holds[thing] = whom
            self.given.append((who, thing, whom))
            self._tell(GIVES, who=who, thing=thing, whom=whom)


def story(kind: str, rng: np.random.Generator) -> Story:
    """A story of one of the KINDS, with one answer."""
    for _ in range(MAX_TRIES):
        found = _relations(rng) if kind == "qa4" else _events(kind, rng)
        if found is not None:
            return found
    raise AssertionError(f"no story of kind {kind}")


def _events(kind: str, rng: np.random.Generator) -> Story | None:
    world = World(rng)
    low, high = STORY_FACTS[kind]
    acts = {"qa1": [world.move], "qa5": [world.move, world.take, world.take, world.give, world.give]}.get(
        kind, [world.move, world.move, world.take, world.drop]
    )
    for _ in range(int(rng.integers(low, high + 1))):
        acts[int(rng.integers(len(acts)))]()
    asked = {"qa1": _where_is, "qa2": _where_is_thing, "qa3": _where_before, "qa5": _who_gave}[kind](world, rng)
    return None if asked is None else Story(tuple(world.facts), *asked)


def _pick(members: Sequence[Member], rng: np.random.Generator) -> Member | None:
    return members[int(rng.integers(len(members)))] if members else None


def _where_is(world: World, rng: np.random.Generator) -> tuple[str, str] | None:
    who = _pick(sorted(world.where), rng)
    return None if who is None else (f"Where is {who}?", world.where[who])


def _where_is_thing(world: World, rng: np.random.Generator) -> tuple[str, str] | None:
    thing = _pick(sorted(thing for thing, places in world.places.items() if len(places) > 1), rng)
    return None if thing is None else (f"Where is the {thing}?", world.places[thing][-1])


def _where_before(world: World, rng: np.random.Generator) -> tuple[str, str] | None:
    possible = [
        (thing, i)
        for thing, places in sorted(world.places.items())
        for i in range(1, len(places))
        if places.count(places[i]) == 1 and places[i - 1] != places[i]
    ]
    drawn = _pick(possible, rng)
    if drawn is None:
        return None
    thing, i = drawn
    places = world.places[thing]
    return f"Where was the {thing} before the {places[i]}?", places[i - 1]


def _who_gave(world: World, rng: np.random.Generator) -> tuple[str, str] | None:
    questions = []
    for who, thing, whom in world.given:
        alike = [[one for one in world.given if all(one[i] == (who, thing, whom)[i] for i in fixed)] for fixed in ((1, 2), (0, 1), (0, 2))]  # fmt: skip
        questions += [
            asked
            for asked, same in zip(
                (
                    (f"Who gave the {thing} to {whom}?", who),
                    (f"Who did {who} give the {thing} to?", whom),
                    (f"What did {who} give to {whom}?", thing),
                ),
                alike,
                strict=True,
            )
            if len(set(same)) == 1
        ]
    return _pick(questions, rng)


def _relations(rng: np.random.Generator) -> Story:
    a, b, c = (PLACES[i] for i in rng.permutation(len(PLACES))[:3])
    first = sorted(WAYS)[int(rng.integers(len(WAYS)))]
    across = [way for way in sorted(WAYS) if way not in (first, WAYS[first])]  # otherwise two places would lie on one side
    second = across[int(rng.integers(len(across)))]
    facts = [RELATION.format(a=a, way=first, b=b), RELATION.format(a=b, way=second, b=c)]
    asked = []
    for near, way, far in ((a, first, b), (b, second, c)):
        asked += [
            (f"What is {way} of the {far}?", near), (f"What is the {near} {way} of?", far),
            (f"What is {WAYS[way]} of the {near}?", far), (f"What is the {far} {WAYS[way]} of?", near),
        ]  # fmt: skip
    order = rng.permutation(2)
    question, answer = asked[int(rng.integers(len(asked)))]
    return Story(tuple(facts[i] for i in order), question, answer)
