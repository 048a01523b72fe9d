import json

import pytest
import yaml

from contextrot import engines, tasks
from contextrot.plan.config_docs import config_readme, config_schemas, generated_files
from contextrot.settings import ExperimentSettings, ModelSettings, Settings

COMMAND = "python -m contextrot.plan.config_docs"


def test_the_written_pages_and_schemas_are_in_step_with_the_settings(root):
    stale = [
        str(path) for path, text in generated_files(root).items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    assert not stale, f"run {COMMAND}: {stale}"


def test_every_key_of_every_config_file_engine_and_task_is_described():
    readme = config_readme()
    kinds = [Settings, ModelSettings, ExperimentSettings, *(tasks.load(name).Parameters for name in tasks.names())]
    for kind in kinds:
        for key in kind.model_fields:
            assert f"| `{key}` |" in readme, f"{kind.__name__}.{key}"
    for name in engines.names():
        assert f"engine `{name}`" in readme
    undescribed = [line for line in readme.splitlines() if line.startswith("| `") and line.endswith("|  |")]
    assert not undescribed


def test_no_line_of_a_table_has_more_cells_than_its_head():
    for line in config_readme().splitlines():
        if line.startswith("| `"):
            assert line.replace("\\|", "").count("|") == 5, line


@pytest.mark.parametrize("name", ["config", "models", "experiments"])
def test_the_project_s_own_config_files_pass_their_schemas(root, name):
    jsonschema = pytest.importorskip("jsonschema")
    content = yaml.safe_load((root / "config" / f"{name}.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(content, config_schemas()[name])


def test_a_misspelt_parameter_fails_the_schema_of_its_task(root):
    jsonschema = pytest.importorskip("jsonschema")
    content = {"mine": {"task": "niah", "parameters": {"lenghts": [1000]}}}
    with pytest.raises(jsonschema.ValidationError, match="lenghts"):
        jsonschema.validate(content, config_schemas()["experiments"])


def test_schemas_are_plain_json():
    for schema in config_schemas().values():
        assert json.loads(json.dumps(schema)) == schema
