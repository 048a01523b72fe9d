"""Made-up keys, values and names that no filler text holds by accident."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

ADJECTIVES = (
    "amber ample ancient bashful bitter blunt brave breezy brisk bronze calm candid careful chalky cheerful clever cloudy clumsy cobalt "
    "copper cosy crisp curious daring dizzy dusty eager earnest elastic faded fearless fickle fluffy foggy frosty gentle giddy glossy "
    "golden grumpy hasty hazel hollow humble icy idle ivory jaunty jolly keen lavish lively lofty loyal lucid mellow merry mild misty "
    "modest mossy nimble noble olive pale patient plucky polite proud quaint quiet rapid ripe rosy rugged rusty salty scarlet shiny silent "
    "silver sleepy smoky solemn speckled spicy steady stormy sturdy subtle sunny supple tender thrifty tidy timid tranquil velvet vivid "
    "wary witty woolly zesty"
).split()
NOUNS = (
    "acorn anchor anvil apron badger bagpipe balcony bamboo barley barrel basket beacon beetle bellows blanket bonnet bottle bramble bucket "
    "buffalo button cabin cactus candle canoe canyon carpet cellar cherry chimney cider clarinet cliff clover cobbler comet compass cradle "
    "crater cricket curtain cushion dagger dolphin domino donkey dragonfly drawer easel elbow ember falcon feather fiddle flagon flute "
    "forge fountain freckle furnace garlic gazelle ginger glacier goblet granary grotto gutter hammock harness heron hinge hornet iceberg "
    "inkwell jacket jasmine jigsaw kettle kiosk ladder lagoon lantern lattice lemon lighthouse lizard locket magnet mallet mango marble "
    "marmot mattress meadow melon mirror mitten monsoon mortar mushroom napkin needle nettle nutmeg oboe orchard otter oyster paddle pantry "
    "parsley pebble pelican pepper piston plough pocket pretzel pulley pumpkin puppet quarry quill rabbit radish raft rattle reindeer ribbon "
    "rocket rudder saddle saffron sandal saucer scarf shovel siphon sparrow spindle sponge stirrup sundial tadpole teapot thimble thistle "
    "timber toffee trellis trumpet tulip turnip turret umbrella valley violin walnut walrus wicket willow window yarrow zeppelin"
).split()
PAIRS = len(ADJECTIVES) * len(NOUNS)


def distinct_words(rng: np.random.Generator) -> Iterator[str]:
    """Words like copper-lantern, each once; of three parts when those of two are used up."""
    for place in rng.permutation(PAIRS):
        yield f"{ADJECTIVES[place // len(NOUNS)]}-{NOUNS[place % len(NOUNS)]}"
    for place in rng.permutation(PAIRS * len(ADJECTIVES)):
        first, second = divmod(int(place), PAIRS)
        yield f"{ADJECTIVES[first]}-{ADJECTIVES[second // len(NOUNS)]}-{NOUNS[second % len(NOUNS)]}"


def distinct_numbers(rng: np.random.Generator, digits: int = 7) -> Iterator[str]:
    """Numbers of so many digits, each once."""
    seen: set[int] = set()
    while len(seen) < 9 * 10 ** (digits - 1):
        number = int(rng.integers(10 ** (digits - 1), 10**digits))
        if number not in seen:
            seen.add(number)
            yield str(number)


def distinct_uuids(rng: np.random.Generator) -> Iterator[str]:
    """Random UUIDs."""
    while True:
        yield str(uuid.UUID(bytes=rng.bytes(16), version=4))


def distinct_letters(rng: np.random.Generator, size: int, alphabet: str) -> Iterator[str]:
    """Random words of so many letters, each once."""
    seen: set[str] = set()
    while len(seen) < len(alphabet) ** size:
        word = "".join(alphabet[i] for i in rng.integers(len(alphabet), size=size))
        if word not in seen:
            seen.add(word)
            yield word
