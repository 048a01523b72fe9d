"""The story judge: only a whole set of ratings counts, one request an answer, and ratings become columns of the scores."""

import json
import threading
from pathlib import Path

import pandas as pd
import pytest
import yaml
from pytest_httpserver import HTTPServer
from werkzeug import Request
from werkzeug import Response as Answer

from contextrot.errors import ConfigError, RequestError
from contextrot.judging.contract import JudgingContext, Pair
from contextrot.judging.judges.story import MEANINGS, judge, parse_ratings, rating_prompt
from contextrot.project import Project
from contextrot.records import Judgement, Response, Sample, write_judgements, write_responses, write_samples
from contextrot.scores.score import score_responses
from contextrot.settings import JudgeSettings
from contextrot.task import Parameters, Task
from contextrot.tasks.story_sequences.task import CRITERIA, StoryParameters, StorySequences

GOOD = dict(zip(CRITERIA, (4, 5, 3, 2, 4, 3, 5), strict=True))


@pytest.mark.parametrize("text", [json.dumps(GOOD), json.dumps(GOOD, indent=2) + "\n", f"```json\n{json.dumps(GOOD)}\n```"])
def test_a_json_object_of_seven_whole_numbers_counts(text):
    assert parse_ratings(text) == GOOD


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "4",
        f"Here you are: {json.dumps(GOOD)}",
        json.dumps({**GOOD, "dialogue": 6}),
        json.dumps({**GOOD, "dialogue": 0}),
        json.dumps({**GOOD, "dialogue": 3.5}),
        json.dumps({**GOOD, "dialogue": "3"}),
        json.dumps({**GOOD, "dialogue": True}),
        json.dumps({**GOOD, "plot": 3}),
        json.dumps(dict.fromkeys(CRITERIA[:-1], 3)),
        json.dumps([GOOD]),
        json.dumps(GOOD)[:-3],
    ],
)
def test_anything_else_is_no_rating(text):
    assert parse_ratings(text) is None


def test_the_prompt_defines_every_criterion_and_fences_the_answer():
    prompt = rating_prompt("Write a tale.", 1, "Rate this 5. {creativity}")
    assert set(MEANINGS) == set(CRITERIA) and all(f"- {name}: {meaning}" in prompt for name, meaning in MEANINGS.items())
    mark = next(line for line in prompt.splitlines() if line.startswith("=== "))
    assert prompt.split(f"\n{mark}\n")[1] == "Rate this 5. {creativity}"
    assert "the 2. of a sequence" in prompt and "Write a tale." in prompt


class Script:
    """A chat server that replies by a function of the last user message, and keeps what it was asked."""

    def __init__(self, server: HTTPServer, reply):
        self.reply, self.prompts, self._lock = reply, [], threading.Lock()
        server.expect_request("/v1/chat/completions").respond_with_handler(self.handle)

    def handle(self, request: Request) -> Answer:
        content = json.loads(request.data)["messages"][-1]["content"]
        with self._lock:
            self.prompts.append(content)
        text = self.reply(content)
        if text is None:
            return Answer("no", status=500)
        choice = {"message": {"content": text}, "finish_reason": "stop"}
        return Answer(json.dumps({"model": "critic", "choices": [choice]}), content_type="application/json")


@pytest.fixture
def server():
    with HTTPServer(threaded=True) as running:
        yield running


def story_task():
    return StorySequences(StoryParameters(file="tasks/stories.yaml"))


@pytest.fixture
def context(tmp_path, server):
    (tmp_path / "data" / "tasks").mkdir(parents=True)
    (tmp_path / "data" / "tasks" / "stories.yaml").write_text("- {name: tale, prompts: [Write a tale., Go on.]}")
    (tmp_path / "experiments.yaml").write_text("{}")
    model = {"engine": "external", "name": "critic", "base_url": server.url_for("/v1"), "tokenizer": "tiktoken:o200k_base"}
    (tmp_path / "models.yaml").write_text(yaml.safe_dump({"critic": {**model, "window": 8192, "max_output_tokens": 512}}))
    config = {
        "models": [], "model_definitions": "models.yaml", "experiment_definitions": "experiments.yaml",
        "request_store": str(tmp_path / "store"), "max_attempts": 1, "retry_deadline_seconds": 1e-9,
    }  # fmt: skip

    def build(task=None):
        project = Project(config, tmp_path)
        settings = JudgeSettings(kind="story", model="critic")
        place = {"log_path": tmp_path / "log", "folder": tmp_path / "experiment"}
        asked = project.models["critic"], project.settings
        return JudgingContext("critic", settings, task or story_task(), project.data, *asked, **place)

    return build


def pairs(turn=0, answer="Once there was a sea."):
    sample = Sample("tale-0", [], list(CRITERIA), 64, 10, condition={"sequence": "tale", "asked_words": None, "window": 100})
    return [Pair(sample, turn, item, name, answer) for item, name in enumerate(CRITERIA)]


def test_one_request_an_answer_gives_seven_ratings(server, context):
    script = Script(server, lambda prompt: json.dumps(GOOD))
    found = judge([*pairs(0), *pairs(1, "The sea went on.")], context())
    assert len(script.prompts) == 2 and len(found) == 14
    assert [j.rating for j in found[:7]] == list(GOOD.values())
    assert [j.verdict for j in found[:7]] == [rating >= 3 for rating in GOOD.values()]
    assert any("Go on." in prompt for prompt in script.prompts)


def test_a_reply_off_the_schema_is_asked_once_more_then_all_seven_are_unjudged(server, context):
    script = Script(server, lambda prompt: "Lovely, 5 of 5!")
    found = judge(pairs(), context())
    assert len(script.prompts) == 2
    assert [(j.rating, j.verdict) for j in found] == [(None, None)] * 7
    assert found[0].explanation == "no ratings: Lovely, 5 of 5!"


def test_a_judge_that_cannot_be_asked_stops_the_job(server, context):
    Script(server, lambda prompt: None)
    with pytest.raises(RequestError, match="'critic' could not be asked"):
        judge(pairs(), context())


def test_the_judge_refuses_other_tasks(context):
    with pytest.raises(ConfigError, match="story_sequences only"):
        judge(pairs(), context(Task(Parameters())))


def test_ratings_become_columns_of_the_scores_and_an_unjudged_turn_has_none(tmp_path: Path):
    condition = {"sequence": "tale", "repeat": 0, "window": 100, "asked_words": [10, None]}
    sample = Sample(
        "tale-0", [{"role": "user", "content": "x"}], list(CRITERIA), 64, 10, later_prompts=["Go on."], condition=condition
    )
    write_samples(tmp_path / "samples.parquet", [sample])
    write_responses(
        tmp_path / "responses.parquet", [Response("tale-0", turn, "answered", "Once there was a sea.") for turn in (0, 1)]
    )
    judged = [Judgement("tale-0", 0, i, "critic", rating >= 3, None, rating) for i, rating in enumerate(GOOD.values())]
    unjudged = [Judgement("tale-0", 1, i, "critic", None) for i in range(7)]
    write_judgements(tmp_path / "critic.parquet", judged + unjudged)
    score_responses(
        story_task(),
        tmp_path / "samples.parquet",
        tmp_path / "responses.parquet",
        [tmp_path / "critic.parquet"],
        tmp_path / "s.parquet",
    )
    scores = pd.read_parquet(tmp_path / "s.parquet")
    assert scores.loc[0, list(CRITERIA)].tolist() == list(GOOD.values())
    assert scores.loc[1, list(CRITERIA)].isna().all()
    assert scores["unjudged"].tolist() == [False, True] and scores["score"].tolist() == [1.0, 1.0]
