"""Needle experiments as the workflow would have left them, with whatever answers a test wants: for the trust table and the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from contextrot.plan.shown import ShownExperiment, experiments_shown
from contextrot.project import Project
from contextrot.records import Judgement, Response, Sample, write_judgements, write_responses, write_samples
from contextrot.scores.score import score_responses, summarize_scores

MODELS = """
hosted: {title: Hosted, engine: external, name: gpt, provider: openai, tokenizer: "tiktoken:o200k_base", window: 900000, max_output_tokens: 9}
local: {title: Local, engine: transformers, name: x, tokenizer: "tiktoken:o200k_base", window: 900000, max_output_tokens: 9}
"""
EXPERIMENTS = """
niah: {task: niah, title: Needles, parameters: {lengths: [1000], depths: [0, 50]}}
"""
NEEDLE = (
    "The writing advice my classmate gave me in the autumn was to write the ending first and then work back to the beginning."
)
REFERENCE = "Write the ending first"
DISTRACTOR = "My aunt's advice was to write a page a day."
FILLER = "A sentence about nothing in particular stands here. "


def needle_prompt(characters: int, depth: float, distractor: bool = False) -> str:
    """A haystack of about so many characters with the needle at a depth (percent) and, perhaps, a distractor before its end."""
    before = FILLER * int(characters * depth / 100 / len(FILLER))
    after = FILLER * int(characters * (100 - depth) / 100 / len(FILLER))
    end = f"{DISTRACTOR} " if distractor else ""
    return f"Read the document.\n\n<document>\n{before}{NEEDLE} {after}{end}\n</document>\n\nWhat was the advice?"


def needle_sample(
    length: int, depth: float, repeat: int, distractor: bool = False, prompt: str | None = None, sent: bool = True
) -> Sample:
    name = f"needle-{length:07d}-{depth:05.1f}-d{int(distractor)}-{repeat}"
    text = needle_prompt(4 * length, depth, distractor) if prompt is None else prompt
    return Sample(
        name,
        [{"role": "user", "content": text}] if sent else [],
        [REFERENCE],
        max_output_tokens=50,
        prompt_tokens=length if sent else None,
        target_tokens=length,
        fits_window=sent,
        condition={
            "length": length,
            "depth": float(depth),
            "needle": "writing_advice_high",
            "question": "What was the advice?",
            "similarity": "high",
            "measured_similarity": None,
            "distractors": int(distractor),
            "order": "original",
            "topic": "essays",
            "repeat": repeat,
            "on_target": True if sent else None,
            "repetitions": 1.0,
            "actual_depth": float(depth),
            "needle_depths": [float(depth)],
            "distractor_names": ["aunt"] if distractor else [],
            "distractor_depths": [99.0] if distractor else [],
            "distractor_texts": [DISTRACTOR] if distractor else [],
            "distractor_answers": ["a page a day"] if distractor else [],
            "prefix_group": None,
        },
    )


def project_of(folder: Path, root: Path, models: Sequence[str] = ("hosted",), judges: Sequence[str] = ("match",)) -> Project:
    for name, text in (("models", MODELS), ("experiments", EXPERIMENTS)):
        (folder / f"{name}.yaml").write_text(text)
    definitions = {f"{kind}_definitions": str(folder / f"{kind}s.yaml") for kind in ("model", "experiment")}
    named = {"judges": {judge: {"kind": "match"} for judge in judges}, "default_judges": list(judges)}
    return Project({"models": list(models), **named, **definitions}, root.resolve())


def write_needles(
    folder: Path,
    root: Path,
    samples: Sequence[Sample],
    answer: Callable[[Sample, int], Response],
    models: Sequence[str] = ("hosted",),
    explanation: str = "contained",
    judges: Sequence[str] = ("match",),
) -> list[ShownExperiment]:
    """Samples, responses, judgements, scores and metrics of each model, and what a page shows of them.

    Args:
        answer: response of the n-th sample; it is right where its text holds the reference.
    """
    project = project_of(folder, root, models, judges)
    for model in models:
        place = folder / "results" / "test" / model / "niah"
        responses = [answer(sample, number) for number, sample in enumerate(samples)]
        write_samples(place / "samples.parquet", samples)
        write_responses(place / "responses.parquet", responses)
        paths = [place / "judgements" / f"{judge}.parquet" for judge in judges]
        for path in paths:
            verdicts = [
                Judgement(r.sample_id, r.turn, 0, path.stem, REFERENCE.lower() in (r.text or "").lower(), explanation)
                for r in responses
                if r.outcome == "answered"
            ]
            write_judgements(path, verdicts)
        task = project.task("test", model, "niah")
        score_responses(task, place / "samples.parquet", place / "responses.parquet", paths, place / "scores.parquet")
        summarize_scores(task, place / "scores.parquet", place / "metrics.csv")
    files = [path for path in (folder / "results" / "test").rglob("*") if path.is_file()]
    notes = {"local": "DEMONSTRATION MODEL: it shows the method"}
    project.note = lambda model: notes.get(model, "")
    return experiments_shown(project, "test", files)
