from functools import partial

import numpy as np
import pytest

from contextrot.randomness import generator_for
from contextrot.samples.corpus import read_documents
from contextrot.samples.haystack import Insertion, SentencePool
from contextrot.samples.sentences import split_text

HEADINGS = ("Postage Stamps", "Night Shifts")
NEEDLE = "The spare key is in the blue can."


@pytest.fixture(scope="module")
def pool(data, o200k):
    return SentencePool(read_documents(data / "essays"), o200k)


def prompt_count(tokenizer, text):
    return tokenizer.count_chat([{"role": "user", "content": f"Read:\n{text}\n\nQuestion: where?"}])


def compose(pool, tokenizer, target, depth=0.5, order=None, texts=(NEEDLE,)):
    order = pool.original_order(generator_for(1, "x")) if order is None else order
    return pool.compose(order, [Insertion(text, depth) for text in texts], target, partial(prompt_count, tokenizer))


def test_sentences_joined_are_the_text_and_abbreviations_do_not_end_one():
    text = 'Mr. Hale came at 3.5 p.m. today. "Stay!" he said. Was it (so)? Yes.\n\nA heading\n\nThe end.'
    pieces = split_text(text)
    assert "".join(pieces) == " ".join(text.split())
    sentences = [piece.strip() for piece in pieces]
    assert "A heading" in sentences
    assert not any(sentence.startswith("Hale") for sentence in sentences)


@pytest.mark.parametrize("target", [120, 256, 1_000, 4_097, 20_000, 120_000])
def test_the_rendered_prompt_has_the_target_length_to_the_token(pool, o200k, target):
    haystack = compose(pool, o200k, target)
    assert haystack.prompt_tokens == target
    assert prompt_count(o200k, haystack.text) == target


@pytest.mark.parametrize("depth", [0, 0.1, 0.5, 0.9, 1])
def test_the_needle_stands_at_its_depth_on_a_sentence_boundary(pool, o200k, depth):
    haystack = compose(pool, o200k, 5_000, depth)
    assert haystack.text.count(NEEDLE) == 1
    before, after = haystack.text.split(NEEDLE)
    assert not before or before.rstrip()[-1] in ".!?\"')" or before.rstrip().endswith(HEADINGS)
    assert len(o200k.encode(before)) / len(o200k.encode(before + after)) == pytest.approx(depth, abs=0.01)
    assert haystack.depths == [pytest.approx(depth, abs=0.005)]
    assert (depth == 0) == (before == "")
    assert (depth == 1) == (after == "")


def test_distractors_are_inside_the_budget_and_keep_their_order_at_equal_depth(pool, o200k):
    texts = ["First distractor is here.", "Second distractor is here."]
    haystack = compose(pool, o200k, 700, texts=texts)
    assert haystack.prompt_tokens == 700
    assert haystack.text.index(texts[0]) < haystack.text.index(texts[1])


def test_a_haystack_longer_than_the_corpus_repeats_it(pool, o200k):
    target = int(pool.tokens.sum()) * 2 + 1234
    haystack = compose(pool, o200k, target)
    assert haystack.prompt_tokens == target
    assert haystack.repetitions == pytest.approx(2.02, abs=0.03)
    assert compose(pool, o200k, 5_000).repetitions == 1


def test_a_prompt_that_is_too_long_without_any_sentence_is_refused(pool, o200k):
    assert compose(pool, o200k, 10) is None


def test_shuffled_order_is_a_permutation_that_depends_on_the_seed_alone(pool):
    first, again, other = (pool.shuffled_order(generator_for(seed, "a")) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    assert (np.sort(first) == np.arange(len(pool.pieces))).all()


class OneTokenMore:
    """A tokenizer that is not additive: every text has one token more than its words."""

    exact = True

    def encode(self, text):
        return list(range(len(text.split()) + 1))

    def encode_batch(self, texts):
        return [self.encode(text) for text in texts]

    def decode(self, ids):
        return ""

    def count_chat(self, messages):
        return sum(len(self.encode(message["content"])) for message in messages)


def test_a_tokenizer_whose_counts_do_not_add_up_is_counted_whole(data):
    tokenizer = OneTokenMore()
    pool = SentencePool(read_documents(data / "essays"), tokenizer)
    haystack = compose(pool, tokenizer, 30_000)
    assert 30_000 - 8 <= haystack.prompt_tokens <= 30_000
    assert prompt_count(tokenizer, haystack.text) == haystack.prompt_tokens
