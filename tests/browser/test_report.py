"""The report as a person opens it: from a file, in a browser, without a network."""

import os
import shutil
from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MODELS = """
drawn:
  title: Drawn from a curve
  engine: simulated
  name: curve
  tokenizer: "{data}/models/embedded"
  window: 2048
  max_output_tokens: 64
  engine_options: {half_length_tokens: 800}
"""
EXPERIMENTS = """
niah:
  task: niah
  title: Needle in a haystack
  parameters: {lengths: [256, 1024, 4000], depths: [0, 100], needles: [writing_advice_high], answer_tokens: 32, repeats: 2}
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """report.html of simulated answers, made by the workflow itself."""
    from tests.conftest import run_snakemake

    folder = tmp_path_factory.mktemp("report")
    (folder / "models.yaml").write_text(MODELS)
    (folder / "experiments.yaml").write_text(EXPERIMENTS)
    definitions = [f"{kind}_definitions={folder}/{kind}s.yaml" for kind in ("model", "experiment")]
    run = run_snakemake(
        "results/test/report.html",
        "results/test/index.html",
        "--config",
        "models=drawn",
        *definitions,
        folder=folder,
        environment={"CONTEXT_RESEARCH_ALLOW_SIMULATED_BACKEND": "1"},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return folder / "results" / "test" / "report.html"


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium that reaches no network."""
    webdriver = pytest.importorskip("selenium.webdriver")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1500,950",
                     "--proxy-server=127.0.0.1:9", "--disable-background-networking"):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    session = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    session.implicitly_wait(10)
    yield session
    session.quit()


@pytest.fixture
def page(browser, report):
    """The report, freshly opened, and nothing in the browser's logs before it."""
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(report.as_uri())
    assert browser.find_element("xpath", "//*[normalize-space()='Workflow']").is_displayed()
    return browser


def click(page, text: str) -> None:
    page.find_element("xpath", f"//a[normalize-space()='{text}']").click()


def view(page, result: str) -> None:
    """Clicks the eye in the row of a result."""
    page.find_element("xpath", f"//tr[td[normalize-space()='{result}']]//a[1]").click()


def keep_screenshot(page, name: str) -> None:
    """Where the environment asks for it, for people to look at."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.save_screenshot(str(Path(folder) / f"{name}.png"))


def test_a_walk_through_the_report_has_no_console_error_and_no_request_to_the_network(page):
    import json

    click(page, "Statistics")
    click(page, "Summary")
    view(page, "summary of the tier")
    page.find_element("css selector", "iframe")
    keep_screenshot(page, "summary")
    errors = [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"]
    assert not errors
    events = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    urls = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert urls
    assert not [url for url in urls if not url.startswith(("file:", "data:", "blob:"))]


def test_a_simulated_run_says_so_at_the_top(page):
    first = page.find_element("css selector", ".prose").text
    keep_screenshot(page, "start")
    assert first.index("SIMULATED") < first.index("This report shows")


def test_the_page_of_answers_is_one_click_away(page):
    link = page.find_element("xpath", "//a[contains(@href, 'index.html')]")
    assert link.get_property("href").endswith("/results/test/index.html")


def test_every_figure_of_the_menu_opens_and_decodes(page):
    click(page, "drawn")
    for figure in ("heatmap", "accuracy_by_length"):
        view(page, figure)
        image = page.find_element("css selector", "img[src^='data:image/png']")
        page.execute_async_script("arguments[0].decode().then(arguments[1])", image)
        assert image.get_property("naturalWidth") > 600
        keep_screenshot(page, figure)


def caption_of(page, result: str) -> str:
    """The description of a result."""
    click(page, "drawn")
    page.find_element("xpath", f"//tr[td[normalize-space()='{result}']]//a[2]").click()
    return page.find_element("xpath", "//*[contains(text(), 'Description') or contains(text(), 'DESCRIPTION')]/ancestor::ul").text


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("heatmap", "by length and depth"),
        ("accuracy_by_length", "against length with 95 % intervals"),
        ("table of metrics", "The numbers behind the figures"),
        ("table of failures", "Answers that are not simply right"),
    ],
)
def test_each_result_of_a_job_has_a_caption_of_its_own(page, result, words):
    assert words in caption_of(page, result)


def test_a_caption_says_what_is_shown_how_many_answers_interval_judge_engine_and_date(page):
    text = caption_of(page, "heatmap")
    keep_screenshot(page, "caption")
    for words in (
        "SIMULATED",
        "by length and depth",
        "8 answers count, given on 20",
        "95 %",
        "Wilson",
        "match",
        "simulated",
        "Needle",
    ):
        assert words in text, text


def test_failures_can_be_filtered_within_the_report(page):
    click(page, "drawn")
    view(page, "table of failures")
    page.switch_to.frame(page.find_element("css selector", "iframe"))
    rows = page.find_elements("css selector", "tbody tr")
    assert rows
    assert "SIMULATED" in page.find_element("css selector", ".note").text
    page.find_element(
        "xpath", "//select[option[normalize-space()='over_window']]/option[normalize-space()='over_window']"
    ).click()
    shown = [row for row in rows if row.is_displayed()]
    assert len(shown) == 4
    assert page.find_element("css selector", "output").text == f"4 of {len(rows)} rows"
    page.switch_to.default_content()
    keep_screenshot(page, "failures")
