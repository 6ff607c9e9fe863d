"""The layers tab as a user sees it: TensorBoard in headless Chromium."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

import keras
import pytest

from keras_dlnotes.summaries import EventFileWriter
from keras_dlnotes_layers.event_files import read_run
from keras_dlnotes_layers.report import report
from tests.layers_tab import fabricated_run

selenium = pytest.importorskip("selenium", reason="left out: selenium is not installed")
from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER),
        reason="left out: no chromium and chromedriver (Debian: chromium, chromium-driver)",
    ),
    pytest.mark.skipif(
        keras.backend.backend() != "jax", reason="the page is the same on every backend"
    ),
    # What Selenium and its sockets warn of at their end is not this package's.
    pytest.mark.filterwarnings("default::ResourceWarning"),
]
PLUGIN = "keras_dlnotes_layers"
STEPS = range(0, 10_000, 10)
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--window-size=1500,950"
)


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    fabricated_run.write(folder / "broken", STEPS, broken=True)
    fabricated_run.write(folder / "healthy", STEPS)
    return folder


@pytest.fixture(scope="module")
def address(logs):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logs)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--reload_interval", "1"]
    with open(logs / "server.log", "w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=_environment())
    try:
        deadline = time.monotonic() + 120
        while "http://127.0.0.1" not in (text := (logs / "server.log").read_text()):
            assert server.poll() is None, text
            assert time.monotonic() < deadline, text
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(timeout=30)


def _environment():
    # Without TensorFlow TensorBoard starts in a second, and the tab has to do without it.
    return {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def open_tab(browser, address, **state):
    """Opens the tab; returns the seconds from opening its frame to its first picture."""
    browser.switch_to.default_content()
    browser.get("about:blank")
    parts = [f"p.{PLUGIN}.{k}={urllib.parse.quote(str(v), safe='')}" for k, v in state.items()]
    browser.get(address + "#" + "&".join([PLUGIN, *parts]))
    frame = wait(browser, lambda d: d.find_element(By.TAG_NAME, "iframe"))
    start = time.monotonic()
    browser.switch_to.frame(frame)
    wait(browser, lambda d: d.find_element(By.TAG_NAME, "body").get_attribute("data-ready"))
    return time.monotonic() - start


def wait(browser, condition, seconds=60):
    return WebDriverWait(browser, seconds, poll_frequency=0.05).until(condition)


def severe(browser):
    return [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def hosts(browser):
    """The hosts that were asked for anything since the last call."""
    urls = []
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            urls.append(message["params"]["request"]["url"])
    parsed = [urllib.parse.urlparse(url) for url in urls]
    return {p.hostname for p in parsed if p.scheme not in ("data", "blob", "about", "chrome")}


def cell(browser, layer, column):
    """Moves the mouse to a layer's row at a recorded step; returns the text of the tip."""
    names = browser.execute_script("return window.layersPage.rows().map((row) => row.name)")
    box = browser.execute_script(
        "const d = window.layersPage.drawn, p = d.panels[0], r = arguments[0], c = arguments[1];"
        "const k = p.entry.summary.steps.length, b = document.getElementById('map')"
        ".getBoundingClientRect();"
        "return [p.left + (c + 0.5) / k * p.width - b.width / 2,"
        " (d.plot.y(r) + d.plot.y(r + 1)) / 2 - b.height / 2]",
        names.index(layer),
        column,
    )
    canvas = browser.find_element(By.ID, "map")
    ActionChains(browser).move_to_element_with_offset(canvas, *map(round, box)).perform()
    return browser.find_element(By.ID, "tip").text


def test_the_broken_blocks_are_looked_at_first_and_the_first_picture_comes_quickly(
    browser, address
):
    hosts(browser)
    open_tab(browser, address)  # TensorBoard reads its files
    seconds = open_tab(browser, address, run="broken")
    entries = [item.text for item in browser.find_elements(By.CSS_SELECTOR, "#look li")]
    assert len(entries) == 2
    assert entries[0].startswith(f"{fabricated_run.DEAD}_1_relu\nall outputs are 0")
    assert entries[1].startswith(f"{fabricated_run.EXPLODING}_1_conv\nfar larger")
    assert "from step 5,010" in entries[1] or "from step 5,000" in entries[1]
    open_tab(browser, address, run="healthy")
    assert "No layer left" in browser.find_element(By.ID, "look").text
    assert not severe(browser)
    assert hosts(browser) == {"127.0.0.1"}
    print(f"first picture after {seconds:.2f} s")


def test_hover_and_click_tell_the_numbers_of_the_event_file(browser, address, logs):
    history, _ = read_run(logs / "broken")
    open_tab(browser, address, run="broken")
    for name, step in ((f"{fabricated_run.EXPLODING}_2_conv", 900), ("stage1_block1_1_bn", 100)):
        layer = [entry["name"] for entry in history.layers].index(name)
        text = cell(browser, name, step)
        shown_step = int(text.split("step ")[1].split("\n")[0].replace(",", ""))
        row = history.steps.tolist().index(shown_step)
        assert abs(row - step) <= 1, text
        value = float(history.views["activation_scale"][row, layer])
        shown = float(text.split("Scale of activations: ")[1].split("\n")[0])
        assert shown == pytest.approx(value, rel=2e-3)
        ActionChains(browser).click().perform()
        wait(browser, lambda d, name=name: name in d.find_element(By.ID, "details").text)
        figures = browser.find_element(By.ID, "charts").text
        last = float(history.views["activation_scale"][-1, layer])
        told = float(figures.split("standard deviation: ")[1].split(" at")[0])
        assert told == pytest.approx(last, rel=2e-3)
        assert f"layer={layer}" in browser.execute_script("return parent.location.hash")
    assert not severe(browser)


def test_a_click_shows_the_histograms_where_some_were_recorded(browser, address, logs):
    writer = EventFileWriter(logs / "histograms")
    fabricated_run.write_histograms(writer, "conv", range(0, 300, 10))
    writer.close()
    try:
        listed = "return fetch('runs').then((a) => a.json())"
        open_tab(browser, address)
        wait(browser, lambda d: "histograms" in d.execute_script(listed))
        open_tab(browser, address, run="histograms", layer=0)
        figures = wait(
            browser,
            lambda d: d.find_elements(By.CSS_SELECTOR, "#histograms figure canvas[role=img]"),
        )
        (picture,) = figures
        assert "30 steps from 0 to 290" in picture.get_attribute("aria-label")
        # In a late column most numbers are in the middle, and none at the ends of the axis.
        colors = (
            "const c = arguments[0], k = devicePixelRatio, s = (c.clientWidth - 70) / 30;"
            "return [82, 9, 155].map((y) => [...c.getContext('2d').getImageData("
            "Math.round((62 + 20.5 * s) * k), Math.round(y * k), 1, 1).data].slice(0, 3));"
        )
        before = browser.execute_script(colors, picture)
        assert sum(before[0]) < sum(before[1]) - 300
        assert before[1] == before[2]
        ActionChains(browser).move_to_element(picture).perform()
        assert "% from" in picture.get_attribute("title")
        # The colours follow those of TensorBoard.
        body = "window.parent.document.body.classList"
        browser.execute_script(f"{body}.toggle('dark-mode')")
        selector = "#histograms figure canvas[role=img]"
        (picture,) = browser.find_elements(By.CSS_SELECTOR, selector)
        wait(
            browser,
            lambda d: d.execute_script(colors, d.find_element(By.CSS_SELECTOR, selector)) != before,
        )
        browser.execute_script(f"{body}.toggle('dark-mode')")
        open_tab(browser, address, run="broken", layer=0)
        wait(browser, lambda d: d.find_element(By.ID, "charts").text)
        assert browser.find_elements(By.CSS_SELECTOR, "#histograms figure") == []
        assert not severe(browser)
    finally:
        shutil.rmtree(logs / "histograms")


def test_two_runs_are_compared_and_the_view_is_part_of_the_address(browser, address):
    open_tab(browser, address, run="broken", other="healthy", view="activation_scale")
    count = "return window.layersPage.drawn.panels.length"
    assert browser.execute_script(count) == 2
    browser.execute_script(
        "const m = document.getElementById('mode'); m.value = 'ratio'; m.onchange()"
    )
    wait(browser, lambda d: d.execute_script(count) == 1)
    text = cell(browser, f"{fabricated_run.EXPLODING}_1_conv", 990)
    assert float(text.split("activations: ")[1].split("\n")[0]) > 1e3
    shared = browser.execute_script("return parent.location.href")
    browser.switch_to.default_content()
    browser.get("about:blank")
    browser.get(shared)
    browser.switch_to.frame(wait(browser, lambda d: d.find_element(By.TAG_NAME, "iframe")))
    wait(browser, lambda d: d.find_element(By.TAG_NAME, "body").get_attribute("data-ready"))
    assert browser.execute_script("return window.layersPage.state.mode") == "ratio"
    assert not severe(browser)


def test_keys_fold_turn_and_move(browser, address):
    open_tab(browser, address, run="broken")
    rows = "return window.layersPage.rows().length"
    canvas = browser.find_element(By.ID, "map")
    assert browser.execute_script(rows) == len(fabricated_run.NAMES)
    canvas.send_keys("f")
    assert browser.execute_script(rows) == fabricated_run.BLOCKS
    canvas.send_keys("]")
    wait(
        browser, lambda d: "Gradient" in d.find_element(By.CSS_SELECTOR, "[aria-pressed=true]").text
    )
    canvas.send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_LEFT)
    assert browser.execute_script("return window.layersPage.state.step") == STEPS[-2]
    canvas.send_keys(Keys.ESCAPE)
    wait(browser, lambda d: d.execute_script("return window.layersPage.state.layer") == -1)
    assert not severe(browser)


def test_a_live_run_grows(browser, address, logs):
    writer = EventFileWriter(logs / "live")
    fabricated_run.write(None, range(0, 100, 10), writer=writer)
    listed = "return fetch('runs').then((a) => a.json())"
    open_tab(browser, address)
    wait(browser, lambda d: "live" in d.execute_script(listed))
    open_tab(browser, address, run="live")
    ready = "return Number(document.body.dataset.ready)"
    assert browser.execute_script(ready) == 10
    fabricated_run.write(None, range(100, 200, 10), writer=writer)
    writer.close()
    wait(browser, lambda d: d.execute_script(ready) == 20, seconds=40)
    shutil.rmtree(logs / "live")
    assert not severe(browser)


def test_the_report_shows_the_same_without_a_server(browser, logs, tmp_path):
    page = Path(tmp_path / "report.html")
    page.write_text(report([logs]), encoding="utf-8")
    hosts(browser)
    browser.switch_to.default_content()
    browser.get(page.as_uri())
    wait(browser, lambda d: d.find_element(By.TAG_NAME, "body").get_attribute("data-ready"))
    assert fabricated_run.DEAD in browser.find_element(By.ID, "look").text
    assert not severe(browser)
    assert hosts(browser) <= {None, ""}
