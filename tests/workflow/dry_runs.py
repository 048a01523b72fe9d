"""Dry runs one after the other: each is Snakemake's own command in a fork of a process that has imported what Snakemake imports.

Run as a program: every line of the input is a list of arguments in JSON, every line of the output what Snakemake printed.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile


def dry_run(arguments: list[str]) -> str:
    """What `snakemake` with these arguments prints."""
    with tempfile.TemporaryFile() as printed:
        child = os.fork()
        if not child:
            os.dup2(printed.fileno(), 1)
            os.dup2(printed.fileno(), 2)
            from snakemake.cli import main

            main(arguments)
            os._exit(0)
        os.waitpid(child, 0)
        printed.seek(0)
        return printed.read().decode()


if __name__ == "__main__":
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import pydantic  # noqa: F401
    import snakemake.cli  # noqa: F401

    for line in sys.stdin:
        print(json.dumps(dry_run(json.loads(line))), flush=True)
