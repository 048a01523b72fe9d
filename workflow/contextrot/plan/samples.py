"""What the rule of rules/samples.smk looks up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contextrot.errors import ContextRotError
from contextrot.plan.stage import Stage
from contextrot.samples.tokenizers import template_file


class Samples(Stage):
    """data/ and config -> samples.parquet."""

    def sources(self, wildcards: Any) -> list[Any]:
        """The task's data, the tokenizer's files and the chat template."""
        model = self.model(wildcards)
        tokenizer = self.files_of_folder(model.tokenizer or model.name, "tokenizer*.json", "chat_template*")
        template = [file] if (file := template_file(model)) and Path(file).is_file() else []
        task = self.task(wildcards)
        try:
            data = task.data_files(self.project.data)
        except ContextRotError as error:
            where = f"the parameters of experiment {wildcards.experiment!r} in {self.project.settings.experiment_definitions}"
            raise self.invocation.refuse(f"{where}: {error}") from error
        return [*self.here(data), *tokenizer, *self.here(template)]

    def tokenizer(self, wildcards: Any) -> list[str | None]:
        """What of a model's settings names its tokenizer and template."""
        model = self.model(wildcards)
        served = [model.base_url, model.name] if model.tokenizer == "server" else []
        return [model.tokenizer or model.name, model.revision, *filter(None, [template_file(model)]), *served]

    def limits(self, wildcards: Any) -> list[int]:
        """The model's window and its longest answer, tokens."""
        return [self.model(wildcards).window, self.model(wildcards).max_output_tokens]
