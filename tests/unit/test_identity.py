"""Whose an answer is: what a server says of itself, asked once a job, part of every key, watched while the job goes on."""

from __future__ import annotations

import asyncio
import os

import pytest

from contextrot.engines import llama_cpp
from contextrot.errors import RequestError
from contextrot.responses import identity
from contextrot.responses.identity import model_identity
from contextrot.responses.server_records import SERVERS, said_by
from contextrot.settings import ModelSettings
from tests.scripted_server import Act
from tests.unit.test_inference import Run, sample

OLD = {"data": [{"id": "m", "created": 1, "meta": {"n_params": 10, "size": 100, "n_ctx": 1000}}]}
NEW = {"data": [{"id": "m", "created": 2, "meta": {"n_params": 10, "size": 101, "n_ctx": 1000}}]}


def props(**changes):
    return {"chat_template": "T", "build_info": "b1", "model_path": "/models/m.gguf", "media_marker": "random", **changes}


def two_runs(tmp_path, first, second):
    with Run(tmp_path) as run:
        run.server.pages.update(first)
        run([sample("a")])
        run.server.pages.clear()
        run.server.pages.update(second)
        rows = run([sample("a")])
        return rows, len(run.server.prompts)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"/v1/models": OLD}, {"/v1/models": NEW}),
        ({"/props": props()}, {"/props": props(chat_template="U")}),
        ({"/props": props()}, {"/props": props(build_info="b2")}),
        ({"/props": props()}, {"/props": props(model_path="/models/n.gguf")}),
        ({"/props": props()}, {"/props": props(), "/lora-adapters": [{"id": 0, "path": "l.gguf", "scale": 1}]}),
        ({"/version": {"version": "0.1"}}, {"/version": {"version": "0.2"}}),
        ({}, {"/props": props()}),
        (
            {"/api/version": {"version": "1"}, "/api/tags": {"models": [{"name": "m:latest", "digest": "d1"}]}},
            {"/api/version": {"version": "1"}, "/api/tags": {"models": [{"name": "m:latest", "digest": "d2"}]}},
        ),
        (
            {"/api/version": {"version": "1"}, "/api/show": {"template": "A", "modified_at": "1"}},
            {"/api/version": {"version": "1"}, "/api/show": {"template": "B", "modified_at": "1"}},
        ),
    ],
    ids=str,
)
def test_another_model_behind_the_same_url_and_name_is_asked_anew(tmp_path, first, second):
    rows, asked = two_runs(tmp_path, first, second)
    assert asked == 2 and not rows[0].cached


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"/v1/models": OLD}, {"/v1/models": {"data": [OLD["data"][0] | {"created": 9}]}}),
        ({"/v1/models": OLD}, {"/v1/models": {"data": [{"id": "m", "meta": OLD["data"][0]["meta"] | {"n_ctx": 4000}}]}}),
        ({"/props": props()}, {"/props": props(media_marker="other")}),
        ({}, {"/v1/models": {"data": [{"id": "m"}]}}),
        ({}, {}),
    ],
    ids=str,
)
def test_what_changes_by_itself_or_changes_no_answer_asks_nothing_again(tmp_path, first, second):
    rows, asked = two_runs(tmp_path, first, second)
    assert asked == 1 and rows[0].cached


def test_a_file_that_was_overwritten_in_its_place_is_another(tmp_path):
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF old")
    with Run(tmp_path) as run:
        run.server.pages["/props"] = props(model_path=str(file))
        run([sample("a")])
        file.write_bytes(b"GGUF new")
        run([sample("a")])
        assert len(run.server.prompts) == 2


def test_the_answers_of_the_earlier_one_are_found_when_it_is_back(tmp_path):
    with Run(tmp_path) as run:
        for page in (OLD, NEW, OLD):
            run.server.pages["/v1/models"] = page
            rows = run([sample("a")])
        assert rows[0].cached and len(run.server.prompts) == 2


def test_it_is_asked_once_a_job_and_its_fingerprint_stands_beside_each_answer(tmp_path):
    with Run(tmp_path) as run:
        run.server.pages["/v1/models"] = OLD
        rows = run([sample(str(n)) for n in range(5)])
        assert run.server.looks.count("/props") == 2  # at the beginning and at the end
    assert len({row.server_fingerprint for row in rows}) == 1 and rows[0].server_fingerprint
    assert (tmp_path / "store" / "servers" / f"{rows[0].server_fingerprint}.json").exists()


def test_a_change_during_a_run_stops_it_and_keeps_none_of_its_doubtful_answers(tmp_path):
    with Run(tmp_path) as run:
        run.server.pages["/v1/models"] = OLD
        run.model["concurrency"] = 1

        def script(prompt, before):
            if prompt.endswith("b"):
                run.server.pages["/v1/models"] = NEW
            return Act()

        run.server.script = script
        with pytest.raises(RequestError, match="changed while it was asked.*/v1/models.*run the same command again"):
            run([sample("a", 30), sample("b", 20)])
        assert len(run.server.prompts) == 2
        rows = run([sample("a", 30), sample("b", 20)])
        assert len(run.server.prompts) == 4 and not any(row.cached for row in rows)


def test_a_change_is_seen_before_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "SECONDS_BETWEEN_LOOKS", 0)
    with Run(tmp_path) as run:
        run.server.pages["/v1/models"] = OLD
        run.model["concurrency"] = 1

        def script(prompt, before):
            run.server.pages["/v1/models"] = NEW
            return Act()

        run.server.script = script
        with pytest.raises(RequestError, match="changed"):
            run([sample(str(n), 50 - n) for n in range(20)])
        assert len(run.server.prompts) < 20


def test_stored_answers_are_found_while_the_server_is_down(tmp_path):
    with Run(tmp_path) as run:
        run.server.pages["/v1/models"] = OLD
        run([sample("a")])
    rows = run([sample("a")])
    assert rows[0].cached and rows[0].server_fingerprint


def test_a_server_that_comes_up_late_is_asked_after_its_first_answer(tmp_path, monkeypatch):
    looks = []

    async def ask(endpoint):
        looks.append(endpoint)
        if len(looks) == 1:
            raise identity.NotReachable
        return {"/props": {"build_info": "b1"}}

    monkeypatch.setattr(identity, "ask_server", ask)
    with Run(tmp_path) as run:
        rows = run([sample("a")])
        again = run([sample("a")])
    assert rows[0].server_fingerprint and again[0].cached


def test_a_hosted_provider_is_not_asked_who_it_is(tmp_path):
    model = ModelSettings(engine="external", name="n", provider="openai", window=10, max_output_tokens=5)
    assert identity.identity_of(model, tmp_path) is None


def who(model, store):
    found = identity.identity_of(model, store)
    asyncio.run(found.settle())
    return found


@pytest.mark.parametrize("changed", ["llama-server", "libllama.so"])
def test_another_build_of_llama_cpp_is_asked_anew_and_one_that_is_gone_leaves_its_answers(tmp_path, changed):
    server = tmp_path / "llama-server"
    server.write_text("#!/bin/sh\necho version: 7\n")
    server.chmod(0o755)
    (tmp_path / "libllama.so").write_text("machine code")
    model = ModelSettings(
        engine="llama_cpp", name="m.gguf", window=10, max_output_tokens=5, engine_options={"server": str(server)}
    )
    first = who(model, tmp_path / "store")
    assert who(model, tmp_path / "store").key_part == first.key_part != {}
    assert said_by(tmp_path / "store", first.fingerprint)["build"]["version"] == "version: 7"
    server.rename(tmp_path / "away")
    llama_cpp.build_of.cache_clear()
    assert who(model, tmp_path / "store").key_part == first.key_part
    (tmp_path / "away").rename(server)
    (tmp_path / changed).write_text((tmp_path / changed).read_text() + "\n")
    assert who(model, tmp_path / "store").key_part != first.key_part


def test_what_a_server_said_is_read_from_regular_files_only(tmp_path):
    (tmp_path / SERVERS).mkdir()
    os.mkfifo(tmp_path / SERVERS / "a.json")
    (tmp_path / SERVERS / "b.json").write_text("[]")
    (tmp_path / SERVERS / "c.json").write_bytes(b"\xff")
    assert [said_by(tmp_path, name) for name in "abcd"] == [{}] * 4


def test_another_version_of_the_engine_s_package_is_asked_anew(tmp_path, monkeypatch):
    model = ModelSettings(engine="transformers", name="m", window=10, max_output_tokens=5)
    first = who(model, tmp_path)
    assert set(first.said["build"]) == {"transformers", "torch"}
    monkeypatch.setattr("contextrot.engines.transformers.version", lambda name: "99")
    assert who(model, tmp_path).key_part != first.key_part


def test_a_template_file_counts_with_its_content(tmp_path):
    template = tmp_path / "t.jinja"
    values = {"engine": "llama_cpp", "name": "x", "window": 10, "max_output_tokens": 5}
    model = ModelSettings(**values, engine_options={"chat_template_file": str(template)})
    template.write_text("a")
    first = model_identity(model)
    template.write_text("b")
    assert model_identity(model) != first
