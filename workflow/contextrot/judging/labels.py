"""Answers for people to label, blind: a sheet and a page to fill in, and the labels read back.

Which answers are drawn follows the verdicts of the judge that gives the score (half of those it calls right, half of the others, as far
as there are such) and, within a verdict, their order of lengths, so that short and long contexts are drawn alike. Nothing of a verdict
stands in the sheet.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from contextrot.errors import DataError
from contextrot.files import read_rows
from contextrot.judging.contract import Pair
from contextrot.judging.judge import pairs_of
from contextrot.printable import printable
from contextrot.records import read_judgements, read_prompts, read_responses, read_samples, write_table, write_text

COLUMNS = ("sample_id", "turn", "item", "answer_id", "question", "expected", "answer", "label")
LABELS = {
    **dict.fromkeys(("right", "correct", "true", "yes", "1", "1.0", "r", "wahr", "vrai", "verdadero"), True),
    **dict.fromkeys(("wrong", "incorrect", "false", "no", "0", "0.0", "w", "falsch", "faux", "falso"), False),
    **dict.fromkeys(("", "unsure", "?"), None),
}
"""What may stand in the column `label`, whatever its case (a spreadsheet translates true and false); None is no label."""
SHOWN_CHARACTERS = 4_000
TEMPLATES = Path(__file__).parents[2] / "report"


def answer_id(sample_id: str, turn: int, item: int, answer: str) -> str:
    """Names one answer to one thing, whatever a spreadsheet makes of the other columns; begins with a letter, so that it is no number."""
    text = "\x1f".join([sample_id, str(turn), str(item), answer])
    return f"x{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def draw(
    verdicts: Mapping[tuple[str, int, int], bool | None], lengths: Mapping[tuple[str, int, int], float], wanted: int,
    rng: np.random.Generator,
) -> list[tuple[str, int, int]]:  # fmt: skip
    """Which answers are to be labelled, in an order that says nothing.

    Args:
        verdicts: of every judged answer (sample_id, turn, item).
        lengths: their contexts' lengths, in any unit.
        wanted: how many; all of them if there are fewer.
    """
    right = sorted((key for key, verdict in verdicts.items() if verdict), key=lambda key: (lengths.get(key, 0), key))
    others = sorted((key for key, verdict in verdicts.items() if not verdict), key=lambda key: (lengths.get(key, 0), key))
    of_right = min(len(right), max(wanted // 2, wanted - len(others)))
    drawn = _spread(right, of_right, rng) + _spread(others, min(len(others), wanted - of_right), rng)
    return [drawn[i] for i in rng.permutation(len(drawn))]


def _spread(keys: Sequence[tuple[str, int, int]], wanted: int, rng: np.random.Generator) -> list[tuple[str, int, int]]:
    """One key, at random, of each of `wanted` equal stretches: each has the same chance."""
    places = (np.arange(wanted) + rng.random()) * len(keys) / max(wanted, 1)
    return [keys[int(place)] for place in places]


def write_label_sheet(
    samples_path: Path, responses_path: Path, judgements_path: Path, sheet: Path, page: Path, titles: tuple[str, str], wanted: int,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Writes answers.csv and answers.html, of the same answers.

    Args:
        judgements_path: of the judge that gives the score.
        titles: of model and experiment.
        wanted: number of answers.

    Raises:
        DataError: if there is no answer with a reference.
    """
    import pandas as pd

    samples = {sample.sample_id: sample for sample in read_samples(samples_path, columns=[])}
    pairs = {(p.sample.sample_id, p.turn, p.item): p for p in pairs_of(samples, read_responses(responses_path))}
    verdicts = {(j.sample_id, j.turn, j.item): j.verdict for j in read_judgements(judgements_path)}
    known = {key: verdict for key, verdict in verdicts.items() if key in pairs}
    if not known:
        raise DataError(f"{responses_path} has no answer that could be compared with a reference: there is nothing to label.")
    lengths = {key: float(pairs[key].sample.prompt_tokens or 0) for key in known}
    keys = draw(known, lengths, wanted, rng)
    asked = dict(read_prompts(samples_path, {key[0] for key in keys}))
    rows = [_row(key, pairs[key], asked.get(key[0], "")) for key in keys]
    write_table(sheet, pd.DataFrame(rows, columns=list(COLUMNS)))
    write_text(page, label_page(rows, titles, Path(sheet).parent.parent.name))


def _row(key: tuple[str, int, int], pair: Pair, prompt: str) -> dict[str, Any]:
    question = str(pair.sample.condition.get("question") or "") or prompt[-SHOWN_CHARACTERS:]
    texts = {"question": question, "expected": pair.reference, "answer": pair.answer}
    return {
        **dict(zip(("sample_id", "turn", "item"), key, strict=True)),
        "answer_id": answer_id(*key, pair.answer),
        **{name: printable(text)[:SHOWN_CHARACTERS] for name, text in texts.items()},
        "label": "",
    }


def label_page(rows: Sequence[Mapping[str, Any]], titles: tuple[str, str], name: str) -> str:
    """A page on which the answers are labelled by mouse or keyboard, and that saves the sheet with the labels.

    It asks no network for anything. What models said is data in it and shown as text.
    """
    import jinja2
    from markupsafe import Markup

    program = (TEMPLATES / "labels.js").read_text(encoding="utf-8")
    data = json.dumps({"columns": COLUMNS, "rows": list(rows), "file": f"{name}.csv"}, ensure_ascii=False)
    safe = data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    policy = f"'sha256-{base64.b64encode(hashlib.sha256(program.encode()).digest()).decode()}'"
    return environment.get_template("labels.html.jinja2").render(
        titles=titles, count=len(rows), data=Markup(safe), program=Markup(program), policy=policy
    )


def read_labels(path: str | Path) -> dict[str, tuple[bool, str]]:
    """The labels of a sheet: answer_id -> whether it is right, and the sample's id as it stands there; rows without a label are left out.

    Raises:
        DataError: names the row, for a missing column, a label that is none, or an answer that stands twice with two labels.
    """
    found: dict[str, tuple[bool, str]] = {}
    for row in read_rows(path, "labels"):
        missing = [name for name in ("answer_id", "label") if name not in row]
        if missing:
            raise DataError(
                f"labels {path} lack the column {missing[0]!r}; keep the columns of the sheet that `snakemake label` wrote."
            )
        text = str(row["label"] if row["label"] is not None else "").strip().lower()
        if text not in LABELS:
            raise DataError(f"{row.where}: label {row['label']!r} is none; write right or wrong, or leave it empty.")
        name, label = str(row["answer_id"]).strip(), LABELS[text]
        if label is None:
            continue
        if name in found and found[name][0] is not label:
            raise DataError(f"{row.where}: the answer {name!r} stands twice with different labels.")
        found[name] = label, str(row.get("sample_id"))
    return found
