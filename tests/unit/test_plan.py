"""What the rules look up, without Snakemake."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import yaml

from contextrot.errors import ConfigError
from contextrot.plan.bucket import bucket_arguments
from contextrot.plan.paths import any_of, folder_of
from contextrot.plan.plan import Plan
from contextrot.plan.responses import answering
from contextrot.plan.stage import Invocation, growing
from contextrot.project import Project
from contextrot.settings import ModelSettings

MODELS = {
    "local": {"engine": "transformers", "name": "{data}/models/embedded", "window": 4096, "max_output_tokens": 100},
    "hosted": {"engine": "external", "name": "gpt", "provider": "openai", "tokenizer": "tiktoken:o200k_base", "window": 4096,
               "max_output_tokens": 9},
    "on_gpu": {"engine": "vllm", "name": "org/model", "gpu": 1, "window": 4096, "max_output_tokens": 9},
}  # fmt: skip
EXPERIMENTS = {
    "niah": {"task": "niah", "judges": ["match", "llm"]},
    "niah_again": {"task": "niah"},
    "stories": {"task": "story_sequences", "judges": []},
    "switching": {"task": "context_switching"},
    "speed": {"task": "serving", "parameters": {"modes": ["aggregated", "disaggregated"], "parity_with": "nihá"}},
}
JUDGES = {"match": {"kind": "match"}, "llm": {"kind": "llm", "model": "hosted"}}


class Refused(Exception):
    """What Snakemake would tell."""


@pytest.fixture
def plan(root, tmp_path):
    def made(invocation=None, **config):
        for kind, content in (("model", MODELS), ("experiment", EXPERIMENTS)):
            (tmp_path / f"{kind}s.yaml").write_text(yaml.safe_dump(content))
        definitions = {f"{kind}_definitions": str(tmp_path / f"{kind}s.yaml") for kind in ("model", "experiment")}
        chosen = {"models": ["local", "hosted"], "experiments": ["niah", "stories"], "judges": JUDGES}
        return Plan(Project(chosen | config | definitions, root), invocation or Invocation(refuse=Refused, cores=6))

    return made


def of(model="local", experiment="niah", tier="test", **more):
    return SimpleNamespace(tier=tier, model=model, experiment=experiment, **more)


def test_names_with_a_common_beginning_match_the_longest_first():
    assert any_of(["niah", "niah.x", "a"]) == r"niah\.x|niah|a"
    assert folder_of(tier=["test"], experiment=["b", "aa"]) == "results/{tier,test}/{model}/{experiment,aa|b}"


def test_memory_grows_with_each_attempt():
    assert [growing(100)(None, attempt) for attempt in (1, 2)] == [100, 200]


def test_samples_are_made_of_data_tokenizer_and_template(plan):
    sources = plan().samples.sources(of())
    assert any(path.endswith("embedded/tokenizer.json") for path in sources)
    assert any(path.endswith("embedded/chat_template.jinja") for path in sources)
    assert any("/essays/" in path for path in sources)
    assert len(sources) == len(set(sources))


def test_another_chat_template_is_an_input_of_the_samples(plan, tmp_path):
    template = tmp_path / "mine.jinja"
    template.write_text("{{ messages }}")
    made = plan()
    made.project.models["local"].chat_template = str(template)
    assert str(template) in made.samples.sources(of())
    assert str(template) in made.samples.tokenizer(of())


def test_where_jobs_share_no_folder_nothing_of_this_machine_is_an_input(plan):
    made = plan(Invocation(local=None))
    assert made.samples.sources(of()) == made.responses.served_files(of()) == made.hidden_states.weights(of()) == []


def test_a_price_and_a_key_change_no_answer_and_are_not_told():
    plain = {"engine": "external", "name": "gpt", "provider": "openai", "window": 100, "max_output_tokens": 9}
    priced = ModelSettings(**plain, price={"input_usd_per_million_tokens": 1, "output_usd_per_million_tokens": 1}, title="A")
    assert answering(priced) == answering(ModelSettings(**plain))
    said = answering(ModelSettings(**plain, engine_options={"headers": {"X-Api-Key": "hunter2"}}))
    assert "hunter2" not in said and json.loads(said)["name"] == "gpt"


def test_a_server_elsewhere_takes_an_api_place_and_no_core(plan):
    responses = plan().responses
    places = {name: asks(of("hosted")) for name, asks in responses.api.items()}
    assert places == {"api": 1, "api_openai": 1}
    assert {asks(of("local")) for asks in responses.api.values()} == {0}
    assert (responses.threads(of("hosted")), responses.threads(of("on_gpu"))) == (0, 1)
    submitted = plan(Invocation(submits=lambda: True)).responses
    assert (submitted.threads(of("hosted")), submitted.threads(of("on_gpu"))) == (1, 1), "no cluster takes a job without a core"
    assert responses.memory(of("hosted"), 2) == 4000 and responses.memory(of("local"), 1) == 8000


def test_models_here_answer_one_after_the_other_and_judges_after_all(plan):
    made = plan()
    assert made.responses.priority(of("hosted")) == 1
    assert made.responses.priority(of("local")) > made.responses.priority(of("on_gpu", "niah"))
    assert made.responses.priority(of("local", "switching")) > made.responses.priority(of("local"))
    assert made.hidden_states.priority(of("on_gpu")) < made.responses.priority(of("on_gpu")) < 0
    assert made.judging.priority(of(judge="match")) == 1


def test_shards_are_those_of_the_experiment(plan):
    made = plan()
    made.project.experiments["niah"].shards = 2
    assert [path.rpartition("/")[2] for path in made.responses.shards(of())] == ["1-of-2.parquet", "2-of-2.parquet"]


def test_a_judge_that_asks_a_model_has_its_resources_and_its_settings(plan):
    judging = plan().judging
    assert (judging.minutes(of(judge="llm")), judging.minutes(of(judge="match"))) == (1440, 60)
    assert judging.api["api_openai"](of(judge="llm")) == 1 and judging.api["api"](of(judge="match")) == 0
    assert '"name":"gpt"' in judging.settings(of(judge="llm"))
    assert judging.code(of(judge="llm")) != judging.code(of(judge="match"))


def test_agreement_is_of_experiments_with_several_judges(plan):
    assert plan().judging.agreements("full") == [f"results/full/{model}/niah/agreement.png" for model in ("local", "hosted")]


def test_scores_of_a_hosted_model_have_nothing_of_its_layers(plan):
    scores = plan().scores
    assert scores.added(of("hosted", "switching")) == []
    assert [path.rpartition("/")[2] for path in scores.added(of("local", "switching"))] == ["likelihoods.parquet"]
    assert scores.code(of()) == scores.code(of(experiment="niah_again")) != scores.code(of(experiment="stories"))


def test_figures_are_drawn_by_their_task_s_code_from_declared_files(plan):
    figures = plan(experiments=["switching"]).figures
    assert figures.code(of()) == figures.code(of(experiment="niah_again")) != figures.code(of(experiment="stories"))
    assert [path.rpartition("/")[2] for path in figures.sources(["cosine_lines", "metric"])(of(experiment="switching"))] == [
        "cosines.parquet"
    ]
    assert figures.drawn_together() == {"switching": ["metric", "percent_change", "matrix"]}
    targets = dict(figures.short_targets())
    assert targets["switching_tau"] == ["results/test/local/switching/figures/tau.png"]


def test_memory_of_serving_is_drawn_from_each_mode_s_summary(plan):
    made = plan(experiments=["speed"])
    made.project.experiments["speed"].parameters["memory"] = True
    sources = made.figures.sources(["memory_by_length"])(of(experiment="speed"))
    assert [path.split("/", 4)[4] for path in sources] == ["aggregated/summary.json", "disaggregated/summary.json"]


def test_a_serving_experiment_measures_alone_and_its_folder_is_its_own(plan):
    serving = plan().serving
    assert serving.experiments == ["speed"] and serving.folder == "results/{tier}/{model}/{experiment,speed}"
    assert serving.threads(of()) == 6 and serving.threads(of("on_gpu")) == 8
    assert serving.of_modes("a.json")(of(experiment="speed"))[1].endswith("disaggregated/a.json")
    with pytest.raises(Refused, match="unknown experiment 'nihá'"):
        serving.parity_samples(of(experiment="speed"))


def test_a_wrong_parameter_of_a_model_that_was_not_selected_is_refused_when_it_is_asked_for(plan):
    made = plan()
    made.project.models["on_gpu"].overrides["niah"] = {"lenghts": [1]}
    with pytest.raises(Refused, match="Did you mean 'lengths'"):
        made.samples.parameters(of("on_gpu"))


def test_comparisons_are_of_models_conditions_and_tiers(plan):
    comparisons = plan(experiments=["niah", "niah_again"]).comparisons
    assert comparisons.names("test") == [
        "test/comparison/niah",
        "test/comparison/niah_again",
        "test/comparison/conditions/local/niah",
        "test/comparison/conditions/hosted/niah",
    ]
    models = SimpleNamespace(comparison="test/comparison/niah")
    assert comparisons.sources(models) == [f"results/test/{model}/niah/scores.parquet" for model in ("local", "hosted")]
    assert comparisons.pair_columns(models) == [] and comparisons.length(models) == "length"
    conditions = SimpleNamespace(comparison="full/comparison/conditions/local/niah")
    assert [entry["experiment"] for entry in comparisons.entries(conditions)] == ["niah", "niah_again"]
    assert "length" in comparisons.pair_columns(conditions)
    tiers = comparisons.entries(SimpleNamespace(comparison="comparison/niah"))
    assert [(entry["title"], entry["tier"]) for entry in tiers[:2]] == [("local, test", "test"), ("local, full", "full")]
    with pytest.raises(ConfigError, match="no comparison"):
        comparisons.runs("test/niah")


def test_one_thing_alone_is_not_compared(plan):
    assert plan(models=["local"], experiments=["niah"]).comparisons.figures("test") == []


def test_titles_that_two_models_share_are_told_apart(plan):
    made = plan()
    for name in ("local", "hosted"):
        made.project.models[name].title = "Same"
    titles = [entry["title"] for entry in made.comparisons.entries(SimpleNamespace(comparison="test/comparison/niah"))]
    assert titles == ["Same (local, niah)", "Same (hosted, niah)"]


def test_a_run_makes_metrics_figures_and_what_is_written_once(plan):
    targets = plan(models=["local"]).targets()
    assert len(targets) == len(set(targets))
    assert {
        "results/test/report.html",
        "results/test/local/niah/metrics.csv",
        "results/test/local/stories/figures/tokens_by_turn.png",
    } <= set(targets)


def test_a_report_of_another_tier_is_made_of_that_tier_and_says_so(plan):
    made = plan()
    assert {path.split("/")[1] for path in made.report.shown(of(tier="full"))} == {"full"}
    assert made.report.config(of(tier="full")) == {"tier": "full"}
    assert plan(Invocation(is_module=True, config={"paper": 1})).report.config(of(tier="full")) == {"paper": 1}


def test_models_are_checked_beside_the_cost_only_if_one_is_hosted(plan):
    assert plan().report.checks() == ["results/test/model_check.md"]
    assert plan(models=["local"], experiments=["stories"]).report.checks() == []
    assert plan(models=["local"], experiments=["niah"]).report.checks(), "its judge asks a hosted model"


def test_a_bucket_is_named_to_a_second_snakemake_and_no_bucket_by_nothing():
    bucket = SimpleNamespace(
        default_storage_provider="s3", default_storage_prefix="s3://b", local_storage_prefix=".snakemake/storage"
    )
    said = bucket_arguments(bucket, lambda: ["--storage-s3-endpoint-url 'http://a b'"])()
    assert said[:4] == ["--default-storage-provider", "s3", "--default-storage-prefix", "s3://b"]
    assert said[-2:] == ["--storage-s3-endpoint-url", "http://a b"]
    assert bucket_arguments(SimpleNamespace(default_storage_provider=None), list)() == []


def test_a_named_experiment_is_searched_and_no_other(plan):
    config = {"models": ["local"], "effective_length": {"niah": {}}}
    for named in ([], ["niah_again"]):
        searched = plan(**config, experiments=named).search.of_selection_named()
        assert searched == [f"results/test/local/{name}/effective_length.md" for name in named or ["niah"]]


def test_a_sample_plan_is_made_again_for_another_tier_or_who_is_asked_and_tells_no_credentials(plan):
    made = plan()
    made.project.experiments["niah"] = made.project.experiments["niah"].model_copy(update={"tiers": {"full": {"repeats": 7}}})
    told = [made.search.sample_plan_facts(of(tier=tier)) for tier in ("test", "full", "test")]
    assert told[0] == told[2] != told[1]
    hosted = made.project.models["hosted"]
    changes = ({"name": "gpt-4.1"}, {"provider": "gemini"}, {"provider": None, "base_url": "https://me:parole-17@h.example/v1"})
    for values in changes:
        made.project.models["hosted"] = hosted.model_copy(update=values)
        assert (facts := made.search.sample_plan_facts(of())) != told[0]
        assert "parole-17" not in facts
    made.project.models["hosted"] = hosted.model_copy(update={"base_url": "https://h.example/v1"})
    assert "https://h.example/v1" in made.search.sample_plan_facts(of())
