"""The prompts that a load is made of: texts of an exact length, sessions of them, the samples of another task, or those of a trace.

Every prompt begins with a code, over which a run writes one of its own; see `codes`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from contextrot import tasks
from contextrot.checked import validate
from contextrot.errors import ConfigError
from contextrot.records import Sample
from contextrot.samples import prompts
from contextrot.samples.composed import longest_beginning
from contextrot.samples.corpus import corpus_path, read_documents
from contextrot.samples.haystack import SentencePool
from contextrot.task import SampleContext, Task
from contextrot.tasks.serving.codes import UNSALTED, CodedTokenizer, code_of, coded, salted

if TYPE_CHECKING:
    from contextrot.samples.tokenizers import Tokenizer
    from contextrot.tasks.serving.task import ServingParameters
    from contextrot.tasks.serving.trace import Trace

Messages = list[dict[str, str]]
Group = tuple[str, int, float, int]
"""Phase, length, load, repeat."""


def conditions(p: ServingParameters, group: Group, index: int, **known: Any) -> dict[str, Any]:
    """The columns of a sample; those of a trace or of another task are empty where nothing is known."""
    phase, length, load, repeat = group
    more = ("due_seconds", "session", "reusable_tokens") if p.trace else ("asked", "task_condition") if p.task else ()
    columns = {"phase": phase, "length": length, p.load_column: load, "repeat": repeat, "index": index}
    return columns | {name: known.get(name) for name in more}


def name_of(group: Group, index: int) -> str:
    """A sample's id."""
    phase, length, load, repeat = group
    shown = f"{load:03d}" if isinstance(load, int) else f"{load:g}s"
    return f"{phase}-{length:07d}-{shown}-{repeat}-{index:03d}"


class Texts:
    """Samples whose prompt is a text of an exact length, with later prompts where a session has several turns."""

    def __init__(self, context: SampleContext, p: ServingParameters) -> None:
        self.context, self.p = context, p
        self.window = int(context.window * (p.yarn_factor or 1))
        self.pool = SentencePool(read_documents(corpus_path(p.topic, context.data)), context.tokenizer)

    @property
    def output_tokens(self) -> int:
        """Tokens of each answer."""
        return self.context.output_tokens(self.p.output_tokens)

    def sample(self, group: Group, index: int) -> Sample:
        """One sample of a group."""
        p, (phase, length, _, _) = self.p, group
        shared = p.prefix == "shared" and phase == "measured"
        rng = self.context.rng("serving", p.seed, p.topic, *group, *([] if shared else [index]))
        code = f"{rng.integers(16**8):08x}"
        order = self.pool.original_order(rng)
        template = prompts.SERVING_SHARED_PREFIX if shared else prompts.SERVING

        def messages(text: str) -> Messages:
            return [{"role": "user", "content": template.format(code=code, text=text, index=index)}]

        limit = self.output_tokens
        turns = p.turns if phase == "measured" else 1
        text = None
        if length + limit <= self.window:
            text = self.pool.compose(order, [], length, lambda text: self.context.tokenizer.count_chat(messages(text)))
            if text is None:
                raise ConfigError(f"length {length} is too short for a prompt of task 'serving'; ask for more tokens.")
        return Sample(
            sample_id=name_of(group, index),
            messages=messages(text.text) if text else [],
            references=[],
            max_output_tokens=limit,
            target_tokens=length,
            prompt_tokens=text.prompt_tokens if text else None,
            fits_window=text is not None,
            later_prompts=[self._later_prompt(rng) for _ in range(turns - 1)],
            condition=conditions(p, group, index),
        )

    def _later_prompt(self, rng: np.random.Generator) -> str:
        order = self.pool.original_order(rng)
        count = lambda text: len(self.context.tokenizer.encode(prompts.SERVING_LATER.format(text=text)))  # noqa: E731
        found = self.pool.compose(order, [], self.p.turn_tokens, count)
        return prompts.SERVING_LATER.format(text=found.text if found else "")


def samples_of_task(context: SampleContext, p: ServingParameters, lengths: Sequence[int]) -> dict[int, list[Sample]]:
    """The other task's samples by length, each with a code before it; see `task_of`.

    Raises:
        ConfigError: for a task that is none, or whose parameters are wrong.
    """
    beside = SampleContext(
        CodedTokenizer(context.tokenizer), context.window, context.max_output_tokens, context.data, context.rng
    )
    found = {}
    for length in lengths:
        samples = task_of(p, length).samples(beside)
        picked = context.rng("serving", p.seed, p.task, length).permutation(len(samples))[: p.requests]
        found[length] = [
            replace(samples[i], messages=samples[i].messages and coded(samples[i].messages, UNSALTED)) for i in sorted(picked)
        ]
    return found


def task_of(p: ServingParameters, length: int) -> Task:
    """The task whose samples are sent, at one length where it knows lengths."""
    kind = tasks.load(p.task)
    given = {**p.task_parameters, **({kind.length_parameter: [length]} if kind.length_parameter else {})}
    return kind(validate(kind.Parameters, given, f"`task_parameters` of task {p.task!r}"))


def of_group(p: ServingParameters, samples: Sequence[Sample], group: Group, count: Callable[[str], int]) -> Iterator[Sample]:
    """The other task's samples as one group sends them: with codes and names of the group.

    Args:
        count: tokens of a text.
    """
    for index, sample in enumerate(samples):
        own = salted(sample, f"{group} {sample.sample_id}", count) if sample.messages else sample
        length = group[1] if sample.target_tokens is None else sample.target_tokens
        yield replace(
            own,
            sample_id=name_of(group, index),
            target_tokens=length,
            condition=conditions(
                p, group, index, asked=sample.sample_id, task_condition=json.dumps(sample.condition, default=as_list)
            ),
        )


def as_list(value: Any) -> Any:
    """Arrays and numbers of numpy as JSON knows them."""
    return value.tolist()


def asked_sample(sample: Sample) -> Sample:
    """The other task's sample that one of these stands for, with its own name and columns."""
    condition = json.loads(sample.condition["task_condition"])
    return replace(sample, sample_id=sample.condition["asked"], condition=condition)


def samples_of_trace(context: SampleContext, p: ServingParameters, trace: Trace, texts: Texts) -> Iterator[Sample]:
    """A sample for each request of a trace at each speed and repeat, all prompts of the trace's length, beginnings shared as in it."""
    length = round(float(np.mean([arrival.input_tokens for arrival in trace.arrivals])))
    blocks = Blocks(texts.pool, trace.block_tokens, context.rng)
    shared = trace.shared_tokens()
    for speed in p.trace_speeds:
        for repeat in range(p.repeats):
            group = ("measured", length, float(speed), repeat)
            for index, (arrival, reusable) in enumerate(zip(trace.arrivals, shared, strict=True)):
                limit = context.output_tokens(arrival.output_tokens)
                fits = arrival.input_tokens + limit <= texts.window
                code = code_of("trace", repeat, speed, arrival.blocks[0])
                messages = _of_length(context.tokenizer, arrival.input_tokens, blocks, arrival.blocks, code) if fits else []
                yield Sample(
                    sample_id=name_of(group, index),
                    messages=messages,
                    references=[],
                    max_output_tokens=limit,
                    target_tokens=arrival.input_tokens,
                    prompt_tokens=context.tokenizer.count_chat(messages) if fits else None,
                    fits_window=fits,
                    condition=conditions(
                        p,
                        group,
                        index,
                        due_seconds=arrival.due_seconds / speed,
                        session=arrival.session,
                        reusable_tokens=reusable,
                    ),
                )


class Blocks:
    """Texts of a trace's blocks: one name has one text, of a block's tokens or a few more."""

    def __init__(self, pool: SentencePool, tokens: int, rng: Callable[..., np.random.Generator]) -> None:
        self._pool, self._tokens, self._rng = pool, tokens, rng
        self.text = cache(self._text)

    def _text(self, name: str) -> str:
        index = int(self._rng("serving", "block", name).integers(len(self._pool.pieces)))
        parts, rest = [], self._tokens
        while rest > 0:
            tokens = int(self._pool.tokens[index])
            parts.append(self._pool.pieces[index] if tokens <= rest else self._pool.cut(index, rest))
            rest -= tokens
            index = (index + 1) % len(self._pool.pieces)
        return "".join(parts)


def _of_length(tokenizer: Tokenizer, length: int, blocks: Blocks, names: Sequence[str], code: str) -> Messages:
    """A prompt of `length` tokens, or a few less: a code and the blocks' texts, the last one cut.

    A prompt too short even for the code and the template is as short as it can be.
    """

    def messages(text: str) -> Messages:
        return [{"role": "user", "content": prompts.SERVING_CODE.format(code=code) + text}]

    known = "".join(blocks.text(name) for name in names[:-1])
    end, more = blocks.text(names[-1]), 0
    while tokenizer.count_chat(messages(known + end)) < length:
        more += 1
        end += blocks.text(f"{names[-1]}, {more}")
    rest = longest_beginning(
        end,
        lambda text: tokenizer.count_chat(messages(known + text)) <= length,
        lambda text: length - tokenizer.count_chat(messages(known + text)),
    )
    if (
        not rest and tokenizer.count_chat(messages(known)) > length
    ):  # blocks' texts and the template are a little longer than counted
        rest = ""
        known = longest_beginning(known, lambda text: tokenizer.count_chat(messages(text)) <= length)
    return messages(known + rest)
