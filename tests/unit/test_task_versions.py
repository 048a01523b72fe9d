"""Samples and answers stay behind a task's `version`: who changes what is asked has to raise it.

The versions with the hashes of the code behind them stand in tests/fixtures/task_versions.json; write it anew by
`python -m tests.unit.test_task_versions`.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path

FIXTURE = Path(__file__).parents[1] / "fixtures" / "task_versions.json"
ASKED = ("samples", "request_options", "converse")
BORROWED = re.compile(r"self\.inner\.(\w+)\(")
"""Members of another task that a task calls."""


def present() -> dict[str, list]:
    """Task -> its version and the hash of the code that makes its samples and holds its conversations."""
    from contextrot import tasks
    from contextrot.plan.code_hash import code_hash

    def root(kind: type, member: str) -> str:
        return f"{kind.__module__.removeprefix('contextrot.')}:{kind.__name__}.{member}"

    found = {}
    for name in tasks.names():
        kind = tasks.load(name)
        roots = [root(kind, member) for member in ASKED]
        # of what another task asks, its own version tells; of what else makes a sample of it (its readings), none but this one
        for member in set(BORROWED.findall(inspect.getsource(kind))) - set(ASKED):
            roots += [root(tasks.load(other), member) for other in tasks.names() if tasks.has_questions(other)]
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


def test_a_reading_of_another_task_is_followed_into_the_task_that_asks_it():
    from contextrot import tasks

    assert set(BORROWED.findall(inspect.getsource(tasks.load("remedies")))) - set(ASKED) == {"reading"}
    assert not set(BORROWED.findall(inspect.getsource(tasks.load("retest")))) - set(ASKED)


if __name__ == "__main__":
    sys.path.insert(0, "workflow")
    FIXTURE.write_text(json.dumps(present(), indent=1) + "\n")
