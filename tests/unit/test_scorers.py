import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextrot.matching.choice_letter import chosen_option
from contextrot.matching.scorers import SCORERS, contains_all, contains_any, exact, last_number, numeric, rouge_l, token_f1
from contextrot.matching.scorers import code as code_score


@pytest.mark.parametrize("name", sorted(SCORERS))
def test_the_gold_answer_scores_one_and_nothing_scores_zero(name):
    gold = {"numeric": "1,250", "multiple_choice": "C"}.get(name, "the red bridge")
    assert SCORERS[name](gold, [gold]) == 1
    assert SCORERS[name]("", [gold]) == 0
    assert SCORERS[name]("zzz", [gold]) < 0.5


@given(st.text(max_size=60), st.lists(st.text(max_size=60), min_size=1, max_size=3))
def test_every_score_is_a_share(answer, accepted):
    for name, scorer in SCORERS.items():
        assert 0 <= scorer(answer, accepted) <= 1, name


def test_squad_normalisation_drops_case_articles_and_punctuation_inside_words_too():
    assert exact("The  U.S.A.", ["usa"]) == 1
    assert exact("an anthem", ["anthem"]) == 1
    assert exact("theatre", ["atre"]) == 0


def test_f1_is_of_words_with_their_counts_and_of_the_best_answer():
    # said 3 words, gold 2, common 2: precision 2/3, recall 1, F1 0.8
    assert token_f1("old red bridge", ["red bridge"]) == pytest.approx(0.8)
    assert token_f1("red red red", ["red bridge", "blue"]) == pytest.approx(2 * (1 / 3) * (1 / 2) / (1 / 3 + 1 / 2))


def test_rouge_l_keeps_the_order_of_words():
    assert rouge_l("one two three", ["three two one"]) == pytest.approx(1 / 3)


def test_contains_all_is_the_share_that_is_found_and_contains_any_whether_one_is():
    # RULER's string_match_all and string_match_part
    assert contains_all("It is 12 and\x0034", ["12", "34", "56", "78"]) == 0.5
    assert contains_any("it is PARIS.", ["Paris", "Rome"]) == 1


def test_code_is_scored_by_its_first_line_that_is_no_comment_nor_fence():
    assert code_score("```python\n# next\nreturn x\nmore", ["return x"]) == 1
    # 8 characters each, 7 in common: 14/16 = 0.875, in whole percents 0.88
    assert code_score("return y", ["return x"]) == 0.88


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("The answer is 42.", 42), ("1,234.5", 1234.5), ("$1,200", 1200), ("12 %", 12), ("first 3, then 7.", 7), ("answer: -5 degrees", -5),
        ("#### 72", 72), ("none", None), ("In 2 steps the answer is 1,000 (as 9 said)", 1000), ("\\boxed{8} of 9", 8), ("−3", -3), (".5", 0.5),
    ],
)  # fmt: skip
def test_the_number_that_an_answer_ends_up_with(text, number):
    assert last_number(text) == number


def test_a_number_is_equal_however_it_is_written():
    assert numeric("It is 1,250.0 kg", ["1250"]) == 1
    assert numeric("12.5", ["12"]) == 0


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("A", "A"), ("b", "B"), ("(C)", "C"), ("The answer is B.", "B"), ("The correct answer is (D)", "D"), ("B) because A is wrong", "B"),
        ("**A**", "A"), ("I think it is A. No, the answer is C", "C"), ("Answer: **B**", "B"), ("the answer is b.", "B"),
        ("option B fits.", "B"), ("A dog barks", None), ("", None), ("C. Paris", "C"), ("The answer is a dog. (C)", "C"),
    ],
)  # fmt: skip
def test_the_option_that_an_answer_settles_on(text, letter):
    assert chosen_option(text) == letter
