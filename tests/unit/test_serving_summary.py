import numpy as np
import pandas as pd
import pytest

from contextrot.tasks.serving.summary import deltas, kept_up, rates, summarize_requests


def requests(
    mode="aggregated", ttfts=(1.0, 2.0, 3.0, 4.0), tpots=(0.1, 0.1, 0.2, 0.2), repeat=0, seconds=2.0, outcome="answered"
):
    return pd.DataFrame(
        {
            "mode": mode,
            "length": 1000,
            "concurrency": 2,
            "repeat": repeat,
            "outcome": outcome,
            "ttft_seconds": ttfts,
            "tpot_seconds": tpots,
            "end_to_end_seconds": [t + 10 * p for t, p in zip(ttfts, tpots, strict=True)],
            "itl_seconds": [[p] * 10 for p in tpots],
            "completion_tokens": 11,
            "server_prompt_tokens": 1000,
            "group_seconds": seconds,
        }
    )


def value(metrics, measure, column="value"):
    return metrics.set_index("measure").loc[measure, column]


def test_statistics_are_those_of_the_requests():
    metrics = summarize_requests(requests())
    assert value(metrics, "ttft_seconds_mean") == 2.5
    assert value(metrics, "ttft_seconds_median") == 2.5
    assert value(metrics, "ttft_seconds_p95") == pytest.approx(np.percentile([1, 2, 3, 4], 95))
    assert value(metrics, "ttft_seconds_p99") == pytest.approx(3.97)
    assert value(metrics, "tpot_seconds_mean") == pytest.approx(0.15)
    assert value(metrics, "end_to_end_seconds_median") == pytest.approx((3.0 + 5.0) / 2)
    assert value(metrics, "ttft_seconds_mean", "n") == 4
    assert value(metrics, "ttft_seconds_mean", "answered") == 4


def test_itl_is_over_all_gaps_of_all_requests():
    assert value(summarize_requests(requests()), "itl_seconds_median") == pytest.approx(0.15)


def test_intervals_hold_the_value_and_are_the_same_on_every_run():
    first, again = summarize_requests(requests()), summarize_requests(requests())
    pd.testing.assert_frame_equal(first, again)
    known = first.dropna(subset=["low", "high"])
    assert len(known)
    assert (known["low"] <= known["value"]).all()
    assert (known["value"] <= known["high"]).all()


def test_no_interval_of_two_repeats_that_differ_reaches_below_0():
    table = pd.concat([requests(repeat=0, seconds=1.0), requests(repeat=1, seconds=9.0, ttfts=(0.01,) * 4)])
    known = summarize_requests(table).dropna(subset=["low"])
    assert (known["low"] >= 0).all() and (known["low"] == 0).any()


def test_one_request_has_a_value_but_no_interval():
    row = summarize_requests(requests(ttfts=(2.0,), tpots=(0.1,))).set_index("measure").loc["ttft_seconds_median"]
    assert row["value"] == 2.0
    assert pd.isna(row["low"])
    assert pd.isna(row["high"])


def test_requests_that_a_cache_answered_count_nowhere():
    warm = requests(ttfts=(0.01,) * 4).assign(warm=True, repeat=1)
    table = pd.concat([requests().assign(warm=False), warm])
    assert value(summarize_requests(table), "ttft_seconds_median") == 2.5
    assert value(summarize_requests(table), "ttft_seconds_median", "n") == 4
    assert pd.isna(value(summarize_requests(warm), "ttft_seconds_median"))


def test_a_group_of_which_nothing_tells_whether_it_was_cold_counts():
    assert value(summarize_requests(requests().assign(warm=None)), "ttft_seconds_median", "n") == 4


def test_no_request_has_no_value():
    metrics = summarize_requests(requests(outcome="over_window"))
    assert metrics["value"].isna().all()
    assert (metrics["over_window"] == 4).all()


def test_rates_are_per_second_of_each_repeats_wall_time():
    table = pd.concat([requests(repeat=0, seconds=2.0), requests(repeat=1, seconds=4.0)])
    found = rates(table, {})
    assert found["request_throughput"] == [2.0, 1.0]
    assert found["output_token_throughput"] == [22.0, 11.0]
    assert found["total_token_throughput"] == [2022.0, 1011.0]


def test_goodput_counts_requests_that_keep_both_limits():
    assert rates(requests(), {"ttft_seconds": 3.0, "tpot_seconds": 0.1})["goodput"] == [1.0]
    assert rates(requests(), {"ttft_seconds": 3.0})["goodput"] == [1.5]
    assert rates(requests(), {})["goodput"] == [2.0]


def test_an_answer_of_one_token_keeps_the_tpot_limit():
    assert rates(requests(tpots=(np.nan, 0.1, 0.2, 0.2)), {"tpot_seconds": 0.1})["goodput"] == [1.0]


def test_deltas_compare_the_same_length_and_concurrency():
    metrics = summarize_requests(pd.concat([requests(), requests("disaggregated", ttfts=(2.0, 4.0, 6.0, 8.0))]))
    table = deltas(metrics).set_index("measure")
    assert table.loc["ttft_seconds_median", "change_percent"] == pytest.approx(100)
    assert table.loc["tpot_seconds_median", "change_percent"] == pytest.approx(0)
    assert not table.loc["tpot_seconds_median", "separate"]


def test_intervals_apart_are_marked():
    far = requests("disaggregated", ttfts=(101.0, 102.0, 103.0, 104.0))
    table = deltas(summarize_requests(pd.concat([requests(), far]))).set_index("measure")
    assert table.loc["ttft_seconds_mean", "separate"]


def test_one_mode_has_no_deltas():
    assert deltas(summarize_requests(requests())).empty


def open_loop(rate, seconds_each=0.1, n=200, servers=1):
    """Requests at an even gap to servers that take a fixed time each."""
    due = np.arange(n) / rate
    free, ends = [0.0] * servers, []
    for at in due:
        begin = max(min(free), at)
        free[free.index(min(free))] = begin + seconds_each
        ends.append(begin + seconds_each - at)
    return pd.DataFrame(
        {"mode": "aggregated", "length": 100, "rate": float(rate), "repeat": 0, "outcome": "answered", "start_seconds": due,
         "end_to_end_seconds": ends, "late_seconds": 0.002}
    )  # fmt: skip


@pytest.mark.parametrize(("rate", "saturated"), [(5, False), (9.5, False), (13, True), (40, True)])
def test_a_server_that_does_not_keep_up_is_told(rate, saturated):
    [entry] = kept_up(open_loop(rate))
    assert entry["saturated"] is saturated
    assert entry["late_seconds_max"] == 0.002


def test_long_answers_to_few_requests_are_no_saturation():
    assert kept_up(open_loop(20, seconds_each=5, n=8, servers=8))[0]["saturated"] is None


def test_a_closed_loop_cannot_be_told_to_keep_up():
    assert kept_up(requests()) == []
