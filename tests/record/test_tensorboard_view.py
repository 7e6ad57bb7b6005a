"""What TensorBoard reads equals the record: every scalar, curve, picture, hyperparameter and chart, once."""

from __future__ import annotations

import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import yaml
from matplotlib.image import imread
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

import seqablate
from seqablate.errors import RunFailure
from seqablate.record.events.file import EventFile
from seqablate.record.events.view import rebuild_events
from seqablate.record.folder import RunFolder
from seqablate.record.rebuild import rebuild
from seqablate.record.rows import SignalRow
from seqablate.record.writer import RecordWriter
from seqablate.signals import Place, Signal

SMALL = [
    "task.length=12", "model.hidden_size=8", "batch_size=4", "steps=25", "eval.every=10", "eval.size=30",
    "checkpoint.every=10", "device=cpu", "probe.every=5",
]  # fmt: skip
RUNS = {
    "lstm": [*SMALL, "model.num_layers=2"],
    "gru": [*SMALL, "model=gru", "model.bidirectional=true", "task.variant=hs97", "task.length=30"],
    "lm": [*SMALL[1:], "task=lm", "task.bptt=8", "model=rnn"],
    "copy": [*SMALL, "task=copy"],
}
CHARTS = {"lstm": 10, "gru": 10, "lm": 8, "copy": 8}  # layer profiles: of a stack; paths: of a reverse direction
ALL = {"scalars": 0, "images": 0, "tensors": 0}
CURVES = {
    "lag": "lag_curve",
    "path_lag": "path_curve",
    "total": "profile",
    "layer": "layer_profile",
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, seqablate.Run]:
    folder = tmp_path_factory.mktemp("runs")
    return {name: seqablate.train([*words, f"name={name}", f"output_dir={folder}"]) for name, words in RUNS.items()}


@pytest.fixture(params=RUNS)
def run(request, runs) -> seqablate.Run:
    return runs[request.param]


def events(path: Path) -> EventAccumulator:
    return EventAccumulator(str(path), size_guidance=ALL).Reload()


def scalars(path: Path) -> dict[str, list[tuple[int, float]]]:
    read = events(path)
    return {tag: [(event.step, event.value) for event in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def points(rows: list, name: str) -> list[tuple[int, float]]:
    found = [(row.step, getattr(row, name)) for row in rows]
    return [(step, float(np.float32(value))) for step, value in found if not math.isnan(value)]


def charts(path: Path) -> dict[str, str]:
    """Pattern of each chart of the Custom scalars page, by its title."""
    layout = Layout.FromString(events(path).Tensors("custom_scalars__config__")[-1].tensor_proto.string_val[0])
    return {chart.title: chart.multiline.tag[0] for section in layout.category for chart in section.chart}


def hyperparameters(path: Path) -> dict[str, HParamsPluginData]:
    read = events(path)
    metadata = {tag: read.SummaryMetadata(tag) for tag in read.Tags()["tensors"]}
    return {
        tag: HParamsPluginData.FromString(data.plugin_data.content)
        for tag, data in metadata.items()
        if data.plugin_data.plugin_name == "hparams"
    }


def test_every_scalar_of_every_step_equals_the_record_in_float32(run):
    seen, train, evals = scalars(run.path), run.record.train, run.record.evals
    for name, tag in {
        "loss": "loss/train",
        "grad_norm": "gradient/norm",
        "grad_norm_clipped": "gradient/norm_clipped",
        "update_ratio": "gradient/update_ratio",
        "lr": "optimizer/lr",
    }.items():
        assert seen[tag] == points(train, name), tag
    shares = np.cumsum([row.clipped for row in train]) / np.arange(1, len(train) + 1)
    assert [value for _, value in seen["gradient/clipped_share"]] == shares.astype(np.float32).tolist()
    assert seen["loss/eval"] == points(evals, "loss")
    for name in set(evals[0].metrics) - ({"loss"} if run.name != "copy" else set()):
        expected = [(row.step, float(np.float32(row.metrics[name]))) for row in evals]
        assert seen[f"metric/{name}"] == expected, name


def test_chance_goal_and_baselines_stand_beside_the_headline_metric_at_every_evaluation(run):
    seen, metric = scalars(run.path), run.info.metric
    expected = {"chance": metric.chance, **run.info.baselines}
    expected |= {} if metric.goal is None else {"goal": metric.goal}
    prefix = f"metric/{metric.name}/"
    assert {tag.removeprefix(prefix) for tag in seen if tag.startswith(prefix)} == set(expected)
    for name, value in expected.items():
        assert seen[prefix + name] == [(row.step, float(np.float32(value))) for row in run.record.evals]


def test_curves_equal_log10_of_the_first_and_of_the_last_signal(run):
    seen, expected = scalars(run.path), {}
    for measured in run.record.signals:
        tag, at = CURVES.get(measured.quantity), measured.place
        if tag is None:
            continue
        reverse = "_reverse" if at.direction == "reverse" else ""
        place = f"{at.state}_layer{at.layer}{reverse}"
        if measured.quantity == "layer":
            place = f"{at.state}{reverse}_layers"
        curve = [(t, float(np.float32(np.log10(v)))) for t, v in enumerate(measured.values) if v > 0 and np.isfinite(v)]
        expected.setdefault(f"{tag}_init/{place}", curve)
        expected[f"{tag}/{place}"] = curve
    places = {"lstm": 4, "gru": 2, "lm": 1, "copy": 2}[run.name]
    stacks = {"lstm": 1, "gru": 0, "lm": 0, "copy": 0}[run.name]
    assert len(expected) == 4 * places + 2 * stacks
    assert {tag for tag in seen if tag.startswith(tuple(CURVES.values()))} == set(expected)
    for tag, curve in expected.items():
        np.testing.assert_allclose(seen[tag], curve, rtol=2e-7, err_msg=tag)


def test_no_tag_has_two_points_at_one_step(run):
    for tag, curve in scalars(run.path).items():
        steps = [step for step, _ in curve]
        assert steps == sorted(set(steps)), tag


def test_a_heatmap_is_a_picture_of_the_size_it_says(run):
    read = events(run.path)
    profiled = {signal.place for signal in run.record.signals if signal.quantity == "total"}
    assert len(read.Tags()["images"]) == len(profiled)
    for tag in read.Tags()["images"]:
        (image,) = read.Images(tag)
        pixels = imread(BytesIO(image.encoded_image_string), format="png")
        assert image.step == 25
        assert pixels.shape[:2] == (image.height, image.width)
        assert pixels[..., :3].std() > 0.1


def test_what_no_view_is_known_of_is_a_curve_as_measured_or_a_picture(runs, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(runs["lstm"].path, path)
    place, values = Place(part="lstm", layer=1, state="c"), np.array([-1.5, 0.0, np.nan, 2.0])
    curves = [Signal(step=step, quantity="exponent", place=place, values=values + step) for step in (0, 25)]
    matrix = Signal(step=25, quantity="spectrum", place=place, values=np.outer(values, [1, 2]), at=np.array([1, 3]))
    with RecordWriter(path / "record.jsonl") as writer:
        writer.append_many([SignalRow.of(signal) for signal in (*curves, matrix)])
    rebuild(RunFolder(path))
    seen = scalars(path)
    assert seen["signal/exponent_init/c_layer1"] == [(0, -1.5), (1, 0.0), (3, 2.0)]
    assert seen["signal/exponent/c_layer1"] == [(0, 23.5), (1, 25.0), (3, 27.0)]
    (image,) = events(path).Images("heatmap/signal/spectrum")
    assert imread(BytesIO(image.encoded_image_string), format="png")[..., :3].std() > 0.1
    shown = charts(path)
    assert shown["signal/exponent, last (against the index)"] == "^signal/exponent/"
    assert len(shown) == CHARTS["lstm"] + 2
    assert {tag: seen[tag] for tag in scalars(runs["lstm"].path)} == scalars(runs["lstm"].path)
    assert not [fit for fit in seqablate.load_run(path).info.decay if fit.quantity != "lag"]


def test_text_samples_are_shown_letter_by_letter(runs):
    read, rows = events(runs["lm"].path), runs["lm"].record.texts
    shown = read.Tensors("text/sample")
    assert [event.step for event in shown] == [row.step for row in rows] == [0, 10, 20, 25]
    for event, row in zip(shown, rows, strict=True):
        lines = event.tensor_proto.string_val[0].decode().splitlines()
        assert all(line.startswith("    ") for line in lines)
        assert [line[4:] for line in lines] == row.text.splitlines()


def test_hyperparameters_are_every_value_of_the_config(run):
    content = hyperparameters(run.path)
    session = content["_hparams_/session_start_info"].session_start_info
    expected = {}
    for key, value in yaml.safe_load((run.path / "config.yaml").read_text()).items():
        if key == "diagnostic":  # each diagnostic has keys of its own
            value = {f"{name}.{k}": v for name, keys in value.items() for k, v in keys.items()}
        group = (
            {f"{key}.{k}".removesuffix(".name"): v for k, v in value.items()}
            if isinstance(value, dict)
            else {key: value}
        )
        expected |= {k: v if isinstance(v, float) else str(v) for k, v in group.items()}
    shown = {
        name: v.number_value if v.HasField("number_value") else v.string_value for name, v in session.hparams.items()
    }
    assert shown == expected
    assert set(content) == {
        "_hparams_/session_start_info",
        "_hparams_/session_end_info",
    }  # or one run's keys hide others'
    assert content["_hparams_/session_end_info"].session_end_info.status == 1  # STATUS_SUCCESS


def test_every_chart_shows_tags_that_exist_and_the_metrics_chart_the_headline_alone(run):
    tags = set(scalars(run.path))
    shown = {title: {tag for tag in tags if re.match(pattern, tag)} for title, pattern in charts(run.path).items()}
    assert all(shown.values())
    name = run.info.metric.name
    (headline,) = [title for title in shown if title.startswith(f"{name}, with")]
    references = {"chance", *run.info.baselines} | ({"goal"} if run.info.metric.goal is not None else set())
    assert shown[headline] == {f"metric/{name}", *(f"metric/{name}/{reference}" for reference in references)}
    assert shown["loss in training and evaluation"] == {"loss/train", "loss/eval"}
    assert len(shown) == CHARTS[run.name]


def test_runs_with_other_layers_share_their_charts(runs):
    """TensorBoard shows charts of equal titles twice unless their patterns are equal too."""
    lstm, gru = charts(runs["lstm"].path), charts(runs["gru"].path)
    assert {title: lstm[title] for title in lstm if title in gru} == {
        title: gru[title] for title in gru if title in lstm
    }


def test_rebuilding_gives_the_same_values_in_one_file(run):
    live = scalars(run.path)
    rebuild(run.folder)
    assert len(list(run.path.glob("*tfevents*"))) == 1
    assert scalars(run.path) == live
    assert len(charts(run.path)) == CHARTS[run.name]


def test_curves_at_initialisation_and_the_page_are_there_while_the_run_goes_on(runs):
    view = rebuild_events(runs["lstm"].path, runs["lstm"].record)
    seen = scalars(runs["lstm"].path)
    assert sum(tag.startswith(("lag_curve_init/", "profile_init/")) for tag in seen) == 8
    assert not any(tag.startswith(("lag_curve/", "profile/")) for tag in seen)
    assert len(charts(runs["lstm"].path)) == 7
    view.finish(runs["lstm"].info)


def test_after_a_kill_and_a_resumption_every_step_stands_there_once(runs, tmp_path):
    path = tmp_path / "lstm"
    dying = (
        "import os, signal, sys\nfrom seqablate.record.writer import RecordWriter\nreal = RecordWriter.append_many\n"
        "def append(self, rows):\n    real(self, rows)\n"
        "    if any(row.kind == 'eval' and row.step == 20 for row in rows): os.kill(os.getpid(), signal.SIGKILL)\n"
        "RecordWriter.append_many = append\nfrom seqablate.cli import main\nmain(sys.argv[1:])"
    )
    words = ["train", *RUNS["lstm"], "name=lstm", f"output_dir={tmp_path}"]
    killed = subprocess.run([sys.executable, "-c", dying, *words], capture_output=True, timeout=60)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    seqablate.api.resume_folder(path)
    assert len(list(path.glob("*tfevents*"))) == 1
    assert scalars(path) == scalars(runs["lstm"].path)


def test_a_run_leaves_no_thread_and_no_open_file_however_it_ends(tmp_path):
    def held() -> tuple[int, list[str]]:
        links = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.exists()]
        return threading.active_count(), [link for link in links if str(tmp_path) in link]

    before = held()
    seqablate.train([*SMALL, f"output_dir={tmp_path}"])
    diverging = ["model=rnn", "model.nonlinearity=relu", "optim=sgd", "optim.lr=1e6", "clip=none"]
    assert seqablate.train([*SMALL, *diverging, f"output_dir={tmp_path}"]).status == "diverged"
    assert held() == before


def test_a_disk_that_does_not_take_an_event_is_a_run_failure(tmp_path):
    file = EventFile(tmp_path)
    file.add_scalars(0, {"loss": 1.0})
    tmp_path.rename(tmp_path.with_name("gone"))
    with pytest.raises(RunFailure, match="cannot write"):
        file.flush()
