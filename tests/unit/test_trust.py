"""The trust table and the limits, on known prices and a clock that a test sets."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from contextrot.records import Response, read_responses, write_responses
from contextrot.report.trust import limit_in_words, longest_within, trust_limits, trust_rows, trust_tables, write_trust
from contextrot.scores.rot_curves import effective_length
from contextrot.scores.score import score_responses
from contextrot.settings import TrustSettings
from tests.shown_files import REFERENCE, needle_sample, write_needles

LENGTHS = (1_000, 2_000, 4_000, 8_000)
USD_A_TOKEN = 1e-6
REPEATS = 12
WANTED = TrustSettings(quality_share=0.9, seconds=10, cents=0.5, share_of_requests=0.5)


def answer(sample, number) -> Response:
    """A server that reads 500 tokens a second, writes its answer in another second, and costs a dollar for a million tokens; answers
    are right up to 4,000 tokens."""
    length = sample.condition["length"]
    return Response(
        sample.sample_id,
        0,
        "answered",
        text=REFERENCE if length <= 4_000 else "no idea",
        prompt_tokens=length,
        completion_tokens=40,
        cached_tokens=length // 4,
        reasoning_tokens=30 if number % 2 else 10,
        first_token_seconds=length / 500,
        total_seconds=length / 500 + 1,
        cost_usd=length * USD_A_TOKEN,
        engine="external",
        model="gpt",
    )


@pytest.fixture(scope="module")
def shown(tmp_path_factory, root):
    samples = [needle_sample(length, 50 * (i % 2), i) for length in LENGTHS for i in range(REPEATS)]
    return write_needles(tmp_path_factory.mktemp("trust"), root, samples, answer)


@pytest.fixture(scope="module")
def tables(shown):
    return trust_tables(shown, WANTED, seed=1)


def test_each_length_has_its_quality_times_thought_cache_and_price_exactly(tables):
    rows = tables[0].set_index("length")
    assert list(rows.index) == list(LENGTHS)
    for length, row in rows.iterrows():
        assert row["score"] == (1.0 if length <= 4_000 else 0.0)
        assert row["n"] == row["answers"] == REPEATS
        assert row["first_token_seconds"] == length / 500
        assert row["total_seconds"] == length / 500 + 1
        assert row["reasoning_tokens"] == 20
        assert row["cached_share"] == 0.25
        assert row["usd_per_request"] == pytest.approx(length * USD_A_TOKEN, rel=1e-12)
        assert row["prompt_tokens"] == length


def test_times_and_prices_have_intervals_and_none_where_so_few_cannot_tell():
    seconds = [float(second) for second in range(1, 12)]
    rows = pd.DataFrame(
        {
            "length": 100,
            "outcome": "answered",
            "score": 1.0,
            "unjudged": False,
            "total_seconds": seconds,
            "cost_usd": [2.0] * 5 + [4.0] * 6,
        }
    )
    of_eleven = trust_rows(rows, None, "length")[0]
    # the 2nd and the 10th of 11: a binomial of 11 and one half is below 2 or above 9 in 1.2 % of the cases
    assert [of_eleven[f"total_seconds{end}"] for end in ("_low", "", "_high")] == [2.0, 6.0, 10.0]
    low, mean, high = (of_eleven[f"usd_per_request{end}"] for end in ("_low", "", "_high"))
    assert low < mean < high and mean == pytest.approx(34 / 11)
    of_two = trust_rows(rows.head(2), None, "length")[0]
    assert of_two["total_seconds"] == 1.5 and of_two["total_seconds_low"] is None and of_two["total_seconds_high"] is None
    assert (
        of_two["first_token_seconds_low"] is None and trust_rows(rows.head(1), None, "length")[0]["usd_per_request_low"] is None
    )


def test_the_limits_of_seconds_and_cents_are_where_clock_and_price_reach_them(tables):
    limits = tables[1].set_index("limit")
    assert limits.loc["seconds", "length"] == pytest.approx(4_500, rel=1e-12)  # 4,500 / 500 + 1 = 10
    assert limits.loc["usd", "length"] == pytest.approx(5_000, rel=1e-12)  # half a cent at a dollar a million
    for name in ("seconds", "usd"):
        assert (limits.loc[name, "low"], limits.loc[name, "high"]) == (4_000, 8_000)
        assert limits.loc[name, "status"] == "within"


def test_the_quality_limit_lies_between_the_last_length_that_keeps_it_and_the_first_that_does_not(tables):
    quality = tables[1].set_index("limit").loc["quality"]
    assert 4_000 < quality["length"] < 8_000
    assert quality["allowed"] == 0.9


def test_the_interval_of_the_quality_is_that_of_the_metrics(shown, tables):
    metrics = pd.read_csv(shown[0].files["metrics.csv"])
    metrics.loc[metrics["grouping"] == "length", ["low", "high"]] = [0.25, 0.75]
    rows = trust_rows(pd.read_parquet(shown[0].files["scores.parquet"]), metrics, "length")
    assert {(row["low"], row["high"]) for row in rows} == {(0.25, 0.75)}
    without = trust_rows(pd.read_parquet(shown[0].files["scores.parquet"]), None, "length")
    assert [row["low"] for row in without] == pytest.approx(tables[0]["low"].tolist())


def test_answers_from_the_store_keep_the_times_and_prices_of_their_first_request(shown, tmp_path):
    one = shown[0]
    replayed = [replace(response, cached=True) for response in read_responses(one.files["responses.parquet"])]
    write_responses(tmp_path / "responses.parquet", replayed)
    output = tmp_path / "scores.parquet"
    score_responses(one.task, one.files["samples.parquet"], tmp_path / "responses.parquet", one.judgements, output)
    pd.testing.assert_frame_equal(pd.read_parquet(output), pd.read_parquet(one.files["scores.parquet"]))


def test_failed_and_unsent_rows_are_in_no_mean_of_times_or_prices_but_are_told(tmp_path, root):
    samples = [needle_sample(1_000, 0, i) for i in range(4)]

    def some_fail(sample, number):
        given = answer(sample, number)
        if number == 0:
            return replace(given, outcome="failed", text=None, total_seconds=900.0, cost_usd=7.0, error_type="Timeout")
        return given

    row = trust_tables(write_needles(tmp_path, root, samples, some_fail), WANTED, 1)[0].iloc[0]
    assert (row["n"], row["answers"]) == (3, 4)
    assert row["total_seconds"] == 3.0
    assert row["usd_per_request"] == pytest.approx(0.001)


def test_a_length_that_was_never_sent_has_no_value_instead_of_0(tmp_path, root):
    samples = [needle_sample(1_000, 0, 0), needle_sample(5_000, 0, 0, sent=False)]

    def over(sample, number):
        return answer(sample, number) if sample.fits_window else Response(sample.sample_id, 0, "over_window")

    lengths, _ = trust_tables(write_needles(tmp_path, root, samples, over), WANTED, 1)
    row = lengths.iloc[1]
    assert (row["n"], row["answers"]) == (0, 1)
    for name in ("score", "low", "high", "total_seconds", "usd_per_request", "cached_share"):
        assert pd.isna(row[name])


def test_recorded_answers_have_their_quality_and_say_that_time_and_price_are_unknown(tmp_path, root):
    def recorded(sample, number):
        return Response(sample.sample_id, 0, "answered", text=answer(sample, number).text, engine="recorded", model="old")

    samples = [needle_sample(length, 0, i) for length in LENGTHS for i in range(8)]
    lengths, limits = trust_tables(write_needles(tmp_path, root, samples, recorded), WANTED, 1)
    assert lengths["score"].tolist() == [1, 1, 1, 0]
    unknown = ["first_token_seconds", "total_seconds", "usd_per_request", "reasoning_tokens", "cached_share"]
    assert lengths[unknown].isna().all(axis=None)
    limits = limits.set_index("limit")
    assert limits["status"].to_dict() == {"quality": "within", "seconds": "unknown", "usd": "unknown"}
    assert limits.loc["usd", "reason"] == "not measured"


def test_scores_of_before_the_columns_were_there_still_have_a_table(shown):
    scores = pd.read_parquet(shown[0].files["scores.parquet"]).drop(columns=["cost_usd", "first_token_seconds", "cached_tokens"])
    row = trust_rows(scores, None, "length")[0]
    assert row["usd_per_request"] is row["first_token_seconds"] is row["cached_share"] is None
    assert row["total_seconds"] == 3.0


def test_one_length_alone_says_nothing_of_a_kept_quality(shown):
    scores = pd.read_parquet(shown[0].files["scores.parquet"])
    quality = trust_limits(scores[scores["length"] == 1_000], "length", WANTED, 1)["quality"]
    assert (quality.status, quality.reason) == ("unknown", "one length only")


@pytest.mark.parametrize(("most", "status"), [(0.5, "below_shortest"), (4.0, "beyond_longest"), (50.0, "beyond_longest")])
def test_a_limit_beyond_the_tested_lengths_claims_no_length(most, status):
    lengths = np.repeat([10, 20, 40], 20)
    found = longest_within(lengths, lengths / 10, most, np.random.default_rng(1))
    assert (found.status, found.crossing) == (status, None)


def test_nine_in_ten_requests_is_stricter_than_the_typical_one():
    rng = np.random.default_rng(3)
    lengths = np.repeat([1_000, 2_000, 4_000, 8_000], 200)
    seconds = lengths / 1_000 * rng.lognormal(0, 0.3, len(lengths))
    typical = longest_within(lengths, seconds, 3.0, np.random.default_rng(1), share=0.5)
    nine = longest_within(lengths, seconds, 3.0, np.random.default_rng(1), share=0.9)
    assert 2_800 < typical.crossing < 3_200
    assert nine.crossing < typical.crossing
    assert nine.low <= nine.crossing <= nine.high


def test_the_interval_of_a_limit_covers_the_true_length_with_few_requests():
    lengths, truth, covered = np.repeat([1_000, 2_000, 4_000, 8_000], 6), 3_000, 0
    rng = np.random.default_rng(5)
    for _ in range(100):
        seconds = lengths / 1_000 * rng.lognormal(0, 0.5, len(lengths))  # median 3 s at 3,000
        found = longest_within(lengths, seconds, 3.0, np.random.default_rng(1))
        covered += (found.low is None or found.low <= truth) and (found.high is None or truth <= found.high)
    assert covered >= 95


def test_a_share_of_its_own_asks_for_less_than_the_published_one():
    lengths, scores = np.repeat([100, 200], 50), np.r_[np.ones(50), np.ones(40), np.zeros(10)]
    rng = np.random.default_rng
    assert effective_length(lengths, scores, rng(1), definition="nolima").status == "within"
    assert effective_length(lengths, scores, rng(1), definition="nolima", share=0.75).status == "beyond_longest"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "1,500 [1,000, 2,000]"),
        ({"low": None}, "1,500 [< 100, 2,000]"),
        ({"low": None, "shortest": 0}, "1,500 [none, 2,000]"),
        ({"status": "beyond_longest", "length": None, "high": None}, "> 4,000 [1,000, > 4,000]"),
        ({"status": "below_shortest", "length": None, "low": None}, "< 100 [< 100, 2,000]"),
        ({"status": "unknown"}, ""),
    ],
)
def test_a_limit_says_in_words_where_its_interval_is_open(changed, words):
    row = {"status": "within", "length": 1_500.0, "low": 1_000.0, "high": 2_000.0, "shortest": 100.0, "longest": 4_000.0}
    assert limit_in_words(row | changed).replace("\u00a0", " ") == words


def test_the_tables_are_files_of_their_own(shown, tmp_path):
    write_trust(shown, WANTED, 1, tmp_path / "trust.csv", tmp_path / "limits.csv")
    assert pd.read_csv(tmp_path / "trust.csv")["usd_per_request"].tolist() == pytest.approx([n * USD_A_TOKEN for n in LENGTHS])
    assert set(pd.read_csv(tmp_path / "limits.csv")["limit"]) == {"quality", "seconds", "usd"}


def test_the_figure_shows_quality_seconds_and_usd_side_by_side_and_its_note(tables):
    from contextrot.report.trust_figure import trust_figure

    figure = trust_figure(tables[0], "SIMULATED")
    quality, seconds, usd = figure.axes
    assert seconds.lines[0].get_ydata().tolist() == [length / 500 + 1 for length in LENGTHS]
    assert usd.lines[0].get_ydata().tolist() == pytest.approx([length * USD_A_TOKEN for length in LENGTHS])
    assert quality.get_ylim()[1] > 1
    assert "SIMULATED" in [text.get_text() for text in figure.texts]


def test_the_figure_says_what_nobody_measured_instead_of_drawing_0(tables):
    from contextrot.report.trust_figure import trust_figure

    figure = trust_figure(tables[0].assign(usd_per_request=0.0, total_seconds=np.nan))
    said = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert said == [[], ["not measured"], ["not billed"]]
