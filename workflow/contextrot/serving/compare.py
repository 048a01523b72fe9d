"""Joins the modes of a serving experiment: one table of requests, the greedy texts side by side, the report."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot.errors import DataError
from contextrot.records import Response, write_responses, write_table, write_text
from contextrot.tasks.serving.pairs import compare_pairs
from contextrot.tasks.serving.summary import SHOWN, SIMULATED, as_json, change, deltas, load_column

if TYPE_CHECKING:
    import pandas as pd


MOST_PERCENT = 10_000
"""An interval that reaches a hundredfold says nothing; the table of pairs has it all the same."""
LOADS = {"concurrency": "at once", "rate": "a second", "speed": "times as fast"}
LIMITED = {"ttft_seconds": "TTFT", "tpot_seconds": "TPOT", "end_to_end_seconds": "end to end"}


def join_modes(
    folders: Sequence[Path], engine: str, model: str, scores: Path, responses: Path, parity: Path, pairs: Path
) -> None:
    """Writes scores.parquet (one row a request), responses.parquet (one for each mode), parity.json and pairs.csv.

    Args:
        folders: one per mode, in the order of the config, with what `measure_mode` wrote.
        engine, model: as the responses name them.

    Raises:
        DataError: if the modes were not asked the same prompts.
    """
    import pandas as pd

    tables = [pd.read_parquet(folder / "requests.parquet") for folder in folders]
    for table in tables[1:]:
        if list(table["sample_id"]) != list(tables[0]["sample_id"]):
            raise DataError(
                f"the modes in {folders[0].parent} were not asked the same prompts; delete their folders and run again."
            )
    joined = pd.concat(tables, ignore_index=True)
    write_table(scores, joined)
    write_responses(responses, [_response(row, engine, model) for row in joined.to_dict("records")])
    answers = pd.concat([pd.read_parquet(folder / "parity.parquet") for folder in folders], ignore_index=True)
    write_text(parity, as_json(compare_texts(answers)))
    write_text(pairs, compare_pairs(joined).to_csv(index=False))


def _response(row: dict[str, Any], engine: str, model: str) -> Response:
    def known(name: str) -> Any:
        value = row.get(name)
        return None if value is None or (isinstance(value, float) and math.isnan(value)) else value

    def count(name: str) -> int | None:
        value = known(name)
        return None if value is None else int(value)

    return Response(
        sample_id=row["sample_id"],
        turn=row["turn"],
        outcome=row["outcome"],
        text=known("text"),
        finish_reason=known("finish_reason"),
        prompt_tokens=count("server_prompt_tokens"),
        completion_tokens=count("completion_tokens"),
        cached_tokens=count("cached_tokens"),
        first_token_seconds=known("ttft_seconds"),
        total_seconds=known("end_to_end_seconds"),
        cost_usd=known("cost_usd"),
        attempts=int(row["outcome"] == "answered"),
        engine=engine,
        model=model,
        mode=row["mode"],
    )


def compare_texts(answers: pd.DataFrame) -> dict[str, Any]:
    """How many greedy texts are the same in every mode, and those that are not.

    Args:
        answers: columns sample_id, mode, text.
    """
    texts: dict[str, dict[str, str]] = {}
    for row in answers.itertuples():
        texts.setdefault(row.sample_id, {})[row.mode] = row.text
    modes = sorted(answers["mode"].unique())
    different = [
        {"sample_id": name, "same_characters": common_prefix(list(by_mode.values())), **by_mode}
        for name, by_mode in texts.items()
        if len(set(by_mode.values())) > 1
    ]
    return {
        "modes": modes,
        "compared": len(texts) if len(modes) > 1 else 0,
        "different": len(different),
        "differences": different,
    }


def common_prefix(texts: Sequence[str]) -> int:
    """Characters that all texts share at their start."""
    length = min(map(len, texts))
    return next((i for i in range(length) if len({text[i] for text in texts}) > 1), length)


def report_serving(folder: Path, titles: tuple[str, str], latest: Path) -> None:
    """Writes the Markdown report of a run: `reports/{time}-{config hash}.md`, kept, and a copy at `latest`.

    Args:
        folder: the experiment's, with the modes' folders, metrics.csv and parity.json.
        titles: of model and experiment.
    """
    import pandas as pd

    metrics = pd.read_csv(folder / "metrics.csv")
    modes = list(dict.fromkeys(metrics["mode"]))
    summaries = {mode: json.loads((folder / mode / "summary.json").read_text(encoding="utf-8")) for mode in modes}
    metadata = json.loads((folder / modes[0] / "run_metadata.json").read_text(encoding="utf-8"))
    parity = json.loads((folder / "parity.json").read_text(encoding="utf-8"))
    pairs = pd.read_csv(folder / "pairs.csv")
    text = render_report(titles, metrics, summaries, metadata, parity, pairs)
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    write_text(folder / "reports" / f"{moment}-{metadata['config_hash']}.md", text)
    write_text(latest, text)


def render_report(
    titles: tuple[str, str],
    metrics: pd.DataFrame,
    summaries: dict[str, Any],
    metadata: dict[str, Any],
    parity: dict[str, Any],
    pairs: pd.DataFrame,
) -> str:
    """The report as Markdown."""
    lines = [f"# {titles[0]}: {titles[1]}", ""]
    if any(summary.get("note") == SIMULATED for summary in summaries.values()):
        lines += [f"**{SIMULATED}**", ""]
    machine = metadata["machine"]
    lines += [
        f"- Run: {metadata['created']}, commit {metadata['workflow'].get('git_commit') or 'unknown'}"
        f"{' with local changes' if metadata['workflow'].get('git_dirty') else ''}, config {metadata['config_hash']}, seed {metadata['seed']}",
        f"- Machine: {machine['cpu']}, {machine['cores']} cores; GPUs: {', '.join(g['name'] for g in machine['gpus']) or 'none'}",
        f"- Engine: {', '.join(f'{k} {v}' for k, v in (metadata['engine'].get('versions') or {}).items()) or 'versions not known'}",
        *(f"- {name}: {value}" for name, value in metadata["environment"].items()),
        "",
        "## Latency and throughput",
        "",
        "Value with its 95 % interval, repeats as clusters of requests; `?` or `too few`: so few requests cannot bound it. `n` counts requests that were answered from a cold cache.",
        "",
        f"| mode | prompt tokens | {LOADS[load_column(metrics)]} | n | " + " | ".join(label for _, label in SHOWN) + " |",
        "|---|---:|---:|---:|" + "---:|" * len(SHOWN),
    ]
    for (mode, length, load), rows in metrics.groupby(["mode", "length", load_column(metrics)], sort=True):
        by_measure = rows.set_index("measure")
        n = int(by_measure.loc["ttft_seconds_median", "n"])
        cells = " | ".join(interval(by_measure.loc[measure]) for measure, _ in SHOWN)
        over = int(by_measure.iloc[0]["over_window"])
        lines.append(f"| {mode} | {length} | {load:g} | {n or f'over the window: {over}'} | {cells} |")
    for mode, summary in summaries.items():
        lines += ["", f"## {mode[:1].upper() + mode[1:]}", "", *mode_lines(summary)]
    lines += ["", *parity_lines(parity), *delta_lines(deltas(metrics)), *pair_lines(pairs)]
    return "\n".join(lines).rstrip() + "\n"


def mode_lines(summary: dict[str, Any]) -> list[str]:
    """What one mode's summary says beside latencies."""
    cache = summary["cache"]
    lines = [
        f"- {cache['cold_groups']} of {len(cache['groups'])} groups of requests were cold, by {', '.join(sorted({g['evidence'] for g in cache['groups']})) or 'nothing'}; "
        f"{cache['warm_groups']} were read from a cache and are not averaged. The engine's cache was "
        f"{'emptied before each' if cache['reset_before_each_group'] else 'NOT emptied between them'}; salt {summary['salt']}.",
        f"- Prefixes: {cache['prefix']}; of {cache['prompt_tokens']} prompt tokens {cache['cached_tokens']} were not computed by the "
        f"answering instance; its prefix cache held {cache['prefix_cache_hit_tokens']}.",
    ]
    if summary["failed_requests"]:
        lines.append(f"- **{summary['failed_requests']} requests failed** and count in no latency; requests.parquet says why.")
    if transfer := summary["kv_transfer"]:
        lines.append(
            f"- KV transfer ({summary['connector']}): {transfer['external_hit_tokens']} of {transfer['expected_external_hit_tokens']} tokens "
            f"loaded in {transfer['requests']} requests, {transfer['decode_recomputed_tokens']} computed again, {transfer['decode_computed_tokens']} "
            f"(last blocks) computed by decode; {transfer['bytes'] / 2**20:.1f} MiB in {transfer['seconds']:.3f} s "
            f"({transfer['measured_by']})."
        )
    if check := summary["cross_check"]:
        parts = [f"{name} {entry['difference_percent']:+.1f} %" for name, entry in check["measures"].items()]
        verdict = "within" if check["within_tolerance"] else "NOT within"
        lines.append(
            f"- Our medians against vLLM's own benchmark: {', '.join(parts)}; {verdict} {check['tolerance_percent']:.0f} %."
        )
    lines += keeping_lines(summary.get("open_loop") or [])
    lines += rate_lines(summary.get("highest_rates") or [])
    for entry in summary["memory"] or []:
        parts = [
            f"{role}: {', '.join(memory_text(name, value) for name, value in peaks.items())}"
            for role, peaks in entry["instances"].items()
        ]
        lines.append(f"- Peak memory at {entry['length']} tokens, {load_of(entry)}: {'; '.join(parts)}.")
    return lines


def load_of(entry: dict[str, Any]) -> str:
    """How the engine was loaded, for people."""
    return next(f"{entry[name]:g} {words}" for name, words in LOADS.items() if name in entry)


def keeping_lines(found: Sequence[dict[str, Any]]) -> list[str]:
    """Loads with which the engine did not keep up, and how late our own sender was."""
    lines = []
    for entry in found:
        if entry["saturated"]:
            lines.append(
                f"- **Saturated** at {entry['length']} tokens, {load_of(entry)}, repeat {entry['repeat']}: {entry['under_way_half']} requests under way "
                f"in the middle of the arrivals, {entry['under_way_end']} at their end; latencies grow with the time that is measured."
            )
    late = [entry["late_seconds_max"] for entry in found if entry["late_seconds_max"] is not None]
    return [*lines, f"- Requests were sent at most {1000 * max(late):.1f} ms after they were due."] if late else lines


def rate_lines(found: Sequence[dict[str, Any]]) -> list[str]:
    """The highest rates that keep the limits."""
    lines = []
    for entry in found:
        limits = ", ".join(f"{LIMITED[name]} <= {limit:g} s" for name, limit in entry["limits"].items())
        bounds = " to ".join("?" if entry[side] is None else number(entry[side]) for side in ("low", "high"))
        rate = "at no measured rate" if entry["rate"] is None else f"up to {number(entry['rate'])} a second [{bounds}]"
        broken = ", ".join(LIMITED.get(name, name) for name in entry["broken_first"])
        first = f"; broken first: {broken}" if broken else ""
        count = sum(trial["requests"] for trial in entry["trials"])
        lines.append(
            f"- {entry['length']} tokens: {100 * entry['quantile']:g} % of the requests keep {limits} {rate} ({entry['why']}{first}; {count} requests)."
        )
    return lines


def memory_text(name: str, value: float) -> str:
    """A memory peak for people."""
    if name == "kv_cache_share":
        return f"{100 * value:.1f} % of the KV cache"
    return f"{value / 2**20:,.0f} MiB {name.removesuffix('_bytes')}"


def parity_lines(parity: dict[str, Any]) -> list[str]:
    """How many greedy texts agree, and where the others part."""
    if not parity["compared"]:
        return []
    same = parity["compared"] - parity["different"]
    lines = [
        "## Answer parity",
        "",
        f"{same} of {parity['compared']} greedy texts are the same in {' and '.join(parity['modes'])}.",
        "",
    ]
    for entry in parity["differences"]:
        lines.append(f"- {entry['sample_id']}: the same for {entry['same_characters']} characters, then")
        lines += [f"  - {mode}: `{entry[mode][entry['same_characters'] :][:60]!r}`" for mode in parity["modes"]]
    return [*lines, ""]


def delta_lines(table: pd.DataFrame) -> list[str]:
    """Every server's metrics against the first one's."""
    lines: list[str] = []
    for (against, mode), part in table.groupby(["against", "mode"], sort=False):
        lines += [
            f"## {mode[:1].upper() + mode[1:]} against {against}",
            "",
            f"Change in percent of {against}; in bold where the 95 % intervals do not overlap.",
            "",
            f"| prompt tokens | {LOADS[load_column(table)]} | " + " | ".join(label for _, label in SHOWN) + " |",
            "|---:|---:|" + "---:|" * len(SHOWN),
        ]
        for (length, load), rows in part.groupby(["length", load_column(table)], sort=True):
            by_measure = rows.set_index("measure")
            cells = [change(by_measure, measure) for measure, _ in SHOWN]
            lines.append(f"| {length} | {load:g} | {' | '.join(cells)} |")
        lines.append("")
    return lines


def pair_lines(pairs: pd.DataFrame) -> list[str]:
    """The servers compared request by request."""
    if pairs.empty:
        return []
    lines = [
        "## In pairs of the same requests",
        "",
        "Change with its 95 % interval: of latencies in percent (geometric mean of ratios, interval over repeats), of scores the difference.",
        "",
        f"| server | against | prompt tokens | {LOADS[load_column(pairs)]} | measure | pairs | change |",
        "|---|---|---:|---:|---|---:|---:|",
    ]
    for row in pairs.to_dict("records"):
        unit = "" if row["measure"] == "score" else " %"
        bounds = [row["low"], row["high"]]
        known = "" if any(bound is None or bound != bound for bound in bounds) else f" [{bounds[0]:+.3g}, {bounds[1]:+.3g}]"
        if unit and known and bounds[1] > MOST_PERCENT:
            known = " (too few repeats)"
        what = LIMITED.get(row["measure"], row["measure"])
        lines.append(
            f"| {row['mode']} | {row['against']} | {row['length']} | {row[load_column(pairs)]:g} | {what} | {row['n']} | {row['change']:+.3g}{unit}{known} |"
        )
    return [*lines, ""]


def interval(row: Any) -> str:
    """`0.12 [0.11, 0.14]`; empty without a value."""
    if row["value"] != row["value"]:
        return ""
    text = number(row["value"])
    low, high = (number(row[bound]) if row[bound] == row[bound] else "?" for bound in ("low", "high"))
    if (low, high) == ("?", "?"):
        return f"{text} (too few)" if row["n"] > 1 else text
    return f"{text} [{low}, {high}]"


def number(value: float) -> str:
    """Three significant digits."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
