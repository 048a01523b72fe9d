"""Figures of the tasks whose curves are drawn over length: something is in each of them."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import yaml

from contextrot import tasks
from contextrot.figures import FigureContext
from contextrot.project import Project
from contextrot.randomness import generator_for
from contextrot.records import Response, write_responses, write_samples
from contextrot.scores.score import read_scores, score_responses, summarize_scores
from contextrot.task import SampleContext

EXPERIMENTS = ("my_documents", "ruler", "latent_needles", "mrcr", "graphwalks", "babilong")


@pytest.fixture(scope="module")
def project(root):
    return Project(yaml.safe_load((root / "config/config.yaml").read_text()), root)


def drawn_from(project, experiment, tokenizer, folder):
    """A context of the experiment's test tier whose answers are all the gold ones."""
    model = project.models["embedded"]
    task = project.task("test", "embedded", experiment)
    context = SampleContext(tokenizer, model.window, model.max_output_tokens, project.data, partial(generator_for, 1))
    samples = task.samples(context)
    write_samples(folder / "samples.parquet", samples)
    answers = [Response(s.sample_id, 0, "answered", " ".join(s.references)) if s.fits_window else Response(s.sample_id, 0, "over_window") for s in samples]  # fmt: skip
    write_responses(folder / "responses.parquet", answers)
    score_responses(task, folder / "samples.parquet", folder / "responses.parquet", [], folder / "scores.parquet")
    summarize_scores(task, folder / "scores.parquet", folder / "metrics.csv")
    metrics = pd.read_csv(folder / "metrics.csv")
    return FigureContext(read_scores(folder / "scores.parquet"), metrics, folder, "A model", experiment, "")


def shown(axes):
    """Finite values that the axes show: of lines with markers, and of cells."""
    values = [np.asarray(line.get_ydata(), float) for line in axes.lines if line.get_linestyle() != ":"]
    values += [np.ma.filled(np.ma.asarray(mesh.get_array(), float), np.nan).ravel() for mesh in axes.collections if mesh.get_array() is not None]  # fmt: skip
    values += [np.ma.filled(np.ma.asarray(image.get_array(), float), np.nan).ravel() for image in axes.images]
    found = np.concatenate([*values, []])
    return found[np.isfinite(found)]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_figure_of_a_run_of_right_answers_shows_ones(project, experiment, embedded_tokenizer, tmp_path):
    context = drawn_from(project, experiment, embedded_tokenizer, tmp_path)
    name = project.experiments[experiment].task
    for figure, draw in tasks.drawing(name).items():
        drawn = draw(context)
        values = shown(drawn.axes[0])
        assert len(values), f"{figure} of {experiment} is empty"
        assert values.max() == pytest.approx(1, abs=0.05), figure
        legend = [text.get_text() for text in drawn.findobj(lambda artist: hasattr(artist, "get_text"))]
        assert not any(text.startswith(("2.0 (", "4.0 (")) for text in legend)
