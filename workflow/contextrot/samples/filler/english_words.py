"""English words of generated text. Those after which templates put `a` (qualities, measures, animals) begin with a consonant."""

from __future__ import annotations

from contextrot.samples.filler.wording import listed, numbers

HE = {"he": "he", "his": "his", "him": "him"}
SHE = {"he": "she", "his": "her", "him": "her"}
MEN = listed(
    "Albert, Anton, Barnabas, Caspar, Cedric, Clement, Conrad, Daniel, Dunstan, Edgar, Edwin, Felix, Frederick, Gilbert, Godfrey, Harold, "
    "Henrik, Hugo, Isidor, Jasper, Julian, Konrad, Lambert, Leopold, Lucas, Magnus, Martin, Matthias, Nathan, Oscar, Osmund, Percival, "
    "Rafael, Roland, Rupert, Samuel, Sigmund, Tobias, Victor, Walter"
)
WOMEN = listed(
    "Adela, Agatha, Beatrice, Bertha, Cecilia, Clara, Constance, Dorothea, Edith, Eleanor, Elsa, Emmeline, Flora, Frances, Greta, Harriet, "
    "Helena, Hilda, Ida, Irene, Johanna, Josephine, Judith, Laura, Lavinia, Leonora, Lydia, Mabel, Margaret, Matilda, Miriam, Nora, Ottilie, "
    "Petra, Rosalind, Ruth, Sabina, Theresa, Ursula, Winifred"
)
SURNAMES = listed(
    "Abbot, Ackroyd, Ainsley, Amery, Arkwright, Ashdown, Aylmer, Bagshaw, Barrow, Bellamy, Birtwistle, Blackwood, Brackley, Bramhall, Brandt, "
    "Calloway, Carver, Chadwick, Colbeck, Corbin, Cotterill, Crowther, Dacre, Danvers, Darnley, Denholm, Dering, Drayton, Eckhart, Ellery, "
    "Fairburn, Farrow, Fenwick, Fielding, Garrick, Gossage, Greville, Grindal, Hallam, Harcourt, Haverill, Helder, Hesketh, Hollis, Jessop, "
    "Kellaway, Kettering, Kirkby, Lambton, Langdale, Lindqvist, Lockwood, Marchant, Mellish, Merrow, Milburn, Molyneux, Naylor, Norcott, "
    "Oakden, Ormsby, Paget, Pemberton, Penhale, Quennell, Radley, Rainsford, Redfern, Rowntree, Sandys, Satterley, Selwyn, Stanhope, Tarrant, "
    "Thackeray, Thornhill, Tolliver, Trevanion, Umfreville, Vane, Verney, Wadham, Wardlaw, Weatherby, Whitlock, Winstanley, Wooler, Yardley"
)
_PLACES = tuple(
    first + last
    for first in listed(
        "Ald, Bar, Bram, Cald, Cor, Dun, Elm, Fal, Grim, Hal, Hex, Kel, Lang, Mar, Nor, Pen, Ros, Stan, Thorn, Wych"
    )
    for last in listed(
        "borough, bridge, bury, combe, den, field, ford, gate, ham, hurst, ley, low, mere, stead, stow, ton, well, wick, worth"
    )
)
_THINGS = listed(
    "axle, barrel, basket, beam, bench, boiler, bolt, bucket, cart, chain, chimney, cistern, clamp, crate, crank, cupboard, door, drain, "
    "fence, flywheel, gate, girder, gutter, handrail, hinge, hoist, ladder, lantern, lathe, latch, lever, loom, millstone, pulley, pump, "
    "railing, rope, saddle, scale, shelf, shutter, sluice, spindle, stove, trough, valve, vat, wheelbarrow, winch, window frame"
)
_QUALITIES = listed(
    "bent, cracked, crooked, damp, dented, faded, greasy, heavy, leaking, loose, muddy, narrow, patched, polished, rough, rusty, scorched, "
    "shallow, splintered, sturdy, tarnished, twisted, warped, weathered, worn"
)
WORDS = {
    "place": _PLACES,
    "any_place": _PLACES,
    "any_year": numbers(1781, 1959),
    "any_count": numbers(21, 890),
    "any_few": listed("three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen, fifteen, sixteen"),
    "any_day": tuple(
        f"{day} {month}"
        for month in listed("January, February, March, April, May, June, July, August, September, October, November, December")
        for day in range(1, 29)
    ),
    "season": listed(
        "early spring, late spring, high summer, late summer, early winter, midwinter, the harvest weeks, the thaw, the hay season, Lent"
    ),
    "any_hour": listed(
        "before dawn, at first light, soon after breakfast, in the middle of the morning, at noon, in the early afternoon, towards four o'clock, "
        "at dusk, after supper, late in the evening, near midnight, while the street was still empty"
    ),
    "any_mood": listed(
        "calmly, wearily, cheerfully, patiently, stubbornly, quietly, firmly, politely, drily, gravely, briskly, reluctantly, carefully, gladly"
    ),
    "quality": _QUALITIES,
    "any_quality": _QUALITIES,
    "thing": _THINGS,
    "any_thing": _THINGS,
    "trade": listed(
        "a cooper, a wheelwright, a miller, a saddler, a mason, a thatcher, a dyer, a weaver, a tanner, a carpenter, a joiner, a slater, a farrier, "
        "a plumber, a ropemaker, a brickmaker, a hatter, a carrier, a surveyor, a glazier, a cutler, a turner, a printer, a bookbinder"
    ),
    "goods": listed(
        "barley, beeswax, brick, canvas, charcoal, clay, cloth, copper wire, dried peas, felt, flax, fleeces, flour, glass, hemp, hides, hops, "
        "lamp oil, leather, lime, linen, malt, oats, paper, pitch, rye, sailcloth, seed corn, slate, soap, tallow, tar, timber, tin, turnips, "
        "wool, yarn"
    ),
    "measure": listed("barrels, bales, bundles, cartloads, chests, crates, hampers, sacks, stacks, tubs, wagonloads"),
    "building": listed(
        "the mill, the market hall, the brewery, the granary, the toll house, the tannery, the dye works, the school, the almshouse, the weighing "
        "house, the pottery, the dairy, the town barn, the sawmill, the smithy, the corn exchange, the ropewalk, the brickyard"
    ),
    "any_part": listed(
        "the north wall, the east gable, the cellar, the loft, the yard, the stairs, the back room, the roof, the lower floor, the porch, the "
        "loading bay, the passage, the counting room, the drying room"
    ),
    "any_material": listed(
        "oak, elm, ash wood, wrought iron, cast iron, brass, lead, limestone, sandstone, lime mortar, larch, beech, hard brick, tarred rope, "
        "sheet copper, river clay"
    ),
    "any_cause": listed(
        "the frost had come early, the river had risen in the night, the old foundations had settled, nobody had oiled the bearings, the carrier "
        "had been delayed, the contract had been badly worded, a wet summer had softened the ground, the measurements had been taken twice and "
        "agreed neither time, the seasoned timber had run out, the foreman had been ill for a week, the price of coal had doubled, a gale had "
        "taken the slates, the horses were needed for the hay, the accounts had been kept in two books, the first design had been drawn for "
        "another site, the road was closed above the ford, the clerk had misread the order, the spring had failed, mice had got into the store, "
        "the well had turned brackish, the apprentices had gone home for the harvest, the new law had not been explained to anybody"
    ),
    "any_result": listed(
        "the work was finished before the rain, nobody complained about the cost again, the parish bought a second one, the old method was quietly "
        "given up, the quarrel was forgotten by the next fair, the yield rose by a third, the carters changed their route, the shop stayed open "
        "through the winter, two more hands were hired, the debt was paid off in instalments, the building lost its lean, the children stopped "
        "playing there, visitors came from the next valley to look, the committee met less often, the repairs became a yearly custom, the "
        "insurers lowered their rate, the dust settled and so did the argument, the whole street slept better"
    ),
    "any_saying": listed(
        "measure it again and then believe it, a cheap rope is paid for twice, nothing dries in a hurry, the ground always has the last word, what "
        "is not counted is soon lost, good timber forgives bad weather, a full barn makes patient people, start with the corner that worries you, "
        "every slope finds its water, a dull saw makes long days, the second coat is the one that lasts, never argue with a level, borrowed tools "
        "come home blunt, the slow cart arrives with its load"
    ),
    "crop": listed(
        "barley, beans, buckwheat, cabbages, clover, flax, hemp, hops, oats, parsnips, peas, rye, turnips, vetches, wheat"
    ),
    "any_weather": listed(
        "a dry east wind, a week of drizzle, a late frost, a thunderstorm, thick fog, steady rain, a spell of heat, wet snow, hail, a mild spell, "
        "a hard gale, low cloud"
    ),
    "topic": listed(
        "the width of the bridge, the upkeep of the pump, the grazing of the common, the lighting of the high street, the price of bread, the "
        "drains behind the market, the new weights, the rent of the stalls, the hours of the school, the felling of the limes, the paving of the "
        "square, the pay of the night watch"
    ),
    "any_feeling": listed(
        "relief, annoyance, surprise, pride, some doubt, amusement, impatience, regret, curiosity, great satisfaction, mild embarrassment"
    ),
    "animal": listed("mule, mare, bullock, donkey, pony, gelding, cart horse, goat, sheepdog, heifer"),
    "craft": listed(
        "sharpening a plane, laying a hedge, splicing a rope, setting type, tempering steel, cutting a dovetail, mixing lime, grading wool, reading "
        "a spirit level, bending a stave, casting a weight, dressing a millstone, stitching a harness, firing a kiln, sowing by hand"
    ),
}
