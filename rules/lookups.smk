# What rules look up for their wildcards, stage by stage: inputs, params, targets. (Snakemake's linter keeps functions apart from rules.)

import json

from contextrot import engines
from contextrot.judging import judges
from contextrot.report.captions import experiment_facts, figure_facts, result_labels
from contextrot.scores.comparison import COMPARISON_FIGURES, comparison_facts, comparisons, entries_of, length_column
from contextrot.errors import unknown
from contextrot.secrets import public
from contextrot.settings import ON_THE_WIRE

# samples


def sample_sources(wildcards):
    model = model_of(wildcards)
    tokenizer = files_of_folder(model.tokenizer or model.name, "tokenizer*.json", "chat_template*")
    template = [model.chat_template] if model.chat_template and Path(model.chat_template).is_file() else []
    return [*here(task_of(wildcards).data_files(project.data)), *tokenizer, *here(template)]


def tokenizer_settings(wildcards):
    """What of a model's settings names its tokenizer and template."""
    model = model_of(wildcards)
    served = [model.base_url, model.name] if model.tokenizer == "server" else []
    return [model.tokenizer or model.name, model.revision, *filter(None, [model.chat_template]), *served]


# inference

ANSWERING = ["engine", "name", "revision", "base_url", "provider", "sampling", "reasoning_tokens", "reasoning_effort"]


def answering_settings(wildcards):
    """What of a model's settings changes its answers; a change of concurrency or price asks nothing again."""
    return answering(model_of(wildcards))


def answering(model):
    """As text without secrets: Snakemake keeps it in its own records."""
    asked = {name: value for name, value in model.request.items() if name not in ON_THE_WIRE}
    settings = model.model_dump(mode="json", include={*ANSWERING, "engine_options"}) | ({"request": asked} if asked else {})
    return json.dumps(public(settings), ensure_ascii=False, separators=(",", ":"))


def engine_threads(model):
    """Cores of a job that runs a model: none if a server elsewhere does, one beside a GPU, else the engine's own, up to 8."""
    if engines.of(model).elsewhere:
        return 0
    return 1 if model.gpu else model.engine_options.get("threads") or 8


PLACES = {name: place for place, name in enumerate(project.models)}


def turn(name, after=0):
    """Priority of a job that asks a model: one model after the other, so that a server goes on from job to job, and none of them
    before light jobs that are ready (which have 1)."""
    model = project.models.get(name)
    return 1 if model is None or engines.of(model).elsewhere else -PLACES[name] - after


PROVIDERS = sorted({model.provider for model in project.models.values() if model.provider})


def api_resources(model_for):
    """`api` for any server elsewhere, `api_{provider}` for each provider: 1 if the job asks it, so that jobs at once can be limited."""

    def asks(provider):
        def places(wildcards):
            model = model_for(wildcards)
            return int(model is not None and engines.of(model).elsewhere and provider in (None, model.provider))

        return places

    return {"api": asks(None), **{f"api_{provider}": asks(provider) for provider in PROVIDERS}}


def shards_of(wildcards):
    shards = project.shards(wildcards.model, wildcards.experiment)
    return [f"{EXPERIMENT}/responses/{shard}-of-{shards}.parquet" for shard in range(1, shards + 1)]


# judging


def judge_of(wildcards):
    return project.settings.judges[wildcards.judge]


def judging_model(wildcards):
    """The settings of the model that an LLM judge asks; None for other judges."""
    return project.models.get(judge_of(wildcards).model)


def judging_settings(wildcards):
    """The judge, and what of its model's settings changes its answers."""
    model = judging_model(wildcards)
    return judge_of(wildcards).model_dump_json() + (answering(model) if model else "")


def judging_code(wildcards):
    """Hash of the code that judges, with what the judge uses of the task."""
    kind = judge_of(wildcards).kind
    return code_hash(
        "judge_responses", f"judging.judges.{kind}:JUDGE", *members_of_task(wildcards, *judges.load(kind).task_members)
    )


# hidden states


def state_code(wildcards):
    """Hash of the code that looks at layers, and of the task's choice of what is looked at."""
    return code_hash("extract_cosines", *members_of_task(wildcards, "state_requests"))


def state_sources(wildcards):
    return {Path(name).stem: f"{EXPERIMENT}/{name}" for name in project.task_class(wildcards.experiment).state_inputs}


def weights_of(wildcards):
    return files_of_folder(model_of(wildcards).name, "*.safetensors", "config.json")


def state_options(wildcards):
    model = model_of(wildcards)
    return [project.settings.hidden_states.model_dump_json(), model.name, model.revision]


def pair_names(tier, model, experiment):
    return list(project.task(tier, model, experiment).pairs)


def pair_sources(wildcards):
    names = ["samples", "responses", "scores", *(["cosines"] if engines.of(model_of(wildcards)).has_weights else [])]
    return [f"{EXPERIMENT}/{name}.parquet" for name in names]


def pairs_of(ending):
    def paths(wildcards):
        names = pair_names(wildcards.tier, wildcards.model, wildcards.experiment)
        return [f"{EXPERIMENT}/pairs/{name}{ending}" for name in names]

    return paths


# scoring


def judgements_of(wildcards):
    return [f"{EXPERIMENT}/judgements/{judge}.parquet" for judge in project.judges_of(wildcards.experiment)]


def added_scores(wildcards):
    task, model = project.task_class(wildcards.experiment), project.models[wildcards.model]
    return [f"{EXPERIMENT}/{name}" for name in task.score_inputs] if engines.of(model).has_weights else []


SCORING = ("score_turn", "score", "columns", "metrics")


def members_of_task(wildcards, *members):
    """Members of an experiment's task, for `code_hash`: no import names a plug-in."""
    kind = project.task_class(wildcards.experiment)
    return [f"{kind.__module__.removeprefix('contextrot.')}:{kind.__name__}.{member}" for member in members]


def scoring_code(wildcards):
    """Hash of the code that scores, so that an edit of it scores again."""
    return code_hash("score_responses", *members_of_task(wildcards, *SCORING))


# serving

SERVING = [name for name, block in project.experiments.items() if block.task == "serving"]
SERVING_MODES = ["aggregated", "disaggregated"]
MEASURED = folder_of(experiment=SERVING or ["no experiment"])
NOT_MEASURED = {"title", "price", "overrides", "shards"}


def measured_settings(wildcards):
    return json.dumps(public(model_of(wildcards).model_dump(mode="json", exclude=NOT_MEASURED)), separators=(",", ":"))


def parity_samples(wildcards):
    experiment = task_of(wildcards).parameters.parity_with
    if experiment is None:
        return []
    if experiment not in project.experiments or experiment in SERVING:
        raise WorkflowError(str(unknown("experiment", experiment, set(project.experiments) - set(SERVING), "`parity_with`")))
    return f"results/{wildcards.tier}/{wildcards.model}/{experiment}/samples.parquet"


def mode_folders(name):
    return lambda wildcards: [f"{EXPERIMENT}/{mode}/{name}" for mode in task_of(wildcards).parameters.modes]


def serving_reports_of_selection():
    tier = project.settings.tier
    return [f"results/{tier}/{model}/{experiment}/report_latest.md" for model, experiment in selection() if experiment in SERVING]


def serving_results():
    """Reports and figures of the selected models' serving experiments: the named ones, or all."""
    tier = project.settings.tier
    chosen = [name for name in project.settings.experiments if name in SERVING] or SERVING
    return [
        f"results/{tier}/{model}/{experiment}/{name}"
        for model in project.selected_models
        for experiment in chosen
        for name in ["report_latest.md", *(f"figures/{figure}.png" for figure in project.figures_of(model, experiment))]
    ]


# figures


def labels_of(result):
    """A function that gives a result's columns in the report's menu."""
    return lambda wildcards: result_labels(result.format(**wildcards), EXPERIMENT.format(**wildcards))


def figure_sources(experiment, figures):
    """What some figures of an experiment read beside scores and metrics."""
    extra = project.task_class(experiment).figure_inputs
    return sorted({f"{EXPERIMENT}/{name}" for figure in figures for name in extra.get(figure, [])})


def figures_drawn_together():
    """Experiment -> its figures that every selected model has."""
    together = {}
    for model, experiment in selection():
        names = project.figures_of(model, experiment)
        together[experiment] = [figure for figure in together.get(experiment, names) if figure in names]
    return {experiment: names for experiment, names in together.items() if len(names) > 1}


def figure_facts_of(figures):
    """A function that gives what the captions of some figures say."""
    return lambda w: figure_facts(project, w.tier, w.model, w.experiment, figures)


def heading(wildcards):
    """What the figures and tables of an experiment say of themselves."""
    return experiment_facts(project, wildcards.tier, wildcards.model, wildcards.experiment, {}).heading


def figure_code(wildcards):
    """Hash of the code that draws, so that an edit of it draws again."""
    return code_hash("draw_figures", *members_of_task(wildcards, "figures"))


# comparison


def compared(wildcards):
    return [entry.scores_path for entry in entries_of(project, wildcards.comparison)]


def comparisons_of_tier(tier):
    """Figures of every comparison of a tier that has more than one thing to compare; others by their path."""
    compared = [name for name in comparisons(project, tier) if len(entries_of(project, name)) > 1]
    return [f"results/{name}/{figure}.png" for name in compared for figure in COMPARISON_FIGURES]


def agreements_of_tier(tier):
    """Agreement of the judges of every experiment that has several."""
    return [
        f"results/{tier}/{model}/{experiment}/agreement.png"
        for model, experiment in selection()
        if len(project.judges_of(experiment)) > 1
    ]


# report

USED_AS_MODULE = workflow.modifier.is_module


def of_tier(pattern):
    """A function of the wildcards that gives a path of every selected model and experiment."""

    def paths(wildcards):
        return [pattern.format(tier=wildcards.tier, model=model, experiment=experiment) for model, experiment in selection()]

    return paths


def reports_of_tier(tier):
    """What is written once for a whole tier."""
    return [f"results/{tier}/{name}" for name in ("report.html", "summary.md", "run_metadata.json")]


def facts_of(shows):
    """A function that gives what the captions of an experiment's tables say."""
    return lambda w: experiment_facts(project, w.tier, w.model, w.experiment, shows)


def figures_of_tier(wildcards):
    return [
        f"results/{wildcards.tier}/{model}/{experiment}/figures/{figure}.png"
        for model, experiment in selection()
        for figure in project.figures_of(model, experiment)
    ]


def shown_in_report(wildcards):
    tier = wildcards.tier
    pages = [f"results/{tier}/{name}.html" for name in ("summary", "run_metadata")]
    pages += [path for name in ("metrics", "failures") for path in of_tier(f"{EXPERIMENT}/{name}.html")(wildcards)]
    return pages + figures_of_tier(wildcards) + comparisons_of_tier(tier) + agreements_of_tier(tier)


def storage_arguments(wildcards):
    """What a second snakemake must be told to find files in the bucket; without the keys, which stand in the environment."""
    settings = workflow.storage_settings
    if settings.default_storage_provider is None:
        return []
    words = ["--default-storage-provider", settings.default_storage_provider]
    words += [
        "--default-storage-prefix",
        settings.default_storage_prefix,
        "--local-storage-prefix",
        str(settings.local_storage_prefix),
    ]
    return words + [
        word for words in workflow.spawned_job_args_factory.get_storage_provider_args() for word in shlex.split(words)
    ]


def config_of_tier(wildcards):
    """What the command line says beside the config files, with the report's tier (which another workflow's config may not have)."""
    given = dict(workflow.config_settings.overwrite_config)
    return given if USED_AS_MODULE else given | {"tier": wildcards.tier}


# cost


def samples_of_tier(wildcards):
    return [f"results/{wildcards.tier}/{model}/{experiment}/samples.parquet" for model, experiment in selection()]


def checks_of_hosted(tier):
    """The check of the models, where a provider is among them: what cannot be asked is told before it is paid for."""
    return [f"results/{tier}/model_check.md"] if any(model.hosted for model in project.models_asked.values()) else []


def asking_judges():
    """Of the selected experiments' judges that ask a model, what says how: for the hash of the code that estimates their cost."""
    kinds = {project.settings.judges[judge].kind for name in project.selected_experiments for judge in project.judges_of(name)}
    return [f"judging.judges.{kind}:JUDGE" for kind in sorted(kinds) if judges.load(kind).asks]
