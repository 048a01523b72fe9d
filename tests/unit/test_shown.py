"""What a tier's page is made of: found by paths, wherever these lie, in the order of the config."""

from pathlib import Path
from types import SimpleNamespace

from contextrot.plan.shown import Shown, experiments_shown
from contextrot.plan.stage import Invocation
from tests.shown_files import project_of


def test_files_are_found_by_the_end_of_their_paths_also_in_a_bucket(tmp_path, root):
    project = project_of(tmp_path, root, ("local", "hosted"), ("match", "second"))
    folder = ".snakemake/storage/s3/bucket/results/test/hosted/niah"
    paths = [f"{folder}/scores.parquet", f"{folder}/judgements/second.parquet", f"{folder}/judgements/match.parquet", "page.css"]
    (one,) = experiments_shown(project, "test", paths)
    assert (one.model, one.experiment, one.experiment_title, one.hosted) == ("hosted", "niah", "Needles", True)
    assert one.files == {"scores.parquet": Path(f"{folder}/scores.parquet")}
    assert [path.stem for path in one.judgements] == ["match", "second"]  # the judge of the score first


def test_every_judgement_is_an_input(tmp_path, root):
    project = project_of(tmp_path, root, ("local", "hosted"), ("match", "second"))
    assert Shown(project, Invocation()).judgements(SimpleNamespace(tier="full")) == [
        f"results/full/{model}/niah/judgements/{judge}.parquet" for model in ("local", "hosted") for judge in ("match", "second")
    ]


def test_the_page_is_made_with_templates_that_are_there(tmp_path, root, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = Shown(project_of(tmp_path, root), Invocation()).templates()
    assert len(paths) == 3
    assert all(Path(path).is_file() for path in paths)


def test_a_band_names_the_models_that_a_note_is_true_of(tmp_path, root, monkeypatch):
    project = project_of(tmp_path, root, ("local", "hosted"))
    shown = Shown(project, Invocation())
    for notes, words in (
        ({"local": "SIMULATED: drawn", "hosted": ""}, "SIMULATED: Local"),
        ({"local": "SIMULATED: drawn", "hosted": "SIMULATED: drawn"}, "SIMULATED"),
        ({"local": "", "hosted": ""}, ""),
    ):
        monkeypatch.setattr(project, "note", notes.get)
        assert shown.facts() == {"note": words}
