"""Short written pieces of many forms and topics, each another: what the conversation's requests ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

FORMS = (
    "poem",
    "short story",
    "diary entry",
    "letter",
    "news report",
    "speech",
    "riddle",
    "recipe",
    "review",
    "song",
    "fable",
    "postcard",
)
TOPICS = (
    "lighthouses", "otters", "rain", "old clocks", "bicycles", "market squares", "owls", "snowfall", "teapots", "train stations", "gardens",
    "violins", "bakeries", "kites", "rivers", "chess", "lanterns", "mountains", "ferries", "apples", "libraries", "foxes", "bridges", "bees",
    "attics", "thunderstorms", "harbours", "puppets", "deserts", "windmills", "stairways", "carpets", "snails", "telescopes", "orchards",
    "umbrellas", "volcanoes", "wolves", "seashells", "pianos",
)  # fmt: skip
_OPENINGS = (
    "On {day} I sat {place} and thought of {topic}.", "Nobody {place} had spoken of {topic} since {day}.", "It began {place}, with {topic}.",
    "{Topic}, said my {relative}, are best met {place}.", "My {relative} wrote to me about {topic} on {day}.",
    "What would {day} be without {topic}?", "Once, {place}, there was talk of {topic} alone.", "{Day} came, and {topic} with it.",
)  # fmt: skip
_LINES = (
    "The {adjective} {thing} stood there as if {topic} had been its idea.", "Every {thing} I own smells of {season} now.",
    "A {adjective} {thing} is worth {number} others, my {relative} used to say.", "We counted {number} of them before the {thing} fell over.",
    "In {season} all of it looks {adjective}, in particular the {thing}.", "Somebody had left a {thing} {place}, {adjective} and alone.",
    "I keep the {thing} for {day}, when nothing else is {adjective}.", "They paid {number} coins for a {thing} and were {adjective} for weeks.",
    "Where {topic} are, a {adjective} {thing} is never far.", "By {season} my {relative} had mended {number} of the {thing}s.",
    "The {thing} waits, the {relative} hums, and {season} takes its time.", "No {thing} ever made {day} more {adjective} than this one.",
    "You would not believe how {adjective} {number} {thing}s can be {place}.", "It took a {thing}, {number} hours and a {adjective} mood.",
)  # fmt: skip
_CLOSINGS = (
    "So much for {topic}.", "That is all I know of {topic}.", "And {topic} went on as before.", "Since then {day} is {adjective}.",
    "Ask my {relative} if you doubt it.", "The {thing} is still {place}.", "I would do it again in {season}.", "Thus ended {day}.",
)  # fmt: skip
_WORDS = {
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "place": ("by the well", "in the kitchen", "behind the mill", "at the ferry", "under the stairs", "on the roof", "near the chapel", "at the crossing", "beside the kiln", "in the long barn"),
    "relative": ("aunt", "uncle", "sister", "brother", "cousin", "grandmother", "neighbour", "godfather", "nephew"),
    "adjective": ("stubborn", "gentle", "crooked", "spotless", "weary", "cheerful", "hollow", "patient", "noisy", "pale", "curious", "solid", "tender", "dusty"),
    "thing": ("basket", "ladder", "kettle", "hammer", "mirror", "drum", "blanket", "compass", "bucket", "candle", "suitcase", "broom", "ribbon", "spoon", "stool"),
    "season": ("spring", "summer", "autumn", "winter", "harvest time", "the thaw", "the dry weeks"),
    "number": ("three", "seven", "eleven", "nineteen", "forty", "sixty-two", "ninety", "a hundred and six"),
}  # fmt: skip


def piece(topic: str, rng: np.random.Generator, lines: int) -> list[str]:
    """The sentences of one text about a topic: an opening, so many lines, an ending."""
    middle = [_LINES[i] for i in rng.permutation(len(_LINES))[:lines]]
    middle += [_LINES[int(rng.integers(len(_LINES)))] for _ in range(lines - len(middle))]
    chosen = [_OPENINGS[int(rng.integers(len(_OPENINGS)))], *middle, _CLOSINGS[int(rng.integers(len(_CLOSINGS)))]]
    return [_filled(sentence, topic, rng) for sentence in chosen]


def _filled(sentence: str, topic: str, rng: np.random.Generator) -> str:
    drawn = {name: words[int(rng.integers(len(words)))] for name, words in _WORDS.items()}
    return sentence.format(topic=topic, Topic=topic.capitalize(), Day=drawn["day"], **drawn)
