"""What the rules of rules/judging.smk look up, and the agreement of judges in rules/comparison.smk."""

from __future__ import annotations

from typing import Any

from contextrot.judging import judges
from contextrot.plan.paths import EXPERIMENT
from contextrot.plan.responses import answering, api_resources, turn
from contextrot.plan.stage import Lookup, Stage, cached_hash
from contextrot.settings import JudgeSettings, ModelSettings


class Judging(Stage):
    """samples.parquet, responses.parquet -> judgements/{judge}.parquet."""

    def judge(self, wildcards: Any) -> JudgeSettings:
        """The settings of a job's judge."""
        judge: JudgeSettings = self.project.settings.judges[wildcards.judge]
        return judge

    def asked(self, wildcards: Any) -> ModelSettings | None:
        """The settings of the model that an LLM judge asks; None for other judges."""
        name = self.judge(wildcards).model
        return None if name is None else self.project.models.get(name)

    @property
    def api(self) -> dict[str, Lookup]:
        """The resources of servers elsewhere."""
        return api_resources(self.project, self.asked)

    def settings(self, wildcards: Any) -> str:
        """The judge, and what of its model's settings changes its answers."""
        model = self.asked(wildcards)
        return self.judge(wildcards).model_dump_json() + (answering(model) if model else "")

    def code(self, wildcards: Any) -> str:
        """Hash of the code that judges, with what the judge uses of the task."""
        kind = self.judge(wildcards).kind
        task = self.members(wildcards, *judges.load(kind).task_members)
        return cached_hash("judge_responses", f"judging.judges.{kind}:JUDGE", *task)

    def files(self, wildcards: Any) -> list[Any]:
        """The user's files that a judge reads."""
        judge = self.judge(wildcards)
        paths = judges.load(judge.kind).files(judge, wildcards.tier, wildcards.model, wildcards.experiment)
        for path in paths:
            if not path.exists():
                raise self.invocation.refuse(
                    f"judge {wildcards.judge!r} of experiment {wildcards.experiment!r} needs {path}, which is not there. `snakemake label` writes "
                    f"results/{wildcards.tier}/{wildcards.model}/{wildcards.experiment}/labels/answers.html: label the answers in it, save, and put "
                    f"the file there; or take {wildcards.judge!r} out of the experiment's judges."
                )
        return self.here(paths)

    def priority(self, wildcards: Any) -> float:
        """A judge that runs here answers after the models that it judges."""
        return turn(self.project, self.judge(wildcards).model, after=len(self.project.models))

    def threads(self, wildcards: Any) -> int:
        """Cores of a job that judges."""
        model = self.asked(wildcards)
        return self.cores_of(model) if model else 1

    def gpus(self, wildcards: Any) -> int:
        """GPUs of the model that is asked."""
        model = self.asked(wildcards)
        return model.gpu if model else 0

    def memory(self, wildcards: Any, attempt: int) -> int:
        """Megabytes of a job that judges, more with each attempt."""
        return (8000 if self.asked(wildcards) else 2000) * attempt

    def minutes(self, wildcards: Any) -> int:
        """The longest that a job may judge."""
        return 1440 if self.asked(wildcards) else 60

    def judgements(self, wildcards: Any) -> list[str]:
        """The files of all judges of an experiment, the one that gives the score first."""
        return [f"{EXPERIMENT}/judgements/{judge}.parquet" for judge in self.project.judges_of(wildcards.experiment)]

    def first_judgements(self, wildcards: Any) -> str:
        """The judgements that give the score."""
        return self.judgements(wildcards)[0]

    def label_sheets(self, wildcards: Any) -> list[str]:
        """The answers to label of every selected experiment whose answers are compared with references.

        Raises:
            ConfigError: if there is no such experiment.
        """
        tier = self.project.settings.tier
        compared = [
            (model, experiment)
            for model, experiment in self.selection
            if self.project.judges_of(experiment) and not self.project.task_class(experiment).criteria
        ]
        if not compared:
            raise self.invocation.refuse(
                "no selected experiment has answers that a judge compares with a reference; name one by `experiments=`."
            )
        return [
            f"results/{tier}/{model}/{experiment}/labels/answers.{kind}"
            for model, experiment in compared
            for kind in ("csv", "html")
        ]

    def calibrations(self, tier: str) -> list[str]:
        """Calibration of the judges of every selected experiment that people labelled."""
        return [
            f"results/{tier}/{model}/{experiment}/calibration.png"
            for model, experiment in self.selection
            if self.project.labelling_judges(experiment)
        ]

    def agreements(self, tier: str) -> list[str]:
        """Agreement of the judges of every selected experiment that has several."""
        return [
            f"results/{tier}/{model}/{experiment}/agreement.png"
            for model, experiment in self.selection
            if len(self.project.judges_of(experiment)) > 1
        ]
