"""Words that fill the facts of the chat histories, split so that training and evaluation share none of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


TRAIN: Mapping[str, tuple[str, ...]] = {
    "pet": _words("cat, dog, parrot, rabbit, hamster, pony, lizard, ferret, duck, kitten, puppy, snail"),
    "relative": _words(
        "brother, sister, mother, father, uncle, aunt, cousin, nephew, niece, daughter, son, grandfather, "
        "husband, wife, boss, landlord, dentist, teacher, doctor, neighbour, friend, partner"
    ),
    "thing": _words(
        "colour, song, soup, book, cheese, tree, flower, season, sport, drink, painter, poem, bird, film, cake, "
        "street, museum, author, tea, dance, bakery, fish, vegetable, opera, town, river, animal, word, number"
    ),
    "object": _words(
        "passport, violin, camera, umbrella, bicycle, tent, toolbox, ladder, diary, watch, suitcase, drill, "
        "telescope, raincoat, atlas, lantern, kettle, medal, chess set, sewing machine, spare glasses, tax papers, "
        "garden shears, fishing rod, stamp album, wedding ring, bank card, sleeping bag, old letters, radio"
    ),
    "container": _words(
        "attic, cellar, garage, bottom drawer, tin box, top cupboard, hall closet, wooden chest, green bag, "
        "kitchen, office, black trunk, shed, guest room, wardrobe, glass cabinet, desk, barn, loft, basement, "
        "blue suitcase, cardboard box, linen basket, piano stool, bread bin, car, coat pocket, tool rack"
    ),
    "job": _words(
        "baker, carpenter, nurse, pilot, clerk, plumber, farmer, printer, judge, painter, sailor, engineer, "
        "gardener, potter, lawyer, miner, waiter, tailor, librarian, chemist, editor, builder, cook, driver, guard"
    ),
    "instrument": _words("piano, guitar, drum, harp, trumpet, organ, flute, violin, horn, whistle, lute, fiddle"),
    "food": _words(
        "peanuts, milk, eggs, shrimp, wheat, apples, mustard, fish, honey, nuts, beans, cheese, onions, celery, "
        "garlic, sesame, tomatoes, oranges, butter, rice, mushrooms, pepper, cream, lemons, strawberries"
    ),
    "lockable": _words("bicycle lock, garage, safe, front door, locker, suitcase, alarm, gate, phone, office door"),
    "event": _words(
        "dentist appointment, piano lesson, job interview, driving test, eye test, haircut, yoga class, court date, "
        "house viewing, swimming exam, medical check, parents' evening, passport appointment, choir rehearsal"
    ),
    "day": _words(
        "Monday morning, Tuesday morning, Wednesday morning, Thursday morning, Friday morning, Monday evening, "
        "Tuesday evening, Wednesday evening, Thursday evening, Friday evening, Saturday, Sunday"
    ),
    "deed": _words(
        "paint/painted the fence, visit/visited the castle, sell/sold the car, mend/mended the roof, "
        "plant/planted the roses, finish/finished the report, buy/bought the sofa, climb/climbed the hill, "
        "clean/cleaned the oven, write/wrote the letter, bake/baked the cake, cut/cut the hedge, "
        "join/joined the choir, move/moved the piano, order/ordered the curtains, wash/washed the windows, "
        "sign/signed the contract, run/ran the marathon, read/read the novel, fix/fixed the pump, "
        "build/built the shelf, meet/met the architect, lose/lost the keys, find/found the map, "
        "swim/swam across the lake, hire/hired the builder, return/returned the books, cook/cooked the goose"
    ),
    "purchase": _words(
        "chair, lamp, table, mirror, carpet, bench, clock, vase, basket, pillow, hat, jacket, scarf, coat, belt, "
        "hammer, saw, bucket, rope, ladder, pan, plate, spoon, bowl, cup, bottle, knife, drum, flute, guitar, map"
    ),
    "place": _words(
        "Leeds, Bristol, Paris, Vienna, Dublin, Cairo, Lima, Turin, Geneva, Hull, York, Cardiff, Boston, Chicago, "
        "Madrid, Athens, Berlin, Prague, Dover, Exeter, Milan, Venice, Warsaw, Seoul, Delhi, London, Rome"
    ),
    "name": _words(
        "Pepper, Oscar, Luna, Max, Daisy, Bruno, Rosie, Felix, Molly, Toby, Ruby, Jasper, Poppy, Rex, Coco, Milo, "
        "Anna, Peter, Clara, Hugo, Martin, Agnes, Walter, Edith, Simon, Laura, Frank, Helen, George, Nora"
    ),
    "title_adjective": _words(
        "Golden, Broken, Hidden, Little, Empty, Secret, Frozen, Wild, Crooked, Distant, Hollow, Bitter, Blind, "
        "Gentle, Heavy, Painted, Narrow, Burning, Faithful, Ancient, Stolen, Sleeping, Northern, Green, White"
    ),
    "title_noun": _words(
        "River, Bridge, Garden, Lantern, Winter, Letter, Mountain, Island, Window, Clock, Forest, Bell, Road, "
        "Mirror, Stone, Voyage, Kitchen, Market, Storm, Feather, Orchard, Key, Station, Tower, Field, Shadow"
    ),
    "subject": _words(
        "sailing, baking, chess, gardening, painting, history, birds, maps, weather, glass, clocks, bridges, "
        "trains, mathematics, music, poetry, fishing, pottery, cheese, insects, mountains, rivers, bread, law"
    ),
    "pleasure": _words(
        "jazz, long walks, crossword puzzles, old films, board games, ice skating, hot baths, card games, "
        "detective stories, folk songs, black coffee, green tea, lemon cake, tomato soup, rye bread, cold swims, "
        "rock climbing, bird watching, train journeys, street markets, art galleries, radio plays, apple juice"
    ),
}

EVALUATION: Mapping[str, tuple[str, ...]] = {
    "pet": _words("tortoise, goldfish, donkey, canary, spaniel, goat"),
    "relative": _words("grandmother, godfather, flatmate, stepsister, mechanic, tenant"),
    "thing": _words("dessert, poet, insect, island, sandwich, opera singer, mineral, proverb"),
    "object": _words("birth certificate, clarinet, hiking boots, compass, snow chains, cheque book, binoculars, picnic blanket"),
    "container": _words("laundry room, red biscuit tin, hatbox, pantry, summer house, filing cabinet, greenhouse, copper pot"),
    "job": _words("blacksmith, translator, surgeon, beekeeper, florist, locksmith, geologist, roofer"),
    "instrument": _words("cello, oboe, banjo, accordion, bassoon, mandolin"),
    "food": _words("walnuts, oysters, cinnamon, bananas, soya, kiwis, barley, prawns"),
    "lockable": _words("boat shed, luggage, laptop, mailbox, wine cellar"),
    "event": _words("fitting at the tailor, vaccination, citizenship test, ballet class, tax hearing, blood test"),
    "day": _words("Tuesday afternoon, Wednesday at noon, Friday afternoon, Thursday at noon, Monday afternoon"),
    "deed": _words(
        "repair/repaired the kayak, tune/tuned the harpsichord, varnish/varnished the staircase, "
        "photograph/photographed the eclipse, insulate/insulated the attic, frame/framed the watercolour, "
        "sharpen/sharpened the scythe, translate/translated the brochure"
    ),
    "purchase": _words("wheelbarrow, teapot, hammock, typewriter, rucksack, toaster, cushion, globe"),
    "place": _words("Lisbon, Tromso, Galway, Ghent, Valencia, Krakow, Tartu, Aberdeen"),
    "name": _words("Biscuit, Nutmeg, Admiral, Pickle, Zorro, Marmalade, Saffron, Wotan"),
    "title_adjective": _words("Crimson, Patient, Silver, Restless, Marble, Forgotten"),
    "title_noun": _words("Ferry, Cathedral, Sparrow, Violin, Harvest, Compass"),
    "subject": _words("volcanoes, beekeeping, calligraphy, submarines, astronomy, knitting"),
    "pleasure": _words("chamber music, pistachio ice cream, night fishing, ginger biscuits, puppet theatre, sea kayaking"),
}

_ONSETS = _words("b, br, c, ch, d, dr, f, fl, g, gr, h, j, k, l, m, n, p, pr, r, s, st, t, tr, v, w, z")
_VOWELS = _words("a, e, i, o, u, ai, ee, ou")
_CODAS = _words("n, r, l, s, m, t, ck, nd, rt, x, th, ll")


def invented_name(rng: np.random.Generator) -> str:
    """A capitalised made-up word of two syllables, so that a model must copy it and can't know it."""
    letters = (rng.choice(_ONSETS), rng.choice(_VOWELS), rng.choice(_CODAS), rng.choice(_VOWELS), rng.choice(_CODAS))
    return "".join(str(part) for part in letters).capitalize()


def draw(rng: np.random.Generator, kind: str, split: str) -> str:
    """One value of a kind of word for a split.

    Args:
        kind: A key of `TRAIN`, or `title`, `shop` or `code`, which are composed.
        split: `train` or `evaluation`.
    """
    if kind == "none":
        return ""
    table = {"train": TRAIN, "evaluation": EVALUATION}[split]
    if kind == "code":
        # Codes of the two splits differ in their last digit, so none can be shared.
        last = rng.choice([1, 3, 5, 7, 9] if split == "train" else [0, 2, 4, 6, 8])
        return f"{rng.integers(100, 1000)}{last}"
    if kind == "title":
        return f"The {draw(rng, 'title_adjective', split)} {draw(rng, 'title_noun', split)}"
    if split == "train" and kind in ("name", "place") and rng.random() < 0.6:
        return next(name for name in iter(lambda: invented_name(rng), None) if name not in EVALUATION[kind])
    return str(rng.choice(table[kind]))
