"""The page of a tier as a person opens it: from a file, in a browser, without a network, with ten thousand answers, also on a phone."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from contextrot.records import Response
from contextrot.report.page import write_page
from contextrot.settings import TrustSettings
from tests.shown_files import REFERENCE, needle_sample, write_needles

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOSTILE = (
    "</script><script>window.broken = 1</script><img src=http://127.0.0.1:9/x onerror='window.broken = 2'>"
    "<a href='javascript:window.broken = 3'>click</a> \x1b[31mred\0 \u202eevil {{7*7}} ${window.broken = 4}"
)
ANSWERS = 10_000
PHONE, DESK = 400, 1_400


@pytest.fixture(scope="module")
def path(tmp_path_factory, root) -> Path:
    """The page of two models with 5,000 answers each; one in a hundred answers is hostile."""
    lengths, depths = (500, 1_000, 2_000, 4_000, 8_000), (0, 25, 50, 75, 100)
    each = ANSWERS // 2 // len(lengths) // len(depths)
    samples = [needle_sample(length, depth, i) for length in lengths for depth in depths for i in range(each)]

    def answer(sample, number):
        text = HOSTILE if number % 100 == 0 else REFERENCE if number % 3 else "I do not know."
        length = sample.condition["length"]
        return Response(
            sample.sample_id, 0, "answered", text=text, reasoning=HOSTILE if number % 100 == 0 else None, prompt_tokens=length,
            completion_tokens=20, cached_tokens=length // 2, reasoning_tokens=7, first_token_seconds=length / 5_000,
            total_seconds=length / 2_000, cost_usd=length / 1e6,
        )  # fmt: skip

    folder = tmp_path_factory.mktemp("page")
    shown = write_needles(folder, root, samples, answer, models=("hosted", "local"))
    output = folder / "index.html"
    write_page(shown, TrustSettings(), 1, ("test", "a subset"), output)
    return output


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium that reaches no network."""
    webdriver = pytest.importorskip("selenium.webdriver")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--proxy-server=127.0.0.1:9",
                     "--disable-background-networking"):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    session = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    session.implicitly_wait(10)
    yield session
    session.quit()


def opened(browser, path: Path, width: int):
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get(path.as_uri())
    browser.find_element("css selector", ".panel svg")
    return browser


@pytest.fixture(params=[DESK, PHONE])
def page(browser, path, request):
    """The page, freshly opened on a desk and on a phone."""
    return opened(browser, path, request.param)


def keep_screenshot(page, name: str) -> None:
    """Where the environment asks for it, for people to look at."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.save_screenshot(str(Path(folder) / f"page-{name}-{page.execute_script('return innerWidth')}.png"))


def one(page, selector: str):
    return page.find_element("css selector", selector)


def click_a_mark(page, selector: str) -> None:
    """A real click of the mouse in the middle of a mark of a chart."""
    from selenium.webdriver.common.action_chains import ActionChains

    mark = one(page, selector)
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", mark)
    ActionChains(page).move_to_element(mark).click().perform()


def quiet(page) -> None:
    """No error or warning in the console, no request but for the page itself."""
    assert [entry for entry in page.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
    events = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    urls = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert urls
    assert not [url for url in urls if not url.startswith(("file:", "data:"))]


def test_the_file_is_below_fifteen_megabytes_and_holds_all_answers(path):
    assert 1_000_000 < path.stat().st_size < 15_000_000
    assert path.read_text().count('"outcome":"answered"') == ANSWERS


def test_from_a_cell_to_an_answer_without_an_error_or_a_request(page):
    keep_screenshot(page, "top")
    click_a_mark(page, ".cells .mark-rect.layer_1_marks path:nth-child(3)")
    listed = one(page, ".answers h3").text
    assert "length (tokens)" in listed
    assert one(page, ".answers output").text == "200 of 200 answers"
    keep_screenshot(page, "list")
    one(page, ".answers li:nth-child(2) button").click()
    dialog = one(page, "dialog[open]")
    for words in ("Answer", "Expected", REFERENCE, "match:", "Prompt", "write the ending first"):
        assert words in dialog.text
    assert [mark.text.lower() for mark in dialog.find_elements("css selector", ".text mark.answer")][-1] == REFERENCE.lower()
    keep_screenshot(page, "answer")
    quiet(page)


def test_from_a_point_of_a_curve_to_the_answers_of_that_length_and_model(page):
    click_a_mark(page, ".panel .mark-symbol path")
    assert one(page, ".answers output").text == "1,000 of 1,000 answers"
    quiet(page)


def test_ten_thousand_answers_open_in_under_three_seconds(page, path):
    seconds = []
    for _ in range(3):  # the best of them: other programs on the machine are no part of the page
        begin = time.perf_counter()
        opened(page, path, page.execute_script("return innerWidth"))
        one(page, ".all").click()
        assert one(page, ".answers output").text == "5,000 of 5,000 answers"
        seconds.append(time.perf_counter() - begin)
    assert min(seconds) < 3


def test_what_a_model_said_is_shown_and_does_nothing(page):
    one(page, ".all").click()
    search = one(page, ".answers input")
    search.send_keys("window.broken")
    assert one(page, ".answers output").text == "50 of 5,000 answers"
    one(page, ".answers li button").click()
    shown = one(page, "dialog[open]").text
    assert "<img src=http://127.0.0.1:9/x onerror='window.broken = 2'>" in shown
    assert "␛[31mred␀ ⟨U+202E⟩evil" in shown
    assert page.execute_script("return window.broken") is None
    assert page.execute_script("return document.querySelectorAll('img, dialog a').length") == 0
    quiet(page)


def test_the_policy_stops_a_script_that_got_in_all_the_same(page):
    page.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.broken = 1'; document.body.append(s);"
        "document.body.insertAdjacentHTML('beforeend', `<img src=x onerror='window.broken = 2'>`);"
    )
    assert page.execute_async_script("setTimeout(() => arguments[0](window.broken ?? null), 100)") is None


def test_everything_is_reached_by_keyboard_and_escape_comes_back(page):
    from selenium.webdriver.common.keys import Keys

    one(page, ".as-table summary").send_keys(Keys.ENTER)
    one(page, ".as-table button").send_keys(Keys.ENTER)
    assert page.switch_to.active_element.tag_name == "h3"
    button = one(page, ".answers li button")
    button.send_keys(Keys.ENTER)
    assert one(page, "dialog[open] h2").text
    first = one(page, "dialog h2").text
    one(page, "dialog .next").send_keys(Keys.ENTER)
    assert one(page, "dialog h2").text != first
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert page.execute_script("return document.querySelector('dialog').open") is False
    assert page.switch_to.active_element == button


def test_nothing_is_wider_than_the_window(page):
    one(page, ".all").click()
    width, inner = page.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert width <= inner


def test_another_model_of_the_experiment_is_one_choice_away(page):
    page.find_element("xpath", "//label[contains(@class, 'which')]//option[normalize-space()='Local']").click()
    one(page, ".all").click()
    assert one(page, ".answers h3").text == "All answers — Local"


def test_axe_finds_no_serious_fault(page):
    program = Path(pytest.importorskip("axe_core_python").__file__).parent / "axe.min.js"
    one(page, ".as-table summary").click()
    one(page, ".as-table button").click()
    page.execute_cdp_cmd("Runtime.evaluate", {"expression": program.read_text()})
    run = "axe.run().then(r => arguments[0](r.violations.map(v => [v.impact, v.id, v.nodes[0].html.slice(0, 120)])))"
    for opening in ("", "document.querySelector('.answers li button').click();"):
        page.execute_script(opening)
        found = page.execute_async_script(run)
        assert [fault for fault in found if fault[0] in ("serious", "critical")] == []
