"""How a job speaks to a person: one clear message for what went wrong, a log for the rest."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contextrot.errors import ContextRotError


@contextmanager
def reporting_errors(log_path: str | Path) -> Iterator[None]:
    """Logs to `log_path`; ends the process with status 1 and one message, no traceback, for an error meant for the user.

    SIGTERM becomes an orderly exit, so that servers are stopped and temporary files removed.
    """
    Path(log_path).parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=log_path, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S"
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except ContextRotError as error:
        logging.error("%s", error)
        print(f"\nERROR: {error}\n", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        logging.error("interrupted")
        sys.exit(130)
    except Exception:
        logging.exception("unexpected error")
        raise
