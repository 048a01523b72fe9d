"""Traces in every form that is read, and prompts that share what they share there."""

import json
from functools import partial

import numpy as np
import pytest

from contextrot.checked import validate
from contextrot.errors import ConfigError, DataError
from contextrot.randomness import generator_for
from contextrot.task import SampleContext
from contextrot.tasks.serving.task import Serving, ServingParameters
from contextrot.tasks.serving.trace import read_trace

MOONCAKE = [
    {"timestamp": 0, "input_length": 1200, "output_length": 4, "hash_ids": [1, 2, 3]},
    {"timestamp": 500, "input_length": 1100, "output_length": 5, "hash_ids": [1, 2, 9]},
    {"timestamp": 27482, "input_length": 600, "output_length": 6, "hash_ids": [7, 8]},
]


def jsonl(folder, rows, name="trace.jsonl"):
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / name


def csv(folder, text):
    (folder / "trace.csv").write_text(text)
    return folder / "trace.csv"


def times(trace):
    return [arrival.due_seconds for arrival in trace.arrivals]


def test_mooncakes_times_are_milliseconds_and_its_hash_ids_blocks_of_512(tmp_path):
    trace = read_trace(jsonl(tmp_path, MOONCAKE))
    assert times(trace) == pytest.approx([0, 0.5, 27.482])
    assert [(a.input_tokens, a.output_tokens) for a in trace.arrivals] == [(1200, 4), (1100, 5), (600, 6)]
    assert trace.shared_tokens() == [0, 1024, 0]


def test_vllms_timed_trace_may_have_other_units_and_blocks(tmp_path):
    trace = read_trace(jsonl(tmp_path, MOONCAKE), block_tokens=400, unit_seconds=1.0)
    assert times(trace)[1] == 500
    assert trace.shared_tokens()[1] == 800


def test_bailians_chats_are_sessions_in_seconds_with_blocks_of_16(tmp_path):
    rows = [
        {"chat_id": 5, "parent_chat_id": -1, "timestamp": 61.1, "input_length": 40, "output_length": 9, "hash_ids": [1, 2, 3]},
        {
            "chat_id": 6,
            "parent_chat_id": 5,
            "timestamp": 65.1,
            "input_length": 70,
            "output_length": 9,
            "hash_ids": [1, 2, 4, 5, 6],
        },
    ]
    trace = read_trace(jsonl(tmp_path, rows))
    assert times(trace) == pytest.approx([0, 4])
    assert [arrival.session for arrival in trace.arrivals] == ["5", "5"]
    assert trace.shared_tokens() == [0, 32]


def test_burstgpt_leaves_out_requests_that_failed_when_it_was_recorded(tmp_path):
    text = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,472,18,490,Conversation log\n"
    trace = read_trace(csv(tmp_path, text + "45,ChatGPT,1087,0,1087,API log\n"))
    assert [(a.due_seconds, a.input_tokens, a.output_tokens, a.session) for a in trace.arrivals] == [(0, 472, 18, None)]
    assert trace.without_answer == 1


def test_a_plain_csv_has_sessions_whose_prompts_grow_from_the_ones_before(tmp_path):
    text = "time,input tokens,output tokens,session\n2.5,300,10,b\n1.0,100,10,a\n3.0,250,10,a\n4.0,50,10,\n"
    trace = read_trace(csv(tmp_path, text))
    assert times(trace) == [0, 1.5, 2, 3]
    assert [arrival.session for arrival in trace.arrivals] == ["a", "b", "a", None]
    assert trace.shared_tokens() == [0, 0, 100, 0]


def test_only_the_asked_seconds_are_taken(tmp_path):
    assert len(read_trace(jsonl(tmp_path, MOONCAKE), seconds=10).arrivals) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,output tokens\n1,2\n", "no column for input tokens"),
        ("time,input tokens,output tokens\nsoon,2,3\n", "line 2.*'soon' is not a number"),
        ("time,input tokens,output tokens\n1,2.5,3\n", "line 2.*2.5.*whole number"),
        ("time,input tokens,output tokens\n1,0,3\n", "at least one token"),
        ("time,input tokens,output tokens\n1,-4,3\n", "line 2.*'-4'"),
        ("time,input tokens,output tokens\nnan,4,3\n", "is not a number"),
        ("time,input tokens,output tokens\n1,5,0\n", "no request with an answer"),
        ("time,input tokens,output tokens\n", "no request"),
    ],
)
def test_what_is_no_trace_is_named_by_line_and_column(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read_trace(csv(tmp_path, text))


def test_hash_ids_that_are_no_list_are_named(tmp_path):
    with pytest.raises(DataError, match="line 1.*hash_ids = 'x' is not a list"):
        read_trace(jsonl(tmp_path, [MOONCAKE[0] | {"hash_ids": "x"}]))


def samples(data, tokenizer, path, **parameters):
    given = {"trace": str(path), "repeats": 1, "warmup_requests": 1, **parameters}
    context = SampleContext(tokenizer, 4096, 64, data, partial(generator_for, 1))
    found = Serving(validate(ServingParameters, given, "test")).samples(context)
    return [sample for sample in found if sample.condition["phase"] == "measured"]


def test_prompts_have_the_trace_s_lengths_and_share_its_beginnings(data, embedded_tokenizer, tmp_path):
    found = samples(data, embedded_tokenizer, jsonl(tmp_path, MOONCAKE))
    assert [abs(s.prompt_tokens - s.target_tokens) <= 8 for s in found] == [True] * 3
    assert [s.max_output_tokens for s in found] == [4, 5, 6]
    ids = [np.array(embedded_tokenizer.encode(s.messages[0]["content"])) for s in found]
    shortest = min(len(ids[0]), len(ids[1]))
    shared = int(np.argmin(ids[0][:shortest] == ids[1][:shortest]))
    assert abs(shared - 1024) < 40
    assert found[1].condition["reusable_tokens"] == 1024
    assert found[2].messages[0]["content"][:20] != found[0].messages[0]["content"][:20]


def test_an_hour_is_a_minute_at_sixty_times_the_speed(data, embedded_tokenizer, tmp_path):
    path = csv(tmp_path, "time,input tokens,output tokens\n0,60,2\n1800,60,2\n3600,60,2\n")
    found = samples(data, embedded_tokenizer, path, trace_speeds=[1, 60])
    assert [s.condition["due_seconds"] for s in found] == [0, 1800, 3600, 0, 30, 60]
    assert [s.condition["speed"] for s in found] == [1] * 3 + [60] * 3


def test_requests_over_the_window_are_not_sent(data, embedded_tokenizer, tmp_path):
    [sample] = samples(data, embedded_tokenizer, csv(tmp_path, "time,input tokens,output tokens\n0,9000,2\n"))
    assert not sample.fits_window


@pytest.mark.parametrize("more", [{"rates": [1]}, {"turns": 2}, {"prefix": "shared"}, {"task": "niah"}])
def test_a_trace_takes_no_other_load_beside_it(more):
    with pytest.raises(ConfigError, match="a `trace` says itself"):
        validate(ServingParameters, {"trace": "t.csv", **more}, "test")
