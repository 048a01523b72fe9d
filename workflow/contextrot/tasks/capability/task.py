"""What a model can do with long contexts: LongBench, LongBench v2 and InfiniteBench, from local files or the Hub's cache, by their own scorers.

Sources: Y. Bai et al. (2023), LongBench (arXiv 2308.14508); Y. Bai et al. (2024), LongBench v2 (arXiv 2412.15204); X. Zhang et al. (2024),
InfiniteBench (arXiv 2402.13718). README.md beside this file lists the deviations.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from contextrot.errors import ConfigError
from contextrot.files import in_data_or_here
from contextrot.records import Response, Sample
from contextrot.samples.composed import Messages, cut_to
from contextrot.samples.published import Recorded
from contextrot.samples.realised import length_class
from contextrot.task import Parameters, SampleContext, Task
from contextrot.tasks.capability import infinitebench, longbench
from contextrot.tasks.capability.items import Item, answer_files, published, read_items, score
from contextrot.tasks.capability.sources import V2_FILE, local_files

if TYPE_CHECKING:
    import pandas as pd

ENGLISH = [name for name in longbench.SETS if name not in longbench.CHINESE]
SHORT_ANSWERS = [name for name in infinitebench.SETS if name not in ("longbook_sum_eng", "longbook_qa_chn", "math_calc")]


class CapabilityParameters(Parameters):
    """Parameters of task `capability`."""

    longbench: str | None = None
    """LongBench: a folder with qasper.jsonl and the like, its data.zip, or the Hub's data set (THUDM/LongBench); null leaves it out."""
    longbench_sets: list[str] = ENGLISH
    """Its sets; LongBench-E's end in _e. Chinese ones need package jieba."""
    longbench_prompts: str | None = None
    """LongBench's own config/dataset2prompt.json, whose prompts are then asked in place of this project's."""
    longbench_v2: str | None = None
    """LongBench v2: its data.json, a folder with it, or the Hub's data set (THUDM/LongBench-v2)."""
    infinitebench: str | None = None
    """InfiniteBench: a folder with passkey.jsonl and the like, or the Hub's data set (xinrongzhang2022/InfiniteBench)."""
    infinitebench_sets: list[str] = SHORT_ANSWERS
    """Its tasks."""
    revision: str = "main"
    """Revision of the Hub's data sets."""
    items: int | None = Field(None, gt=0)
    """How many questions of each set, drawn by the seed; all without it."""
    max_prompt_tokens: int | None = Field(None, gt=0)
    """Longest prompt, tokens; without it, what the window leaves beside the answer."""
    cut: Literal["middle", "none"] = "middle"
    """A context that is too long loses its middle, as the benchmarks do it; none: it is not sent, and counted."""
    answers: str | None = None
    """Folder (or file) of one run's published answers, for engine `recorded`, in place of all of the above; from the data folder or the
    working folder."""

    @model_validator(mode="after")
    def _known_sets(self) -> CapabilityParameters:
        if not any((self.longbench, self.longbench_v2, self.infinitebench, self.answers)):
            raise ValueError(
                "name at least one of `longbench`, `longbench_v2`, `infinitebench` (or `answers`): a folder, or the Hub's data set"
            )
        for key, known in (("longbench_sets", longbench.SETS), ("infinitebench_sets", infinitebench.SETS)):
            for name in getattr(self, key):
                if name.removesuffix("_e") not in known:
                    raise ValueError(f"{key}: {name!r} is none of {', '.join(known)}")
        return self


class Capability(Task):
    """How well does the model do on the benchmarks that papers report?"""

    Parameters = CapabilityParameters
    version = 2
    judged = False
    groupings = [
        ("benchmark", "length"), ("benchmark", "dataset"), ("benchmark", "band"), ("benchmark", "dataset", "band"), ("benchmark", "difficulty"), ("length",), ("benchmark",), (),
    ]  # fmt: skip
    ranges = {"set_average": (0, 1)}
    length_column = "length"
    pair_columns = ["benchmark", "dataset", "item"]

    def data_files(self, data: Path) -> list[Path]:
        p, files = self.parameters, []
        if p.answers:
            return sorted(answer_files(self._folder(data)).values())
        for source, names in (
            (p.longbench, [f"{name}.jsonl" for name in p.longbench_sets]),
            (p.longbench_v2, [V2_FILE]),
            (p.infinitebench, [f"{name}.jsonl" for name in p.infinitebench_sets]),
        ):
            files += local_files(source, data, names) if source else []
        prompts = p.longbench_prompts if p.longbench else None
        return files + ([in_data_or_here(prompts, data)] if prompts else [])

    def _folder(self, data: Path) -> Path:
        return in_data_or_here(str(self.parameters.answers), data)

    def samples(self, context: SampleContext) -> list[Sample]:
        p = self.parameters
        if p.answers:
            return [self._recorded_sample(context, item) for item in published(self._folder(context.data))]
        if p.longbench and longbench.needs_jieba(p.longbench_sets):
            longbench.words_of("")  # before anything is asked, not when it is scored
        by_set: dict[tuple[str, str], list[Item]] = {}
        for item in read_items(p, context.data):
            by_set.setdefault((item.benchmark, item.dataset), []).append(item)
        samples = []
        for key, items in by_set.items():
            order = sorted(context.rng("items", *key).permutation(len(items))[: p.items])
            samples += [self._sample(context, items[i]) for i in order]
        return samples

    def _sample(self, context: SampleContext, item: Item) -> Sample:
        p = self.parameters
        output_tokens = context.output_tokens(item.answer_tokens)

        def messages(text: str) -> Messages:
            return [{"role": "user", "content": item.prompt(text)}]

        @cache
        def count(text: str) -> int:
            return context.tokenizer.count_chat(messages(text))

        limit = min(p.max_prompt_tokens or context.window, context.window - output_tokens)
        text = cut_to(item.context, "middle", limit, count) if p.cut == "middle" else item.context
        tokens = count(text)
        fits = tokens <= limit
        return Sample(
            sample_id=f"{item.benchmark}-{item.dataset}-{item.item_id}",
            messages=messages(text) if fits else [],
            references=[_shown(gold) for gold in item.gold[:1]],
            max_output_tokens=output_tokens,
            prompt_tokens=tokens,
            fits_window=fits,
            condition=_condition(item, length_class(tokens), text != item.context),
        )

    def _recorded_sample(self, context: SampleContext, item: Item) -> Sample:
        return Sample(
            sample_id=item.item_id,
            messages=[],
            references=[_shown(gold) for gold in item.gold[:1]],
            max_output_tokens=context.output_tokens(item.answer_tokens),
            prompt_tokens=None,
            condition=_condition(item, None, None),
        )

    def recorded_answers(self, data: Path) -> dict[str, Recorded]:
        if not self.parameters.answers:
            raise ConfigError("there are no recorded answers: give the folder `answers` in the experiment's parameters.")
        return {
            item.item_id: Recorded("answered" if item.answer else "empty", item.answer or None)
            for item in published(self._folder(data))
        }

    def score(self, sample: Sample, response: Response, verdicts: list[bool | None]) -> dict[str, Any]:
        """The benchmark's own score of the answer."""
        known = sample.condition
        gold, classes = json.loads(known["gold"]), list(known["classes"])
        return {"score": score(known["benchmark"], known["dataset"], response.text or "", gold, classes)}

    def metrics(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Adds each benchmark's average over its sets, whatever their sizes (`set_average`)."""
        import pandas as pd

        from contextrot.scores.macro import macro_averages
        from contextrot.scores.score import averages

        found = averages(self, scores)
        return pd.concat([found, macro_averages(found, "dataset", ["benchmark"], "set_average")], ignore_index=True)


def _shown(gold: Any) -> str:
    return gold if isinstance(gold, str) else json.dumps(gold)


def _condition(item: Item, length: float | None, cut: bool | None) -> dict[str, Any]:
    return {
        "benchmark": item.benchmark,
        "dataset": item.dataset,
        "item": item.item_id,
        "question": item.fields.get("input"),
        "gold": json.dumps(item.gold),
        "classes": item.classes,
        "length": length,
        "cut": cut,
        "words": item.columns.get("words"),
        "band": item.columns.get("band"),
        "difficulty": item.columns.get("difficulty"),
        "domain": item.columns.get("domain"),
    }
