"""Collecting responses over real HTTP: the store first, one engine, long contexts first, nothing lost when something fails."""

from __future__ import annotations

import logging
from contextlib import contextmanager

import pytest

from contextrot import engines
from contextrot.errors import RequestError, StoreError
from contextrot.records import Sample, read_responses, write_samples
from contextrot.responses import collect
from contextrot.responses.collect import ask_samples, collect_responses
from contextrot.responses.prices import FREE
from contextrot.responses.segment_writer import SUFFIX
from contextrot.responses.shards import gather_responses
from contextrot.responses.usage import Ledger, read_parts, summarize
from contextrot.samples.sample_table import SampleTable, column
from contextrot.settings import ModelSettings, Settings
from contextrot.task import Parameters, Task
from tests.scripted_server import Act, ScriptedServer, error


def sample(name, tokens=100, later=(), fits=True, **condition):
    messages = [{"role": "user", "content": f"question {name}"}] if fits else []
    return Sample(
        name, messages, ["x"], 10, tokens if fits else None, fits_window=fits, later_prompts=list(later), condition=condition
    )


class Run:
    """`collect_responses` in a folder, on a scripted server."""

    def __init__(self, folder, script=lambda prompt, before: Act()):
        self.folder, self.server, self.task = folder, ScriptedServer(script), Task(Parameters())
        self.model = {"tokens_per_minute": 10**9, "concurrency": 4, "tokenizer": "tiktoken:o200k_base"}

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *error):
        self.server.__exit__(*error)

    def __call__(self, samples, shard=1, shards=1, **settings):
        experiment = self.folder / "test" / "m" / "e"
        write_samples(experiment / "samples.parquet", samples)
        values = {"engine": "external", "name": "m", "base_url": self.server.url, "window": 1000, "max_output_tokens": 50}
        output = experiment / "responses" / f"{shard}-of-{shards}.parquet"
        collect_responses(
            experiment / "samples.parquet",
            output,
            task=self.task,
            model_name="m",
            model=ModelSettings(**values | self.model),
            settings=Settings(request_store=str(self.folder / "store"), **settings),
            experiment="e",
            shard=shard,
            shards=shards,
            log=self.folder / "log",
        )
        return read_responses(output)


def test_one_row_for_each_sample_and_turn_in_the_samples_order(tmp_path):
    with Run(tmp_path) as run:
        rows = run([sample("a", 10), sample("b", 30, ["and?", "so?"]), sample("c", 20)])
    assert [(r.sample_id, r.turn, r.outcome) for r in rows] == [
        ("a", 0, "answered"),
        ("b", 0, "answered"),
        ("b", 1, "answered"),
        ("b", 2, "answered"),
        ("c", 0, "answered"),
    ]


def test_long_contexts_are_asked_first(tmp_path):
    with Run(tmp_path) as run:
        run.model["concurrency"] = 1
        run([sample(str(n), n) for n in [*range(40, 80), *range(1, 40)]])
        asked = [int(prompt.removeprefix("question ")) for prompt in run.server.prompts]
    assert asked == list(range(79, 0, -1))


def test_a_later_prompt_follows_the_answer_before_it(tmp_path):
    with Run(tmp_path, lambda prompt, before: Act(text=f"re: {prompt}")) as run:
        run([sample("a", later=["and?"])])
        assert [m["content"] for m in run.server.requests[1]["messages"]] == ["question a", "re: question a", "and?"]


def test_the_next_turn_s_history_holds_the_answer_without_its_thought(tmp_path):
    with Run(tmp_path, lambda prompt, before: Act(text="Is it Rome?</think>\nParis.")) as run:
        rows = run([sample("a", later=["and?"])])
    assert [m["content"].strip() for m in run.server.requests[1]["messages"]] == ["question a", "Paris.", "and?"]
    assert [(r.text.strip(), r.reasoning) for r in rows] == [("Paris.", "Is it Rome?")] * 2


@pytest.mark.parametrize(
    "act", [Act(text=""), Act(text="", refusal="no"), error(400, "maximum context length")], ids=["empty", "refused", "over"]
)
def test_turns_after_one_without_text_keep_its_outcome_and_the_denominator(tmp_path, act):
    with Run(tmp_path, lambda *_: act) as run:
        rows = run([sample("a", later=["and?", "so?"])])
    assert len(rows) == 3
    assert len({r.outcome for r in rows[1:]}) == 1


def test_what_does_not_fit_the_window_is_never_sent_and_starts_no_server(tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "serve", None)
    with Run(tmp_path) as run:
        rows = run([sample("a", fits=False), sample("b", fits=False, later=["more"])])
    assert [(r.sample_id, r.turn, r.outcome, r.attempts) for r in rows] == [
        ("a", 0, "over_window", 0),
        ("b", 0, "over_window", 0),
        ("b", 1, "over_window", 0),
    ]


def test_what_is_in_the_store_starts_no_server(tmp_path, monkeypatch):
    with Run(tmp_path) as run:
        samples = [sample("a"), sample("b", later=["and?"])]
        first = run(samples)
        monkeypatch.setattr(engines, "serve", None)
        second = run(samples)
        assert len(run.server.prompts) == 3
    assert [r.cached for r in second] == [True] * 3
    assert [(r.text, r.total_seconds) for r in second] == [(r.text, r.total_seconds) for r in first]


def test_one_engine_is_started_for_all_samples_and_always_left(tmp_path, monkeypatch):
    served = []
    serve = engines.serve

    @contextmanager
    def counting(model, log_path):
        with serve(model, log_path) as endpoint:
            served.append("in")
            try:
                yield endpoint
            finally:
                served.append("out")

    monkeypatch.setattr(engines, "serve", counting)
    script = lambda prompt, before: error(404, "no such model") if "b" in prompt else Act()  # noqa: E731
    with Run(tmp_path, script) as run, pytest.raises(RequestError, match="404"):
        run([sample("a"), sample("b"), sample("c")])
    assert served == ["in", "out"]


def test_a_failed_row_fails_the_job_and_the_next_run_asks_only_for_it(tmp_path):
    broken = {"question b"}
    with Run(tmp_path, lambda prompt, before: error(400, "bad") if prompt in broken else Act()) as run:
        samples = [sample(n) for n in "abc"]
        with pytest.raises(RequestError, match="1 of 3 rows of m e 1/1 failed after all attempts, such as 'b'"):
            run(samples)
        assert not (tmp_path / "test/m/e/responses/1-of-1.parquet").exists()
        broken.clear()
        rows = run(samples)
        assert run.server.counts == {"question a": 1, "question b": 2, "question c": 1}
    assert [r.outcome for r in rows] == ["answered"] * 3


def test_failed_rows_go_on_only_if_allowed_and_are_no_answers(tmp_path):
    with Run(tmp_path, lambda prompt, before: error(400, "bad") if "b" in prompt else Act()) as run:
        rows = run([sample("a"), sample("b")], allow_failed=True)
    assert [(r.outcome, r.text) for r in rows] == [("answered", "yes"), ("failed", None)]
    assert rows[1].error_message == "bad"


def test_a_refused_key_stops_at_once_and_keeps_what_is_finished(tmp_path):
    with Run(tmp_path, lambda prompt, before: error(401, "bad key") if prompt == "question 3" else Act()) as run:
        run.model["concurrency"] = 1
        samples = [sample(str(n), 100 - n) for n in range(50)]
        with pytest.raises(RequestError, match="401"):
            run(samples)
        assert len(run.server.prompts) <= 6
    assert Settings and summarize(tmp_path / "test/m/e")["calls"] >= 3
    assert read_parts(tmp_path / "test/m/e")[0]["stage"] == "stopped"


def test_a_store_that_takes_nothing_stops_with_a_clear_message(tmp_path):
    (tmp_path / "store").write_text("a file where the folder should be")
    with Run(tmp_path) as run:
        run.model["requests_per_minute"] = None
        with pytest.raises(StoreError, match="request store"):
            run([sample(str(n)) for n in range(40)])
        assert len(run.server.prompts) < 40


def test_changing_the_number_of_shards_asks_nothing_again(tmp_path):
    samples = [sample(f"s{n}", 10 * n + 10) for n in range(12)]
    with Run(tmp_path) as run:
        for shards in (1, 3):
            for shard in range(1, shards + 1):
                run(samples, shard, shards)
        assert len(run.server.prompts) == 12
    folder = tmp_path / "test/m/e"
    paths = [folder / f"responses/{n}-of-3.parquet" for n in (1, 2, 3)]
    gather_responses(folder / "samples.parquet", paths, folder / "responses.parquet")
    assert [r.sample_id for r in read_responses(folder / "responses.parquet")] == [s.sample_id for s in samples]


def test_a_shards_budget_is_its_part_of_the_whole(tmp_path):
    with Run(tmp_path) as run:
        run.model["price"] = {"input_usd_per_million_tokens": 10**6, "output_usd_per_million_tokens": 0}
        with pytest.raises(RequestError, match=r"of 75\.0000 USD"):
            run([sample(str(n), 7) for n in range(40)], 1, 2, budget_usd=150)


def test_progress_is_plain_lines_in_a_log(tmp_path, caplog):
    with caplog.at_level(logging.INFO), Run(tmp_path) as run:
        run([sample("a"), sample("b")])
    assert "m e 1/1: 2/2 rows, 0 failed" in caplog.text


def test_a_task_may_hold_its_own_conversation_and_reset_the_engine(tmp_path):
    class Insisting(Task):
        async def converse(self, sample, ask):
            for attempt in range(3):
                response = await ask(sample.messages, 0, repeat=attempt)
                if response.text:
                    break
                await ask.reset()
            return [response]

    with Run(tmp_path, lambda prompt, before: Act(text="" if before < 2 else "third time")) as run:
        run.task = Insisting(Parameters())
        assert [r.text for r in run([sample("a")])] == ["third time"]
        assert [r.text for r in run([sample("a")])] == ["third time"]
        assert len(run.server.prompts) == 3


def test_a_damaged_answer_is_asked_again_and_reported(tmp_path, caplog):
    with Run(tmp_path) as run:
        run([sample("a"), sample("b")])
        segment = next((tmp_path / "store").rglob(f"*{SUFFIX}"))
        text = segment.read_bytes()
        segment.write_bytes(text[:100] + bytes([text[100] ^ 1]) + text[101:])
        rows = run([sample("a"), sample("b")])
        assert len(run.server.prompts) == 3
    assert sorted(r.cached for r in rows) == [False, True]
    assert "1 files of the request store could not be read" in caplog.text


def test_a_judge_asks_samples_of_its_own_the_same_way(tmp_path):
    with ScriptedServer() as server:
        model = ModelSettings(
            engine="external", name="m", base_url=server.url, window=100, max_output_tokens=5, tokens_per_minute=10**9
        )
        usage, settings = Ledger(tmp_path, "judge-llm", "m", FREE), Settings(request_store=str(tmp_path / "store"))
        answers = ask_samples([sample("a"), sample("b")], Task(Parameters()), model, settings, usage, tmp_path / "log", "judge")
    assert {name: rows[0].text for name, rows in answers.items()} == {"a": "yes", "b": "yes"}


def test_a_sample_table_gives_the_samples_as_they_were_written(tmp_path):
    samples = [sample(f"s{n}", n, ["more"] * (n % 3), depth=n / 10) for n in range(600)]
    write_samples(tmp_path / "samples.parquet", samples)
    table = SampleTable.read(tmp_path / "samples.parquet")
    assert list(table) == samples
    some = [5, 3, 599]
    assert list(table.select(some).select([2, 0])) == [samples[599], samples[5]]
    assert table.select(some)[1] == samples[3]
    assert [s.sample_id for s in table.without_messages()] == [s.sample_id for s in samples]
    assert table.without_messages()[0].messages == []
    for name in ("sample_id", "prompt_tokens", "fits_window", "later_prompts", "depth", "prefix_group"):
        assert column(table.select(some), name) == column([samples[index] for index in some], name)
    assert column(table, "depth")[1:3] == [0.1, 0.2] and set(column(table, "prefix_group")) == {None}


@pytest.mark.parametrize(("limit", "said"), [(None, True), (10**9, False)])
def test_the_default_limit_of_a_server_at_a_url_is_said_at_the_start(limit, said, capsys):
    block = {"engine": "external", "name": "m", "base_url": "http://127.0.0.1:1/v1", "window": 100, "max_output_tokens": 5}
    collect.announce_default_limit("m niah", ModelSettings(**block, tokens_per_minute=limit))
    assert ("at most 50,000 tokens a minute" in capsys.readouterr().err) == said
