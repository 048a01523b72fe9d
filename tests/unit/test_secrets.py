"""No secret is written: what `clean` and `public` take out, and a canary through a whole job."""

import base64
import logging
import os
import re
import subprocess
import sys

import pytest

from contextrot import secrets
from contextrot.errors import RequestError
from contextrot.jobs.reporting import reporting_errors
from contextrot.records import Sample, write_samples, write_text
from contextrot.responses import collect
from contextrot.responses.collect import collect_responses
from contextrot.settings import ModelSettings, Settings
from contextrot.task import Parameters, Task
from tests.scripted_server import Act, ScriptedServer, error

pytestmark = pytest.mark.filterwarnings("ignore")  # of litellm
KEY, FILE_KEY, HEADER = "canary-Kd93jfQz81Lm", "canary.file+Zx72/Tq", "canary-header-Ww55Rr"
USER, PASSWORD, QUERY = "nightingale", "canary pass:word@1", "canaryqueryPp66"


@pytest.fixture(autouse=True)
def forgotten():
    """No secret stays known, and no variable of `.env` set, from one test to the next."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
    secrets.forget()


@pytest.mark.parametrize(
    "text",
    [
        f"Incorrect API key provided: {KEY}.",
        f"Incorrect API key provided: {KEY[:8]}**********{KEY[-4:]}. You can find",
        f"Incorrect API key provided: {KEY[:4]}...{KEY[-4:]}",
        f"invalid x-api-key {KEY[:12]}",
        f"the key ending in {KEY[-9:]} is disabled",
        f"url /v1?key={KEY}&x=1",
        f'{{"headers": {{"Authorization": "Bearer {KEY}"}}}}',
    ],
)
def test_a_key_is_taken_out_whole_in_part_or_masked(text):
    secrets.learn(KEY)
    cleaned = secrets.clean(text)
    assert secrets.HIDDEN in cleaned
    assert KEY[-4:] not in cleaned and KEY[:8] not in cleaned


@pytest.mark.parametrize("url", ["redis://u:canary[pass7@h/0", "http://h\u2100.example/?api_key=canary[pass7"])
def test_an_address_that_no_one_can_split_gives_no_secret_away(url):
    secrets.learn_environment({"X": url, "Y": "http://[::1/x", "Z": "see http://[host]x/"})
    assert "canary" not in secrets.clean("wrong password canary[pass7")
    assert "canary" not in str(secrets.public({"url": url}))


def test_what_has_the_shape_of_a_key_is_taken_out_unknown():
    for text in (
        "sk-proj-abcdefghijklmnop1234",
        "gsk_abcdefghijklmnopqrst",
        "AIzaSyabcdefghijklmnopqrst",
        "Bearer eyJhbGciOi.J9.abc",
    ):
        assert text.split()[-1] not in secrets.clean(f"bad key {text} given")


def test_ordinary_messages_stay_as_they_are():
    secrets.learn(KEY)
    for text in (
        "maximum context length is 4096 tokens... your request has 9000",
        "the engine answered 500: broken",
        "risk-averse task-switching sk-",
        "model gpt-4.1-mini-2025-04-14 does not exist ***",
    ):
        assert secrets.clean(text) == text


def test_encoded_forms_are_secrets_too():
    secrets.learn(FILE_KEY, PASSWORD)
    secrets.learn_address("http://me:p%40ss%3Aw0rd@h/v1")
    basic = base64.b64encode(b"me:p@ss:w0rd").decode()
    for form in ("canary.file%2BZx72%2FTq", "canary+pass%3Aword%401", "p@ss:w0rd", basic):
        assert form not in secrets.clean(f"x {form} y")


def test_addresses_lose_user_password_and_keys_but_not_their_version():
    url = "https://me:pw@h.example:8443/a/v1?api-version=2024-10-21&api_key=abc&subscription-key=d&X-Amz-Signature=e#f"
    assert secrets.without_credentials(url) == "https://h.example:8443/a/v1?api-version=2024-10-21"


@pytest.mark.parametrize("url", ["http://me:p/w@h/v1", "http://me:p@w@h/v1", "me:p-w@h/v1", "http://h/v1", "http://h/v1/m@2025"])
def test_an_odd_address_loses_its_credentials_too(url):
    shown = secrets.without_credentials(url)
    assert "me:" not in shown and shown.endswith(("h/v1", "h/v1/m@2025"))


def test_credentials_of_an_unknown_address_are_taken_out_of_messages():
    assert secrets.clean("cannot reach http://me:hunter22@h/v1") == "cannot reach http://[key]@h/v1"


def test_headers_and_options_named_like_keys_are_not_shown():
    shown = secrets.public({"headers": {"X-Mine": "abc"}, "extra_body": {"client_secret": "abc", "max_tokens": 5}})
    assert "abc" not in str(shown) and shown["extra_body"]["max_tokens"] == 5


def test_what_config_gives_by_a_key_s_name_is_a_secret_wherever_it_stands():
    values = {
        "engine": "external",
        "name": "m",
        "window": 1000,
        "max_output_tokens": 20,
        "base_url": "http://me:canary%2Fpw1@h/v1",
    }
    body = {"auth": {"accessToken": "canary-body-1"}, "metadata": [{"client_secret": {"value": "canary-deep-2"}}]}
    ModelSettings(**values, engine_options={"extra_body": body}, request={"user_token": "canary-req-3", "seed": 1})
    for secret in ("canary-body-1", "canary-deep-2", "canary-req-3", "canary/pw1"):
        assert secrets.clean(f"no: {secret}") == "no: [key]"
        assert secrets.clean(f"no: {secret}", partly=False) == "no: [key]"


def test_a_secret_that_is_an_ordinary_word_stays_in_results():
    secrets.learn("default", "hunter2x")
    secrets.learn_headers({"X-Title": "contextrot 2", "X-Api-Key": "abcdef123456", "Authorization": "Token zyxwvu987654"})
    text = "default contextrot 2 hunter2x abcdef123456 zyxwvu987654"
    assert secrets.clean(text, partly=False) == "default contextrot 2 [key] [key] [key]"
    assert secrets.clean(text) == "[key] [key] [key] [key] [key]"


def test_texts_are_written_and_logged_without_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", KEY)
    with reporting_errors(tmp_path / "log"):
        write_text(tmp_path / "a.md", f"see {KEY}")
    assert (tmp_path / "a.md").read_text() == "see [key]"
    record = logging.LogRecord("n", logging.INFO, "", 1, "sent %s", (KEY,), None)
    assert secrets.CleanFormatter("%(message)s").format(record) == "sent [key]"


def test_an_error_of_a_job_is_told_without_secrets(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SOME_API_KEY", KEY)
    with pytest.raises(SystemExit), reporting_errors(tmp_path / "log"):
        raise RequestError(f"the server said {KEY}")
    assert KEY not in capsys.readouterr().err


def test_the_traceback_of_an_unexpected_error_holds_no_secret(tmp_path, root):
    program = f"""
from contextrot.jobs.reporting import reporting_errors
with reporting_errors({str(tmp_path / "log")!r}):
    raise ValueError("the library said " + {KEY!r}[:10] + {KEY!r}[10:])
"""
    environment = {**os.environ, "SOME_API_KEY": KEY, "PYTHONPATH": str(root / "workflow")}
    done = subprocess.run([sys.executable, "-"], input=program, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 1 and "the library said [key]" in done.stderr
    assert KEY not in done.stderr + (tmp_path / "log").read_text()


def _collect(folder, script, caplog, monkeypatch, **model):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MY_CANARY_KEY", f" {KEY}\n")
    (folder / ".env").write_text(f'OPENAI_API_KEY="{FILE_KEY}"\nMY_HEADER={HEADER}\n')
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    samples = folder / "results/t/m/e/samples.parquet"
    rows = [Sample(f"s{i}", [{"role": "user", "content": f"q{i}"}], ["yes"], 20, 9) for i in range(3)]
    write_samples(samples, rows)
    with ScriptedServer(script) as server, caplog.at_level(logging.INFO):
        values = {"engine": "external", "name": "m", "window": 1000, "max_output_tokens": 20, "tokens_per_minute": 10**9}
        address = f"http://{USER}:canary%20pass%3Aword%401@127.0.0.1:{server.port}/v1?{'' if 'provider' in model else f'api_key={QUERY}&'}api-version=1"
        values |= {"base_url": address, "engine_options": {"headers": {"X-Mine": "Token ${MY_HEADER}"}}} | model
        settings = Settings(request_store=str(folder / "store"), max_attempts=1, retry_deadline_seconds=1e-9)
        about = {"task": Task(Parameters()), "model_name": "m", "model": ModelSettings(**values), "settings": settings}
        output = folder / "results/t/m/e/responses/1-of-1.parquet"
        problem = None
        try:
            collect_responses(samples, output, experiment="e", shard=1, shards=1, log=folder / "log", **about)
        except RequestError as error:
            problem = str(error)
        return server, problem


CANARIES = [KEY, FILE_KEY, HEADER, PASSWORD, QUERY, "canary%20pass", "canary+pass"]
CANARIES += [base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()]


@pytest.mark.parametrize("answer", ["good", "echo", "partly", "denied"])
@pytest.mark.parametrize("provider", [None, "openai"])
def test_no_secret_is_written_anywhere_by_a_job(answer, provider, tmp_path, caplog, capsys, monkeypatch):
    canaries = [canary for canary in CANARIES if not provider or canary != QUERY]  # a provider's address has no query
    everything = " ".join(canaries)
    acts = {
        "good": Act(),
        "echo": error(500, f"failed for {everything}"),
        "partly": error(400, f"bad key {KEY[:7]}****{KEY[-4:]} of {USER}:{PASSWORD}@h and {QUERY[:10]}"),
        "denied": error(401, f"no such key: {everything}"),
    }
    model = {"provider": provider} if provider else {"api_key_env": "MY_CANARY_KEY"}
    server, problem = _collect(tmp_path, lambda *_: acts[answer], caplog, monkeypatch, **model)
    assert server.requests
    assert (problem is None) == (answer == "good")
    printed = capsys.readouterr()
    written = {str(p): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and p.name != ".env"}
    assert any("store" in name for name in written)
    texts = [caplog.text, printed.out, printed.err, problem or "", *written]
    pieces = [*canaries, KEY[-4:] + " of", KEY[:7]]
    for canary in pieces:
        assert not [text for text in texts if canary in text], canary
        assert not [name for name, content in written.items() if canary.encode() in content], canary


def test_the_secrets_do_reach_the_server(tmp_path, caplog, monkeypatch):
    seen = []
    monkeypatch.setattr(ScriptedServer, "act", lambda self, request, authorization: seen.append(authorization) or Act())
    _collect(tmp_path, lambda *_: Act(), caplog, monkeypatch)
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    assert set(seen) == {f"Basic {basic}"}


def test_a_stored_request_names_the_server_without_its_credentials(tmp_path, caplog, monkeypatch):
    server, _ = _collect(tmp_path, lambda *_: Act(), caplog, monkeypatch)
    stored = b"".join(path.read_bytes() for path in (tmp_path / "store" / "segments").iterdir()).decode("utf-8", "replace")
    servers = set(re.findall(r'"server": *"([^"]*)"', stored))
    assert servers == {f"http://127.0.0.1:{server.port}/v1?api-version=1"}
    assert collect  # the job's own module wrote it


@pytest.mark.parametrize("arguments", [["--api-key=Sekret12345"], ["--api-key", "Sekret12345"], ["-x", "--hf-token=Sekret12345"]])
def test_arguments_of_a_command_are_learnt_and_hidden_in_both_forms(arguments):
    secrets.forget()
    secrets.learn_options({"arguments": arguments})
    assert "Sekret12345" not in secrets.clean("the server said Sekret12345")
    secrets.forget()
    assert "Sekret12345" not in str(secrets.public({"arguments": arguments}))


def test_an_address_that_ends_in_a_secrets_name_makes_no_option_a_secret():
    from contextrot.settings import ModelSettings

    secrets.forget()
    ModelSettings(
        engine="external",
        name="m",
        base_url="http://h/access_token",
        window=9,
        max_output_tokens=1,
        request={"user": "bfloat16-xyz1"},
    )
    assert secrets.clean("uses bfloat16-xyz1") == "uses bfloat16-xyz1"
