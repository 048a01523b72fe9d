"""Judges of known error: what labels say of them, and the score corrected for them."""

import numpy as np
import pytest

from contextrot.scores.calibration import calibrate, labels_needed, rogan_gladen, sampling_weights
from contextrot.scores.stats import wilson_interval


def judged(rng, answers, share, sensitivity, specificity):
    """Truth and verdicts of one simulated run."""
    truth = rng.random(answers) < share
    return truth, np.where(truth, rng.random(answers) < sensitivity, rng.random(answers) >= specificity)


def labelled(rng, truth, verdicts, wanted):
    """Labels of half as many answers of each verdict, and how many each stands for."""
    labels = np.full(len(truth), None, object)
    right, wrong = np.flatnonzero(verdicts), np.flatnonzero(~verdicts)
    of_right = min(len(right), max(wanted // 2, wanted - len(wrong)))
    for keys, count in ((right, of_right), (wrong, min(len(wrong), wanted - of_right))):
        drawn = rng.permutation(keys)[:count]
        labels[drawn] = truth[drawn]
    return labels, sampling_weights(verdicts, [label is not None for label in labels])


@pytest.mark.parametrize(
    ("share", "sensitivity", "specificity", "answers", "wanted"),
    [(0.3, 0.9, 0.9, 200, 60), (0.8, 0.98, 0.85, 400, 80), (0.6, 0.75, 0.97, 1000, 100)],
)
def test_the_corrected_interval_covers_and_the_naive_one_does_not(share, sensitivity, specificity, answers, wanted):
    rng, corrected, naive, runs = np.random.default_rng(7), 0, 0, 1000
    for _ in range(runs):
        truth, verdicts = judged(rng, answers, share, sensitivity, specificity)
        labels, weights = labelled(rng, truth, verdicts, wanted)
        found = calibrate(verdicts, labels, rng, weights=weights, draws=1000)
        corrected += found.corrected.low <= share <= found.corrected.high
        naive += found.naive.low <= share <= found.naive.high
    assert 0.93 <= corrected / runs <= 0.975, corrected
    assert naive / runs < 0.9, naive


def test_rogan_and_gladen_cover_with_errors_known_from_elsewhere():
    rng, covered, runs, share = np.random.default_rng(8), 0, 1000, 0.4
    for _ in range(runs):
        _, verdicts = judged(rng, 300, share, 0.9, 0.85)
        positives, negatives = rng.binomial(60, 0.9) / 60, rng.binomial(60, 0.85) / 60
        found = rogan_gladen(verdicts.mean(), 300, positives, 60, negatives, 60)
        covered += found.low <= share <= found.high
    assert 0.93 <= covered / runs <= 0.975, covered


def test_a_judge_without_an_error_among_the_labels_keeps_an_interval_wider_than_its_answers_alone():
    verdicts = [True] * 60 + [False] * 40
    labels = [True] * 20 + [None] * 40 + [False] * 20 + [None] * 20
    found = calibrate(verdicts, labels, np.random.default_rng(1))
    assert (found.corrected.value, found.sensitivity.value, found.specificity.value, found.kappa.value) == (0.6, 1, 1, 1)
    low, high = wilson_interval(60, 100)
    assert found.corrected.high - found.corrected.low > high - low
    assert found.sensitivity.low < 1 and found.kappa.low < 1


def test_answers_without_a_text_are_wrong_in_truth_and_need_no_label():
    found = calibrate([True, True, False, False], [True, True, False, False], np.random.default_rng(1), never_right=4)
    assert found.answers == 8 and found.corrected.value == 0.25 and found.naive.value == 0.25


def test_what_cannot_be_told_says_why():
    rng = np.random.default_rng(1)
    assert calibrate([True, False], [None, None], rng).corrected.reason == "no labels"
    assert calibrate([True, False], [True, None], rng).corrected.reason == "no label of an answer that the judge calls wrong"
    assert calibrate([], [], rng).answers == 0
    assert rogan_gladen(0.5, 10, 0.4, 10, 0.5, 10).reason == "the judge tells right from wrong no better than chance"
    unjudged = calibrate([True, None], [True, None], rng)
    assert unjudged.corrected.reason == "no label of an answer that the judge calls unjudged"


def test_labels_stand_for_the_answers_of_their_stratum():
    assert sampling_weights(["a", "a", "a", "b"], [True, False, False, True]).tolist() == [3, 0, 0, 1]


def test_as_many_labels_as_are_planned_give_the_interval():
    rng = np.random.default_rng(3)
    wanted = labels_needed(0.05, 2000, 0.68, 0.9, 0.1)
    truth, verdicts = judged(rng, 2000, 0.64, 0.95, 0.8)
    labels, weights = labelled(rng, truth, verdicts, wanted)
    found = calibrate(verdicts, labels, rng, weights=weights)
    assert (found.corrected.high - found.corrected.low) / 2 == pytest.approx(0.05, abs=0.01)
    assert labels_needed(0.01, 100, 0.5, 1.0, 0.0) is None
