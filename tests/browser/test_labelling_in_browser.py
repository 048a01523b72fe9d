"""From the page of answers to label, by keyboard in a browser, to the corrected score."""

import json
import shutil
import time

import numpy as np
import pandas as pd
import pytest

from contextrot import tasks
from contextrot.judging import judges
from contextrot.judging.calibration import write_calibration
from contextrot.judging.contract import JudgingContext
from contextrot.judging.judge import pairs_of
from contextrot.judging.labels import write_label_sheet
from contextrot.records import Judgement, Response, write_judgements
from contextrot.settings import JudgeSettings
from tests.experiment_files import write_experiment
from tests.shown_files import REFERENCE, needle_sample

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOSTILE = "=cmd|' /C calc'!A0 </script><script>window.broken = 1</script> \x1b[31m"


@pytest.fixture
def browser(tmp_path):
    """A headless Chromium that reaches no network and saves into the test's folder."""
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--proxy-server=127.0.0.1:9"):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(tmp_path / "saved")})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    session = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    yield session
    session.quit()


def test_labels_given_in_the_browser_correct_the_score(browser, tmp_path):
    samples = [needle_sample(length, 50, i) for length in (500, 4_000) for i in range(20)]
    in_truth = {s.sample_id: i % 4 != 0 for i, s in enumerate(samples)}  # three of four are right
    believed = {s.sample_id: True for s in samples[:36]} | {s.sample_id: False for s in samples[36:]}  # by a lenient judge
    answers = [
        Response(s.sample_id, 0, "answered", text=REFERENCE if in_truth[s.sample_id] else f"{HOSTILE} {i}")
        for i, s in enumerate(samples)
    ]
    lenient = [Judgement(s.sample_id, 0, 0, "lenient", believed[s.sample_id]) for s in samples]
    paths = write_experiment(tmp_path, samples, answers, {"lenient": lenient})
    sheet, page = tmp_path / "niah" / "labels" / "answers.csv", tmp_path / "niah" / "labels" / "answers.html"
    sheet.parent.mkdir(parents=True)
    write_label_sheet(*paths[:2], paths[2][0], sheet, page, ("Model", "Needles"), 30, np.random.default_rng(1))

    browser.get(page.as_uri())
    body = browser.find_element("css selector", "body")
    seen = set()
    for _ in range(30):
        text = browser.find_element("id", "answer").text
        seen.add(browser.find_element("id", "place").text.split(";")[0])
        body.send_keys("r" if text == REFERENCE else "w")
    assert len(seen) == 30
    assert browser.find_element("id", "place").text == "Answer 30 of 30; 30 labelled."
    assert browser.execute_script("return window.broken") is None
    body.send_keys("s")
    saved = tmp_path / "saved" / "niah.csv"
    for _ in range(100):
        if saved.exists():
            break
        time.sleep(0.1)
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    labels = pd.read_csv(saved)
    assert len(labels) == 30 and set(labels["label"]) == {"right", "wrong"}
    assert not labels["answer"].str.startswith("=").any()

    task = tasks.load("niah")(tasks.load("niah").Parameters())
    context = JudgingContext("human", JudgeSettings(kind="human", labels="labels"), task, files=[saved])
    given = judges.load("human").judge(pairs_of({s.sample_id: s for s in samples}, answers), context)
    human = tmp_path / "human.parquet"
    write_judgements(human, given)
    judgements = {"lenient": paths[2][0], "human": human}
    table, figure = tmp_path / "calibration.csv", tmp_path / "calibration.png"
    rng = np.random.default_rng(2)
    write_calibration(task, *paths[:2], judgements, ["human"], table, figure, ("Model", "Needles"), "", "these", rng)
    whole = pd.read_csv(table).iloc[0]
    assert whole["naive"] == 0.9 and whole["labelled"] == 30
    assert whole["corrected_low"] <= 0.75 <= whole["corrected_high"] < 0.9
    assert whole["sensitivity"] > 0.8 and whole["specificity"] < 0.5
    assert figure.stat().st_size > 10_000
    assert json.loads(whole[["answers"]].to_json()) == {"answers": 40}
