"""The page that people look at: one HTML file that needs neither a network nor any other file.

On top the trust table; then each experiment's chart, from whose cells and points one comes to the answers, and from each answer to
its prompt, verdicts and outcome. Whatever a model said is data in the page: it stands in JSON and is written as text, and the
page's own policy forbids any script but its own, and every request.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot import secrets
from contextrot.plan.shown import ShownExperiment
from contextrot.records import write_text
from contextrot.report.charts import chart_of, over_length, plain, specifications, title_of
from contextrot.report.html_table import TEMPLATES
from contextrot.report.page_rows import MEASURED, Room, json_in_html, rows_of
from contextrot.report.summary_words import duration
from contextrot.report.trust import LIMITS, limit_in_words, trust_tables
from contextrot.settings import TrustSettings

if TYPE_CHECKING:
    import pandas as pd

PAGE_BYTES = 14_000_000
ROWS_FOR_TABLES = 1_000_000
"""Bytes that are kept for what is not an answer: charts, tables, the library that draws."""
PANELS = (
    ("score", "quality (score)"),
    ("total_seconds", "seconds a request (median)"),
    ("usd_per_request", "USD a request (mean)"),
)


def write_page(
    shown: Sequence[ShownExperiment],
    wanted: TrustSettings,
    seed: int,
    tier: tuple[str, str],
    output: str | Path,
    page_bytes: int = PAGE_BYTES,
) -> None:
    """Writes index.html.

    Args:
        shown: the experiments, with their files.
        wanted: the limits of the trust table.
        seed: seeds the limits' intervals.
        tier: its name and what it is.
        page_bytes: about the most that the file may take; prompts and answers are cut for it.
    """
    write_text(output, page(shown, wanted, seed, tier, page_bytes))


def page(
    shown: Sequence[ShownExperiment], wanted: TrustSettings, seed: int, tier: tuple[str, str], page_bytes: int = PAGE_BYTES
) -> str:
    """The page as text; see `write_page`."""
    import jinja2
    import pandas as pd

    library = drawing_library()
    program = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    lengths, limits = trust_tables(shown, wanted, seed)
    all_scores = [pd.read_parquet(one.files["scores.parquet"]) for one in shown]
    scored = [(one, scores) for one, scores in zip(shown, all_scores, strict=True) if len(scores) and "score" in scores]
    room = Room(page_bytes - len(library) - ROWS_FOR_TABLES, sum(len(scores) for _, scores in scored))
    views, blocks, omitted = [], [], 0
    for number, (one, scores) in enumerate(scored):
        chart = chart_of(one.task, scores)
        conditions, rows, left_out = rows_of(one, scores, chart, room)
        omitted += left_out
        views.append(
            {
                "number": number,
                "model": one.model,
                "model_title": one.model_title,
                "experiment": one.experiment,
                "x": title_of(chart.x),
                "y": title_of(chart.y),
                "cells": chart.cells,
                "specs": specifications(chart),
                "conditions": conditions,
                "answers": len(scores),
            }
        )
        blocks.append({"number": number, "json": "[" + ",".join(rows) + "]"})
    experiments = _experiments(views, scored, lengths)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    from markupsafe import Markup

    return environment.get_template("page.html.jinja2").render(
        tier=tier,
        notes=list(dict.fromkeys(f"{one.model_title}: {one.note}." for one in shown if one.note)),
        wanted=wanted,
        limits=_limit_rows(limits, lengths),
        groups=_length_groups(lengths),
        experiments=experiments,
        omitted=omitted,
        answers=sum(len(scores) for _, scores in scored),
        data=Markup(json_in_html({"views": views, "experiments": experiments, "measured": MEASURED})),
        blocks=[block | {"json": Markup(block["json"])} for block in blocks],
        styles=Markup((TEMPLATES / "page.css").read_text(encoding="utf-8")),
        scripts=[Markup(library), Markup(program)],
        # hashes are of what is written: secrets are taken out of texts only after
        policy=" ".join(_hash(secrets.clean(script, partly=False)) for script in (library, program)),
    )


@cache
def drawing_library() -> str:
    """Vega, Vega-Lite and vega-embed as one script (BSD-3-Clause), which sets `window.vegaEmbed`."""
    import vl_convert

    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script")


def _hash(script: str) -> str:
    """A script's hash as a Content-Security-Policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _experiments(
    views: list[dict[str, Any]], scored: Sequence[tuple[ShownExperiment, pd.DataFrame]], lengths: pd.DataFrame
) -> list[dict[str, Any]]:
    """Each experiment with its models' views and the panels of quality, seconds and USD."""
    found: dict[str, dict[str, Any]] = {}
    for view, (one, _) in zip(views, scored, strict=True):
        entry = found.setdefault(
            one.experiment,
            {"name": one.experiment, "title": one.experiment_title, "question": one.question, "views": [], "panels": []},
        )
        entry["views"].append({"number": view["number"], "title": one.model_title, "answers": view["answers"]})
    for name, entry in found.items():
        rows = lengths[lengths["experiment"] == name].to_dict("records")
        billed = any(row["usd_per_request"] for row in rows if not _missing(row["usd_per_request"]))
        for measure, title in PANELS:
            known = any(not _missing(row[measure]) for row in rows) and (measure != "usd_per_request" or billed)
            spec = over_length(rows, rows[0]["length_column"], measure) if rows and known else None
            entry["panels"].append(
                {"title": title, "spec": spec, "missing": "not billed" if measure == PANELS[2][0] else "not measured"}
            )
    return list(found.values())


def _length_groups(lengths: pd.DataFrame) -> list[dict[str, Any]]:
    """The table of lengths for people: a group of rows for each model and experiment."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for row in lengths.to_dict("records"):
        row = {name: None if _missing(value) else value for name, value in row.items()}
        group = groups.setdefault(
            (row["model"], row["experiment"]),
            {"title": f"{row['model_title']} — {row['experiment_title']}", "unit": title_of(row["length_column"]), "rows": []},
        )
        length, usd = plain(row["length"]), row["usd_per_request"]
        score = None if row["score"] is None else f"{row['score']:.2f} [{_number(row['low'])}, {_number(row['high'])}]"
        group["rows"].append(
            [
                f"{length:,}" if isinstance(length, int | float) else length or "all",
                None if row["prompt_tokens"] is None else f"{row['prompt_tokens']:,.0f}",
                score or "no answer counts",
                f"{row['n']:,} of {row['answers']:,}" if row["n"] != row["answers"] else f"{row['n']:,}",
                _seconds(row["first_token_seconds"]),
                _seconds(row["total_seconds"]),
                None if row["reasoning_tokens"] is None else f"{row['reasoning_tokens']:,.0f}",
                None if row["cached_share"] is None else f"{100 * row['cached_share']:.0f}\u00a0%",
                "not billed" if not usd and not row["hosted"] else "unknown" if usd is None else f"{usd:.3g}",
            ]
        )
    return list(groups.values())


def _limit_rows(limits: pd.DataFrame, lengths: pd.DataFrame) -> list[dict[str, Any]]:
    """The table of limits for people: a row for each model and experiment that has lengths."""
    paid = lengths[lengths["usd_per_request"].fillna(0).astype(float) > 0]
    billed = set(zip(paid["model"], paid["experiment"], strict=True))
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for row in limits.to_dict("records"):
        key = (row["model"], row["experiment"])
        entry = rows.setdefault(key, {"model": row["model_title"], "experiment": row["experiment_title"],
                                      "unit": title_of(row["length_column"])})  # fmt: skip
        entry[row["limit"]] = limit_in_words(row) or row["reason"]
        if row["limit"] == "usd" and not row["hosted"] and key not in billed:
            entry["usd"] = "not billed"
    return [row for row in rows.values() if any("[" in row.get(limit, "") for limit in LIMITS)]


def _seconds(value: float | None) -> str | None:
    return None if value is None else f"{value:.3g} s" if value < 90 else duration(value)


def _number(value: float | None) -> str:
    return "…" if value is None else f"{value:.2f}"


def _missing(value: Any) -> bool:
    return value is None or value != value
