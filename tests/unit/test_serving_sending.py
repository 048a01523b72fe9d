"""Bodies of a load's requests, and what a server's refusal takes out of them."""

import pytest

from contextrot.engines import Endpoint
from contextrot.errors import ConfigError
from contextrot.records import Sample
from contextrot.serving.sending import Bodies
from contextrot.settings import ModelSettings

SAMPLE = Sample("s", [{"role": "user", "content": "Go on."}], [], 4, 10, condition={})
OPTIONS = {"temperature": 0, "ignore_eos": True, "stop": ["\n"]}


def bodies(**more):
    model = ModelSettings(engine="external", name="m", base_url="http://127.0.0.1:9/v1", window=9, max_output_tokens=9, **more)
    return Bodies(Endpoint("external", "m", "hosted_vllm", base_url=model.base_url), model)


def refuse(made, message):
    return made.leave_out(message, SAMPLE, OPTIONS)


def test_a_part_that_a_server_refuses_by_its_name_is_left_out_and_said():
    made = bodies()
    assert refuse(made, "ignore_eos: Extra inputs are not permitted")
    assert "ignore_eos" not in made(SAMPLE, OPTIONS) and made(SAMPLE, OPTIONS)["temperature"] == 0
    assert len(made.changes) == 1 and "ignore_eos: null" in made.changes[0]


def test_the_limit_goes_by_its_other_name_with_the_sample_s_own_value():
    made = bodies()
    assert refuse(made, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
    body = made(SAMPLE, OPTIONS)
    assert "max_tokens" not in body and body["max_completion_tokens"] == 4
    assert not refuse(made, "'max_completion_tokens' is not supported")


def test_the_counts_of_a_stream_can_be_spared():
    made = bodies()
    assert refuse(made, "unknown field `stream_options`")
    body = made(SAMPLE, OPTIONS)
    assert body["stream"] is True and "stream_options" not in body


@pytest.mark.parametrize("message", ["please stop sending requests", "the model is not there", "streaming is not supported", ""])
def test_words_that_name_no_part_that_can_be_spared_take_nothing_out(message):
    made = bodies()
    before = made(SAMPLE, OPTIONS)
    assert not refuse(made, message)
    assert made(SAMPLE, OPTIONS) == before and not made.changes


def test_a_model_without_streams_cannot_be_timed():
    with pytest.raises(ConfigError, match="stream: false"):
        bodies(request={"stream": False})
