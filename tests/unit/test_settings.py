import re

import pytest
import yaml

from contextrot.errors import ConfigError
from contextrot.project import Project


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


def test_a_model_s_override_of_a_task_gives_what_an_experiment_does_not_say(root, tmp_path):
    mine = {"task": "niah", "parameters": {"lengths": [300]}}
    config = definitions(
        tmp_path, mine=mine, silent={"task": "niah"}, tiered={"task": "niah", "tiers": {"test": {"lengths": [400]}}}
    )
    project = Project(config, root)
    lengths = {
        name: [project.parameters(tier, "embedded", name).lengths for tier in ("test", "full")] for name in project.experiments
    }
    assert lengths == {"mine": [[300], [300]], "silent": [[256], [256, 512]], "tiered": [[400], [256, 512]]}


BLOCK = "{engine: transformers, name: x, window: 4096, max_output_tokens: 64}"


@pytest.mark.parametrize("models", [2024, "2024", ["2024"], [2024]])
def test_a_block_may_be_named_by_a_number(root, tmp_path, models):
    (tmp_path / "models.yaml").write_text(f"2024: {BLOCK}\n")
    project = Project({"models": models, "experiments": ["niah"], "model_definitions": str(tmp_path / "models.yaml")}, root)
    assert project.selected_models == ["2024"] and project.parameters("test", "2024", "niah").depths == [0, 50, 100]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"a: {BLOCK}\nb: {BLOCK}\na: {BLOCK}\n", r"models\.yaml, line 3: the key 'a' stands twice, first at line 1"),
        (f"{'a' * 300}: {BLOCK}\n", r"the name 'a+\.\.\. is not accepted; .*at most 80 characters"),
        (f"a: {BLOCK[:-1]}, title: {'x' * 3000}}}", r"title = 'x+\.\.\. is not accepted: .*at most 500 characters"),
        (f"a: {BLOCK[:-1]}, overrides: {{niah: {{tiers: {{tset: {{}}}}}}}}}}", r"unknown tier 'tset' in `tiers` in override 'niah'.*Did you mean 'test'"),
        (f"a: {BLOCK[:-1]}, overrides: {{niah: {{tiers: [1]}}}}}}", r"`tiers` in override 'niah' of model 'a'.*must map tiers to parameters"),
        (f"a: {BLOCK[:-1]}, window: true}}", "the key 'window' stands twice"),
        (f"a: {BLOCK.replace('4096', 'true')}", r"window = True is not accepted: true and false are not accepted here"),
        (f"a: {BLOCK.replace('4096', '1e308')}", r"window = 1e\+308 is not accepted"),
        (f"a: {BLOCK[:-1]}, sampling: {{temperature: .nan}}}}", r"sampling = .*nan.* is not accepted: temperature: must be a finite number"),
    ],
)  # fmt: skip
def test_a_fault_in_a_file_of_models_is_named(root, tmp_path, text, message):
    (tmp_path / "models.yaml").write_text(text)
    assert re.search(message, refused(root, models=[], model_definitions=str(tmp_path / "models.yaml")), re.DOTALL)


@pytest.mark.parametrize(
    "parameters", [{"lengths": [-1]}, {"lengths": []}, {"lengths": [float("nan")]}, {"lengths": [True]}, {"lengths": [1e308]}]
)
def test_an_experiment_is_checked_by_itself_where_the_model_s_overrides_hide_it(root, tmp_path, parameters):
    config = definitions(tmp_path, niah={"task": "niah", "parameters": parameters})
    assert re.search(
        r"experiment 'niah' .*in .*experiments\.yaml: (lengths|parameters = .*lengths: must)", refused(root, **config)
    )
    config = definitions(tmp_path, niah={"task": "niah", "tiers": {"full": {"depths": ["x"]}}})
    assert "tier 'full' of experiment 'niah'" in refused(root, **config)


def test_an_override_is_checked_where_its_tier_hides_it(root, tmp_path):
    config = definitions(tmp_path, niah={"task": "niah"})
    models = yaml.safe_load((tmp_path / "models.yaml").read_text())
    models["embedded"]["overrides"]["niah"]["lengths"] = [-1]
    (tmp_path / "models.yaml").write_text(yaml.safe_dump(models))
    assert "lengths.0 = -1 is not accepted" in refused(root, **config)


def test_a_text_keeps_its_zeros_and_a_request_s_number_is_a_plain_one(root, tmp_path):
    (tmp_path / "models.yaml").write_text(f"a: {BLOCK[:-1]}, sampling: {{temperature: 0.70, seed: 0042}}}}\n")
    (tmp_path / "e.yaml").write_text(
        "n: {task: niah, parameters: {csv_answer: 0042, lengths: [0500]}}\ns: {task: story_sequences, parameters: {request: {top_p: .90}}}\n"
    )
    config = {
        "models": ["a"],
        "model_definitions": str(tmp_path / "models.yaml"),
        "experiment_definitions": str(tmp_path / "e.yaml"),
    }
    project = Project(config, root)
    sampling = project.models["a"].sampling
    assert sampling == {"temperature": 0.7, "seed": 42} and {type(value) for value in sampling.values()} == {float, int}
    assert (project.parameters("test", "a", "n").csv_answer, project.parameters("test", "a", "n").lengths) == ("0042", [500])
    assert type(project.parameters("test", "a", "s").request["top_p"]) is float
