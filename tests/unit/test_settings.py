import pytest
import yaml

from contextrot.errors import ConfigError
from contextrot.settings import Project


def refused(root, **config) -> str:
    with pytest.raises(ConfigError) as caught:
        Project(config, root)
    return str(caught.value)


def test_the_shipped_config_is_accepted(root):
    project = Project(yaml.safe_load((root / "config/config.yaml").read_text()), root)
    assert project.selected_models == ["embedded"]
    assert set(project.selected_experiments) == {name for name, block in project.experiments.items() if block.by_default}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"teir": "test"}, ["'teir'", "Did you mean 'tier'?"]),
        ({"tier": "tset"}, ["unknown tier 'tset'", "Did you mean 'test'?", "full"]),
        ({"models": "embeded"}, ["unknown model 'embeded'", "Did you mean 'embedded'?"]),
        ({"experiments": "niha"}, ["unknown experiment 'niha'", "Did you mean 'niah'?"]),
        ({"seed": "ten"}, ["seed = 'ten'", "valid integer"]),
        ({"judges": {"m": {"kind": "mach"}}}, ["unknown kind of judge 'mach'", "match"]),
        ({"model_definitions": "config/none.yaml"}, ["config/none.yaml does not exist"]),
        ({"models": "../../etc"}, ["models"]),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_known(root, config, words):
    message = refused(root, **config)
    assert all(word in message for word in words), message


def test_names_cannot_leave_their_folder(root, tmp_path):
    models = tmp_path / "models.yaml"
    models.write_text("'../evil': {engine: transformers, name: x, window: 10, max_output_tokens: 5}\n")
    assert "'../evil' is not accepted" in refused(root, model_definitions=str(models))


def test_text_from_the_command_line_is_converted(root):
    project = Project({"models": "embedded", "experiments": "niah", "allow_failed": "true", "budget_usd": "2.5"}, root)
    assert project.settings.experiments == ["niah"]
    assert project.settings.allow_failed is True
    assert project.settings.budget_usd == 2.5


OVERRIDES = {"niah": {"lengths": [256, 512], "tiers": {"test": {"lengths": [256]}}}}


def definitions(folder, **experiments) -> dict[str, str]:
    """Settings that name files with one model, whose overrides are OVERRIDES, and these experiments."""
    model = {"engine": "transformers", "name": "x", "window": 4096, "max_output_tokens": 64, "overrides": OVERRIDES}
    (folder / "models.yaml").write_text(yaml.safe_dump({"embedded": model}))
    (folder / "experiments.yaml").write_text(yaml.safe_dump(experiments))
    return {"model_definitions": str(folder / "models.yaml"), "experiment_definitions": str(folder / "experiments.yaml")}


def test_a_misspelt_parameter_names_the_nearest(root, tmp_path):
    config = definitions(tmp_path, niah={"task": "niah", "parameters": {"lenghts": [500]}})
    assert "Did you mean 'lengths'?" in refused(root, **config)


def test_a_mistyped_parameter_shows_its_value(root, tmp_path):
    config = definitions(tmp_path, niah={"task": "niah", "parameters": {"repeats": "many"}})
    assert "repeats = 'many'" in refused(root, **config)


def test_an_override_of_an_unknown_experiment_is_refused(root, tmp_path):
    config = definitions(tmp_path, niah={"task": "niah"})
    models = yaml.safe_load((tmp_path / "models.yaml").read_text())
    models["embedded"]["overrides"]["niha"] = {}
    (tmp_path / "models.yaml").write_text(yaml.safe_dump(models))
    assert "unknown experiment or task 'niha'" in refused(root, **config)


def test_later_places_win(root, tmp_path):
    parameters = {"lengths": [1, 2], "depths": [50], "repeats": 2}
    config = definitions(tmp_path, niah={"task": "niah", "parameters": parameters, "tiers": {"test": {"depths": [0]}}})
    project = Project(config, root)
    assert project.parameters("test", "embedded", "niah").repeats == 2
    assert project.parameters("test", "embedded", "niah").depths == [0]
    assert project.parameters("full", "embedded", "niah").depths == [50]
    assert project.parameters("test", "embedded", "niah").lengths == [256]
    assert project.parameters("full", "embedded", "niah").lengths == [256, 512]
