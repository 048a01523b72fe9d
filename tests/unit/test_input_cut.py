"""The whole way of needles in haystacks on a server that cuts prompts: nothing of what it answers to them counts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from contextrot import tasks
from contextrot.errors import RequestError
from contextrot.figures import FigureContext
from contextrot.judging.judge import judge_responses
from contextrot.plan.runs import runs_of
from contextrot.project import Project
from contextrot.records import read_responses
from contextrot.report.summary import summarize_tier, write_summary
from contextrot.report.summary_words import readable
from contextrot.responses.collect import collect_responses
from contextrot.responses.input_cut import counts_exactly, tell_audit
from contextrot.responses.shards import gather_responses
from contextrot.scores.score import score_responses, summarize_scores
from tests.scripted_server import Act
from tests.servers.ollama import OllamaServer
from tests.stages import build_samples, judging_context

LENGTHS = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000]
NEEDLE = "ending first"


def files_of(way):
    """What the summary's rule declares as its inputs."""
    return [path for path in sorted(way.folder.iterdir()) if path.suffix in (".parquet", ".csv")]


class Way:
    """One experiment from samples to summary, on a server."""

    def __init__(self, folder: Path, server: OllamaServer, tokenizer: str, lengths: list[int], shards: int, **settings):
        model = {"engine": "external", "name": "m", "base_url": server.url, "tokenizer": tokenizer, "window": 40_000,
                 "max_output_tokens": 60, "tokens_per_minute": 10**9}  # fmt: skip
        parameters = {"lengths": lengths, "depths": [0, 50, 100], "needles": ["writing_advice_high"]}
        (folder / "models.yaml").write_text(yaml.safe_dump({"m": model}))
        (folder / "experiments.yaml").write_text(yaml.safe_dump({"niah": {"task": "niah", "parameters": parameters}}))
        config = {f"{kind}_definitions": str(folder / f"{kind}s.yaml") for kind in ("model", "experiment")}
        config |= {
            "models": ["m"],
            "experiments": ["niah"],
            "request_store": str(folder / "store"),
            "max_attempts": 1,
            "retry_deadline_seconds": 1e-9,
            **settings,
        }
        self.project = Project(config, Project({}).root.resolve())
        self.folder, self.shards = folder / "results/test/m/niah", shards
        self.task, self.model = self.project.task("test", "m", "niah"), self.project.models["m"]

    def ask(self):
        build_samples(self.project, "test", "m", "niah", self.folder / "samples.parquet")
        for shard in range(1, self.shards + 1):
            collect_responses(
                self.folder / "samples.parquet",
                self.folder / f"responses/{shard}-of-{self.shards}.parquet",
                task=self.task,
                model_name="m",
                model=self.model,
                settings=self.project.settings,
                experiment="niah",
                shard=shard,
                shards=self.shards,
                log=self.folder / "log",
            )

    def finish(self) -> pd.DataFrame:
        """The scores; metrics.csv lies beside them."""
        paths = [self.folder / name for name in ("samples.parquet", "responses.parquet", "judgements/match.parquet")]
        shards = [self.folder / f"responses/{n}-of-{self.shards}.parquet" for n in range(1, self.shards + 1)]
        audit = gather_responses(paths[0], shards, paths[1], counts_exactly(self.model))
        tell_audit("m niah", audit, self.model.base_url)
        context = judging_context(self.project, "match", self.task, self.folder / "log")
        judge_responses(paths[0], paths[1], paths[2], context)
        score_responses(self.task, paths[0], paths[1], [paths[2]], self.folder / "scores.parquet")
        summarize_scores(self.task, self.folder / "scores.parquet", self.folder / "metrics.csv")
        return pd.read_parquet(self.folder / "scores.parquet")


@pytest.fixture
def way(tmp_path, monkeypatch, o200k, embedded_tokenizer):
    """`way(**server)`: the way on an Ollama server; `exact` is whether the tokenizer is the server's own."""
    monkeypatch.chdir(tmp_path)
    servers = []

    def start(exact=False, lengths=LENGTHS, shards=1, settings=None, **server):
        started = OllamaServer(embedded_tokenizer if exact else o200k, NEEDLE, "Write the ending first.", **server)
        servers.append(started)
        started.__enter__()
        tokenizer = str(Project({}).root.resolve() / "data/models/embedded") if exact else "tiktoken:o200k_base"
        found = Way(tmp_path, started, tokenizer, lengths, shards, **(settings or {}))
        found.server = started
        return found

    yield start
    for server in servers:
        server.__exit__(None, None, None)


@pytest.mark.parametrize(("exact", "scale"), [(True, 1), (False, 1), (False, 1 / 0.86), (False, 0.86)])
def test_a_server_that_cuts_prompts_gets_no_effective_length_beyond_its_window(way, capsys, exact, scale):
    w = way(exact, scale=scale, shards=2, settings={"allow_input_cut": True})
    w.ask()
    scores = w.finish()
    fits = scores["length"] * scale <= 4_096
    assert set(scores.loc[~fits, "outcome"]) == {"input_cut"}
    assert set(scores.loc[fits, "outcome"]) == {"answered"}
    assert scores.loc[~fits, "score"].isna().all()
    metrics = pd.read_csv(w.folder / "metrics.csv")
    by_length = metrics[(metrics["grouping"] == "length") & (metrics["measure"] == "score")].set_index("length")
    assert by_length.loc[8_000, ["n", "input_cut"]].tolist() == [0, 3]
    assert pd.isna(by_length.loc[32_000, "value"])
    row = summarize_tier(runs_of(w.project), w.project.settings.seed, files_of(w)).iloc[0]
    assert row["longest_length"] == (2_000 if scale > 1.1 else 4_000)
    assert row["effective_length_ruler_status"] == "beyond_longest"
    assert row["input_cut"] == (~fits).sum()
    told = capsys.readouterr().err
    assert "num_ctx" in told and "4,096" in told and "`window`" in told
    write_summary(
        runs_of(w.project), w.project.settings.seed, files_of(w), w.folder / "s.csv", w.folder / "s.md", w.folder / "s.html"
    )
    assert "num_ctx" in (w.folder / "s.md").read_text()
    texts = {r.sample_id: r.text for r in read_responses(w.folder / "responses.parquet") if r.outcome == "input_cut"}
    assert texts and all(texts.values())


@pytest.mark.parametrize(("exact", "scale"), [(True, 1), (False, 1 / 0.86), (False, 1 / 1.14), (False, 1.14)])
def test_a_server_that_cuts_nothing_has_no_mark(way, capsys, exact, scale):
    w = way(exact, scale=scale, num_ctx=10**6)
    w.ask()
    scores = w.finish()
    assert set(scores["outcome"]) == {"answered"}
    assert scores["score"].all()
    told = readable(summarize_tier(runs_of(w.project), w.project.settings.seed, files_of(w))).iloc[0]
    assert told["Lengths"] == ("verified" if exact else "verified (estimates)")
    assert "WARNING" not in capsys.readouterr().err


@pytest.mark.parametrize("exact", [True, False])
def test_the_run_stops_after_two_canaries_and_heals_once_the_window_is_larger(way, exact):
    w = way(exact)
    with pytest.raises(RequestError, match=r"it counted 4,096 tokens at most.*num_ctx.*allow_input_cut"):
        w.ask()
    assert len(w.server.lengths) == 2
    assert min(w.server.lengths) <= 500 and max(w.server.lengths) > 31_000
    w.server.num_ctx = 40_000
    w.ask()
    assert set(w.finish()["outcome"]) == {"answered"}
    assert len(w.server.lengths) == 2 + 3 * len(LENGTHS) - 1  # the shortest was answered whole, the longest is asked again


def test_an_experiment_that_is_over_the_server_s_window_as_a_whole(way):
    w = way(lengths=[6_000, 8_000, 16_000], settings={"allow_input_cut": True})
    w.ask()
    scores = w.finish()
    assert set(scores["outcome"]) == {"input_cut"}
    row = summarize_tier(runs_of(w.project), w.project.settings.seed, files_of(w)).iloc[0]
    assert pd.isna(row["overall_score"])
    assert (
        readable(summarize_tier(runs_of(w.project), w.project.settings.seed, files_of(w))).iloc[0]["Effective length (RULER)"]
        == ""
    )


def test_a_server_that_counts_nothing_says_so_in_the_summary(way):
    w = way(tells=False, lengths=[500, 8_000])
    w.ask()
    assert set(w.finish()["outcome"]) == {"answered"}
    told = readable(summarize_tier(runs_of(w.project), w.project.settings.seed, files_of(w))).iloc[0]["Lengths"]
    assert told == "not verified: the server counts no prompt tokens"


def test_canaries_wait_for_nobody_that_fails(way):
    w = way(lengths=[500, 8_000], num_ctx=10**6)
    w.server.act = lambda request, authorization: Act(text="", status=500)
    with pytest.raises(RequestError, match="failed after all attempts"):
        w.ask()


def test_the_heatmap_marks_what_was_cut(way):
    w = way(settings={"allow_input_cut": True})
    w.ask()
    scores = w.finish()
    metrics = pd.read_csv(w.folder / "metrics.csv")
    context = FigureContext(scores, metrics, w.folder, "m", "niah")
    figure = tasks.drawing("niah")["heatmap"](context)
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == ["cut by the server"]
    figure = tasks.drawing("niah")["accuracy_by_length"](context)
    assert [text.get_text() for text in figure.axes[0].texts].count("cut by the server") == 3


def test_a_thought_that_names_the_needle_is_not_right(way):
    w = way(lengths=[500, 2_000])
    w.server.right = "It says: Write the ending first. Really?</think>\n\nI could not find that."
    w.ask()
    scores = w.finish()
    assert set(scores["outcome"]) == {"answered"}
    assert not scores["score"].any()


def test_a_thought_that_the_limit_cut_is_not_judged_and_not_right(way):
    w = way(lengths=[500, 2_000])
    w.server.right, w.server.finish = "<think>It says: Write the ending first.", "length"
    w.ask()
    scores = w.finish()
    assert set(scores["outcome"]) == {"truncated"}
    assert not scores["score"].any()
    assert pd.read_parquet(w.folder / "judgements/match.parquet").empty
