"""Write a detailed treatment, of at least two thousand words, for a feature film set in a fading ski town. [...]
-> Texiors fails and quantance by large with a moment at which the sulfence lion. [...]    (the embedded model, at 192 tokens: truncated)
Building on what you wrote above, choose the four most important moments of the treatment [...]
-> I should be listed from one a bucket. [...]

Story sequences: creative prompts whose every turn builds on all before it, with very long answers.

A sequence is one sample of several turns. Before each turn the conversation is fitted into the window
(`contextrot.conversation`), and an empty, tiny or failed answer is asked again with the engine's state reset in between
(`contextrot.recovery`).
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from contextrot.checked import Checked
from contextrot.errors import DataError
from contextrot.files import read_yaml
from contextrot.randomness import generator_for
from contextrot.records import Response, Sample
from contextrot.samples import prompts
from contextrot.samples.conversation import Budget, Decision, Message, Policy, fit_conversation
from contextrot.task import Asker, Parameters, SampleContext, Task, not_asked
from contextrot.tasks.story_sequences.recovery import ask_until_answered, has_answer
from contextrot.tasks.story_sequences.repetition import distinct_n, longest_repeated_span, overlap, words_of

CRITERIA = (
    "creativity",
    "coherence",
    "character_depth",
    "dialogue",
    "visual_imagination",
    "conceptual_depth",
    "adherence",
)
"""What an optional judge rates, 1 to 5; each is one reference of a sample."""
ATTEMPT_STRIDE = 1_000_000


class StoryParameters(Parameters):
    """Parameters of task `story_sequences`."""

    long_texts = frozenset({"system_prompt"})

    file: str = "tasks/story_sequences.yaml"
    """File of sequences, from the data folder (or an absolute path)."""
    sequences: int | None = Field(None, ge=1)
    """Take only so many sequences of the file; all without it."""
    turns: int | None = Field(None, ge=1)
    """Take only so many prompts of each sequence; all without it."""
    repeats: int = Field(1, ge=1, le=10_000)
    """How often each sequence is run."""
    window: int = Field(32_768, gt=0)
    """Window to work in, tokens; the model's own where that is smaller."""
    output_tokens: int = Field(16_384, gt=0)
    """Limit of each answer, tokens; the model's own where that is smaller."""
    margin_tokens: int = Field(500, ge=0)
    """Left free in the window beside the prompt and the output limit, tokens."""
    policy: Policy = "sliding"
    """What happens to a conversation over window - output - margin: `none` (it is not sent: outcome over_window), `sliding`
    (the oldest turns go, then the beginning of the oldest kept answer), `keep_first` (the first prompt and the newest text
    stay, the middle goes)."""
    system_prompt: str | None = None
    """Opens every conversation, never cut; a sequence may have its own."""
    asked_words: int | None = Field(None, gt=0)
    """Asks for so many words at the end of every prompt, instead of the lengths that the file's prompts name."""
    minimum_characters: int = Field(10, ge=1)
    """A shorter answer counts as empty, and is asked again."""
    retries: int = Field(2, ge=0)
    """How often an empty or failed answer is asked again; the engine's state is reset before each."""
    reset_above_tokens: int | None = Field(None, gt=0)
    """Reset the engine's state after every answer of more tokens than this, too; never without it."""
    after_failure: Literal["continue", "stop"] = "continue"
    """What follows a turn that got no answer: the next turn, with that turn left out of the conversation, or none."""
    temperature: float | None = Field(None, ge=0)
    """Sampling temperature, sent with a seed of its own for every turn and attempt; without it the model's own sampling and no
    seed. Repeats at 0 are the same text again."""
    request: dict[str, Any] = Field(default_factory=dict)
    """More fields of each request, as the server knows them: `{ignore_eos: true}` makes vLLM fill the output limit."""


class StorySequence(Checked):
    """One sequence of a file."""

    long_texts = frozenset({"description", "system", "prompts"})

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    description: str = ""
    system: str | None = None
    prompts: list[str] = Field(min_length=1)
    words: list[int | None] | None = None

    @model_validator(mode="after")
    def _one_length_a_prompt(self) -> StorySequence:
        if self.words is not None and len(self.words) != len(self.prompts):
            raise ValueError(
                f"{len(self.words)} `words` for {len(self.prompts)} prompts; give one each, null where none is asked"
            )
        return self


def read_sequences(path: Path) -> list[StorySequence]:
    """The sequences of a YAML file: `name`, `prompts`, and optionally `words` (asked of each prompt), `system`, `description`.

    Raises:
        DataError: if the file is missing, is not of this form, or two sequences share a name.
    """
    entries = read_yaml(path, "story file")
    if not isinstance(entries, list) or not entries:
        raise DataError(f"{path} must be a list of sequences, each with a `name` and `prompts`.")
    sequences = []
    for number, entry in enumerate(entries, 1):
        try:
            sequences.append(StorySequence.model_validate(entry))
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"])) or "it"
            raise DataError(f"{path}, sequence {number}: {where}: {problem['msg'].removeprefix('Value error, ')}.") from error
    names = [sequence.name for sequence in sequences]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DataError(f"{path}: two sequences are named {twice!r}; give each its own name.")
    return sequences


class StorySequences(Task):
    """What do very long answers, and the context they fill, do to the next answer?"""

    Parameters = StoryParameters
    version = 2
    judged = False
    criteria = CRITERIA
    groupings = [("turn",), ("sequence", "turn"), ("sequence",), ()]
    measures = [
        "score",
        "server_prompt_tokens",
        "completion_tokens",
        "tokens_per_second",
        "decode_tokens_per_second",
        "window_use",
        "tokens_dropped",
        "context_changed",
        "retries",
        "words",
        "length_ratio",
        "distinct_1",
        "distinct_2",
        "distinct_3",
        "longest_repeated_words",
        "longest_repeated_share",
        "overlap",
        *CRITERIA,
    ]
    ranges = {
        **dict.fromkeys(
            ("context_changed", "distinct_1", "distinct_2", "distinct_3", "longest_repeated_share", "overlap"), (0, 1)
        ),
        **dict.fromkeys(CRITERIA, (1, 5)),
    }
    length_column = "turn"

    def data_files(self, data: Path) -> list[Path]:
        return [data / self.parameters.file]

    def sequences(self, data: Path) -> list[StorySequence]:
        """The sequences in force: as many as asked for, each with as many prompts, asking for as many words."""
        p = self.parameters
        chosen = read_sequences(data / p.file)[: p.sequences]
        for sequence in chosen:
            sequence.prompts = [prompt.strip() for prompt in sequence.prompts[: p.turns]]
            sequence.words = (sequence.words or [None] * len(sequence.prompts))[: p.turns]
            if p.asked_words:
                sequence.words = [p.asked_words] * len(sequence.prompts)
                sequence.prompts = [
                    prompts.STORY_LENGTH.format(prompt=prompt, words=p.asked_words) for prompt in sequence.prompts
                ]
        return chosen

    def samples(self, context: SampleContext) -> list[Sample]:
        p = self.parameters
        window, output_tokens = min(p.window, context.window), context.output_tokens(p.output_tokens)
        samples = []
        for repeat in range(p.repeats):
            for sequence in self.sequences(context.data):
                system = sequence.system or p.system_prompt
                messages = [{"role": "system", "content": system}] if system else []
                messages.append({"role": "user", "content": sequence.prompts[0]})
                tokens = context.tokenizer.count_chat(messages)
                fits = tokens <= Budget(window, output_tokens, p.margin_tokens).prompt_tokens
                samples.append(
                    Sample(
                        sample_id=f"{sequence.name}-{repeat}",
                        messages=messages if fits else [],
                        references=[],
                        max_output_tokens=output_tokens,
                        prompt_tokens=tokens if fits else None,
                        fits_window=fits,
                        later_prompts=sequence.prompts[1:],
                        condition={
                            "sequence": sequence.name,
                            "repeat": repeat,
                            "window": window,
                            "asked_words": sequence.words,
                        },
                    )
                )
        return samples

    def request_options(self, sample: Sample) -> dict[str, Any]:
        return dict(self.parameters.request)

    def _sampling(self, sample: Sample, turn: int, attempt: int) -> dict[str, Any]:
        if self.parameters.temperature is None:
            return {}
        seed = int(generator_for(0, sample.sample_id, turn, attempt).integers(2**31))
        return {"temperature": self.parameters.temperature, "seed": seed}

    async def converse(self, sample: Sample, ask: Asker) -> list[Response]:
        p = self.parameters
        budget = Budget(sample.condition["window"], sample.max_output_tokens, p.margin_tokens)
        history, responses = list(sample.messages), []
        for turn in range(1 + len(sample.later_prompts)):
            if turn:
                history.append({"role": "user", "content": sample.later_prompts[turn - 1]})
            response = await self._ask_turn(sample, history, turn, budget, ask)
            responses.append(response)
            if has_answer(response, p.minimum_characters):
                history.append({"role": "assistant", "content": response.text})
            elif p.after_failure == "stop":
                responses += [not_asked(response, later) for later in range(turn + 1, 1 + len(sample.later_prompts))]
                break
            else:
                history.pop()
        return responses

    async def _ask_turn(self, sample: Sample, history: list[Message], turn: int, budget: Budget, ask: Asker) -> Response:
        p = self.parameters
        messages, decision = fit_conversation(history, ask.tokenizer, budget, p.policy)
        attempts: list[dict[str, Any]] = []
        if decision.fits:
            response, attempts = await ask_until_answered(
                lambda attempt: ask(
                    messages,
                    turn,
                    prompt_tokens=decision.tokens_after,
                    repeat=store_number(sample.condition["repeat"], attempt),
                    options=self._sampling(sample, turn, attempt),
                ),
                ask.reset,
                retries=p.retries,
                minimum_characters=p.minimum_characters,
            )
            if p.reset_above_tokens and (response.completion_tokens or 0) > p.reset_above_tokens:
                await ask.reset()
        else:
            response = Response(
                sample.sample_id,
                turn,
                "over_window",
                error_type="over_budget",
                error_message=f"the conversation has {decision.tokens_after} tokens, {decision.budget_tokens} may be sent",
            )
        details = {"context": decision.row(), "attempts": attempts}
        response.details = json.dumps({**json.loads(response.details or "{}"), **details}, ensure_ascii=False)
        return response

    def columns(self, response: Response) -> dict[str, Any]:
        details = json.loads(response.details or "{}")
        context = details.get("context") or dict.fromkeys(field.name for field in fields(Decision))
        context.pop("fits", None)
        attempts = details.get("attempts")
        return {
            **context,
            "context_changed": None if context["tokens_dropped"] is None else float(context["tokens_dropped"] > 0),
            "retries": max(0, len(attempts) - 1) if attempts is not None else None,
            "attempt_outcomes": [attempt["outcome"] for attempt in attempts or []],
        }

    def score_turn(
        self, sample: Sample, response: Response, verdicts: list[bool | None], earlier: list[Response]
    ) -> dict[str, Any]:
        """`score` is 1 if the turn was completed with a text; the rest is about that text, and missing without one."""
        scores = self.score(sample, response, verdicts)
        said = [words_of(before.text) for before in earlier if before.text]
        return {**scores, "overlap": overlap(words_of(response.text or ""), said) if scores["score"] else None}

    def score(self, sample: Sample, response: Response, verdicts: list[bool | None]) -> dict[str, Any]:
        if not has_answer(response, self.parameters.minimum_characters):
            return {"score": 0.0}
        words = words_of(response.text)
        longest = longest_repeated_span(words)
        asked = (sample.condition["asked_words"] or [])[response.turn :][:1] or [None]
        tokens = None if None in (response.prompt_tokens, response.completion_tokens) else response.completion_tokens
        return {
            "score": 1.0,
            "tokens_per_second": _ratio(response.completion_tokens, response.total_seconds),
            "decode_tokens_per_second": _decode_speed(response),
            "window_use": _ratio(tokens and tokens + response.prompt_tokens, sample.condition["window"]),
            "words": len(words),
            "length_ratio": _ratio(len(words), asked[0]),
            **{f"distinct_{n}": distinct_n(words, n) for n in (1, 2, 3)},
            "longest_repeated_words": longest,
            "longest_repeated_share": _ratio(longest, len(words)),
        }


def store_number(repeat: int, attempt: int) -> int:
    """The number under which the request store keeps an attempt of a repeat: no two share one, whatever `retries` is."""
    return repeat + ATTEMPT_STRIDE * attempt


def _ratio(value: float | None, whole: float | None) -> float | None:
    return None if value is None or not whole else value / whole


def _decode_speed(response: Response) -> float | None:
    """Tokens after the first for each second after it."""
    if response.completion_tokens is None or response.first_token_seconds is None or response.total_seconds is None:
        return None
    return _ratio(response.completion_tokens - 1, response.total_seconds - response.first_token_seconds)
