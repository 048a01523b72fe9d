"""Each task's folder says what is asked, where it is from, how it is scored, and shows a real prompt; its parameters are the task's own."""

import re
from pathlib import Path

import pytest

from contextrot import tasks

FOLDER = Path(tasks.__file__).parent
WITHOUT_QUESTIONS = {"serving", "imported", "remedies", "retest"}
"""Tasks that measure an engine, read others' answers, or ask another task's questions."""


def readme(name):
    return (FOLDER / name / "README.md").read_text()


@pytest.mark.parametrize("name", tasks.names())
def test_a_task_says_what_it_asks_and_how_it_scores(name):
    text = readme(name)
    assert text.startswith(("# " + name, f"# Task `{name}`")) and "**Question" in text
    assert re.search(r"\*\*(How it is scored|Scored)", text)


@pytest.mark.parametrize("name", sorted(set(tasks.names()) - WITHOUT_QUESTIONS))
def test_a_task_of_questions_shows_a_real_prompt_and_names_source_chance_and_deviations(name):
    text = readme(name)
    assert re.search(r"\*\*(Papers?|Sources?)", text) or name == "dataset"
    assert "\n**Deviations" in text
    assert re.search(r"[Cc]hance|scorer", text)
    prompt = text.partition("## A real prompt and answer")[2]
    assert "Score: " in prompt and prompt.count("```text") == 2


@pytest.mark.parametrize("name", tasks.names())
def test_names_in_code_that_a_readme_shows_exist(name):
    kind = tasks.load(name)
    known = set(kind.Parameters.model_fields)
    shown = [line for block in re.findall(r"```yaml\n(.*?)```", readme(name), re.DOTALL) for line in block.splitlines()]
    given = {found[1] for line in shown if (found := re.match(r"    (\w+):", line))}
    assert given <= known
