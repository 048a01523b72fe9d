"""English templates of generated text."""

from __future__ import annotations

from contextrot.samples.filler.english_words import HE, MEN, SHE, SURNAMES, WOMEN, WORDS
from contextrot.samples.filler.wording import Wording

_SCENES = (
    (
        (
            "In {season} {name}, {trade} from {any_place}, was asked to mend the {quality} {thing} at {building}.",
            "{name} was {trade} in {place}, and on {any_day} {he} was called to {building} about a {quality} {thing}.",
            "On {any_day}, {any_hour}, word reached {name} that {building} in {place} could not work without a new {thing}.",
        ),
        (
            "The trouble had begun because {any_cause}, and {any_part} had been left open for {any_few} days.",
            "{last} looked first at {any_part} and found that {any_cause}.",
            "It was said that {any_cause}, but {last} thought that the {thing} had simply been {quality} for years.",
        ),
        (
            "{he} sent to {any_place} for {any_count} pounds of {any_material} and began {any_hour}.",
            "For the repair {he} chose {any_material}, which cost {any_count} shillings and came from {any_place}.",
            "{any_few} men carried the {quality} {thing} out to the yard, where {last} took it apart {any_mood}.",
        ),
        (
            "Halfway through the job it turned out that {any_cause}, so the {thing} had to be fitted a second time.",
            "The first attempt failed, since {any_cause}, and {last} {any_mood} started again with {any_material}.",
            "A joint of {any_material} held well, but the {thing} beside it was {quality} and needed {any_count} new rivets.",
        ),
        (
            "After {any_few} days {building} was working again, and {any_result}.",
            "When {any_name} came to inspect it on {any_day}, the {thing} no longer shook, and {any_result}.",
        ),
        (
            '"{any_saying}," {last} used to say, and the bill for {any_count} shillings was paid without a word.',
            "{last} wrote down the cost, {any_count} shillings, and noted with {any_feeling} that {any_result}.",
        ),
    ),
    (
        (
            "The trade in {goods} between {place} and {any_place} was small until {name} bought {any_count} {measure} in {any_year}.",
            "{name} had been {trade} before {he} began, in {any_year}, to deal in {goods} at {place}.",
            "Of all who sold {goods} at the market of {place}, {name} kept the most careful accounts in {any_year}.",
        ),
        (
            "Each week {any_few} wagons left {any_hour} and brought back {any_count} {measure} if the road was dry.",
            "The load came by way of {any_place}, {any_count} {measure} at a time, and was weighed in {any_part} of {building}.",
        ),
        (
            "Prices rose by {any_few} pence on {any_day}, because {any_cause}.",
            "Then the supply from {any_place} ran short for {any_few} weeks, as {any_cause}.",
            "In the year {any_year} half of the {goods} spoiled in {any_part}, for {any_cause}.",
        ),
        (
            "{last} {any_mood} wrote to {any_name} in {any_place} and asked for credit on {any_count} {measure}.",
            "Instead of waiting, {last} hired {any_name} to fetch {any_count} {measure} of {goods} from {any_place}.",
        ),
        (
            "The answer came after {any_few} days and caused {any_feeling}, for the price was {any_count} shillings.",
            "{any_name} agreed {any_mood}, on the condition that {any_count} shillings were paid by {any_day}.",
        ),
        (
            "By the end of {season} {any_count} {measure} had been sold, and {any_result}.",
            "It was a narrow profit of {any_count} shillings, but {any_result}.",
        ),
    ),
    (
        (
            "The fields below {place} had been sown with {crop} since {past_year}, most of them by the family of {name}.",
            "{name} rented {any_count} acres near {any_place} and in {season} sowed {crop} on the lower half.",
            "In {any_year} {name} decided to grow {crop} on the {any_few} strips behind {building}.",
        ),
        (
            "The soil there was heavy, and {any_few} days of ploughing broke a {any_quality} {any_thing}.",
            "{he} drained the ground with {any_count} yards of clay pipe, which {any_name} had laid {any_mood}.",
            "Seed was bought at {any_place} on {any_day}, {any_count} pounds of it, and sown {any_hour}.",
        ),
        (
            "On {any_day} there was {any_weather}, and {last} feared for {any_few} of the strips.",
            "After that came {any_weather} from the direction of {any_place}, and it lasted {any_few} days.",
        ),
        (
            "About {any_count} square yards were lost, partly because {any_cause}.",
            "The rows nearest to {any_place} suffered most, since {any_cause}, and {any_few} of them were sown again.",
        ),
        (
            "{any_name} came with {any_few} helpers, and together they saved {any_count} sheaves {any_hour}.",
            "What was left was cut on {any_day} by {any_few} mowers, who worked {any_mood} until dark.",
        ),
        (
            "The harvest filled {any_count} sacks that year, and {any_result}.",
            "{last} sold {any_count} bushels of {crop} at {any_place} and remarked that {any_result}.",
        ),
    ),
    (
        (
            "On {any_day} the council of {place} met in {building} to talk about {topic}, with {name} in the chair.",
            "{topic} had divided {place} since {past_year}, and in {season} {name} called everyone to {building}.",
        ),
        (
            "{any_few} people spoke {any_mood}, and {any_name} read out a list of {any_count} complaints.",
            "{any_name} began {any_mood} and said that {any_cause}.",
            "The clerk, {any_name}, showed that {any_count} shillings had been spent already in {any_year}.",
        ),
        (
            "{last} answered that {any_cause}, which was met with {any_feeling} on {any_few} of the benches.",
            "Against this {any_name} held that {any_count} shillings would be better spent on {any_part} of the school.",
        ),
        (
            "The vote was taken {any_hour}: {any_count} for the plan of {any_name}, {any_few} against it.",
            "Neither side would yield, so {any_name} proposed to wait until {any_day} and to ask a surveyor from {any_place}.",
        ),
        (
            "Within {any_few} months it was plain that {any_result}.",
            "The plan was carried out by {any_day} of the next year, at a cost of {any_count} shillings, and {any_result}.",
        ),
        (
            "{last} noted in the minutes of {any_day}, with {any_feeling}, that {any_name} had not attended.",
            'An old man from {any_place} only said "{any_saying}" and went home {any_hour}.',
        ),
    ),
    (
        (
            "{name} set out from {place} for {any_place} on {any_day} with {any_few} parcels and a {animal}.",
            "The road from {any_place} to {place} is {any_count} furlongs long, and {name} walked it in {season} with a {animal}.",
        ),
        (
            "{he} left {any_hour} and had {any_weather} for the first {any_few} miles.",
            "As far as {any_place} the way was easy, but then there was {any_weather} for {any_few} hours.",
        ),
        (
            "At the bridge near {any_place} the {animal} refused to go on, because {any_cause}.",
            "Beyond {any_place} a {any_quality} {any_thing} lay across the road, and {any_few} carts were waiting behind it.",
        ),
        (
            "{any_name}, who lived close by, came {any_hour} with {any_few} boards of {any_material} and helped {any_mood}.",
            "{last} unloaded {any_count} pounds of {goods}, led the {animal} round by {any_place} and loaded everything again.",
        ),
        (
            "In {any_place} {he} slept in {any_part} of an inn, which cost {any_few} pence, and heard that {any_cause}.",
            "The next stretch took until {any_day}, and {his} boots were {any_quality} by then.",
        ),
        (
            "{he} arrived {any_hour} on {any_day}, to the {any_feeling} of {any_name}, and {any_result}.",
            "{last} delivered {any_few} parcels to {any_name} and was paid {any_count} pence, so that {any_result}.",
        ),
    ),
    (
        (
            "{name} learnt {craft} from {any_name} of {any_place}, who had been {trade} since {past_year}.",
            "In {season} of {any_year} {name} came to {place} as an apprentice, to be taught {craft}.",
        ),
        (
            "For the first {any_few} weeks {he} was only allowed to sweep {any_part} and to fetch {any_material}.",
            "The lessons began {any_hour}, with a {any_quality} {thing} that {any_name} had spoilt on purpose.",
        ),
        (
            "{his} first {any_count} tries were thrown away {any_mood}, for {any_cause}.",
            "{he} was told {any_few} times a day, {any_mood}, that {any_saying}.",
        ),
        (
            "On {any_day} {he} ruined a piece of {any_material} worth {any_count} pence and expected to be sent back to {any_place}.",
            "By {any_day} {he} could do it in {any_few} minutes, though the {thing} still came out {any_quality}.",
        ),
        (
            "The master, to the {any_feeling} of {any_name}, merely said that {any_saying}.",
            "It was {any_name} who noticed {any_mood} that {his} grip was wrong, and after {any_few} days of practice the fault was gone.",
        ),
        (
            "{last} stayed for {any_few} years, earned {any_count} shillings in the last of them, and {any_result}.",
            "Of the {any_few} apprentices of that year only {last} and {any_name} finished, and {any_result}.",
        ),
    ),
    (
        (
            "Work on the new wing of {building} in {place} began on {any_day} under {name}, who had been {trade}.",
            "{name} drew the plans for {building} in {any_year}, after a visit to {any_place}.",
        ),
        (
            "The trenches were {any_few} feet deep and were filled with {any_material} from {any_place}.",
            "{any_count} loads of {any_material} were ordered from {any_name} of {any_place}, to be brought {any_hour}.",
        ),
        (
            "Building stopped for {any_few} weeks, because {any_cause}.",
            "On {any_day} a wall of {any_material} near {any_part} gave way, since {any_cause}.",
        ),
        (
            "{last} had {any_part} taken down to a height of {any_few} feet and told {any_name} to use {any_material} this time.",
            "{he} calculated {any_mood} that {any_count} more bricks were needed, and borrowed them from {any_place}.",
        ),
        (
            "From {any_day} on there was {any_weather}, so the masons worked under canvas for {any_few} days.",
            "The beams, {any_count} of them, all of {any_material}, were lifted with a {any_quality} {any_thing}.",
        ),
        (
            "{building} was opened on {any_day} with {any_count} guests, and {any_result}.",
            "It had cost {any_count} shillings more than planned, which {last} explained {any_mood}, and {any_result}.",
        ),
    ),
    (
        (
            "{name} kept a register of the weather in {place} from {any_year} on, {any_few} entries a week.",
            "Every morning of {season}, {any_hour}, {name} read the gauge behind {building} in {place}.",
        ),
        (
            "The entry for {any_day} speaks of {any_weather} and of a {any_quality} {thing}.",
            "On {any_day} {he} measured {any_few} tenths of rain, and on {any_day} {any_count} hundredths.",
        ),
        (
            "In {any_year} there is a gap of {any_few} days, because {any_cause}.",
            "One page, that of {any_day}, is stained, and {he} noted {any_mood} that {any_cause}.",
        ),
        (
            "{any_name} of {any_place} doubted the figures and counted again {any_mood}, with {any_count} readings from {any_year}.",
            "Compared with {any_place}, the readings were too high by {any_few} parts in {any_count}, as {any_name} found.",
        ),
        (
            "The gauge had been {any_quality} since {any_day}, so {last} had a new one made of {any_material} for {any_count} pence.",
            "{last} moved the gauge {any_count} paces towards {any_place}, and the difference shrank to {any_few} parts.",
        ),
        (
            "The register was used to settle {any_few} claims for damage in {any_year}, and {any_result}.",
            "{last} gave the books to {building}, {any_few} volumes and {any_count} loose sheets, with {any_feeling}.",
        ),
    ),
    (
        (
            "A fair was held in {place} on {any_day}, and {name} had rented {any_few} stalls for {goods}.",
            "For the fair of {any_year} {name} brought {any_count} {measure} of {goods} to {place}.",
        ),
        (
            "The stalls were put up {any_hour}, with poles of {any_material} and {any_count} yards of rope.",
            "Visitors came from {any_place} in {any_few} wagons, and {any_count} on foot.",
        ),
        (
            "Towards noon there was {any_weather}, and a {any_quality} {any_thing} fell over beside the stall of {any_name}.",
            "A dispute arose with {any_name} about {any_few} feet of ground, for {any_cause}.",
        ),
        (
            "{last} {any_mood} moved {any_count} {measure} under the roof of {building}, with the help of {any_name}.",
            "The constable listened {any_mood} for {any_few} minutes and fined {any_name} {any_count} pence.",
        ),
        (
            "Trade was slow until {any_name} of {any_place} bought {any_count} {measure} at once.",
            "By the evening {he} had taken {any_count} shillings, {any_few} of them in foreign coin.",
        ),
        (
            "The fair has been kept since {past_year}, and that year, to general {any_feeling}, {any_result}.",
            "{last} counted {any_few} fairs of this kind in {his} life and remembered that after this one {any_result}.",
        ),
    ),
    (
        (
            "In {any_year} {name} sorted the papers in {any_part} of {building} at {place}, {any_count} boxes in all.",
            "{name} was paid {any_count} pence a week to copy the old deeds of {place}, which lay in {building}.",
        ),
        (
            "The oldest sheet, dated {any_day} {past_year}, is a receipt for {any_count} {measure} of {goods}.",
            "Among them was a letter of {any_name}, written in {any_place} on {any_day}, about {any_count} {measure} of {goods}.",
        ),
        (
            "Its writer complains {any_mood} that {any_cause}, and asks for {any_few} weeks more.",
            "{any_few} lines were illegible, because the {any_thing} above the shelf had been {any_quality} since {past_year}.",
        ),
        (
            "{last} compared it with {any_few} other papers from {any_place} and concluded {any_mood} that {any_cause}.",
            "A second hand, that of {any_name}, had added that {any_result}, and a sum of {any_count} shillings.",
        ),
        (
            "The whole list took {any_few} months and ran to {any_count} pages, bound in {any_place}.",
            "{he} finished on {any_day}, {any_hour}, and handed {any_count} copied pages to {any_name}.",
        ),
        (
            "Since then {any_few} lawsuits have been ended by that list, the last in {any_year}, and {any_result}.",
            "When {any_name} asked in {any_year} what it had all been for, {last} said that {any_saying}.",
        ),
    ),
)

ENGLISH = Wording(
    titles=(
        "{place} in {any_year}, number {any_count}",
        "Notes from {place}, {any_year}",
        "Work and weather in {place}: {any_day} {any_year}",
        "The {any_count} papers of {place}",
        "{place} and {any_place} in {any_year}",
    ),
    scenes=_SCENES,
    words=WORDS,
    of_document=("place",),
    first_names=tuple((name, HE) for name in MEN) + tuple((name, SHE) for name in WOMEN),
    last_names=SURNAMES,
    full_name="{first} {last}",
    between=" ",
)
