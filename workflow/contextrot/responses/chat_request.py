"""The body of a chat-completion request: what config and task ask for, as the model's family accepts it.

The order: the model's sampling, the task's options, room for thinking; then `request` of the model's block, which changes any part,
null removing it; last, of what config did not set so, what the family refuses is left out or renamed: each change is said once and
stands in the run's metadata.
"""

from __future__ import annotations

import json
import logging
import os
import re
from functools import cached_property, lru_cache
from typing import Any

from contextrot import engines
from contextrot.responses import prices
from contextrot.responses.model_names import base_name
from contextrot.settings import LIMIT_VALUE, ON_THE_WIRE, OWN_PROVIDERS, ModelSettings

log = logging.getLogger(__name__)

LIMITS = ("max_tokens", "max_completion_tokens")
SAMPLING = ("temperature", "top_p", "top_k", "min_p", "seed", "frequency_penalty", "presence_penalty", "logit_bias")
REASONING = re.compile(r"o\d($|-)|gpt-[5-9]($|[.-])|codex-mini")
"""OpenAI's reasoning models, by their names wherever they are reached; the `-chat` ones among them answer without thinking."""
CLAUDE = re.compile(r"claude-")
NEVER_REMOVED = ("model", "messages")
LEAST_THINKING_TOKENS = 1024
"""Anthropic's smallest budget."""
EFFORT_TOKENS = {"minimal": 1024, "low": 1024, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16384}
"""Budgets that litellm asks of Claude for an effort, where the model takes no effort itself."""
THINKING_BY_BUDGET = ("anthropic", "gemini", "vertex_ai", "bedrock")


class ChatRequests:
    """The requests of one model.

    Attributes:
        changes: what was left out or changed because the model's family refuses it, one line each.
    """

    def __init__(self, model: ModelSettings) -> None:
        self.model = model
        self.changes: list[str] = []
        self._body([], 1, {})

    def body(self, messages: list[dict[str, str]], max_output_tokens: int, options: dict[str, Any]) -> dict[str, Any]:
        """One request without model name and streaming: all of it that can change the answer."""
        known = len(self.changes)
        body = self._body(messages, max_output_tokens, options)
        for change in self.changes[known:]:
            log.warning("%s: %s", self.model.name, change)
        return body

    @cached_property
    def wire(self) -> dict[str, Any]:
        """Whether and how answers are streamed: `stream`, and `stream_options` unless they are removed."""
        asked = self.model.request
        if asked.get("stream") is False:
            return {"stream": False}
        options = asked.get("stream_options", {"include_usage": True})
        return {"stream": True, **({} if options is None else {"stream_options": options})}

    def _body(self, messages: list[dict[str, str]], max_output_tokens: int, options: dict[str, Any]) -> dict[str, Any]:
        model = self.model
        limit = max_output_tokens + model.reasoning_tokens
        body = {"messages": messages, self._limit_name: limit, **model.sampling, **options}
        if model.reasoning_effort:
            body["reasoning_effort"] = model.reasoning_effort
        elif model.reasoning_tokens and model.provider in THINKING_BY_BUDGET:
            body["thinking"] = {"type": "enabled", "budget_tokens": model.reasoning_tokens}
        if model.provider in OWN_PROVIDERS:
            body["num_ctx"] = model.window
        body = {name: value for name, value in body.items() if value is not None or name in options}
        for name, value in model.request.items():
            if name in ON_THE_WIRE:
                continue
            body.pop(name, None)
            if value is not None:
                body[name] = limit if value == LIMIT_VALUE else value
        if self._elsewhere:
            self._leave_out_refused(body)
        return body

    @cached_property
    def _elsewhere(self) -> bool:
        return engines.of(self.model).elsewhere

    @cached_property
    def _limit_name(self) -> str:
        own = self._elsewhere and (self.model.provider in ("openai", "azure") or self._thinks_always)
        return "max_completion_tokens" if own else "max_tokens"

    @cached_property
    def _table_entry(self) -> dict[str, Any]:
        return prices.family_entry(self.model)

    @cached_property
    def _is_claude(self) -> bool:
        return bool(CLAUDE.search(base_name(self.model.name)))

    @cached_property
    def _thinks_always(self) -> bool:
        name = base_name(self.model.name)
        return self._elsewhere and bool(REASONING.match(name)) and "-chat" not in name

    def _leave_out_refused(self, body: dict[str, Any]) -> None:
        entry = self._table_entry
        if self._thinks_always and body.get("reasoning_effort", entry.get("default_reasoning_effort")) != "none":
            for name in ("temperature", "top_p", "frequency_penalty", "presence_penalty"):
                if name == "temperature" and body.get(name) == 1:
                    continue
                self._leave_out(body, name, "OpenAI's reasoning models refuse it")
        if self._is_claude:
            self._fit_claude(body, entry)
        if entry.get("supports_sampling_params") is False:
            for name in ("temperature", "top_p", "top_k"):
                self._leave_out(body, name, "this model refuses sampling parameters")
        asked = [name for name in SAMPLING if name in body and name != "temperature"]
        if asked and self.model.provider and self.model.provider not in OWN_PROVIDERS:
            supported = _supported(self.model.provider, self.model.name)
            for name in asked:
                if supported is not None and name not in supported and name in _openai_names():
                    self._leave_out(body, name, f"litellm knows that {self.model.provider} does not take it for this model")

    def _fit_claude(self, body: dict[str, Any], entry: dict[str, Any]) -> None:
        thinking = body.get("thinking") or {}
        effort = body.get("reasoning_effort")
        if thinking.get("type") in ("enabled", "adaptive") or effort not in (None, "none"):
            if body.get("temperature") != 1:
                self._leave_out(body, "temperature", "Claude thinks at temperature 1 only")
            for name in ("top_p", "top_k"):
                self._leave_out(body, name, "Claude refuses it while thinking")
        elif body.get("temperature") is not None:
            self._leave_out(body, "top_p", "Claude takes temperature or top_p, not both")
        budget = thinking.get("budget_tokens")
        limit = next((name for name in LIMITS if name in body and name not in self.model.request), None)
        effort_tokens = 0 if entry.get("supports_adaptive_thinking") else EFFORT_TOKENS.get(effort, 0)
        if limit and self.model.provider in THINKING_BY_BUDGET and effort_tokens > self.model.reasoning_tokens:
            body[limit] += effort_tokens - self.model.reasoning_tokens
            self._note(
                f"{limit} has room for {effort_tokens} tokens of thinking, which reasoning_effort {effort!r} means, not {self.model.reasoning_tokens}"
            )
        if budget is not None and limit:
            room = body[limit] - budget
            if budget < LEAST_THINKING_TOKENS:
                budget = LEAST_THINKING_TOKENS
                body["thinking"] = {**thinking, "budget_tokens": budget}
                body[limit] = budget + max(room, 1)
                self._note(f"thinking.budget_tokens is {budget}, the least that Claude takes, not {thinking['budget_tokens']}")
            elif room < 1:
                body[limit] = budget + 1
                self._note(f"{limit} is raised above thinking.budget_tokens ({budget}), as Claude asks for")

    def _leave_out(self, body: dict[str, Any], name: str, why: str) -> None:
        if name in body and name not in self.model.request:
            self._note(f"{name}: {body.pop(name)!r} is left out: {why}")

    def _note(self, change: str) -> None:
        if change not in self.changes:
            self.changes.append(change)


def refused_part(message: str, body: dict[str, Any]) -> str | None:
    """The part of a request that a server's message complains of; None if it names none.

    A name that is a word of English too (`stop`) counts only where it is named as a part: in quotes, after `body.` or `parameter`.
    """
    found = []
    for name in body:
        if name in NEVER_REMOVED or body[name] is False:
            continue
        words = rf"(?<![\w-]){re.escape(name)}(?![\w-])"
        if name == "stream":
            words = r"\bstream(ing)?\b"
        elif name.isalpha() and name not in ("temperature", "seed", "thinking"):
            words = rf"[\"'`]{name}[\"'`]|\b(body|parameters?|arguments?|field|property|option)\W{{1,3}}{name}\b|^{name}\s*:|(supplied|permitted|supported): {name}\b"
        if place := re.search(words, message, re.IGNORECASE):
            found.append((name == "stream", place.start(), name))
    return min(found, default=(False, 0, None))[2]


def in_its_place(refused: str) -> dict[str, Any]:
    """What to set in `request` where a server refuses a part: nothing, a whole answer, or the limit by its other name."""
    if refused == "stream":
        return {"stream": False}
    other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}.get(refused)
    return {refused: None, **({other: LIMIT_VALUE} if other else {})}


def as_config(request: dict[str, Any]) -> str:
    """Parts of a request as a line of config."""
    return f"`request: {{{', '.join(f'{name}: {json.dumps(value)}' for name, value in request.items())}}}`"


def output_limit(body: dict[str, Any], model: ModelSettings) -> int:
    """The most tokens that an answer can have: the request's limit, else the window."""
    return next((body[name] for name in LIMITS if isinstance(body.get(name), int)), model.window)


@lru_cache
def _supported(provider: str, name: str) -> frozenset[str] | None:
    """OpenAI's parameters that litellm maps for a model; None where it does not know."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    try:
        import litellm

        return frozenset(litellm.get_supported_openai_params(model=name, custom_llm_provider=provider)) or None
    except Exception:  # of a provider or name that it does not know, in many kinds
        return None


@lru_cache
def _openai_names() -> frozenset[str]:
    from litellm.constants import DEFAULT_CHAT_COMPLETION_PARAM_VALUES

    return frozenset(DEFAULT_CHAT_COMPLETION_PARAM_VALUES)
