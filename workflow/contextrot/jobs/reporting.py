"""How a job speaks to a person: one clear message for what went wrong, a log for the rest."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contextrot import secrets
from contextrot.errors import ContextRotError
from contextrot.jobs import lifeline
from contextrot.printable import printable


class _LogFile(logging.FileHandler):
    """A log that takes no line (a full disk) ends no job and prints no traceback: what matters is told by the job's error."""

    def handleError(self, record: logging.LogRecord) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


@contextmanager
def reporting_errors(log_path: str | Path) -> Iterator[None]:
    """Logs to `log_path`; ends the process with status 1 and one message, no traceback, for an error meant for the user.

    SIGTERM becomes an orderly exit, so that servers are stopped and temporary files removed; a closed terminal is as Ctrl-C; and the end
    of the run is the end of the process.
    """
    Path(log_path).parent.mkdir(parents=True, exist_ok=True)
    secrets.learn_environment()
    if not logging.root.handlers:
        handler = _LogFile(log_path)
        handler.setFormatter(secrets.CleanFormatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        logging.basicConfig(level=logging.INFO, handlers=[handler])
    sys.excepthook = secrets.print_clean_traceback
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    lifeline.interrupt_at_hangup()
    lifeline.end_with_owner()
    try:
        yield
    except ContextRotError as error:
        logging.error("%s", error)
        print(printable(secrets.clean(f"\nERROR: {error}\n")), file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        logging.error("interrupted")
        sys.exit(130)
    except Exception:
        logging.exception("unexpected error")
        raise
