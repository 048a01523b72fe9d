"""Parameters of task `niah`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from contextrot.task import Parameters

CONDITIONS = ("similarity", "distractors", "order", "topic")
"""What may differ between the samples of one experiment beside needle, length, depth and repeat."""


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


class NeedleParameters(Parameters):
    """Parameters of task `niah`."""

    long_texts = frozenset({"csv_answer"})

    lengths: list[Annotated[int, Field(gt=0)]] = [500, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 900_000]
    """Lengths of the rendered prompt, tokens."""
    depths: list[Annotated[float, Field(ge=0, le=100)]] = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    """Where the needle stands, percent of the haystack's tokens before it."""
    needles: list[str] = [
        "writing_advice_high",
        "restaurant_high",
        "spare_key_high",
        "night_train_high",
        "parrot_name_high",
        "band_instrument_high",
        "quarry_find_high",
        "cookery_prize_high",
    ]
    """Needle sets by name, from `needle_file`."""
    needles_at_once: int = Field(1, ge=1)
    """How many of the needles, in their order, are planted and asked for in one prompt; the others stand evenly spread from the depth on."""
    distractors: Annotated[list[Annotated[int, Field(ge=0)]], BeforeValidator(_as_list)] = [0]
    """How many of each needle's distractors are planted, at random sentence boundaries and within the length; several numbers are compared."""
    repeats: int = Field(1, ge=1, le=10_000)
    """Haystacks of each length, each from another place of the corpus."""
    topic: Annotated[list[str], BeforeValidator(_as_list)] = ["essays"]
    """The text that the haystack is made of, or a list: essays, science, generated (also generated_zh, generated_ar: about a million tokens
    without a repeated sentence), or a folder or file of text, Markdown or source code, from the data folder or the working folder."""
    max_repetitions: float | None = Field(None, ge=1)
    """How often a haystack's text may repeat; above it the samples are refused. Without it repeats are reported only."""
    off_target: Literal["fail", "mark"] = "fail"
    """What becomes of a sample that is over 8 tokens too short or a planted text over 1 % from its depth: the build fails, or the sample is
    marked (`on_target` false) and stays out of all metrics."""
    order: Annotated[list[Literal["original", "shuffled"]], BeforeValidator(_as_list)] = ["original"]
    """Whether the haystack's sentences keep their order: original, shuffled, or a list of both."""
    answer_tokens: int = Field(256, gt=0)
    """Limit of the answer to one question, tokens."""
    needle_file: str = "tasks/needles.yaml"
    """File of needle sets, from the data folder."""
    similarity_model: str | None = None
    """A sentence-transformers model by which the similarity of needle and question is measured (column `measured_similarity`)."""
    prompts_csv: str | None = None
    """Chroma's CSV of prompts (prompt, question, answer, approximate_input_length, needle_depth), in place of all of the above; from the
    data folder."""
    answers_csv: str | None = None
    """CSV of an earlier run's answers (question, answer, output, perhaps llm_judge_output, ...), for engine `recorded`."""
    csv_answer: str | None = None
    """Gold answer in place of that of the CSV files, which is the whole needle: judge `match` needs the shortest right answer."""
