"""The page of a comparison as a reader sees it, in a real browser."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import recorded
import yaml
from chromium import CHROMIUM, Browser

from seqablate.comparison.arms.compare import compare_runs
from seqablate.comparison.page import write_page
from seqablate.comparison.result import Comparison, LeftOut
from seqablate.record.run import Run

pytestmark = [pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"), pytest.mark.slow]

HOSTILE = "</script><img src=x onerror=document.title='owned'>"
STEPS = (0, 50, 100)
# What of each canvas is not transparent: a sum that changes with the picture.
INK = "[...document.querySelectorAll('{} canvas')].map(c => c.toDataURL())"
SHOWN = "[...document.querySelectorAll('{} tbody tr[data-row]')].filter(row => !row.hidden).map(row => row.innerText)"


def signal(step: int, quantity: str, factor: float) -> dict:
    curve = factor ** np.arange(12.0)
    return {
        "kind": "signal", "step": step, "quantity": quantity, "part": "rnn", "layer": 0, "direction": "forward",
        "state": "h", "loss_step": "all", "at": None, "values": (curve if quantity == "lag" else curve[::-1]).tolist(),
    }  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Run]:
    """Two arms of six seeds, whose gradient fades the less the longer they learn; one run has diverged."""
    folder = tmp_path_factory.mktemp("runs")
    return [_run(folder, model, seed) for model in ("rnn", "lstm") for seed in range(6)]


def _run(folder, model: str, seed: int) -> Run:
    name = f"{model}-{seed}"
    path = folder / name
    path.mkdir()
    config = {"model": {"name": model}, "clip": {"name": "none"}, "steps": 100, "seed": seed}
    (path / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    rows = [recorded.header(name=name, config=config)]
    for step in STEPS:
        rows.append(recorded.eval_row(step, mse=0.2 - step / 1000 - seed / 100))
        rows += [signal(step, quantity, len(model) / 10 + step / 200) for quantity in ("lag", "total")]
    (path / "record.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    diverged = {"status": "diverged", "step": 100, "message": HOSTILE} if name == "rnn-5" else {}
    info = recorded.info(
        name=name, seed=seed, step=100, measured_step=100, final={"loss": 0.1, "mse": 0.1 - seed / 100},
        command=["seqablate", "train", f"model={model}", f"seed={seed}"],
    )  # fmt: skip
    (path / "run.json").write_text(json.dumps(info | diverged))
    return Run(path)


@pytest.fixture(scope="module")
def comparison(runs) -> Comparison:
    found = compare_runs(runs)
    return replace(found, claim=HOSTILE, notes=[HOSTILE], left_out=[LeftOut(path=HOSTILE, why=HOSTILE)])


@pytest.fixture(scope="module")
def page(runs, comparison, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_page(comparison, runs, path)
    return path.as_uri()


@pytest.fixture(scope="module")
def one_browser(tmp_path_factory) -> Iterator[Browser]:
    found = Browser(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.fixture
def browser(one_browser, page) -> Browser:
    """A browser with the page newly opened."""
    one_browser.watch()
    one_browser.call("Page.navigate", url=page)
    wait(one_browser, "document.documentElement?.dataset.ready")
    return one_browser


def wait(browser: Browser, expression: str) -> None:
    deadline = time.monotonic() + 60
    while not browser.evaluate(expression):
        assert time.monotonic() < deadline, (expression, browser.seen("Runtime.exceptionThrown", "Log.entryAdded"))
        time.sleep(0.05)


def press(browser: Browser, key: str) -> None:
    for kind in ("rawKeyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=KEYS[key])


KEYS = {"ArrowLeft": 37, "Home": 36}


def test_the_page_opens_draws_everything_and_neither_complains_nor_asks_for_anything(browser):
    titles = browser.evaluate("[...document.querySelectorAll('h2')].map(heading => heading.innerText)")
    assert titles == [
        "Read with care", "Arms", "Differences, paired by seed", "Learning curves", "Gradients through time", "Runs",
        "Commands",
    ]  # fmt: skip
    assert browser.evaluate("document.querySelectorAll('.uplot').length") == 4  # mse and loss, lag curve and profile
    assert browser.evaluate("document.querySelectorAll('#heatmaps canvas').length") == 2
    assert len(set(browser.evaluate(INK.format("main")))) == 6 + 1  # all different: nothing is empty
    browser.evaluate("document.getElementById('theme').click()")
    assert not browser.seen("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    asked = [event["request"]["url"] for event in browser.seen("Network.requestWillBeSent")]
    assert len(asked) == 1  # for the page itself
    assert asked[0].startswith("file:")


def test_a_name_with_markup_in_it_is_text(browser):
    assert browser.evaluate("document.images.length") == 0
    assert browser.evaluate("document.title") == HOSTILE
    assert browser.evaluate("document.querySelector('h1').textContent") == HOSTILE
    browser.evaluate("document.querySelector('[data-row=\"5\"] .opener').click()")
    assert HOSTILE in browser.evaluate("document.querySelector('td.details').innerText")
    assert browser.evaluate("document.images.length") == 0
    assert not browser.seen("Log.entryAdded")


def test_the_slider_moves_the_curves_by_keyboard(browser):
    assert browser.evaluate("document.getElementById('when').innerText") == "after 100 steps"
    last = browser.evaluate(INK.format("#signal-charts"))
    browser.evaluate("document.getElementById('moment').focus()")
    press(browser, "ArrowLeft")
    assert browser.evaluate("document.getElementById('when').innerText") == "after 50 steps"
    before = browser.evaluate(INK.format("#signal-charts"))
    assert all(a != b for a, b in zip(last, before, strict=True))
    press(browser, "Home")
    assert browser.evaluate("document.getElementById('when').innerText") == "at initialisation"


def test_the_filter_leaves_the_arms_and_runs_that_hold_every_word(browser):
    everything = browser.evaluate(INK.format("#learning"))
    assert len(browser.evaluate(SHOWN.format("#arms-table"))) == 2
    type_in(browser, "LSTM")
    assert [text.split()[0] for text in browser.evaluate(SHOWN.format("#arms-table"))] == ["lstm"]
    assert len(browser.evaluate(SHOWN.format("#runs-table"))) == 6
    assert browser.evaluate(INK.format("#learning")) != everything  # the curves of the other arm have gone
    type_in(browser, "rnn-5")
    assert browser.evaluate(SHOWN.format("#arms-table")) == []
    assert len(browser.evaluate(SHOWN.format("#runs-table"))) == 1
    type_in(browser, "")
    assert len(browser.evaluate(SHOWN.format("#runs-table"))) == 12
    assert browser.evaluate(INK.format("#learning")) == everything


def type_in(browser: Browser, words: str) -> None:
    browser.evaluate(f"""(box => {{
        box.value = {json.dumps(words)};
        box.dispatchEvent(new Event('input'));
    }})(document.getElementById('filter'))""")


def test_a_click_on_a_heading_sorts_by_number_and_a_second_one_the_other_way(browser):
    column = "[...document.querySelectorAll('#runs-table tbody tr')].map(row => row.cells[4].innerText)"
    heading = "document.querySelectorAll('#runs-table thead button')[4].click()"
    browser.evaluate(heading)
    rising = browser.evaluate(column)
    assert rising[:3] == ["0.05", "0.06", "0.06"]
    assert rising[-1] == "∞"
    browser.evaluate(heading)
    assert browser.evaluate(column)[:2] == ["∞", "0.1"]


def test_every_run_opens_with_its_status_message_settings_and_command(browser):
    browser.evaluate("document.querySelector('[data-row=\"5\"] .opener').click()")
    text = browser.evaluate("document.querySelector('td.details').innerText")
    assert "seqablate train model=rnn seed=5" in text
    assert "model" in text
    browser.evaluate("document.querySelector('[data-row=\"5\"] .opener').click()")
    assert browser.evaluate("document.querySelector('td.details')") is None


def test_a_click_in_a_legend_hides_the_arm_everywhere(browser):
    before = browser.evaluate(INK.format("#signal-charts"))
    browser.evaluate("document.querySelector('#learning .legend button').click()")
    after = browser.evaluate(INK.format("#signal-charts"))
    assert all(a != b for a, b in zip(before, after, strict=True))
    assert browser.evaluate("[...document.querySelectorAll('figure.heatmap')].filter(one => !one.hidden).length") == 1


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(browser, width):
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500)
    wait(browser, f"innerWidth === {width} && document.documentElement.scrollWidth <= innerWidth")
    wait(
        browser,
        "[...document.querySelectorAll('.uplot')].every(plot => plot.offsetWidth <= plot.parentElement.clientWidth)",
    )


def test_on_paper_everything_is_open_in_light_colours_and_without_controls(browser):
    browser.call(
        "Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}]
    )
    browser.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert browser.evaluate("document.documentElement.dataset.theme") == "light"
    assert browser.evaluate("[...document.querySelectorAll('details')].every(one => one.open)")
    controls = (
        "[...document.querySelectorAll('input, #theme, .opener')].filter(one => one.offsetParent !== null).length"
    )
    assert browser.evaluate(controls) == 0
    browser.evaluate("dispatchEvent(new Event('afterprint'))")
    assert browser.evaluate("document.documentElement.dataset.theme") == "dark"
