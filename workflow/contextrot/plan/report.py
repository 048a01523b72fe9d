"""What the rules of rules/report.smk and rules/cost.smk look up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contextrot.judging import judges
from contextrot.plan.comparison import Comparisons
from contextrot.plan.figures import Figures
from contextrot.plan.judging import Judging
from contextrot.plan.responses import answering
from contextrot.plan.runs import runs_of
from contextrot.plan.stage import Stage, cached_hash


class Report(Stage):
    """What is written once for a whole tier: summary, run metadata, cost estimate, report.html."""

    def results(self, tier: str) -> list[str]:
        """What a run writes once for a whole tier."""
        return [f"results/{tier}/{name}" for name in ("report.html", "index.html", "summary.md", "run_metadata.json")]

    def shown(self, wildcards: Any) -> list[str]:
        """All that the report shows."""
        tier, about = wildcards.tier, (self.project, self.invocation)
        pages = [f"results/{tier}/{name}.html" for name in ("summary", "run_metadata")] + [f"results/{tier}/trust.png"]
        tables = self.of_selection("metrics.html", tier) + self.of_selection("failures.html", tier)
        judging, figures = Judging(*about), Figures(*about).selected(tier) + Comparisons(*about).figures(tier)
        return pages + tables + figures + judging.agreements(tier) + judging.calibrations(tier)

    def bucket(self, wildcards: Any) -> list[str]:
        """What a second Snakemake must be told to find files in the bucket; without the keys, which stand in the environment."""
        return list(self.invocation.bucket())

    def config(self, wildcards: Any) -> dict[str, Any]:
        """What the command line says beside the config files, with the report's tier (which another workflow's config may not have)."""
        given = dict(self.invocation.config)
        return given if self.invocation.is_module else given | {"tier": wildcards.tier}

    def titles(self, wildcards: Any) -> list[list[str]]:
        """Titles of all models and experiments, and what must be said of the models."""
        return [run.titles for run in runs_of(self.project, wildcards.tier)]

    def engine(self, wildcards: Any) -> str:
        """The engine that answered."""
        return self.model(wildcards).engine

    def asked_models(self) -> list[tuple[str, int]]:
        """What a check of the selected models depends on."""
        models = self.project.models
        return [(answering(models[name]), models[name].window) for name in self.project.selected_models]

    def prices(self) -> list[str]:
        """What of the selected models' settings an estimate of the cost depends on."""
        wanted = {"price", "tokens_per_minute", "requests_per_minute"}
        return [self.project.models[name].model_dump_json(include=wanted) for name in self.project.selected_models]

    def judges(self) -> str:
        """What of the judges' settings an estimate of the cost depends on."""
        return self.project.settings.model_dump_json(include={"judges", "default_judges", "budget_usd"})

    def checks(self) -> list[str]:
        """The check of the models, where a provider is among them: what cannot be asked is told before it is paid for."""
        hosted = any(model.hosted for model in self.project.models_asked.values())
        return [f"results/{self.project.settings.tier}/model_check.md"] if hosted else []

    def made_estimate(self, wildcards: Any) -> str | None:
        """The tier's cost estimate, where one was made on this machine before the run; a run does not make one for the summary's sake."""
        path = Path(f"results/{wildcards.tier}/cost_estimate.json")
        return str(path) if path.is_file() else None

    def estimating_code(self) -> str:
        """Hash of the code that estimates the cost, with what says how each judge asks a model."""
        named = {judge for name in self.project.selected_experiments for judge in self.project.judges_of(name)}
        kinds = sorted({self.project.settings.judges[judge].kind for judge in named})
        return cached_hash("estimate_cost", *(f"judging.judges.{kind}:JUDGE" for kind in kinds if judges.load(kind).asks))
