"""Sessions in virtual time: who waits for whom, what stands before a later prompt, and what latencies count from."""

import asyncio
from itertools import pairwise

import numpy as np
import pytest

from contextrot.checked import validate
from contextrot.engines import Endpoint
from contextrot.errors import RequestError
from contextrot.records import Sample
from contextrot.serving import load
from contextrot.serving.load import LoadGenerator
from contextrot.serving.rows import rows_of, sessions_of
from contextrot.serving.timings import FailedRequest, Timing, Turn
from contextrot.tasks.serving.task import ServingParameters
from tests.virtual_loop import VirtualLoop

SERVICE = 2.0


class Server:
    """Answers every request after SERVICE seconds, and remembers what it was sent; `broken` names requests that it fails."""

    def __init__(self, broken=()):
        self.broken, self.seen = broken, []

    async def send(self, _session, _url, body, request_id):
        start = load.now()
        await asyncio.sleep(SERVICE)
        self.seen.append((request_id, start, body["messages"]))
        if request_id in self.broken:
            raise RequestError("broken")
        words = sum(len(message["content"]) for message in body["messages"])
        return Timing(request_id, start, 1.0, SERVICE, words, 3, None, "thought and said", said="said")


@pytest.fixture
def play(monkeypatch):
    def run(sessions, server=None, **options):
        server = server or Server()

        async def connected(self, _):
            self._session = None

        monkeypatch.setattr(load, "send", server.send)
        monkeypatch.setattr(LoadGenerator, "_connect", connected)
        with LoadGenerator(Endpoint("vllm", "m", "hosted_vllm"), loop=VirtualLoop) as generator:
            answers, seconds = generator.play(sessions, {}, **options)
        return answers, seconds, server

    return run


def sample(name="s", later=(), **condition):
    conditions = {"length": 10, "repeat": 0, "index": 0, **condition}
    return Sample(name, [{"role": "user", "content": "0123456789"}], [], 4, 10, later_prompts=list(later), condition=conditions)


def sessions(samples, due=None, **parameters):
    return sessions_of(samples, validate(ServingParameters, parameters, "test"), due, np.random.default_rng(0), len)


def test_a_later_prompt_has_the_chat_so_far_before_it_without_what_was_thought(play):
    _, _, server = play(sessions([sample(later=["more", "again"])], turns=3))
    names, _, chats = zip(*server.seen, strict=True)
    assert names == ("s", "s.1", "s.2")
    assert [message["content"] for message in chats[2]] == ["0123456789", "said", "more", "said", "again"]
    assert [message["role"] for message in chats[2]] == ["user", "assistant", "user", "assistant", "user"]


def test_think_time_passes_between_an_answer_and_the_next_prompt(play):
    [session] = sessions([sample(later=["more"] * 3)], turns=4, think_seconds=5)
    _, seconds, server = play([session])
    gaps = [later - earlier - SERVICE for (_, earlier, _), (_, later, _) in pairwise(server.seen)]
    assert gaps == pytest.approx([turn.think_seconds for turn in session[1:]])
    assert seconds == pytest.approx(4 * SERVICE + sum(gaps))


def test_think_times_have_the_asked_mean():
    many = sessions([sample(str(i), later=["x"] * 10) for i in range(300)], turns=11, think_seconds=3)
    assert np.mean([turn.think_seconds for session in many for turn in session[1:]]) == pytest.approx(3, rel=0.05)


def test_sessions_go_on_side_by_side_as_many_as_are_asked(play):
    many = sessions([sample(str(i), later=["x"]) for i in range(4)], turns=2)
    assert play(many, at_once=4)[1] == pytest.approx(2 * SERVICE)
    assert play(many, at_once=2)[1] == pytest.approx(4 * SERVICE)


def test_sessions_of_an_open_loop_begin_when_they_are_due(play):
    answers, _, server = play(sessions([sample("a", later=["x"]), sample("b", later=["x"])], due=[0.0, 0.5], turns=2))
    starts = {name: start for name, start, _ in server.seen}
    assert starts == pytest.approx({"a": 0, "b": 0.5, "a.1": 2.0, "b.1": 2.5})
    assert [answer.sample_id for answer in answers] == ["a", "a.1", "b", "b.1"]


def test_a_turn_of_a_trace_that_is_due_before_the_last_answer_waits_and_counts_from_then(play):
    of = [
        sample("a", session="x", due_seconds=0.0),
        sample("b", session="x", due_seconds=0.5),
        sample("c", session=None, due_seconds=0.5),
    ]
    answers, _, server = play(sessions(of, trace="t.csv"))
    starts = {name: start for name, start, _ in server.seen}
    assert starts == pytest.approx({"a": 0, "b": SERVICE, "c": 0.5})
    assert all(len(chat) == 1 for _, _, chat in server.seen)
    assert [answer.end_to_end_seconds for answer in answers] == pytest.approx([SERVICE] * 3)


def test_every_request_of_a_trace_is_sent_when_it_is_due(play):
    due = np.cumsum(np.random.default_rng(1).exponential(1 / 50, 2000))
    of = [sample(str(i), session=None, due_seconds=float(at)) for i, at in enumerate(due)]
    answers, _, _ = play(sessions(of, trace="t.csv"))
    assert [answer.start for answer in answers] == pytest.approx(due)
    assert max(answer.late_seconds for answer in answers) < 1e-6


def test_after_a_failure_a_session_s_later_turns_are_not_sent_but_counted(play):
    many = sessions([sample("a", later=["x", "y"]), sample("b", later=["x", "y"])], turns=3)
    answers, _, server = play(many, Server(broken=["a.1"]))
    assert [isinstance(answer, FailedRequest) for answer in answers] == [False, True, True, False, False, False]
    assert "not sent: turn 1" in answers[2].message and "a.2" not in {name for name, _, _ in server.seen}
    rows = rows_of(many, answers, "aggregated", None)
    assert [row["outcome"] for row in rows] == ["answered", "failed", "failed"] + ["answered"] * 3


def test_a_chat_that_fills_the_window_ends_as_over_window(play):
    answers, _, _ = play(sessions([sample(later=["x" * 10] * 3)], turns=4), window=40)
    # prompts of 10 and 24 tokens; the third would be of 24 + 3 + 10, and its answer of 4 goes over 40
    assert [getattr(answer, "outcome", "answered") for answer in answers] == [
        "answered",
        "answered",
        "over_window",
        "over_window",
    ]


def test_what_a_session_sent_before_may_be_cached(play):
    many = sessions([sample(later=["more"])], turns=2)
    rows = rows_of(many, play(many)[0], "aggregated", None)
    assert [row["reusable_tokens"] for row in rows] == [0, 13]
    assert [(row["sample_id"], row["request_id"], row["turn"]) for row in rows] == [("s", "s", 0), ("s", "s.1", 1)]
    assert [row["prompt_tokens"] for row in rows] == [10, None]


def test_a_single_turn_has_nobody_to_wait_for(play):
    answers, seconds, _ = play([[Turn(sample())]])
    assert (len(answers), seconds) == (1, SERVICE)
