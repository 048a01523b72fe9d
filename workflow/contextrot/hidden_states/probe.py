"""What a local model's layers hold at the end of a prompt, and how likely it finds given answers.

Tokens that prompts share (a history and its beginnings, a haystack) are computed once, see prefix_tree, if the model was seen to
give the same so as by plain passes, see state_sharing. Nothing is padded, so that no pad's state can be mistaken for the answer's.
All is computed in float32, whatever the weights' dtype, unless another is asked for.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from contextrot.engines.local_models import DTYPES, is_quantized, load_model
from contextrot.hidden_states.model_parts import ModelParts, RotaryState, unreadable, widen
from contextrot.hidden_states.prefix_tree import Pass, PrefixTree
from contextrot.hidden_states.state_sharing import depends_on_length, may_share, sharing_agrees

if TYPE_CHECKING:
    import torch

__all__ = ["DTYPES", "LayerProbe", "Measurement", "Probe", "load_model"]

TOP_TOKENS = 5
CHECKED_TOKENS = 64
"""Tokens of the pass that shows whether a model's parts are the ones known here."""
READ_TOLERANCE = 0.02
"""Share of its norm by which the last layer's state, normed again, may differ from what the unembedding was given (bfloat16 rounds)."""


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


class LayerProbe:
    """Looks into a model.

    Args:
        model: as from `load_model`; made to compute in float32 if it does not (see model_parts.widen).
        final_norm: whether a layer's state goes through the model's final norm before the unembedding projects it.
        batch_tokens: tokens of one pass through the model.
        share_prefixes: whether shared tokens are computed once, where the model was seen to give the same so.
        float32: whether to compute in float32 whatever the weights' dtype; quantized models keep their own arithmetic.

    Attributes:
        share_prefixes: whether shared tokens are computed once; None before the first prompts are known.
        length_dependent: whether a token's state depends on how long the text goes on after it (rotary scaling that changes with
            length): every prompt, and every prompt with an answer, is then one plain pass; None before the first prompts are known.
        dtype: in which it computes.

    Raises:
        DataError: for an architecture whose layers cannot be read.
    """

    def __init__(
        self,
        model: Any,
        final_norm: bool = False,
        batch_tokens: int = 1024,
        share_prefixes: bool = True,
        float32: bool = True,
    ) -> None:
        import torch

        self.model = model
        self.final_norm = final_norm
        self.batch_tokens = batch_tokens
        self.share_asked = share_prefixes
        self.share_prefixes: bool | None = None
        self.length_dependent: bool | None = None
        self.parts = ModelParts.of(model)
        self.dtype = model.dtype
        if float32 and not is_quantized(model) and model.dtype in (torch.bfloat16, torch.float16):
            widen(model, self.parts)
            self.dtype = torch.float32
        self._rotary = RotaryState(model)
        self._keeps_logits = "logits_to_keep" in inspect.signature(model.forward).parameters
        self._seen: tuple[int, list[int]] | None = None  # shortest prompt's length, longest sequence

    def prepare(self, probes: Sequence[Probe]) -> None:
        """Finds out, by passes over the longest of these prompts, how they can be measured.

        Give it a run's shortest and longest prompts before the first `measure`; what lies outside is looked at when it comes.

        Raises:
            DataError: if the model's logits are not what its last layer's state leads to by the parts known here.
        """
        import torch

        longest = max((probe.prompt + max(probe.answers, key=len, default=[]) for probe in probes), key=len)
        shortest = min(len(probe.prompt) for probe in probes)
        if self._seen and self._seen[0] <= shortest and len(longest) <= len(self._seen[1]):
            return
        if self._seen:
            shortest, longest = min(shortest, self._seen[0]), max(longest, self._seen[1], key=len)
        with torch.no_grad():
            if self._seen is None:
                self._check_parts(longest[:CHECKED_TOKENS])
            depends, end = depends_on_length(self, longest, shortest)
            self.length_dependent = bool(self.length_dependent) or depends
            asked = self.share_asked and not self.length_dependent and self.share_prefixes is not False
            self.share_prefixes = asked and may_share(self.model, len(longest)) and sharing_agrees(self, longest, end)
        self._seen = shortest, longest

    def measure(self, probes: Sequence[Probe]) -> list[Measurement]:
        """What is found at the end of each prompt, in the order of `probes`.

        An answer's likelihood is conditioned on exactly the tokens before it; where states depend on the text's length, it is that
        of one plain pass over the prompt and the whole answer.
        """
        import torch

        if not probes:
            return []
        self.prepare(probes)
        with torch.no_grad():
            if self.share_prefixes:
                return self.measure_together(probes, self.batch_tokens)
            return [self.measure_alone(probe) for probe in probes]

    def measure_alone(self, probe: Probe) -> Measurement:
        """The same by plain passes: no cache, no mask or positions of our own, no shared tokens."""
        whole = bool(self.length_dependent)
        passes: dict[tuple[int, ...], list[int]] = {tuple(probe.prompt): []} if whole or not probe.answers else {}
        for place, answer in enumerate(probe.answers):
            passes.setdefault((*probe.prompt, *(answer if whole else answer[:-1])), []).append(place)
        measured, likelihoods = None, [0.0] * len(probe.answers)
        for sequence, places in passes.items():
            found = self._measure([Probe(probe.prompt, [probe.answers[p] for p in places])], len(sequence), list(sequence))[0]
            measured = measured or found
            for place, value in zip(places, found.log_likelihoods, strict=True):
                likelihoods[place] = value
        measured.log_likelihoods = likelihoods
        return measured

    def measure_within(self, prompts: Sequence[list[int]], sequence: list[int]) -> list[Measurement]:
        """What is found at the end of each prompt in one plain pass over a sequence that begins with all of them."""
        return self._measure([Probe(prompt) for prompt in prompts], len(sequence), sequence)

    def measure_together(self, probes: Sequence[Probe], budget: int) -> list[Measurement]:
        """The same with shared tokens computed once, in passes of up to `budget` tokens."""
        return self._measure(probes, budget)

    def _measure(self, probes: Sequence[Probe], budget: int, plain: list[int] | None = None) -> list[Measurement]:
        sequences = [probe.prompt + answer[:-1] for probe in probes for answer in probe.answers or [[]]]
        sequences += [plain] if plain else []
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
            cache = self._run(one, cache, found, plain is not None)
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

    def _run(self, one: Pass, cache: Any, found: _Found, plain: bool) -> Any:
        """Runs one pass, adds to `found`, and returns the cache that the next pass begins with."""
        import torch
        from transformers import DynamicCache

        device = self.model.device
        if plain:
            self._rotary.restore()
        elif one.past == 0:
            cache = DynamicCache() if one.keep else None
        elif cache.get_seq_length() > one.past:
            cache.crop(one.past - cache.get_seq_length())
        rows = [row for row, number in enumerate(one.numbers) if number in found.wanted]
        kept = torch.tensor(rows or [len(one.tokens) - 1], device=device)
        end_rows = [row for row in rows if one.numbers[row] in found.ends]
        arguments: dict[str, Any] = {"logits_to_keep": kept} if self._keeps_logits else {}
        arguments["use_cache"] = not plain and cache is not None
        if not plain:
            arguments |= {"position_ids": torch.tensor([one.positions], device=device), "past_key_values": cache}
            if not one.causal:
                arguments["attention_mask"] = self._mask(one)
        with _LayerOutputs(self.parts.layers, torch.tensor(end_rows, dtype=torch.long, device=device)) as outputs:
            logits = self.model(input_ids=torch.tensor([one.tokens], device=device), **arguments).logits[0]
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
        mask = torch.zeros(allowed.shape, dtype=self.dtype, device=self.model.device)
        return mask.masked_fill_(~allowed, torch.finfo(self.dtype).min)[None, None]

    def _check_parts(self, sequence: list[int]) -> None:
        """Raises DataError if what the unembedding is given is not the last layer's state, normed as `parts` says."""
        import torch

        given: list[torch.Tensor] = []
        last = torch.tensor([len(sequence) - 1], device=self.model.device)
        hook = self.parts.unembedding.register_forward_pre_hook(lambda _module, inputs: given.append(inputs[0][0, -1:]))
        self._rotary.restore()
        try:
            with _LayerOutputs(self.parts.layers, last) as outputs:
                ids = torch.tensor([sequence], device=self.model.device)
                self.model(input_ids=ids, use_cache=False, **({"logits_to_keep": last} if self._keeps_logits else {}))
            read = self.parts.read(torch.stack(outputs.states)[-1], final_norm=True)
            known = len(outputs.states) == len(self.parts.layers)
            known = known and bool((read - given[0]).norm() <= READ_TOLERANCE * given[0].norm())
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
            raise unreadable(self.model) from error
        finally:
            hook.remove()
        if not known:
            raise unreadable(self.model)

    def _cosines(self, states: torch.Tensor, final: torch.Tensor) -> torch.Tensor:
        """Cosine of each layer's projected state with the final logits, shape (layers, ends)."""
        import torch

        cosines = []
        for layer in states:  # (ends, width)
            projected = self.parts.unembedding(self.parts.read(layer, self.final_norm))
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
        hidden = output[0] if isinstance(output, tuple | list) else output  # (1, tokens, width)
        if hidden.dim() != 3 or len(hidden) != 1:
            raise ValueError(f"a layer's output has the shape {tuple(hidden.shape)}")
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
