"""How a language model's answers, internals and speed change as its context grows.

Stages in order: samples -> responses -> judgements -> scores -> metrics -> figures -> report; see README.md.
"""

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.27")

ROOT = Path(str(workflow.current_basedir))
sys.path.insert(0, str(ROOT / "workflow"))
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [str(ROOT / "workflow"), os.environ.get("PYTHONPATH")])))

from contextrot.plan.config_files import checked_file


configfile: checked_file(ROOT / "config" / "config.yaml", WorkflowError)


include: "rules/common.smk"
include: "rules/samples.smk"
include: "rules/inference.smk"
include: "rules/judging.smk"
include: "rules/calibration.smk"
include: "rules/hidden_states.smk"
include: "rules/scoring.smk"
include: "rules/effective_length.smk"
include: "rules/serving.smk"
include: "rules/figures.smk"
include: "rules/comparison.smk"
include: "rules/report.smk"
include: "rules/page.smk"
include: "rules/check_models.smk"
include: "rules/cost.smk"
include: "rules/sample_plan.smk"
include: "rules/status.smk"
include: "rules/embedded.smk"


rule all:
    default_target: True
    input:
        plan.targets(),
    localrule: True
