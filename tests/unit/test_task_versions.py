"""Samples and answers stay behind a task's `version`: who changes what is asked has to raise it.

The versions with the hashes of the code behind them stand in tests/fixtures/task_versions.json; write it anew by
`python -m tests.unit.test_task_versions`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

FIXTURE = Path(__file__).parents[1] / "fixtures" / "task_versions.json"
ASKED = ("samples", "request_options", "converse")


def present() -> dict[str, list]:
    """Task -> its version and the hash of the code that makes its samples and holds its conversations."""
    from contextrot import tasks
    from contextrot.plan.code_hash import code_hash

    found = {}
    for name in tasks.names():
        kind = tasks.load(name)
        roots = [f"{kind.__module__.removeprefix('contextrot.')}:{kind.__name__}.{member}" for member in ASKED]
        found[name] = [kind.version, code_hash(None, *roots)]
    return found


def test_another_code_of_samples_has_another_version():
    known, now = json.loads(FIXTURE.read_text()), present()
    assert sorted(known) == sorted(now)
    for task in now:
        same = now[task][1] == known[task][1]
        assert same or now[task][0] > known[task][0], (
            f"the code behind samples or requests of task {task!r} has changed: raise its `version` (now {now[task][0]}) if other samples or "
            "requests come of it, then: python -m tests.unit.test_task_versions"
        )
        assert now[task] == known[task], f"the version of {task!r} was raised: python -m tests.unit.test_task_versions"


if __name__ == "__main__":
    sys.path.insert(0, "workflow")
    FIXTURE.write_text(json.dumps(present(), indent=1) + "\n")
