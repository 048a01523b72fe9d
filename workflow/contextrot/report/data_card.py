"""An experiment as others publish and read data: a data set of the Hugging Face Hub (a folder with a card, and the answers as parquet), its
Croissant description, and samples as lm-evaluation-harness logs them.

Sources: Hub documentation, "Dataset cards"; MLCommons Croissant 1.1 (https://docs.mlcommons.org/croissant); lm-evaluation-harness `--log_samples`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot.records import SCORED_OUTCOMES, Response, Sample, read_responses, read_samples, write_table, write_text

if TYPE_CHECKING:
    import pandas as pd

CONTEXT = {
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column", "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/", "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "dct": "http://purl.org/dc/terms/", "extract": "cr:extract", "field": "cr:field",
    "fileObject": "cr:fileObject", "fileProperty": "cr:fileProperty", "fileSet": "cr:fileSet", "format": "cr:format", "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath", "key": "cr:key", "md5": "cr:md5", "parentField": "cr:parentField",
    "path": "cr:path", "recordSet": "cr:recordSet", "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated",
    "replace": "cr:replace", "sc": "https://schema.org/", "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField",
    "transform": "cr:transform",
}  # fmt: skip
TYPES = {"bool": "sc:Boolean", "int": "sc:Integer", "float": "sc:Float"}
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


@dataclass(frozen=True)
class About:
    """What a card says of an experiment.

    Attributes:
        experiment, model: their names in config.
        title, model_title: as a person calls them.
        task, question: the task and what it asks.
        tier, engine, judges, note: as in figures and captions.
    """

    experiment: str
    model: str
    title: str
    model_title: str
    task: str
    question: str
    tier: str
    engine: str
    judges: Sequence[str]
    note: str

    @property
    def name(self) -> str:
        """Of the data set."""
        return f"{self.experiment}-{self.model}-{self.tier}"


@dataclass(frozen=True)
class Answers:
    """All answers of an experiment, read once.

    Attributes:
        scores: the rows of scores.parquet, one an answer.
        samples, responses: what each row was asked and what was answered, in the same order.
    """

    scores: pd.DataFrame
    samples: Sequence[Sample]
    responses: Sequence[Response]

    @classmethod
    def read(cls, samples: Path, responses: Path, scores: Path) -> Answers:
        """Those of samples.parquet, responses.parquet and scores.parquet."""
        import pandas as pd

        asked = {sample.sample_id: sample for sample in read_samples(samples)}
        given = {(response.sample_id, response.turn): response for response in read_responses(responses)}
        table = pd.read_parquet(scores)
        keys = list(zip(table["sample_id"], table["turn"], strict=True))
        return cls(table, [asked[name] for name, _ in keys], [given[key] for key in keys])

    @property
    def pairs(self) -> Iterator[tuple[Sample, Response]]:
        """Sample and response of each row."""
        return zip(self.samples, self.responses, strict=True)


def prompt_of(sample: Sample, turn: int) -> str:
    """What was asked in a turn."""
    return "\n".join(message["content"] for message in sample.messages) if turn == 0 else sample.later_prompts[turn - 1]


def export_data_set(read: Answers, about: About, card: Path, answers: Path, croissant: Path) -> None:
    """Writes the data set: answers.parquet, one row an answer with its prompt and scores, README.md and croissant.json."""
    table = table_of(read)
    write_table(answers, table)
    write_text(card, card_of(table, about, Path(answers).name))
    digest = hashlib.sha256(Path(answers).read_bytes()).hexdigest()
    write_text(croissant, json.dumps(croissant_of(table, about, Path(answers).name, digest), indent=2, ensure_ascii=False) + "\n")


def table_of(read: Answers) -> pd.DataFrame:
    """The scores, each row with its prompt, references and answer."""
    import pandas as pd

    table = read.scores
    front = {
        "prompt": [prompt_of(sample, response.turn) for sample, response in read.pairs],
        "references": [list(sample.references) for sample in read.samples],
        "answer": [response.text for response in read.responses],
        "finish_reason": [response.finish_reason for response in read.responses],
    }
    return pd.concat([table[["sample_id", "turn"]], pd.DataFrame(front), table.drop(columns=["sample_id", "turn"])], axis=1)


def card_of(table: pd.DataFrame, about: About, file: str) -> str:
    """The card: its YAML head, which the Hub reads, and a text for people."""
    import yaml

    size = next((name for limit, name in SIZES if len(table) < limit), "1M<n<10M")
    head = {
        "pretty_name": f"{about.title}: answers of {about.model_title}",
        "task_categories": ["question-answering"],
        "tags": ["long-context", "evaluation", about.task],
        "size_categories": [size],
        "configs": [{"config_name": "default", "data_files": [{"split": "test", "path": file}]}],
    }
    counted = table[table["outcome"].isin(SCORED_OUTCOMES)]
    mean = f"{counted['score'].mean():.3f}" if "score" in counted and counted["score"].notna().any() else "none"
    lines = [
        f"# {about.title}: answers of {about.model_title}",
        *([f"**{about.note}**"] if about.note else []),
        about.question,
        f"{len(table):,} answers, {len(counted):,} of which count; mean score {mean}. Task {about.task}, tier {about.tier}, engine {about.engine}, "
        f"judges: {', '.join(about.judges) or 'none: the task scores by itself'}.",
        "Columns: what was asked (`prompt`, `references`), the `answer` with its `outcome`, the conditions, token counts as built and as the server "
        "counted them, times, cost, and the scores. Texts of models and of corpora are not to be trusted; the corpora's own licences hold for prompts.",
    ]
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n\n" + "\n\n".join(lines) + "\n"


def croissant_of(table: pd.DataFrame, about: About, file: str, sha256: str) -> dict[str, Any]:
    """The Croissant description of the answers."""
    fields = []
    for column in table.columns:
        known = [value for value in table[column] if value is not None and not (isinstance(value, float) and value != value)]
        repeated = bool(known) and not isinstance(known[0], str | bytes) and hasattr(known[0], "__len__")
        kind = "str" if repeated or not known else type(known[0].item() if hasattr(known[0], "item") else known[0]).__name__
        fields.append(
            {
                "@type": "cr:Field", "@id": f"answers/{column}", "name": f"answers/{column}", "description": column.replace("_", " "),
                "dataType": TYPES.get(kind, "sc:Text"), **({"repeated": True} if repeated else {}),
                "source": {"fileObject": {"@id": file}, "extract": {"column": column}},
            }
        )  # fmt: skip
    return {
        "@context": CONTEXT, "@type": "sc:Dataset", "name": about.name, "conformsTo": "http://mlcommons.org/croissant/1.0",
        "description": f"{about.title}: answers of {about.model_title}. {about.question}", "version": "1.0.0",
        "distribution": [
            {"@type": "cr:FileObject", "@id": file, "name": file, "contentUrl": file, "encodingFormat": "application/x-parquet", "sha256": sha256}
        ],
        "recordSet": [{"@type": "cr:RecordSet", "@id": "answers", "name": "answers", "key": {"@id": "answers/sample_id"}, "field": fields}],
    }  # fmt: skip


def export_lm_eval_samples(read: Answers, output: Path) -> None:
    """Writes samples_*.jsonl: a row for each answer that counts and has a score, which is the metric `score`."""
    import pandas as pd

    rows = []
    for number, (row, (sample, response)) in enumerate(zip(read.scores.to_dict("records"), read.pairs, strict=True)):
        score = row.get("score")
        if row["outcome"] in SCORED_OUTCOMES and pd.notna(score):
            rows.append(_lm_eval_row(number, sample, response, float(score)))
    write_text(output, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _lm_eval_row(number: int, sample: Sample, response: Response, score: float) -> dict[str, Any]:
    prompt = prompt_of(sample, response.turn)
    condition = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in sample.condition.items()}
    text, target = response.text or "", sample.references[0] if sample.references else ""
    return {
        "doc_id": number,
        "doc": {"sample_id": sample.sample_id, "turn": response.turn, "references": list(sample.references), **condition},
        "target": target,
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": {"until": [], "max_gen_toks": sample.max_output_tokens}}},
        "resps": [[text]],
        "filtered_resps": [text],
        "filter": "none",
        "metrics": ["score"],
        "doc_hash": _hash(sample.sample_id),
        "prompt_hash": _hash(prompt),
        "target_hash": _hash(target),
        "score": score,
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
