"""Snakemake's own report of a tier, made while the workflow runs."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contextrot.errors import DataError
from contextrot.records import write_atomically


def write_report(
    snakefile: str | Path, config: Mapping[str, Any], targets: Sequence[str], output: str | Path, storage: Sequence[str] = ()
) -> None:
    """Writes report.html of finished targets by a second snakemake, which reads their records and runs nothing.

    Args:
        snakefile: the workflow's main Snakefile.
        config: what was given beside its own config files.
        targets: files that the report shows, with everything they are made of.
        storage: arguments by which snakemake finds files that lie in a bucket.

    Raises:
        DataError: if snakemake cannot make the report, with its last lines.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SNAKEMAKE_") or name.startswith("SNAKEMAKE_STORAGE_")
    }
    with tempfile.TemporaryDirectory() as folder:
        configfile = Path(folder) / "config.json"
        configfile.write_text(json.dumps(config, default=str), encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), "--workflow-profile", "none"]
        command += ["--nolock", "--cores", "1", "--configfile", str(configfile), *storage]

        def report(path: Path) -> None:
            run = subprocess.run(
                [*command, "--report", str(path), "--", *targets],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            logging.info("%s", run.stdout)
            if run.returncode or not path.stat().st_size:
                last = "\n".join(run.stdout.strip().splitlines()[-8:])
                raise DataError(f"the report could not be made; snakemake says:\n{last}")

        write_atomically(output, report)
