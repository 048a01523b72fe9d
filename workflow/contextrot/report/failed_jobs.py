"""Why a run's jobs failed, one line each: from the logs that Snakemake names among much else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from contextrot import secrets

MOST = 8
LONGEST_REASON = 600
LAST_BYTES = 200_000
_FAILED = re.compile(r"^Error in (?:rule|group) (\S+?)[:,]?\s*$(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
_LOG = re.compile(r"^\s+log: (.+?)(?: \(check log file.*)?$", re.MULTILINE)
_ERROR = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (?:ERROR|CRITICAL) (.*)$")


def failed_jobs(log: str) -> list[tuple[str, list[str]]]:
    """Rule and log files of each job that failed, as a Snakemake log tells them; a job that was tried again stands once."""
    found = {}
    for rule, block in _FAILED.findall(log):
        paths = [path for line in _LOG.findall(block) for path in line.split(", ")]
        found[rule, *paths] = (rule, paths)
    return list(found.values())


def reason_of(log: Path) -> str | None:
    """The last error in a job's log, in one line; the last line of a traceback; None if the log tells no error."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LAST_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    places = [place for place, line in enumerate(lines) if _ERROR.match(line)]
    if not places:
        return None
    reason = _ERROR.match(lines[places[-1]]).group(1)
    further = lines[places[-1] + 1 :]
    if any(line.startswith("Traceback") for line in further):
        reason = next((line for line in reversed(further) if line.strip() and not line.startswith(" ")), reason)
    return secrets.clean(" ".join(reason.split()))[:LONGEST_REASON]


def what_failed(snakemake_logs: Iterable[str | Path]) -> str:
    """The failed jobs with their reasons, for the terminal; empty if no log names one."""
    lines = {}
    for path in snakemake_logs:
        try:
            text = Path(path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        for rule, logs in failed_jobs(text):
            reasons = [reason for log in logs if (reason := reason_of(Path(log)))]
            where = logs[0] if logs else "no log"
            lines[rule, where] = f"{rule} ({where}): {reasons[0] if reasons else 'no reason in its log; see above'}"
    shown = list(lines.values())
    if len(shown) > MOST:
        shown = [*shown[:MOST], f"and {len(shown) - MOST} more"]
    return "\n".join(f"FAILED {line}" for line in shown)
