"""``seqablate tensorboard`` for real: a process that answers on this machine alone, and the page that a person sees."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from chromium import CHROMIUM, Browser

import seqablate
from seqablate.config.flat import flat_config
from seqablate.diagnostics.lag import LAG
from seqablate.diagnostics.profile import PROFILE
from seqablate.signals.view import last_shown

SMALL = ["task.length=12", "model.hidden_size=8", "batch_size=4", "steps=30", "eval.every=10", "eval.size=30",
         "device=cpu", "probe.every=5"]  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, seqablate.Run]:
    folder = tmp_path_factory.mktemp("runs")
    arms = {"lstm": ["model.num_layers=2"], "gru": ["model=gru", "optim=sgd"]}
    return {
        name: seqablate.train([*SMALL, *words, f"name={name}", f"output_dir={folder}"]) for name, words in arms.items()
    }


@pytest.fixture(scope="module")
def address(runs, tmp_path_factory) -> Iterator[str]:
    """A TensorBoard process on a free port; its whole group ends with the tests."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("log") / "log"
    command = [sys.executable, "-m", "seqablate", "tensorboard", str(runs["lstm"].path.parent), "--port", str(port)]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 60
        while len(ask(address, "data/runs") or []) < 2:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def ask(address: str, path: str) -> Any:
    """What TensorBoard answers; None while it does not."""
    try:
        with urllib.request.urlopen(f"{address}/{path}", timeout=10) as answer:
            return json.load(answer)
    except OSError:
        return None


def points(address: str, run: str, tag: str) -> list[tuple[int, float]]:
    answer = ask(address, f"data/plugin/scalars/scalars?run={run}&tag={quote(tag, safe='')}")
    return [(step, value) for _, step, value in answer]


def test_the_served_scalars_equal_the_record(address, runs):
    assert sorted(ask(address, "data/runs")) == ["gru", "lstm"]
    for name, run in runs.items():
        for tag, column in {"loss/train": "loss", "gradient/norm": "grad_norm"}.items():
            expected = [(row.step, float(np.float32(getattr(row, column)))) for row in run.record.train]
            assert points(address, name, tag) == expected
        expected = [(row.step, float(np.float32(row.metrics["mse"]))) for row in run.record.evals]
        assert points(address, name, "metric/mse") == expected
        for view in (LAG, PROFILE):
            (curve,) = [s for s in last_shown(view, run.record.signals) if s.place.slug == "h_layer0"]
            seen = points(address, name, f"{view.tag}/h_layer0")
            assert [step for step, _ in seen] == list(range(12))
            np.testing.assert_allclose([value for _, value in seen], np.log10(curve.values), rtol=2e-7)


def test_pictures_hyperparameters_and_charts_are_served(address, runs):
    images = ask(address, "data/plugin/images/tags")
    assert set(images["lstm"]) == {f"heatmap/profile/{state}_layer{layer}" for state in "hc" for layer in (0, 1)}
    layout = ask(address, "data/plugin/custom_scalars/layout")
    titles = [chart["title"] for section in layout["category"] for chart in section["chart"]]
    assert len(titles) == len(set(titles)) == 10
    words = {"data": b"{}", "headers": {"Content-Type": "application/json"}}
    request = urllib.request.Request(f"{address}/data/plugin/hparams/experiment", **words)
    with urllib.request.urlopen(request, timeout=10) as answer:
        experiment = json.load(answer)
    names = {info["name"] for info in experiment["hparamInfos"]}
    keys = {name: set(flat_config(run.config)) for name, run in runs.items()}
    assert keys["lstm"] - keys["gru"] == {"model.forget_bias", "model.variant", "optim.betas", "optim.eps"}
    assert names == keys["lstm"] | keys["gru"]
    results = {info["name"]["tag"] for info in experiment["metricInfos"]}
    assert results == {"loss/eval", "metric/mse", "metric/abs_error", "metric/wrong"}


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's list of listening sockets")
def test_it_listens_on_this_machine_alone(address):
    port = int(address.rsplit(":", 1)[1])
    listening = []
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        lines = table.read_text().splitlines()[1:] if table.exists() else []
        fields = [line.split() for line in lines]
        listening += [f[1].split(":")[0] for f in fields if f[3] == "0A" and int(f[1].split(":")[1], 16) == port]
    assert listening == ["0100007F"]  # 127.0.0.1


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_custom_scalars_page_draws_every_chart_with_its_lines(address, tmp_path):
    browser, deadline = Browser(tmp_path), time.monotonic() + 60
    try:
        browser.open(f"{address}/#custom_scalars")
        page, matches = "", []
        while matches != [4, 6, 4, 2, 5, 5, 5, 5, 1, 1]:  # lines of each chart: it loads them one after another
            assert time.monotonic() < deadline, (matches, page)
            time.sleep(0.3)
            page = browser.text()
            matches = [int(number) for number in re.findall(r"Matches\s*\((\d+)\)", page)]
    finally:
        browser.close()
    assert "gradient of every timestep and layer, log10 (set Smoothing to 0)" in page
    for title in (
        "loss in training and evaluation", "mse, with chance, goal and baselines",
        "gradient norm, before and after clipping", "share of steps clipped so far",
        "lag curve, last (against the lag)", "lag curve, at initialisation (against the lag)",
        "profile, last (against the timestep)", "profile, at initialisation (against the timestep)",
    ):  # fmt: skip
        assert page.splitlines().count(title) == 1, title
