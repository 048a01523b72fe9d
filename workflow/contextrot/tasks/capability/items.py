"""Questions of LongBench, LongBench v2 and InfiniteBench in one form, and the answers that others published to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot.errors import ConfigError, DataError
from contextrot.files import Row, as_text, in_data_or_here, read_json, read_rows
from contextrot.samples.published import of_one_run, whole_number
from contextrot.tasks.capability import infinitebench, longbench
from contextrot.tasks.capability.sources import V2_FILE, rows_of

if TYPE_CHECKING:
    from contextrot.tasks.capability.task import CapabilityParameters

LONGBENCH, V2, INFINITE = "longbench", "longbench_v2", "infinitebench"
LETTERS = "ABCD"
SCORES_FILE = "result.json"
"""What LongBench's eval.py writes beside the answers."""


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes:
        benchmark, dataset, item_id: which; the id is unique in its set.
        context: the long text, which alone may be cut.
        template: the prompt with {context} and the names of `fields`.
        fields: what else stands in the prompt.
        gold: the gold answers as the benchmark's scorer takes them.
        classes: all classes, of a classification set.
        answer_tokens: limit of an answer, tokens.
        columns: `words` (LongBench's own length) and their `band`; `difficulty`, `domain` and `band` of LongBench v2.
        answer: what was answered, of a published run.
    """

    benchmark: str
    dataset: str
    item_id: str
    context: str
    template: str
    fields: Mapping[str, str]
    gold: list[Any]
    classes: list[str]
    answer_tokens: int
    columns: Mapping[str, Any]
    answer: str | None = None

    def prompt(self, context: str) -> str:
        """The prompt with a context in place of the item's own; braces in the texts are text."""
        parts = {"context": context, **self.fields}
        text, rest = "", self.template
        while rest:
            before, brace, after = rest.partition("{")
            name, close, further = after.partition("}")
            if not brace:
                return text + rest
            known = bool(close) and name in parts
            text, rest = text + before + (parts[name] if known else brace), further if known else after
        return text


def read_items(p: CapabilityParameters, data: Path) -> list[Item]:
    """The items of every benchmark that is named, in their files' order.

    Raises:
        DataError: for a file or row that cannot be used.
        ConfigError: for a file of prompts that is none.
    """
    found = []
    if p.longbench:
        prompts = _prompts(p.longbench_prompts, data)
        for name in p.longbench_sets:
            rows = rows_of(p.longbench, data, f"{name}.jsonl", p.revision, archived=True)
            found += [_longbench(name, row, number, prompts) for number, row in enumerate(rows, 1)]
    if p.longbench_v2:
        found += [_v2(row, number) for number, row in enumerate(rows_of(p.longbench_v2, data, V2_FILE, p.revision), 1)]
    if p.infinitebench:
        for name in p.infinitebench_sets:
            rows = rows_of(p.infinitebench, data, f"{name}.jsonl", p.revision)
            found += [_infinite(name, row, number) for number, row in enumerate(rows, 1)]
    return found


def _prompts(name: str | None, data: Path) -> dict[str, str]:
    if name is None:
        return {}
    path = in_data_or_here(name, data)
    return longbench.templates_of(read_json(path, "file of prompts"), str(path))


def _text(row: Row, column: str, needed: bool = True) -> str:
    text = as_text(row.get(column), f"{row.where}, {column}")
    if text is None and needed:
        raise DataError(f"{row.where}: has no {column!r}; there are {', '.join(map(str, row))}.")
    return text or ""


def _as_written(value: Any, where: str) -> list[str]:
    """The texts of a list (or one text), with their white space: an indent is part of a line of code."""
    if value is None:
        return []
    return [as_text(one, where) or "" for one in (value if isinstance(value, list | tuple) else [value])]


def _id(row: Row, number: int) -> str:
    return as_text(row.get("_id", row.get("id")), row.where) or f"{number:04d}"


def _longbench(name: str, row: Row, number: int, prompts: Mapping[str, str]) -> Item:
    base = name.removesuffix("_e")
    golds = _as_written(row.get("answers"), row.where)
    if not golds:
        raise DataError(f"{row.where}: has no answers.")
    return Item(
        LONGBENCH, name, f"{number:04d}", _text(row, "context"), prompts.get(base, longbench.SETS[base].prompt),
        {"input": _text(row, "input", needed=False)}, golds, _as_written(row.get("all_classes"), row.where),
        longbench.SETS[base].answer_tokens, _known(row),
    )  # fmt: skip


def _v2(row: Row, number: int) -> Item:
    gold = _text(row, "answer")
    if gold not in LETTERS:
        raise DataError(f"{row.where}: the answer {gold[:80]!r} is none of A, B, C, D.")
    fields = {"input": _text(row, "question"), **{letter: _text(row, f"choice_{letter}") for letter in LETTERS}}
    return Item(
        V2,
        V2,
        _id(row, number),
        _text(row, "context"),
        longbench.V2_PROMPT,
        fields,
        [gold],
        [],
        longbench.V2_ANSWER_TOKENS,
        _known(row),
    )


def _infinite(name: str, row: Row, number: int) -> Item:
    options = [as_text(option, row.where) or "" for option in row.get("options") or ()]
    listed = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))
    one = infinitebench.SETS[name]
    if "{options}" in one.prompt and len(options) != len(LETTERS):
        raise DataError(f"{row.where}: has {len(options)} options; {name} needs {len(LETTERS)}.")
    label = infinitebench.label_of(row, row.where)
    fields = {"input": _text(row, "input", needed=False), "options": listed}
    return Item(INFINITE, name, _id(row, number), _text(row, "context"), one.prompt, fields, label, [], one.answer_tokens, {})


def published(folder: Path) -> list[Item]:
    """Answers that others published, with their gold answers, without prompts; of one run, in a folder or one file.

    Files are named for their set: LongBench's pred/MODEL/qasper.jsonl (pred, answers, all_classes), InfiniteBench's
    preds_passkey.jsonl (prediction or pred, ground_truth or label); any other .jsonl or .json has LongBench v2's columns (answer, response).

    Raises:
        DataError: if there is none, or a row has not its columns.
    """
    found: list[Item] = []
    for (benchmark, name), path in answer_files(folder).items():
        read = {LONGBENCH: _longbench_answer, INFINITE: _infinite_answer, V2: _v2_answer}[benchmark]
        for number, row in enumerate(read_rows(path, "answers"), 1):
            answer, gold, classes = read(row)
            if (name, path.parent.name) == infinitebench.FIRST_NUMBER_LEFT_OUT:
                answer = infinitebench.without_first_number(answer)
            where = f"{path.stem}-{number:04d}"
            found.append(Item(benchmark, name, where, "", "", {}, gold, list(classes), 1, _known(row), answer))
    if not found:
        raise DataError(
            f"{folder} holds no answers (LongBench's qasper.jsonl, InfiniteBench's preds_passkey.jsonl and the like); check `answers`."
        )
    return found


def answer_files(place: Path) -> dict[tuple[str, str], Path]:
    """Benchmark and set -> the file of its answers, below a folder; or the one file that is named.

    Raises:
        DataError: if a set has answers twice: of two models, or of LongBench and LongBench-E.
    """
    paths = [place] if place.is_file() else sorted(place.glob("**/*.json*"))
    held = [path for path in paths if path.suffix in (".json", ".jsonl") and path.name != SCORES_FILE]
    return of_one_run(place, ((_set_of(path.stem.removeprefix("preds_")), path) for path in held))


def _set_of(name: str) -> tuple[str, str]:
    if name.removesuffix("_e") in longbench.SETS:
        return LONGBENCH, name
    return (INFINITE, name) if name in infinitebench.SETS else (V2, V2)


def _known(row: Row) -> dict[str, Any]:
    length, difficulty, domain = (as_text(row.get(name), f"{row.where}, {name}") for name in ("length", "difficulty", "domain"))
    words = whole_number(length)  # LongBench's in words, of v2 short, medium, long
    return {
        "words": words,
        "band": length if words is None else longbench.band_of(words),
        "difficulty": difficulty,
        "domain": domain,
    }


def _first(row: Row, *columns: str) -> Any:
    for column in columns:
        if column in row:
            return row[column]
    raise DataError(f"{row.where}: has none of {', '.join(columns)}; there are {', '.join(map(str, row))}.")


def _longbench_answer(row: Row) -> tuple[str, list[Any], Sequence[str]]:
    golds = _as_written(_first(row, "answers"), row.where)
    return as_text(_first(row, "pred"), row.where) or "", golds, _as_written(row.get("all_classes"), row.where)


def _infinite_answer(row: Row) -> tuple[str, list[Any], Sequence[str]]:
    gold = _first(row, "ground_truth", "label")
    return as_text(_first(row, "prediction", "pred"), row.where) or "", list(gold) if isinstance(gold, list) else [gold], ()


def _v2_answer(row: Row) -> tuple[str, list[Any], Sequence[str]]:
    return as_text(_first(row, "response"), row.where) or "", [as_text(_first(row, "answer"), row.where)], ()


def score(benchmark: str, name: str, answer: str, gold: Sequence[Any], classes: Sequence[str]) -> float:
    """The benchmark's own score of one answer, from 0 to 1."""
    if benchmark == LONGBENCH:
        return longbench.score(name, answer, gold, classes)
    if benchmark == V2:
        return float(longbench.chosen(answer) == gold[0])
    if benchmark == INFINITE:
        return infinitebench.score(name, answer, gold)
    raise ConfigError(f"benchmark {benchmark!r} is none of {LONGBENCH}, {V2}, {INFINITE}.")
