"""Does an answer say the gold answer? What judge `match` goes by: deterministic, free, for any language, and documented here in full.

Both texts are folded (Unicode compatibility form, case, digits of any script, optional accents and vowel signs), numbers in words become
digits, and numbers, durations, times, dates, money and shares are read as values (`spoken_values`). The answer is right if, for one of
the forms that the gold answer accepts (`forms`), one of these rules finds it:

1. `abstained`: the gold answer is that the question cannot be answered, and the answer says that it does not know or was not told.
2. `value`: the gold answer is one value, and the answer claims the same (`values`): "an hour and a half" for "1 hour 30 minutes".
3. `chosen`: the question names two things to choose from, and the answer chooses the gold one.
4. `contained`: the gold answer's words stand in the answer one after the other, in any inflection; small words do not count.
5. `in order`: its words, two or more, stand there in that order with at most 3 others between neighbours.
6. `all parts`: it names several things, and each is found; where it tells an order, in that order.
7. `same words`: one sentence has all of its words that the question does not have, three or more.
8. `most words`: it is a long one, and the answer holds its values and most of the words that the question does not have.

What is found counts only if the answer says so (`stance`): not "not X", "X or Y", "X / Y / Z", "is it X?", "X before, Y now". Looked at is
what the answer claims (`claim`): not a thought, a quotation, a question or what it takes back ("X. No wait, Y"). It
does not count either if the answer names a planted distractor's answer as well without saying whose it is, or if it copies the prompt:
if at least half of the answer, beside the sentences that hold what was found, stands word for word in the prompt.

An address, a path, a version or another name of letters and signs counts only where it stands as it is written.

It knows no synonyms, and little of what a long answer is about: where that matters, use an LLM judge beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import regex

from contextrot.matching import forms, stance
from contextrot.matching.choice import chosen
from contextrot.matching.claim import claim_of, of_formula
from contextrot.matching.copying import copied, plain
from contextrot.matching.language import fold, language_of
from contextrot.matching.long import LONG_GOLD_WORDS, most_words, preferred, rising, share, steps
from contextrot.matching.values import claims_value, value_gold
from contextrot.matching.words import Span, Token, Words, find, find_in_order, words_of

MAX_GAP = 3

_WEAK = frozenset(
    "feature features features have take took get go went use include call name be start started begin do make buy bought attend not".split()
) - {"not"}
_ORDERED = regex.compile(r"\b(?:order|1st|before|after|earlier|later|more|less)\b")
_ARTICLES = ("a", "an", "the")


def normalize(text: str) -> list[str]:
    """Words of a text in the form in which they are compared, articles left out."""
    tokens = words_of(text, language_of(text)).tokens
    return [f"{token.value.amount}" if token.value else token.text for token in tokens if token.text not in _ARTICLES]


def match(
    reference: str,
    answer: str,
    question: str = "",
    distractors: Sequence[tuple[str, str]] = (),
    abstention: bool = False,
    prompt: str | None = None,
) -> str | None:
    """The rule by which `reference` is found in `answer`; None if it is not said there.

    Args:
        question: what was asked; it says what is counted and between what is chosen.
        distractors: text and answer of each distractor in the prompt.
        abstention: whether the right answer is that the question cannot be answered.
        prompt: what the model was given, to tell an answer from a copy.
    """
    if not reference.strip() or not answer.strip():
        return None
    reference, answer = of_formula(reference), claim_of(answer)
    language = _language(reference, question, answer)
    said, asked = words_of(answer, language), words_of(question, language)
    if forms.is_abstention(reference, abstention):
        return "abstained" if stance.abstains(said.text, [token.text for token in asked.content]) else None
    for form in forms.alternatives(reference, question):
        text = said.text
        if forms.is_exact(form, question):
            text = fold(answer)
            spans = [span for span in forms.exact_places(fold(form), text) if not stance.denied(text, *span)]
            rule = "contained" if spans else None
        else:
            rule, spans = _found(form, said, asked, question)
        if rule in ("contained", "in order") and stance.bare_list(answer, form):
            continue
        if (
            rule is None
            or forms.other_rate(reference, answer)
            or _names_distractor(words_of(form, language), said, asked, distractors)
        ):
            continue
        sentences = [text[slice(*stance.sentence_bounds(text, *span))] for span in spans]
        if prompt is None or not copied(answer, sentences, plain(prompt)):
            return rule
    return None


@lru_cache(4_096)
def _language_of_gold(reference: str, question: str) -> str:
    return language_of(f"{reference} {question}")


def _language(reference: str, question: str, answer: str) -> str:
    """The language of gold answer and question; of the answer too, if those are too short to tell."""
    if question:
        return _language_of_gold(reference, question)
    return language_of(f"{reference} {answer[:400]}")


def _found(form: str, said: Words, asked: Words, question: str) -> tuple[str | None, list[Span]]:
    """The rule that finds one form of the gold answer, and where in the answer's text."""
    gold = words_of(form, said.language)
    if not gold.tokens:
        # nothing but signs
        return ("contained", [(0, len(said.text))]) if gold.text.strip() == said.text.strip() else (None, [])
    value = value_gold(gold, asked)
    if value:
        token = claims_value(*value, said, asked)
        return ("value", [(token.start, token.end)]) if token else (None, [])
    if forms.is_preference(form):
        return preferred(gold, said, asked)
    offered = forms.choices(question, form)
    choice = chosen(offered, gold, said) if offered else None
    if choice:
        return choice
    parts = forms.steps(form, question)
    if len(parts) > 1 and len(gold.content) >= LONG_GOLD_WORDS:
        return steps([words_of(part, said.language) for part in parts], said, asked)
    for rule, spans in _places(gold, said):
        kept = [span for span in spans if _stands(said, span, gold, asked)]
        if kept:
            return rule, kept
        if spans:
            return None, []
    listed = [words_of(part, said.language) for part in forms.listed(form)]
    if len(listed) > 1:
        places = [
            [span for _, spans in _places(part, said) for span in spans if _stands(said, span, gold, asked)] for part in listed
        ]
        if all(places) and _apart(places) and not (regex.search(r"\border\b", question) and not rising(places)):
            return "all parts", [spans[0] for spans in places]
        shared = _respectively(listed, said, gold, asked)
        if shared:
            return "all parts", shared
    together = _together(gold, said, asked)
    return ("same words", together) if together else most_words(gold, said, asked)


def _apart(places: Sequence[Sequence[Span]]) -> bool:
    """Whether no part is found only around another one."""
    firsts = [spans[0] for spans in places]
    return all(a[1] <= b[0] or b[1] <= a[0] for i, a in enumerate(firsts) for b in firsts[:i])


def _respectively(parts: Sequence[Words], said: Words, gold: Words, asked: Words) -> list[Span]:
    """Where the answer gives the parts in their order, without the words that the question has.

    "Krakow and your flatmate lives in Tromso" is said by "Tenant: Krakow, flatmate: Tromso", but not by "Flatmate: Krakow, tenant: Tromso".
    """
    spans: list[Span] = []
    for part in parts:
        own = [token for token in part.content if not any(token.equals(t) for t in asked.content)]
        last = spans[-1][1] if spans else 0
        places = [(said.content[i].start, said.content[j].end) for i, j in find(own, said.content)] if own else []
        kept = next((span for span in places if span[0] >= last and _stands(said, span, gold, asked)), None)
        if kept is None or not own:
            return []
        of = [token for token in part.content if any(token.equals(t) for t in asked.content)]
        for one in of:
            named = [token.start for token in said.content if token.equals(one)]
            if named and not any(last <= start <= kept[0] for start in named):
                return []
        spans.append(kept)
    return spans


def _together(gold: Words, said: Words, asked: Words) -> list[Span]:
    """Where one sentence has all words of the gold answer that neither the question has nor say little, three or more, in any order."""
    own = [token for token in gold.content if token.text not in _WEAK and not any(token.equals(t) for t in asked.content)]
    if not asked.tokens or said.language != "en" or len(own) < 3 or _ORDERED.search(asked.text):
        return []
    found = []
    for token in said.content:
        if token.equals(own[0]):
            left, right = stance.sentence_bounds(said.text, token.start, token.end)
            sentence = [other for other in said.content if left <= other.start < right]
            hits = [next((other for other in sentence if one.equals(other)), None) for one in own]
            if all(hits) and all(_stands(said, (hit.start, hit.end), gold, asked) for hit in hits):
                found.append((token.start, token.end))
    return found


def _places(gold: Words, said: Words) -> Iterable[tuple[str, list[Span]]]:
    sides = [_outer(gold.tokens), _outer(gold.tokens[::-1])]

    if not gold.tokens:
        return

    def spans(found: list[tuple[int, int]], of: Sequence[Token]) -> list[Span]:
        # small words at the ends of the gold answer belong to what is found
        return [(_reach(said.tokens[::-1], of[i], sides[0]).start, _reach(said.tokens, of[j], sides[1]).end) for i, j in found]

    yield "contained", spans(find(gold.content, said.content), said.content)
    whole = [token for token in gold.tokens if not token.small]
    if not whole:
        return
    spaced = all(token.spaced for token in whole)
    if len(whole) >= (2 if spaced else 4):
        found = find_in_order(whole, said.content, said.text, MAX_GAP)
        if not spaced:
            found = [(i, j) for i, j in found if j - i + 1 <= 2 * len(whole)]
        yield "in order", spans(found, said.content)


def _outer(tokens: Sequence[Token]) -> list[Token]:
    """The small words before the first word that says something, the nearest first."""
    first = next((i for i, token in enumerate(tokens) if not token.small), 0)
    return list(tokens[:first][::-1])


def _reach(tokens: Sequence[Token], last: Token, small: Sequence[Token]) -> Token:
    """The last of the small words that follow `last` as they do in the gold answer."""
    place = tokens.index(last)
    for expected in small:
        if place + 1 < len(tokens) and tokens[place + 1].equals(expected):
            place += 1
    return tokens[place]


def _stands(said: Words, span: Span, gold: Words, asked: Words) -> bool:
    """Whether the answer says what stands at a place plainly: neither denied, nor one of several, nor asked, nor past."""
    start, end = span
    text = said.text
    if stance.denied(text, start, end) or stance.asked_back(text, start, end) or stance.in_general(text, start, end):
        return False
    if stance.elsewhere(text, start, gold.text) or (stance.came_from(text, start, end) and "from" not in gold.text):
        return False
    has_or = regex.search(r"\bor\b|/", gold.text)
    if not has_or and stance.one_of_several(text, start, end):
        return False
    if stance.bygone(text, start, end, asked.text) or _said_of_another(said, span, asked):
        return False
    left, right = stance.sentence_bounds(text, start, end)
    sentence = [token for token in said.content if left <= token.start < right]
    echoed = (
        asked.tokens
        and text[left:right].rstrip().endswith(("?", "？", "؟"))
        and all(any(token.equals(other) for other in asked.tokens) for token in sentence)
    )
    denials = "not" in {t.text for t in said.tokens if start <= t.start < end} and "not" not in {t.text for t in gold.tokens}
    return not echoed and not denials


def _said_of_another(said: Words, span: Span, asked: Words) -> bool:
    """Whether an earlier clause answers the question and what was found is then only told of something else: "It is Y; X is Z's"."""
    start, end = span
    left, right = stance.clause_bounds(said.text, start, end)
    if not regex.match(r"\W*(?:is|was|belongs|are|were)\b", said.text[end:right]) or said.text[left:start].strip():
        return False
    wanted = [token for token in asked.content if not token.value]

    def shared(a: int, b: int) -> int:
        own = [token for token in said.content if a <= token.start < b and not (start <= token.start < end)]
        return sum(any(one.equals(token) for token in own) for one in wanted)

    return shared(left, right) == 0 and shared(0, left) > 0


def _names_distractor(gold: Words, said: Words, asked: Words, distractors: Sequence[tuple[str, str]]) -> bool:
    """Whether the answer gives a distractor's answer as well, and not as the distractor's: with no word of what sets that one apart."""
    for text, short in distractors:
        other = words_of(short, said.language)
        if share(other.content, gold.content) == 1:
            continue
        apart = [
            token
            for token in words_of(text, said.language).content
            if not any(token.equals(t) for t in (*asked.content, *other.content, *gold.content))
        ]
        for _, spans in _places(other, said):
            for start, end in spans:
                if stance.denied(said.text, start, end):
                    continue
                left, right = stance.clause_bounds(said.text, start, end)
                clause = [token for token in said.content if left <= token.start < right and not start <= token.start < end]
                if not any(token.equals(t) for token in clause for t in apart) or len(said.content) > 60:
                    return True
    return False
