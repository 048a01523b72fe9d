"""What all rules look up, stage by stage: `plan.samples.sources` is the input of the rule that builds samples."""

from __future__ import annotations

from contextrot.plan.comparison import Comparisons
from contextrot.plan.figures import Figures
from contextrot.plan.hidden_states import HiddenStates
from contextrot.plan.judging import Judging
from contextrot.plan.report import Report
from contextrot.plan.responses import Responses
from contextrot.plan.runs import Run, run_of, runs_of
from contextrot.plan.samples import Samples
from contextrot.plan.scores import Scores
from contextrot.plan.search import EffectiveLengthSearch
from contextrot.plan.serving import Serving
from contextrot.plan.shown import Shown
from contextrot.plan.stage import Invocation, cached_hash
from contextrot.project import Project


class Plan:
    """The plans of all stages.

    Args:
        project: the checked config.
        invocation: how Snakemake was called.
    """

    def __init__(self, project: Project, invocation: Invocation | None = None) -> None:
        about = (project, invocation or Invocation())
        self.project, self.tier = project, project.settings.tier
        self.samples, self.responses, self.judging = Samples(*about), Responses(*about), Judging(*about)
        self.hidden_states, self.scores, self.serving = HiddenStates(*about), Scores(*about), Serving(*about)
        self.figures, self.comparisons, self.report = Figures(*about), Comparisons(*about), Report(*about)
        self.shown = Shown(*about)
        self.search = EffectiveLengthSearch(*about)
        self.code_hash = cached_hash

    def run(self, tier: str, model: str, experiment: str) -> Run:
        """What config says of one model's experiment."""
        return run_of(self.project, tier, model, experiment)

    def runs(self) -> list[Run]:
        """What config says of the selected models' experiments in its tier."""
        return runs_of(self.project)

    def targets(self) -> list[str]:
        """What a run without a target makes."""
        return [
            *self.scores.of_selection("metrics.csv"),
            *self.figures.selected(),
            *self.serving.reports(),
            *self.comparisons.figures(self.tier),
            *self.judging.agreements(self.tier),
            *self.judging.calibrations(self.tier),
            *self.report.results(self.tier),
        ]
