import pytest

from contextrot.engines import Endpoint
from contextrot.errors import EngineError
from contextrot.serving.counters import check_loaded, difference, gauge, parse_counters, read_counters

METRICS = """\
# HELP vllm:prompt_tokens_total Number of prefill tokens processed.
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{engine="0",model_name="tiny"} 700.0
vllm:prompt_tokens_total{engine="1",model_name="tiny"} 300.0
vllm:prompt_tokens_created{engine="0",model_name="tiny"} 1.7e+09
vllm:external_prefix_cache_hits_total{engine="0",model_name="tiny"} 960.0
vllm:prompt_tokens_by_source_total{engine="0",model_name="tiny",source="local_compute"} 40.0
vllm:prompt_tokens_by_source_total{engine="0",model_name="tiny",source="external_kv_transfer"} 960.0
vllm:kv_cache_usage_perc{engine="0",model_name="tiny"} 0.25
process_resident_memory_bytes 6.4e+08
"""
RECORDS = [
    {"expected_tokens": 480, "prompt_tokens": 500, "loaded": True},
    {"expected_tokens": 480, "prompt_tokens": 500, "loaded": True},
]


def grown(hits=960, computed=40):
    return {"prefill": {"source_local_compute": 1000.0}, "decode": {"external_hits": hits, "source_local_compute": computed}}


def test_counters_are_summed_over_engines_and_split_by_source():
    assert parse_counters(METRICS) == {
        "prompt_tokens": 1000.0,
        "external_hits": 960.0,
        "source_local_compute": 40.0,
        "source_external_kv_transfer": 960.0,
    }


def test_a_gauge_that_is_not_there_is_none():
    assert gauge(METRICS, "vllm:kv_cache_usage_perc") == 0.25
    assert gauge(METRICS, "vllm:other") is None


def test_growth_counts_from_nothing_for_a_counter_that_was_not_there():
    assert difference({"server": {"a": 1.0}}, {"server": {"a": 3.0, "b": 2.0}}) == {"server": {"a": 2.0, "b": 2.0}}


def test_counters_of_every_instance_are_read(httpserver):
    httpserver.expect_request("/metrics").respond_with_data(METRICS)
    url = httpserver.url_for("").rstrip("/")
    endpoint = Endpoint("vllm", "m", "hosted_vllm", details={"instances": {"prefill": {"url": url}, "decode": {"url": url}}})
    assert set(read_counters(endpoint)) == {"prefill", "decode"}


def test_an_engine_without_instances_has_no_counters():
    assert read_counters(Endpoint("external", "m", "openai")) == {}


def test_a_pair_that_loaded_everything_is_accepted():
    facts = check_loaded(grown(), RECORDS, "ExampleConnector (keyed and measured)")
    assert facts["external_hit_tokens"] == facts["expected_external_hit_tokens"] == 960
    assert facts["decode_recomputed_tokens"] == 0
    assert facts["decode_computed_tokens"] == 40


@pytest.mark.parametrize(
    ("hits", "computed"), [(0, 1000), (928, 72), (960, 41)], ids=["nothing loaded", "a block short", "loaded and computed too"]
)
def test_a_pair_that_computed_again_fails(hits, computed):
    with pytest.raises(EngineError, match="did not load"):
        check_loaded(grown(hits, computed), RECORDS, "ExampleConnector")


def test_one_request_that_computed_again_fails_even_if_the_sum_fits():
    records = [RECORDS[0], {**RECORDS[1], "loaded": False}]
    with pytest.raises(EngineError, match="did not load"):
        check_loaded(grown(), records, "ExampleConnector")


def test_nixl_may_load_the_last_block_too():
    facts = check_loaded(grown(hits=998, computed=2), RECORDS, "NixlConnector")
    assert facts["external_hit_tokens"] == 998
