"""What is built and sent is what the model's template takes, by whatever counts it."""

from __future__ import annotations

import asyncio
import json
import shutil
from types import SimpleNamespace

import pytest
import yaml

from contextrot.project import Project
from contextrot.records import Response, Sample, read_samples
from contextrot.responses.collect import ModelTokenizer, SampleAsker
from contextrot.task import Request
from tests.stages import build_samples

REFUSES_SYSTEM = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{{ m.content }}\n{% endfor %}"
)
STORY = [{"name": "tale", "prompts": ["Begin.", "Go on."], "system": "You tell stories."}]


@pytest.fixture
def project(tmp_path, data):
    """A model whose template refuses system messages, another with a GGUF file's tokenizer, and a task of each kind."""
    folder = shutil.copytree(data / "models/embedded", tmp_path / "gemma", ignore=shutil.ignore_patterns("*.safetensors"))
    (folder / "chat_template.jinja").write_text(REFUSES_SYSTEM)
    (tmp_path / "data").symlink_to(data)
    (tmp_path / "stories.yaml").write_text(yaml.safe_dump(STORY))
    block = {"engine": "transformers", "name": str(folder), "window": 1024, "max_output_tokens": 64}
    story = {"file": str(tmp_path / "stories.yaml"), "output_tokens": 64, "margin_tokens": 16}
    niah = {"lengths": [400], "depths": [50], "needles": ["restaurant_high"], "answer_tokens": 16}
    (tmp_path / "config").mkdir()
    (tmp_path / "config/models.yaml").write_text(yaml.safe_dump({"gemma": block}))
    experiments = {"stories": {"task": "story_sequences", "parameters": story}, "needle": {"task": "niah", "parameters": niah}}
    (tmp_path / "config/experiments.yaml").write_text(yaml.safe_dump(experiments))
    return Project({"models": ["gemma"]}, tmp_path)


def test_a_system_message_that_the_template_refuses_is_sent_at_the_head_of_the_first_prompt(project, tmp_path):
    build_samples(project, "test", "gemma", "stories", tmp_path / "samples.parquet")
    (sample,) = read_samples(tmp_path / "samples.parquet")
    assert [m["role"] for m in sample.messages] == ["system", "user"]  # kept whole when the conversation is cut
    sent = []

    async def ask(messages, *_, use_store=True, marks=None):
        sent.append(messages)
        return Response("", 0, "answered", "Once.")

    client = SimpleNamespace(model=project.models["gemma"], needs_prompt_tokens=True, ask=ask)
    asker = SampleAsker(client, sample, {}, ModelTokenizer(project.models["gemma"]))

    asyncio.run(asker.answer(Request(sample.messages, 0, 16, None, 0, {})))
    assert [m["role"] for m in sent[0]] == ["user"]
    assert sent[0][0]["content"].startswith("You tell stories.\n\nBegin.")


def test_samples_without_later_prompts_are_built_as_they_are_sent(project, tmp_path, monkeypatch):
    from contextrot.tasks.niah.task import NeedleInAHaystack

    system = {"role": "system", "content": "Be brief."}
    chats = lambda *_: [Sample("one", [system, {"role": "user", "content": "x"}], ["y"], 8, None)]  # noqa: E731
    monkeypatch.setattr(NeedleInAHaystack, "samples", chats)
    build_samples(project, "test", "gemma", "needle", tmp_path / "samples.parquet")
    (sample,) = read_samples(tmp_path / "samples.parquet")
    assert sample.messages == [{"role": "user", "content": "Be brief.\n\nx"}]


def test_a_running_server_and_its_file_build_the_same_samples(project, tmp_path, httpserver, data):
    from werkzeug import Response as Reply

    from contextrot.samples.gguf_tokenizer import GGUFTokenizer
    from tests.gguf_files import byte_level_metadata, write_gguf

    template = (data / "models/embedded/chat_template.jinja").read_text()
    file = write_gguf(
        tmp_path / "m.gguf", byte_level_metadata(data / "models/embedded/tokenizer.json", **{"tokenizer.chat_template": template})
    )
    own = GGUFTokenizer(str(file))

    def answer(make):
        return lambda request: Reply(json.dumps(make(request.get_json())), content_type="application/json")

    httpserver.expect_request("/tokenize").respond_with_handler(answer(lambda b: {"tokens": own.encode(b["content"])}))
    httpserver.expect_request("/detokenize").respond_with_handler(answer(lambda b: {"content": own.decode(b["tokens"])}))
    httpserver.expect_request("/apply-template").respond_with_handler(
        answer(lambda b: {"prompt": own.render_chat(b["messages"])})
    )
    httpserver.expect_request("/v1/chat/completions/input_tokens").respond_with_handler(
        answer(lambda b: {"input_tokens": own.count_chat(b["messages"])})
    )
    block = {"engine": "external", "name": "m", "base_url": httpserver.url_for("/v1"), "window": 1024, "max_output_tokens": 64}
    models = {"server": {**block, "tokenizer": "server"}, "file": {**block, "tokenizer": str(file)}}
    (tmp_path / "config/models.yaml").write_text(yaml.safe_dump(models))
    both = Project({"models": ["server", "file"]}, tmp_path)
    built = {}
    for model in models:
        build_samples(both, "test", model, "needle", tmp_path / f"{model}.parquet")
        built[model] = read_samples(tmp_path / f"{model}.parquet")
    assert built["server"] == built["file"]
    assert 392 <= built["server"][0].prompt_tokens <= 400
