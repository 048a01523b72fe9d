"""What a local model's layers hold at the end of a prompt, and how likely it finds given answers.

Tokens that prompts share (a history and its beginnings, a haystack) are computed once: see prefix_tree. Nothing is padded,
so that no pad's state can be mistaken for the answer's.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from contextrot import hub
from contextrot.errors import ConfigError, DataError
from contextrot.prefix_tree import Pass, PrefixTree

if TYPE_CHECKING:
    import torch

TOP_TOKENS = 5
FINAL_NORMS = ("norm", "ln_f", "final_layer_norm", "final_layernorm", "norm_f")
DTYPES = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Probe:
    """One prompt whose end is looked at.

    Attributes:
        prompt: token ids.
        answers: token ids of each answer whose likelihood is asked for.
    """

    prompt: list[int]
    answers: list[list[int]] = field(default_factory=list)


@dataclass
class Measurement:
    """What was found at a prompt's last token.

    Attributes:
        states: output of each decoder layer, before the final norm, shape (layers, width), float32.
        logit_cosines: cosine of each layer's projection with the final logits, shape (layers,), float32.
        log_likelihoods: of each answer: the sum of its tokens' log-probabilities.
        top_tokens: ids of the likeliest next tokens, likeliest first.
    """

    states: torch.Tensor
    logit_cosines: torch.Tensor
    log_likelihoods: list[float]
    top_tokens: list[int]


def load_model(name: str, revision: str | None = None, dtype: str = "auto", device: str = "auto") -> Any:
    """A causal language model, ready to be probed.

    Args:
        name: folder or Hugging Face id.
        dtype: one of DTYPES; `auto` is the checkpoint's own.
        device: `auto` is a CUDA GPU where there is one, else the CPU.

    Raises:
        ConfigError: for a dtype or device that is not there.
        DataError: if the model cannot be loaded.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    if dtype not in DTYPES:
        raise ConfigError(f"hidden_states.dtype = {dtype!r} is not accepted. Known: {', '.join(DTYPES)}.")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"hidden_states.device = {device!r}, but PyTorch sees no CUDA GPU here; use auto or cpu.")
    logging.disable_progress_bar()
    arguments = {"revision": revision, "dtype": dtype, "trust_remote_code": False}
    try:
        try:
            model = AutoModelForCausalLM.from_pretrained(name, attn_implementation="sdpa", **arguments)
        except ValueError as error:
            if "scaled_dot_product_attention" not in str(error):
                raise
            model = AutoModelForCausalLM.from_pretrained(name, attn_implementation="eager", **arguments)
    except (OSError, ValueError) as error:
        raise hub.explain("model", name, error) from error
    return model.to(device).eval()


def shares_prefixes(model: Any) -> bool:
    """Whether several continuations of one prefix can be computed together: the model must attend to everything before a token
    (no sliding window, no recurrent state) and take positions as an argument."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    windowed = bool(getattr(config, "sliding_window", None)) and getattr(config, "use_sliding_window", True)
    takes_positions = "position_ids" in inspect.signature(model.forward).parameters
    return kinds == {"full_attention"} and not windowed and takes_positions and not getattr(model, "_is_stateful", False)


class LayerProbe:
    """Looks into a model.

    Args:
        model: as from `load_model`.
        final_norm: whether a layer's state goes through the model's final norm before the unembedding projects it.
        batch_tokens: tokens of one pass through the model.
        share_prefixes: whether shared tokens are computed once; models that cannot (see `shares_prefixes`) never do.
    """

    def __init__(self, model: Any, final_norm: bool = False, batch_tokens: int = 1024, share_prefixes: bool = True) -> None:
        self.model = model
        self.final_norm = final_norm
        self.batch_tokens = batch_tokens
        self.share_prefixes = share_prefixes and shares_prefixes(model)
        self._decoder = model.get_decoder()
        layers = [
            m for m in self._decoder.children() if len(list(m.children())) == model.config.get_text_config().num_hidden_layers
        ]
        norms = [getattr(self._decoder, name) for name in FINAL_NORMS if hasattr(self._decoder, name)]
        if not layers or (final_norm and not norms):
            raise DataError(f"{type(model).__name__} has no list of decoder layers, or no final norm, that is known here.")
        self._layers = list(layers[0].children())
        self._norm = norms[0] if norms else None
        self._unembedding = model.get_output_embeddings()
        self._keeps_logits = "logits_to_keep" in inspect.signature(model.forward).parameters

    def measure(self, probes: Sequence[Probe]) -> list[Measurement]:
        """What is found at the end of each prompt, in the order of `probes`."""
        import torch

        with torch.inference_mode():
            if self.share_prefixes:
                return self._measure_together(probes, self.batch_tokens)
            return [self._measure_alone(probe) for probe in probes]

    def _measure_alone(self, probe: Probe) -> Measurement:
        parts = [Probe(probe.prompt, [answer]) for answer in probe.answers] or [probe]
        longest = max(len(part.prompt) + sum(map(len, part.answers)) for part in parts)
        found = [self._measure_together([part], longest)[0] for part in parts]
        found[0].log_likelihoods = [value for each in found for value in each.log_likelihoods]
        return found[0]

    def _measure_together(self, probes: Sequence[Probe], budget: int) -> list[Measurement]:
        sequences = [probe.prompt + answer[:-1] for probe in probes for answer in probe.answers or [[]]]
        tree = PrefixTree([*(probe.prompt for probe in probes), *sequences])
        ends = [tree.locate(probe.prompt)[-1] for probe in probes]
        paths = [
            [tree.locate(probe.prompt + answer[:-1])[len(probe.prompt) - 1 :] for answer in probe.answers] for probe in probes
        ]
        asked: dict[int, set[int]] = defaultdict(set)  # token of the tree -> next tokens whose log-probability is needed
        for probe, of_answers in zip(probes, paths, strict=True):
            for answer, path in zip(probe.answers, of_answers, strict=True):
                for number, token in zip(path, answer, strict=True):
                    asked[number].add(token)
        found = _Found(asked, set(ends))
        cache = None
        for one in tree.passes(budget):
            cache = self._run(one, cache, found)
        return [
            Measurement(
                found.states[end],
                found.cosines[end],
                [
                    sum(found.log_probabilities[number, token] for number, token in zip(path, answer, strict=True))
                    for answer, path in zip(probe.answers, of_answers, strict=True)
                ],
                found.top_tokens[end],
            )
            for probe, end, of_answers in zip(probes, ends, paths, strict=True)
        ]

    def _run(self, one: Pass, cache: Any, found: _Found) -> Any:
        """Runs one pass, adds to `found`, and returns the cache that the next pass begins with."""
        import torch
        from transformers import DynamicCache

        device = self.model.device
        if one.past == 0:
            cache = DynamicCache() if one.keep else None
        elif cache.get_seq_length() > one.past:
            cache.crop(one.past - cache.get_seq_length())
        rows = [row for row, number in enumerate(one.numbers) if number in found.wanted]
        kept = torch.tensor(rows or [len(one.tokens) - 1], device=device)
        end_rows = [row for row in rows if one.numbers[row] in found.ends]
        arguments: dict[str, Any] = {"logits_to_keep": kept} if self._keeps_logits else {}
        if not one.causal:
            arguments["attention_mask"] = self._mask(one)
        with _LayerOutputs(self._layers, torch.tensor(end_rows, dtype=torch.long, device=device)) as outputs:
            logits = self.model(
                input_ids=torch.tensor([one.tokens], device=device),
                position_ids=torch.tensor([one.positions], device=device),
                past_key_values=cache,
                use_cache=cache is not None,
                **arguments,
            ).logits[0]
        logits = (logits if self._keeps_logits else logits[kept]).float()  # (rows, vocabulary)
        if end_rows:
            place = {row: index for index, row in enumerate(rows)}
            final = logits[[place[row] for row in end_rows]]
            states = torch.stack(outputs.states)  # (layers, ends, width)
            found.add_ends([one.numbers[row] for row in end_rows], states, self._cosines(states, final), final)
        if rows:
            found.add_log_probabilities([one.numbers[row] for row in rows], logits)
        return cache

    def _mask(self, one: Pass) -> torch.Tensor:
        """The additive attention mask, shape (1, 1, T, P + T)."""
        import torch

        allowed = torch.from_numpy(one.allowed()).to(self.model.device)
        mask = torch.zeros(allowed.shape, dtype=self.model.dtype, device=self.model.device)
        return mask.masked_fill_(~allowed, torch.finfo(self.model.dtype).min)[None, None]

    def _cosines(self, states: torch.Tensor, final: torch.Tensor) -> torch.Tensor:
        """Cosine of each layer's projected state with the final logits, shape (layers, ends)."""
        import torch

        cosines = []
        for layer in states:  # (ends, width)
            projected = self._unembedding(self._norm(layer) if self.final_norm else layer)
            cosines.append(torch.nn.functional.cosine_similarity(projected.float(), final, dim=-1))
        return torch.stack(cosines)


class _LayerOutputs:
    """Collects some rows of every decoder layer's output while it is entered."""

    def __init__(self, layers: Sequence[Any], rows: torch.Tensor) -> None:
        self.layers = layers
        self.rows = rows
        self.states: list[torch.Tensor] = []

    def __enter__(self) -> _LayerOutputs:
        self._handles = [layer.register_forward_hook(self._collect) for layer in self.layers]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _collect(self, _module: Any, _inputs: Any, output: Any) -> None:
        hidden = output[0] if isinstance(output, tuple) else output  # (1, tokens, width)
        if len(self.rows):
            self.states.append(hidden[0, self.rows])


class _Found:
    """What the passes have found so far, by the number of a token in the tree."""

    def __init__(self, asked: dict[int, set[int]], ends: set[int]) -> None:
        self.asked = asked
        self.ends = ends
        self.wanted = ends | set(asked)
        self.states: dict[int, torch.Tensor] = {}
        self.cosines: dict[int, torch.Tensor] = {}
        self.top_tokens: dict[int, list[int]] = {}
        self.log_probabilities: dict[tuple[int, int], float] = {}

    def add_ends(self, numbers: list[int], states: torch.Tensor, cosines: torch.Tensor, logits: torch.Tensor) -> None:
        states, cosines = states.float().cpu(), cosines.cpu()
        top = logits.topk(min(TOP_TOKENS, logits.shape[-1]), dim=-1).indices.tolist()
        for place, number in enumerate(numbers):
            self.states[number] = states[:, place].clone()
            self.cosines[number] = cosines[:, place].clone()
            self.top_tokens[number] = top[place]

    def add_log_probabilities(self, numbers: list[int], logits: torch.Tensor) -> None:
        pairs = [(row, number, token) for row, number in enumerate(numbers) for token in sorted(self.asked.get(number, ()))]
        if not pairs:
            return
        rows, _, tokens = map(list, zip(*pairs, strict=True))
        values = (logits[rows, tokens] - logits.logsumexp(dim=-1)[rows]).tolist()
        for (_, number, token), value in zip(pairs, values, strict=True):
            self.log_probabilities[number, token] = value
