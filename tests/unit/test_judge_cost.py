"""The estimate for judges is what judging sends: the same requests, for every kind of judge that asks a model."""

from __future__ import annotations

import json
import threading

import pytest
import yaml
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from contextrot import records
from contextrot.judging import judges
from contextrot.judging.cost import estimate_judge, expected_answers
from contextrot.judging.judge import judge_responses
from contextrot.project import Project
from contextrot.records import Sample
from contextrot.samples.tokenizers import load_tokenizer
from contextrot.task import Parameters, Task
from contextrot.tasks.story_sequences.task import CRITERIA, StoryParameters, StorySequences
from tests.stages import judging_context

TOKENIZER = load_tokenizer("tiktoken:o200k_base")
RATINGS = json.dumps(dict.fromkeys(CRITERIA, 3))
STORIES = """\
- {name: tale, prompts: [Write a tale., Go on., End it.]}
- {name: letter, prompts: [Write a letter., Write on., Sign it.]}
"""
ASKING = [kind for kind in judges.names() if judges.load(kind).asks]


class Referee:
    """A server that gives a verdict or ratings, and counts what it was sent."""

    def __init__(self, server: HTTPServer):
        self.calls = self.prompt_tokens = self.limits = 0
        self._lock = threading.Lock()
        server.expect_request("/v1/chat/completions").respond_with_handler(self.handle)

    def handle(self, request: Request) -> Response:
        body = json.loads(request.data)
        tokens = TOKENIZER.count_chat(body["messages"])
        with self._lock:
            self.calls, self.prompt_tokens, self.limits = (
                self.calls + 1,
                self.prompt_tokens + tokens,
                self.limits + body["max_tokens"],
            )
        text = RATINGS if "Rate what is there" in body["messages"][-1]["content"] else "true"
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": tokens, "completion_tokens": 5}
        return Response(json.dumps({"model": "referee", "choices": [choice], "usage": usage}), content_type="application/json")


@pytest.fixture
def server():
    with HTTPServer(threaded=True) as running:
        yield running


def story_samples():
    return [
        Sample(name, [], list(CRITERIA), 400, 30, later_prompts=["Go on.", "End it."], condition={"sequence": name})
        for name in ("tale", "letter")
    ]


def needle_samples():
    return [
        Sample("one", [], ["in the blue can"], 64, 100, condition={"question": "Where is the key?"}),
        Sample("two", [], ["in the blue can", "in the red box"], 64, 200, condition={"question": "Where are both keys?"}),
        Sample("never sent", [], ["nowhere"], 64, 10**6, fits_window=False, condition={"question": ""}),
    ]


@pytest.fixture
def context(tmp_path, server):
    (tmp_path / "data" / "tasks").mkdir(parents=True)
    (tmp_path / "data" / "tasks" / "stories.yaml").write_text(STORIES)
    (tmp_path / "experiments.yaml").write_text("{}")
    model = {"engine": "external", "name": "referee", "base_url": server.url_for("/v1"), "tokenizer": "tiktoken:o200k_base",
             "window": 8192, "max_output_tokens": 256, "reasoning_tokens": 100, "tokens_per_minute": 10**9}  # fmt: skip
    (tmp_path / "models.yaml").write_text(yaml.safe_dump({"referee": model}))
    config = {"models": [], "model_definitions": "models.yaml", "experiment_definitions": "experiments.yaml",
              "request_store": str(tmp_path / "store"), "judges": {kind: {"kind": kind, "model": "referee"} for kind in ASKING},
              "default_judges": []}  # fmt: skip
    project = Project(config, tmp_path)
    stories = StorySequences(StoryParameters(file="tasks/stories.yaml"))

    def build(kind):
        story = judges.load(kind).task == "story_sequences"
        samples = story_samples() if story else needle_samples()
        return judging_context(project, kind, stories if story else Task(Parameters()), tmp_path / "log"), samples

    return build


def judged(folder, context, samples, answers):
    """What is sent when these answers are judged."""
    records.write_samples(folder / "samples.parquet", samples)
    records.write_responses(folder / "responses.parquet", answers)
    (folder / "run/judgements").mkdir(parents=True)
    judge_responses(folder / "samples.parquet", folder / "responses.parquet", folder / "run/judgements/x.parquet", context)


@pytest.mark.parametrize("kind", ASKING)
@pytest.mark.parametrize("mean", [None, 23.0])
def test_calls_prompt_tokens_and_limits_are_those_that_judging_sends(server, context, tmp_path, kind, mean):
    referee, (asked, samples) = Referee(server), context(kind)
    estimate = estimate_judge(judges.load(kind).asks, asked, "e", samples, TOKENIZER, mean)
    judged(tmp_path, asked, samples, expected_answers(samples, TOKENIZER, mean))
    assert (estimate.calls, estimate.prompt_tokens) == (referee.calls, referee.prompt_tokens)
    assert estimate.output_tokens_at_most == referee.limits
    assert referee.calls > 0


@pytest.mark.parametrize("kind", ASKING)
def test_other_answers_of_the_expected_length_cost_the_same_within_some_tokens_of_their_marks(server, context, tmp_path, kind):
    referee, (asked, samples) = Referee(server), context(kind)
    estimate = estimate_judge(judges.load(kind).asks, asked, "e", samples, TOKENIZER, 50.0)
    answers = expected_answers(samples, TOKENIZER, 50.0)
    for number, answer in enumerate(answers):
        answer.text = TOKENIZER.decode(TOKENIZER.encode(f"Number {number} goes its own way, and says so at length. " * 9)[:50])
    judged(tmp_path, asked, samples, answers)
    assert estimate.calls == referee.calls
    assert estimate.prompt_tokens == pytest.approx(referee.prompt_tokens, abs=15 * referee.calls)


def test_all_criteria_of_an_answer_are_one_request_of_the_story_judge(context):
    asked, samples = context("story")
    estimate = estimate_judge(judges.load("story").asks, asked, "e", samples, TOKENIZER, 100.0)
    assert estimate.calls == 2 * 3
    assert estimate.output_tokens_at_most == 6 * (256 + 100)  # ratings take 300 tokens, but the model gives 256 and thinks 100


def test_an_answer_is_never_expected_to_be_longer_than_its_limit():
    answers = expected_answers(needle_samples(), TOKENIZER, 5_000.0)
    assert [len(TOKENIZER.encode(answer.text)) for answer in answers] == [64, 64]
    assert len(TOKENIZER.encode(expected_answers(needle_samples(), TOKENIZER, 0.2)[0].text)) == 1
