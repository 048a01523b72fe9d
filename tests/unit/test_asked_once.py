"""Equal requests are asked once, by one of those who want the answer: within a job, between jobs, and after a kill."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter

import pytest

from contextrot.errors import RequestError
from contextrot.records import Response
from contextrot.responses.asked_once import AskedOnce
from contextrot.responses.claims import Claims
from contextrot.responses.clock import Clock, Stop
from contextrot.responses.store import RequestStore, request_key
from tests.scripted_server import Act, error

KEY = request_key({"q": 1})


def test_64_prompts_of_which_2_differ_are_2_requests(session):
    s = session(lambda prompt, before: Act(text=f"{prompt} {before}", delay_seconds=0.01), model={"concurrency": 16})
    responses = s.ask(*(["a", "b"] * 32))
    assert Counter(s.server.prompts) == {"a": 1, "b": 1}
    assert [r.text for r in responses] == ["a 0", "b 0"] * 32
    assert sum(not r.cached for r in responses) == 2
    assert s.usage.counts["calls"] == 2


def test_each_asker_has_a_response_of_its_own(session):
    first, second = session().ask("same", "same")
    first.sample_id = "one"
    assert second.sample_id == ""


def test_what_the_asker_makes_of_its_response_does_not_reach_the_others(tmp_path):
    async def run():
        once = AskedOnce(RequestStore(tmp_path), Stop(Clock()))

        async def ask():
            await asyncio.sleep(0)
            return Response("", 0, "answered", text="yes", attempts=1)

        async def one():
            response = await once.answer(KEY, ask)
            before, response.attempts = response.attempts, 9
            return before

        assert await asyncio.gather(one(), one(), one()) == [1, 1, 1]
        once.close()

    asyncio.run(run())


def test_equal_requests_fail_together(session):
    s = session(lambda *_: error(400, "unknown parameter"))
    assert [r.outcome for r in s.ask(*["same"] * 9)] == ["failed"] * 9
    assert len(s.server.prompts) == 1


def test_equal_requests_of_a_job_that_ends_raise_its_error(session):
    s = session(lambda *_: error(401))
    assert all(isinstance(r, RequestError) for r in s.ask(*["same"] * 9))
    assert len(s.server.prompts) == 1


def test_another_asks_if_the_one_who_asked_was_cancelled(tmp_path):
    asked = []

    async def run():
        once = AskedOnce(RequestStore(tmp_path), Stop(Clock()))

        async def ask():
            asked.append(1)
            await asyncio.sleep(30 if len(asked) == 1 else 0)
            return Response("", 0, "answered", text="yes")

        first, *others = [asyncio.create_task(once.answer(KEY, ask)) for _ in range(3)]
        await asyncio.sleep(0.01)
        first.cancel()
        assert [r.text for r in await asyncio.gather(*others)] == ["yes", "yes"]
        once.close()

    asyncio.run(run())
    assert len(asked) == 2


def test_a_claim_is_one_s_own_until_it_is_given_back(tmp_path):
    one, two = Claims(tmp_path), Claims(tmp_path)
    assert one.take(KEY)
    assert not two.take(KEY)
    assert two.take(request_key({"q": 2}))
    one.release(KEY)
    assert two.take(KEY)
    two.close()
    assert one.take(KEY)


HOLDER = """
import sys, time
from pathlib import Path
from contextrot.responses.claims import Claims
claims = Claims(Path(sys.argv[1]))
print(claims.take(sys.argv[2]), flush=True)
time.sleep(600)
"""


def test_a_claim_of_a_killed_process_is_taken_over_at_once(tmp_path):
    job = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path), KEY], env={**os.environ, "PYTHONPATH": "workflow"}, stdout=subprocess.PIPE
    )
    assert job.stdout.readline() == b"True\n"
    claims = Claims(tmp_path)
    assert not claims.take(KEY)
    job.kill()
    job.communicate()
    assert claims.take(KEY)
    claims.close()


def test_two_jobs_at_once_ask_each_request_once(tmp_path):
    asked = Counter()

    async def job(store):
        once = AskedOnce(store, Stop(Clock()))

        def ask(number):
            async def answer():
                asked[number] += 1
                await asyncio.sleep(0.02)
                store.put(request_key({"q": number}), {}, Response("", 0, "answered", text=str(number)))
                return Response("", 0, "answered", text=str(number))

            return answer

        found = await asyncio.gather(*(once.answer(request_key({"q": n}), ask(n)) for n in range(50)))
        once.close()
        assert [r.text for r in found] == [str(n) for n in range(50)]

    async def run():
        await asyncio.gather(*(job(RequestStore(tmp_path)) for _ in range(3)))

    asyncio.run(run())
    assert asked == dict.fromkeys(range(50), 1)


@pytest.mark.parametrize("kind", ["folder", "no right"])
def test_without_locks_jobs_go_on_and_say_so_once(tmp_path, kind, caplog, monkeypatch):
    import fcntl

    if kind == "folder":
        (tmp_path / "claims").mkdir()
    else:

        def refuse(*_):
            raise OSError(37, "No locks available")

        monkeypatch.setattr(fcntl, "fcntl", refuse)
    claims = Claims(tmp_path)
    assert claims.take(KEY) and claims.take(KEY)
    claims.release(KEY)
    assert caplog.text.count("takes no locks") == 1
    claims.close()


def test_a_pipe_where_the_claims_should_be_hangs_nobody(tmp_path):
    os.mkfifo(tmp_path / "claims")
    claims = Claims(tmp_path)
    assert claims.take(KEY)
    claims.release(KEY)
    claims.close()
