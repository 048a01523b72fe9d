"""What a tier's page is made of: found by paths, wherever these lie, in the order of the config."""

from pathlib import Path

from contextrot.plan.shown import experiments_shown, judgement_paths, notes_in_short, shown_members
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
    assert judgement_paths(project, "full") == [
        f"results/full/{model}/niah/judgements/{judge}.parquet" for model in ("local", "hosted") for judge in ("match", "second")
    ]


def test_what_a_task_marks_in_its_prompts_is_part_of_the_code(tmp_path, root):
    assert "tasks.niah.task:NeedleInAHaystack.passages" in shown_members(project_of(tmp_path, root))


def test_a_band_names_the_models_that_a_note_is_true_of(tmp_path, root):
    project = project_of(tmp_path, root, ("local", "hosted"))
    assert notes_in_short(project, {"local": "SIMULATED: drawn", "hosted": ""}) == "SIMULATED: Local"
    assert notes_in_short(project, {"local": "SIMULATED: drawn", "hosted": "SIMULATED: drawn"}) == "SIMULATED"
    assert notes_in_short(project, {"local": "", "hosted": ""}) == ""
