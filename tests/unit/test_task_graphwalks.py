"""Walks on graphs: exact lengths, and gold nodes that networkx finds too."""

import re
from functools import partial

import networkx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contextrot.checked import validate
from contextrot.errors import ConfigError
from contextrot.randomness import generator_for
from contextrot.records import Response
from contextrot.task import SampleContext
from contextrot.tasks.graphwalks.task import GraphWalks, GraphWalksParameters, listed_nodes, set_f1


def build(tokenizer, data, seed=1, window=200_000, **parameters):
    of = GraphWalks(validate(GraphWalksParameters, {"repeats": 1} | parameters, "a test"))
    return of, of.samples(SampleContext(tokenizer, window, 2_000, data, partial(generator_for, seed)))


def score(of, sample, answer):
    return of.score(sample, Response(sample.sample_id, 0, "answered", answer), [])


def solved(prompt):
    """What networkx finds in the prompt."""
    body, _, operation = prompt.partition("The graph has these edges:\n")[2].partition("\n\nOperation: ")
    graph = networkx.DiGraph(line.split(" -> ") for line in body.splitlines())
    node = re.search(r"node ([0-9a-f]+)", operation)[1]
    if "parents" in operation:
        return set(graph.predecessors(node))
    depth = int(re.search(r"at depth (\d+)", operation)[1])
    distances = networkx.single_source_shortest_path_length(graph, node)
    return {other for other, steps in distances.items() if steps == depth}


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6), length=st.integers(700, 4000))
def test_lengths_are_exact_and_networkx_finds_the_gold_nodes(seed, length, embedded_tokenizer, data):
    of, samples = build(embedded_tokenizer, data, seed, lengths=[length], depths=[1, 2])
    assert len(samples) == 3
    for sample in samples:
        assert length - 8 <= embedded_tokenizer.count_chat(sample.messages) <= length
        gold = set(sample.condition["nodes"])
        assert gold == solved(sample.messages[0]["content"]) and gold
        assert score(of, sample, "So it is.\nFinal Answer: [" + ", ".join(sorted(gold)) + "]")["score"] == 1
        assert score(of, sample, sample.references[0])["exact"] == 1
        assert score(of, sample, "Final Answer: [zz, yy]")["score"] == 0
        edges = re.findall(r"^(\w+) -> (\w+)$", sample.messages[0]["content"].partition("these edges:\n")[2], re.MULTILINE)
        assert len(set(edges)) == len(edges) and not any(a == b for a, b in edges)
        others = sorted({node for edge in edges for node in edge} - gold)[: len(gold)]
        assert score(of, sample, f"Final Answer: [{', '.join(others)}]")["score"] == 0


def test_lengths_are_exact_with_a_large_vocabulary_too(o200k, data):
    for sample in build(o200k, data, lengths=[1000, 8000, 40_000])[1]:
        assert sample.target_tokens - 8 <= o200k.count_chat(sample.messages) <= sample.target_tokens


def test_an_answer_without_the_asked_last_line_scores_zero_and_is_told_apart(embedded_tokenizer, data):
    of, (sample,) = build(embedded_tokenizer, data, lengths=[900], operations=["parents"])
    nodes = ", ".join(sample.condition["nodes"])
    assert score(of, sample, nodes) == {"score": 0.0, "exact": 0.0, "formatted": 0.0}
    assert score(of, sample, f"Final Answer: [{nodes}]\nI hope this helps.")["score"] == 0
    assert score(of, sample, f"Final Answer: [{nodes}]\n")["score"] == 1


def test_f1_of_node_sets():
    # said 3, gold 2, one shared: precision 1/3, recall 1/2, F1 0.4
    assert set_f1({"a", "b", "c"}, {"a", "d"}) == pytest.approx(0.4)
    assert set_f1(set(), set()) == 1 and set_f1({"a"}, set()) == 0 and set_f1({"a"}, {"b"}) == 0


def test_the_first_and_the_last_node_of_a_list_are_read():
    assert listed_nodes("x\nFinal Answer: [ab12, cd34]") == {"ab12", "cd34"}
    assert listed_nodes("Final Answer:[]") == set() and listed_nodes("[ab12]") is None


def test_a_length_without_room_for_a_graph_is_refused(embedded_tokenizer, data):
    with pytest.raises(ConfigError, match="too short"):
        build(embedded_tokenizer, data, lengths=[200])


def test_a_depth_that_no_search_reaches_is_refused(embedded_tokenizer, data):
    with pytest.raises(ConfigError, match="no search to depth 60"):
        build(embedded_tokenizer, data, lengths=[900], operations=["bfs"], depths=[60])


def test_what_is_over_the_window_is_not_built(embedded_tokenizer, data):
    _, samples = build(embedded_tokenizer, data, window=1000, lengths=[4000], operations=["parents"])
    assert not samples[0].fits_window and samples[0].messages == []
