# Validates the config, then says what the rules look up (workflow/contextrot/plan) and what wildcards may be.

from functools import partial

from snakemake.exceptions import WorkflowError
from snakemake_interface_executor_plugins.settings import SharedFSUsage

from contextrot.errors import ContextRotError
from contextrot.plan.config_files import check_config_files
from contextrot.plan.paths import BENCHMARKS, EXPERIMENT, LOGS, any_of
from contextrot.plan.plan import Plan
from contextrot.plan.stage import Invocation, growing
from contextrot.plan.bucket import bucket_arguments, submits_jobs
from contextrot.jobs.lifeline import begin_run
from contextrot.project import Project
from contextrot.report.captions import Captions

begin_run(submitted=workflow.remote_exec)

try:
    check_config_files(workflow.configfiles)
    project = Project(config)
except ContextRotError as error:
    raise WorkflowError(str(error))


container: "envs/contextrot.sif"


# What the command line says of the bucket reaches the jobs' scripts, and is written nowhere.
os.environ.update(workflow.spawned_job_args_factory.get_storage_provider_envvars())


plan = Plan(
    project,
    Invocation(
        refuse=WorkflowError,
        local=local if SharedFSUsage.INPUT_OUTPUT in workflow.storage_settings.shared_fs_usage else None,
        cores=workflow.cores,
        submits=partial(submits_jobs, workflow),
        config=workflow.config_settings.overwrite_config,
        is_module=workflow.modifier.is_module,
        bucket=bucket_arguments(workflow.storage_settings, workflow.spawned_job_args_factory.get_storage_provider_args),
    ),
)
captions = Captions(plan.run)

# A laptop's server is one server: the jobs that ask it take turns, unless `--resources server_8080=2` says otherwise.
for server in plan.responses.servers:
    if server not in workflow.global_resources:
        workflow.register_resource(server, 1)


wildcard_constraints:
    tier=any_of(project.settings.tiers),
    model=any_of(project.models),
    experiment=any_of(project.experiments),
    judge=any_of(project.settings.judges),
    figure=r"[A-Za-z0-9_]+",
    format="png|svg|pdf",
    shard=r"\d+",
    shards=r"\d+",
