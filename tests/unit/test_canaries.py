"""The shortest and the longest prompt go first, and the others wait for their first answers alone."""

from __future__ import annotations

import asyncio

import pytest

from contextrot.errors import RequestError
from contextrot.records import Response, Sample
from contextrot.responses.canaries import LengthGuard, choose_canaries, stale_answers
from contextrot.responses.length_audit import Count


def sample(name, tokens):
    return Sample(name, [{"role": "user", "content": name}], ["x"], 10, tokens)


def response(built, server, outcome="answered", cached=False):
    return Response("", 0, outcome, built_tokens=built, prompt_tokens=server, cached=cached)


def guard(*names, exact=True, allow=False, **more):
    return LengthGuard("m e", names, exact=exact, allow=allow, base_url="http://127.0.0.1:1/v1", **more)


def test_the_shortest_and_the_longest_are_chosen():
    samples = [sample("a", 2_000), sample("b", 500), sample("c", 9_000), sample("d", None)]
    assert choose_canaries(samples, [0, 1, 2, 3]) == [1, 2]
    assert choose_canaries(samples, [0]) == [0]
    assert choose_canaries(samples, [1]) == []
    assert choose_canaries(samples, [3]) == []


def test_others_wait_for_both_and_for_their_first_answers_only():
    async def run():
        g = guard("short", "long")
        await g.wait("short")
        other = asyncio.create_task(g.wait("other"))
        g.hear("short", response(500, 500))
        g.hear("short", response(5_000, 5_000))
        await asyncio.sleep(0)
        assert not other.done()
        g.hear("long", response(32_000, 32_000))
        await other

    asyncio.run(run())


@pytest.mark.parametrize("exact", [True, False])
def test_a_cut_canary_stops_the_job_with_what_to_set(exact):
    g = guard("short", "long", exact=exact)
    g.hear("short", response(500, 500))
    with pytest.raises(RequestError, match=r"up to 32,000 tokens long, it counted 4,096.*num_ctx.*allow_input_cut"):
        g.hear("long", response(32_000, 4_096))


@pytest.mark.parametrize("scale", [0.86, 1 / 0.86, 1 / 1.14, 1.14])
@pytest.mark.parametrize("shortest", [60, 100, 500, 3_000])
@pytest.mark.parametrize("frame", [0, 40])
def test_a_stand_in_s_canaries_pass(scale, shortest, frame):
    g = guard("short", "long", exact=False)
    g.hear("short", response(shortest, int(shortest * scale) + frame))
    g.hear("long", response(100_000, int(100_000 * scale) + frame))


def test_cut_canaries_pass_if_that_is_allowed():
    g = guard("short", "long", allow=True)
    g.hear("short", response(500, 500))
    g.hear("long", response(32_000, 4_096))
    assert not g.to_be_asked_again(response(32_000, 4_096, cached=True))


def test_nobody_waits_for_a_canary_without_an_answer():
    async def run():
        g = guard("short", "long")
        g.hear("short", response(500, None, "failed"))
        g.done("long")
        await g.wait("other")
        left = guard("short", "long")
        left.leave("short")
        await left.wait("other")
        await guard().wait("other")

    asyncio.run(run())


def test_stored_answers_to_cut_prompts_are_asked_again():
    answers = {"a": [response(500, 500)], "b": [response(32_000, 4_096)], "c": [response(None, None, "failed")]}
    again, whole, stale = stale_answers(answers, True)
    assert again == {"b"}
    assert whole == [Count(500, 500)]
    g = guard(exact=False, known=whole, stale=stale)
    assert g.to_be_asked_again(response(16_000, 4_096, cached=True))
    assert not g.to_be_asked_again(response(16_000, 4_096))
    assert not g.to_be_asked_again(response(16_000, 15_000, cached=True))
