"""An answer ends before its first stop string, whichever engine wrote it."""

from __future__ import annotations

import pytest

from contextrot.wire.reply import Reply
from contextrot.wire.stop_strings import end_at_stop
from tests.scripted_server import Act


def ended(text, finish="stop", **body):
    reply = Reply(text=text, finish_reason=finish)
    end_at_stop(reply, body)
    return reply.text, reply.finish_reason


@pytest.mark.parametrize(
    ("text", "stop", "cut"),
    [
        ("yes\nUser:", ["\nUser:"], "yes"),
        ("yes", ["\n"], "yes"),
        ("yes END no STOP", ["STOP", "END"], "yes "),
        ("yes.", ".", "yes"),
        ("yes", None, "yes"),
        ("yes", ["", None], "yes"),
        ("", ["\n"], ""),
    ],
)
def test_the_text_ends_before_the_first_stop_string(text, stop, cut):
    assert ended(text, stop=stop)[0] == cut


def test_an_engine_that_went_on_after_it_has_not_run_into_its_limit():
    assert ended("yes\nno no no", "length", stop=["\n"]) == ("yes", "stop")
    assert ended("no stop here", "length", stop=["\n"]) == ("no stop here", "length")


def test_who_asks_for_the_stop_string_in_the_text_keeps_it():
    assert ended("yes\n", stop=["\n"], include_stop_str_in_output=True)[0] == "yes\n"


def test_the_clients_answer_is_the_same_with_and_without_it_in_the_text(session):
    s = session(lambda prompt, before: Act(text="yes###" if prompt == "kept" else "yes"), {"request": {"stop": ["###"]}})
    assert [r.text for r in s.ask("kept", "cut")] == ["yes", "yes"]


def test_an_answer_of_a_stop_string_alone_is_empty(session):
    s = session(lambda prompt, before: Act(text="###"), {"request": {"stop": ["###"]}})
    assert s.ask("q")[0].outcome == "empty"
