"""Layer cosines, label likelihoods and sensitivities of one experiment's prompts, from samples.parquet to their own files."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot import engines
from contextrot.errors import ConfigError, EngineError
from contextrot.hidden_states.likelihood import answer_ids, likeliest, prompt_ids, sensitivity
from contextrot.records import Sample, read_responses, read_samples, write_table, write_text
from contextrot.responses import kept_servers
from contextrot.samples import hub
from contextrot.samples.tokenizers import ChatTokenizer, tokenizer_of

if TYPE_CHECKING:
    from contextrot.hidden_states.probe import LayerProbe, Measurement, Probe
    from contextrot.settings import HiddenStateSettings, ModelSettings
    from contextrot.task import StateRequest, Task

BATCHES_AT_ONCE = 8
"""Prompts are measured in portions of this many batches of tokens, to bound the memory of what was found."""

log = logging.getLogger(__name__)


def extract_cosines(
    task: Task,
    model_name: str,
    model: ModelSettings,
    options: HiddenStateSettings,
    inputs: tuple[Path, Path | None],
    outputs: Sequence[Path],
    threads: int | None = None,
) -> None:
    """Writes cosines.parquet (a row for each sample and layer), likelihoods.parquet (a row a sample) and extraction.json.

    Args:
        task: with its parameters, which says what is looked at.
        model_name: the model's name in config, for messages.
        options: how layers are looked at.
        inputs: samples.parquet and, where the task needs the model's answers (tau's zero-shot answer), responses.parquet.
        outputs: the three files.
        threads: CPU threads; PyTorch's own choice without it.

    Raises:
        EngineError: if the model's weights are elsewhere.
        ConfigError, DataError: if its tokenizer or weights cannot be loaded.
    """
    if not engines.of(model).has_weights:
        raise EngineError(
            f"layers can be looked at only in a model whose weights are here; {model_name!r} is served by engine {model.engine!r}."
        )
    tokenizer = tokenizer_of(model)
    if not isinstance(tokenizer, ChatTokenizer):
        raise ConfigError(f"model {model_name!r} needs its own tokenizer to look at its layers, not {model.tokenizer!r}.")
    samples = {sample.sample_id: sample for sample in read_samples(inputs[0])}
    responses = {r.sample_id: r for r in read_responses(inputs[1]) if r.turn == 0} if inputs[1] else {}
    requests = task.state_requests(list(samples.values()), responses)
    if model.gpu:
        kept_servers.stop_idle()
    probe = _load_probe(model, options, threads)
    ends = _ends_of_lengths(requests, samples)
    if ends:
        probe.prepare(_probes(tokenizer, ends, samples))
    rows = _Rows(probe)
    for portion in _portions(requests, samples, BATCHES_AT_ONCE * probe.batch_tokens):
        rows.add(portion, samples, measure(probe, tokenizer, portion, samples), tokenizer)
        log.info("%d of %d prompts measured", len(rows.likelihoods), len(requests))
    cosines_path, likelihoods_path, record_path = outputs
    write_table(cosines_path, rows.cosine_table())
    write_table(likelihoods_path, rows.likelihood_table())
    write_text(record_path, json.dumps(_record(model, probe, options), indent=2) + "\n")


def _load_probe(model: ModelSettings, options: HiddenStateSettings, threads: int | None) -> LayerProbe:
    import torch

    from contextrot.hidden_states.probe import LayerProbe, load_model

    if threads:
        torch.set_num_threads(threads)
    loaded = load_model(model.name, model.revision, options.dtype, options.device)
    return LayerProbe(loaded, options.final_norm, options.batch_tokens, options.share_prefixes)


def _ends_of_lengths(requests: Sequence[StateRequest], samples: dict[str, Sample]) -> list[StateRequest]:
    """The shortest of all prompts, and the longest with the longest of all answers, by which the probe finds out how all can be
    measured."""
    if not requests:
        return []
    by_length = sorted(requests, key=lambda request: samples[request.sample_id].prompt_tokens or 0)
    answers = {answer for request in requests for answer in [*request.labels, request.zero_shot_answer] if answer}
    return [by_length[0], replace(by_length[-1], labels=sorted(answers, key=len)[-1:], zero_shot_answer=None)]


def _portions(requests: Sequence[StateRequest], samples: dict[str, Sample], tokens: int) -> Iterator[list[StateRequest]]:
    """Whole groups of requests, in portions of about so many prompt tokens."""
    portion: list[StateRequest] = []
    size = 0
    for _, group in groupby(sorted(requests, key=lambda request: request.group), key=lambda request: request.group):
        members = list(group)
        portion += members
        size += sum(samples[member.sample_id].prompt_tokens or 0 for member in members)
        if size >= tokens:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def measure(
    probe: LayerProbe, tokenizer: ChatTokenizer, requests: Sequence[StateRequest], samples: dict[str, Sample]
) -> dict[str, Measurement]:
    """What is found at the end of each request's prompt, by sample id; likelihoods of its labels, then of its zero-shot answer."""
    found = probe.measure(_probes(tokenizer, requests, samples))
    return dict(zip((request.sample_id for request in requests), found, strict=True))


def _probes(tokenizer: ChatTokenizer, requests: Sequence[StateRequest], samples: dict[str, Sample]) -> list[Probe]:
    from contextrot.hidden_states.probe import Probe

    probes = []
    for request in requests:
        messages = samples[request.sample_id].messages
        answers = [*request.labels, *([request.zero_shot_answer] if request.zero_shot_answer else [])]
        probes.append(Probe(prompt_ids(tokenizer, messages), answer_ids(tokenizer, messages, answers)))
    return probes


class _Rows:
    """The rows of both files, collected portion by portion."""

    def __init__(self, probe: LayerProbe) -> None:
        self.settings = {"final_norm": probe.final_norm, "dtype": str(probe.dtype).removeprefix("torch.")}
        self.cosines: list[dict[str, Any]] = []
        self.likelihoods: list[dict[str, Any]] = []

    def add(
        self,
        requests: Sequence[StateRequest],
        samples: dict[str, Sample],
        found: dict[str, Measurement],
        tokenizer: ChatTokenizer,
    ) -> None:
        from torch.nn.functional import cosine_similarity

        for request in requests:
            sample, one, base = samples[request.sample_id], found[request.sample_id], found.get(request.base_id or "")
            to_base = cosine_similarity(one.states, base.states, dim=-1).tolist() if base else [None] * len(one.states)
            condition = {name: value for name, value in sample.condition.items() if not isinstance(value, list)}
            shared = {"sample_id": sample.sample_id, **condition, "prompt_tokens": sample.prompt_tokens}
            for layer, (cosine, base_cosine) in enumerate(zip(one.logit_cosines.tolist(), to_base, strict=True), 1):
                self.cosines.append(
                    {**shared, "layer": layer, "logit_cosine": cosine, "base_cosine": base_cosine, **self.settings}
                )
            zero_shot = self._zero_shot(request, one)
            label = likeliest(request.labels, one.log_likelihoods[: len(request.labels)])
            self.likelihoods.append(
                {
                    "sample_id": sample.sample_id,
                    "label_log_likelihoods": one.log_likelihoods[: len(request.labels)],
                    "likelihood_label": label,
                    "likelihood_correct": None if label is None else float(label == sample.references[0]),
                    "zero_shot_log_likelihood": zero_shot,
                    "tau": sensitivity(self._zero_shot(request, base), zero_shot) if base else None,
                    "top_tokens": [tokenizer.decode([token]) for token in one.top_tokens],
                }
            )

    @staticmethod
    def _zero_shot(request: StateRequest, found: Measurement) -> float | None:
        return found.log_likelihoods[-1] if request.zero_shot_answer else None

    def cosine_table(self) -> Any:
        import pyarrow as pa

        return pa.Table.from_pylist(self.cosines)

    def likelihood_table(self) -> Any:
        import pyarrow as pa

        floats = pa.float64()
        columns = {
            "sample_id": pa.string(), "label_log_likelihoods": pa.list_(floats), "likelihood_label": pa.string(),
            "likelihood_correct": floats, "zero_shot_log_likelihood": floats, "tau": floats, "top_tokens": pa.list_(pa.string()),
        }  # fmt: skip
        return pa.Table.from_pylist(self.likelihoods, schema=pa.schema(list(columns.items())))


def _record(model: ModelSettings, probe: LayerProbe, options: HiddenStateSettings) -> dict[str, Any]:
    """How the files came about, for extraction.json."""
    import torch
    import transformers

    return {
        "model": Path(model.name).name if Path(model.name).is_dir() else model.name,
        "revision": model.revision,
        "architecture": type(probe.model).__name__,
        "layers": probe.model.config.get_text_config().num_hidden_layers,
        "final_norm": probe.final_norm,
        "dtype": str(probe.dtype).removeprefix("torch."),
        "weights_dtype": str(next(probe.parts.layers[0].parameters()).dtype).removeprefix("torch."),
        "device": str(probe.model.device),
        "device_name": torch.cuda.get_device_name() if probe.model.device.type == "cuda" else None,
        "batch_tokens": probe.batch_tokens,
        "share_prefixes": probe.share_prefixes,
        "length_dependent": probe.length_dependent,
        "share_prefixes_asked": options.share_prefixes,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "hub_environment": hub.environment(),
    }
