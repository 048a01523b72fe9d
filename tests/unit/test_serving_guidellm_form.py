"""GuideLLM's form; its numbers are those of GuideLLM 0.8.1's own DistributionSummary for the same values and weights."""

import json

import numpy as np
import pytest

from contextrot.serving.guidellm_form import guidellm_report
from tests.unit.test_serving_variants import requests

LATE = 0.5


def benchmarks(table, burstiness=1.0):
    return json.loads(guidellm_report(table.assign(late_seconds=LATE), burstiness))["benchmarks"]


def test_latencies_count_from_sending_and_beside_them_from_when_a_request_was_due():
    table = requests("aggregated", 1.0).assign(ttft_seconds=[1.0, 2.0, 3.0, 4.0] * 4)
    metrics = benchmarks(table)[0]["metrics"]
    assert metrics["time_to_first_token_ms"]["successful"]["mean"] == pytest.approx(2000)
    assert metrics["request_latency"]["successful"]["max"] == pytest.approx(8.5)
    assert metrics["request_scheduled_latency"]["successful"]["max"] == 9.0
    assert metrics["request_dispatch_delay"]["successful"]["median"] == LATE


def test_a_request_weighs_by_its_tokens_and_percentiles_are_values_that_were_measured():
    table = requests("aggregated", 1.0).assign(completion_tokens=[2, 2, 2, 11] * 4, tpot_seconds=[0.1, 0.2, 0.3, 0.4] * 4)
    found = benchmarks(table)[0]["metrics"]["inter_token_latency_ms"]["successful"]
    assert found["count"] == 13
    assert found["mean"] == pytest.approx(1000 * (0.1 + 0.2 + 0.3 + 10 * 0.4) / 13)
    assert (found["percentiles"]["p10"], found["percentiles"]["p50"], found["mode"]) == pytest.approx((200, 400, 400))


def test_failed_requests_are_counted_and_in_no_latency():
    table = requests("aggregated", 1.0)
    table.loc[0, ["outcome", "error"]] = ["failed", "503"]
    metrics = benchmarks(table)[0]["metrics"]
    assert metrics["request_totals"] == {"successful": 3, "errored": 1, "incomplete": 0, "total": 4}
    assert metrics["request_latency"]["total"]["count"] == 3


def test_what_the_server_did_not_count_has_a_count_of_0():
    table = requests("aggregated", 1.0, completion_tokens=None, tpot_seconds=None)
    metrics = benchmarks(table)[0]["metrics"]
    assert metrics["output_token_count"]["successful"]["count"] == metrics["inter_token_latency_ms"]["successful"]["count"] == 0


@pytest.mark.parametrize(("burstiness", "named"), [(1.0, "poisson"), (np.inf, "constant"), (0.5, "gamma")])
def test_loads_have_its_names(burstiness, named):
    assert benchmarks(requests("aggregated", 1.0), burstiness)[0]["config"]["strategy"]["type_"] == named
    closed = requests("aggregated", 1.0).rename(columns={"rate": "concurrency"})
    assert benchmarks(closed)[0]["config"]["strategy"] == {"type_": "concurrent", "streams": 2}
