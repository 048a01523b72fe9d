"""The small data set in LongMemEval's format that the embedded model is evaluated on: data/longmemeval/generated.json.

It is kept in the repository; `python -m embedded_model.chat_dataset data` (with workflow/ on the path) writes the
same bytes again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from contextrot.records import write_text
from contextrot.tasks.longmemeval.data import QUESTION_TYPES
from embedded_model.chat_memory import generate, load_passages

SEED = 20261121
QUESTIONS = 90
HISTORY_TOKENS = (2100, 2700)
"""By the generator's own estimate; somewhat more in tokens of the embedded model, whose window is 4,096."""
ABSTENTION_SHARE = 0.15


def dataset_text(data: Path) -> str:
    """The data set as JSON text, questions grouped by type as in the public one, so that every n-th covers all types.

    Args:
        data: the project's data folder; filler turns are taken from its essays.
    """
    passages = load_passages(data / "essays")
    entries = generate(
        np.random.default_rng(SEED), QUESTIONS, "evaluation", passages, HISTORY_TOKENS, abstention_share=ABSTENTION_SHARE
    )
    for entry in entries:
        entry.pop("reply", None)
    entries.sort(key=lambda entry: QUESTION_TYPES.index(entry["question_type"]))
    return json.dumps(entries, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    write_text(folder / "longmemeval" / "generated.json", dataset_text(folder))
