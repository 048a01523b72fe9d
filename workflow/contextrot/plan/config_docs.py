"""Writes config/README.md and the JSON schemas of the config files from the settings' own descriptions.

Run `python -m contextrot.plan.config_docs` after changing settings, an engine's options or a task's parameters; a test fails
while they differ.
"""

from __future__ import annotations

import inspect
import json
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel, TypeAdapter

from contextrot import engines, tasks
from contextrot.judging import judges
from contextrot.judging.contract import Judge
from contextrot.project import project_root
from contextrot.records import write_text
from contextrot.settings import ExperimentSettings, JudgeSettings, ModelSettings, Price, Settings

INTRODUCTION = """\
# Configuration

This page is written by `python -m contextrot.plan.config_docs` from the descriptions in the code; edit those, not this.

| file | what it says |
|---|---|
| [config.yaml](config.yaml) | what is run: tier, models, experiments, judges, limits |
| [models.yaml](models.yaml) | how each model is served, what it can take, what it costs |
| [experiments.yaml](experiments.yaml) | the experiments: a task with parameters, and how they differ in a tier |

Anything can be given for one run on the command line, lists as comma lists; nothing unknown or mistyped is accepted:

```bash
snakemake --config tier=full models=embedded experiments=niah,repeated_words
snakemake --configfile my_config.yaml
```

Another file of models or experiments is named by `model_definitions` or `experiment_definitions`.

Five places say what a task's parameters are; the later wins: the task's defaults (below), the model's `overrides[task]`, the
experiment's `parameters`, its `tiers[tier]`, and the model's `overrides[experiment]`; in an override its own `tiers[tier]` comes last.
So what an experiment of yours says holds for every model, unless an override names that experiment.

Values are text as written until a setting asks for a number: these files are YAML 1.2, so 21:15, 0042 and yes stay what they are,
and a key that stands twice is an error. config.yaml itself is also read by Snakemake (YAML 1.1): what the two read differently goes
in quotes. Files of your own may be JSONL, JSON, CSV, TSV or parquet, in UTF-8, UTF-16 with its mark, or an encoding that is certain
from the text (the log names it). Answers may be a text, a list, or SQuAD's object. A name with a file's ending or a path is never looked for on the Hub.

`tokens_per_minute` and `requests_per_minute` hold for a model over all jobs that run at once and share a request store: each
takes its place in one queue. How many jobs ask at once is limited by Snakemake resources, in a profile or on the command line:
`--resources api=4` for all servers elsewhere, `api_openai=2` for one provider.

Keys stand in no config file: `api_key_env` names the environment variable (or the line of `.env`) that holds one.
Editors that know the YAML language server check these files by the schemas in `workflow/schemas`.
"""


def config_readme() -> str:
    """The text of config/README.md."""
    parts = [
        INTRODUCTION,
        _section("## config.yaml", Settings),
        _section("### An entry of `judges`", JudgeSettings),
        "Kinds of judges:\n",
        *(f"- {_what_it_is(judges, name)}{_asking(judges.load(name))}" for name in judges.names()),
        "",
        _section("## models.yaml", ModelSettings),
        _section("### `price`", Price),
    ]
    for name in engines.names():
        options = engines.load(name).options
        parts.append(_section(f"### `engine_options` of engine `{name}`", options))
    parts.append(_section("## experiments.yaml", ExperimentSettings))
    for name in tasks.names():
        task = tasks.load(name)
        parts.append(f"## Task `{name}`\n\n{inspect.getdoc(task)}\n")
        parts.append(_table(task.Parameters))
        figures = ", ".join(f"`{figure}`" for figure in tasks.figures(name))
        parts.append(f"Figures: {figures}.\n" if figures else "No figures.\n")
    return "\n".join(parts)


def _what_it_is(package: ModuleType, name: str) -> str:
    """A plug-in in its own words: the first sentence of its module."""
    return (inspect.getdoc(import_module(f"{package.__name__}.{name}")) or "").split("\n\n")[0].replace("\n", " ")


def _asking(judge: Judge) -> str:
    """What a kind of judge says it needs."""
    only = f" For the task {judge.task} alone." if judge.task else ""
    return (f" Asks the judge's `model` for at most {judge.asks.reply_tokens} tokens." if judge.asks else "") + only


def config_schemas() -> dict[str, dict[str, Any]]:
    """JSON schemas of the three config files, by name; an experiment's parameters are checked by its task's own."""
    experiment = TypeAdapter(dict[str, ExperimentSettings]).json_schema()
    block = experiment["$defs"]["ExperimentSettings"]
    block["allOf"] = []
    for name in tasks.names():
        parameters = tasks.load(name).Parameters.model_json_schema(ref_template=f"#/$defs/{name}/$defs/{{model}}")
        experiment["$defs"][name] = parameters
        known = {"$ref": f"#/$defs/{name}"}
        then = {"properties": {"parameters": known, "tiers": {"additionalProperties": known}}}
        block["allOf"].append({"if": {"properties": {"task": {"const": name}}}, "then": then})
    schemas = {
        "config": Settings.model_json_schema(),
        "models": TypeAdapter(dict[str, ModelSettings]).json_schema(),
        "experiments": experiment,
    }
    return {name: {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema} for name, schema in schemas.items()}


def generated_files(root: Path) -> dict[Path, str]:
    """Everything that this module writes: path -> text."""
    files = {root / "config" / "README.md": config_readme()}
    for name, schema in config_schemas().items():
        files[root / "workflow" / "schemas" / f"{name}.schema.json"] = json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
    return files


def _section(heading: str, kind: type[BaseModel]) -> str:
    doc = inspect.getdoc(kind) or ""
    return "\n\n".join(
        part for part in (heading, "" if doc.startswith(("`engine_options`", "config/")) else doc, _table(kind)) if part
    )


def _table(kind: type[BaseModel]) -> str:
    """A table of a model's fields, and one for each model that its fields hold."""
    schema = kind.model_json_schema()
    if not schema.get("properties"):
        return ""
    for key, field in kind.model_fields.items():
        if field.default_factory:
            schema["properties"][key]["default"] = field.get_default(call_default_factory=True)
    text = _rows(schema)
    for name, inner in schema.get("$defs", {}).items():
        if inner.get("properties") and name not in ("Price", "JudgeSettings"):
            text += f"\nEach {name}: {inner.get('description', '')}\n\n{_rows(inner)}"
    return text


def _rows(schema: dict[str, Any]) -> str:
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key, field in schema["properties"].items():
        needed = key in schema.get("required", ())
        inner = schema.get("$defs", {}).get(field.get("$ref", "").rpartition("/")[2], {})
        default = "**needed**" if needed else "see below" if inner else _default(field.get("default"))
        meaning = field.get("description") or inner.get("description", "")
        rows.append(f"| `{key}` | {_type(field)} | {default} | {_cell(meaning)} |")
    return "\n".join(rows) + "\n"


def _type(field: dict[str, Any]) -> str:
    """A field's JSON schema in words."""
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_type(option) for option in field["anyOf"] if option.get("type") != "null"))
    if "allOf" in field:
        return _type(field["allOf"][0])
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "enum" in field or "const" in field:
        return _names(field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}" if field.get("items") else "list"
    if field.get("type") == "object":
        inner = field.get("additionalProperties")
        return f"mapping to {_type(inner)}" if isinstance(inner, dict) and inner else "mapping"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    name = words.get(field.get("type", ""), "anything")
    limits = (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
    return " ".join([name, ", ".join(f"{sign} {field[limit]:g}" for limit, sign in limits if limit in field)]).strip()


def _default(value: Any) -> str:
    if value is None:
        return "–"
    text = (
        value
        if isinstance(value, str)
        else json.dumps(
            value, ensure_ascii=False, default=lambda model: model.model_dump(exclude_none=True, exclude_defaults=True)
        )
    )
    return f"`{_cell(text)}`" if text else "empty"


def _names(values: Any) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _cell(text: str) -> str:
    """Text that does not end a table's cell."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    for path, content in generated_files(project_root()).items():
        write_text(path, content)
        print(path)
