"""The plain way to get cosines and label likelihoods, to test and time ours against: one prompt at a time, no padding, no
cache, a hook on every decoder layer, and a full pass for each label."""

from __future__ import annotations

from typing import Any

import torch


def plain_measure(model: Any, prompt: list[int], answers: list[list[int]], final_norm: bool = False) -> dict[str, Any]:
    """Layer states at the last prompt token, cosines of their projections with the final logits, log-likelihoods of answers."""
    states: list[torch.Tensor] = []

    def keep(_module: Any, _inputs: Any, output: Any) -> None:
        hidden = output[0] if isinstance(output, tuple) else output
        states.append(hidden[0, len(prompt) - 1])

    decoder = model.get_decoder()
    handles = [layer.register_forward_hook(keep) for layer in decoder.layers]
    with torch.no_grad():
        final = model(torch.tensor([prompt], device=model.device), use_cache=False).logits[0, -1]
        for handle in handles:
            handle.remove()
        cosines = []
        for state in states:
            projected = model.lm_head(decoder.norm(state) if final_norm else state)
            cosines.append(torch.nn.functional.cosine_similarity(projected, final, dim=0).item())
        likelihoods = []
        for answer in answers:
            whole = torch.tensor([prompt + answer], device=model.device)
            logged = model(whole, use_cache=False).logits[0].log_softmax(dim=-1)
            likelihoods.append(sum(logged[len(prompt) - 1 + i, token].item() for i, token in enumerate(answer)))
    return {"states": torch.stack(states), "cosines": cosines, "log_likelihoods": likelihoods}
