"""run.json and the tables of a run: always whole, and equal to what was written."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded import eval_row, header, info, raw, run_info, train_row

from seqablate.diagnostics.lag import DEPTH, LAG
from seqablate.diagnostics.profile import PROFILE
from seqablate.errors import UsageError
from seqablate.record.info import read_info, write_info
from seqablate.record.reader import read_record
from seqablate.record.rows import SignalRow, strict
from seqablate.record.run import Run
from seqablate.record.table import write_signals
from seqablate.record.writer import RecordWriter
from seqablate.signals import Place, Signal, fit_decay
from seqablate.signals.view import last_shown

WRITING = """
import json, sys
from dataclasses import replace
from pathlib import Path
from seqablate.record.info import write_info
from seqablate.record.schema import RunInfo
from seqablate.shape import fitting
info = fitting(json.loads(sys.argv[2]), RunInfo)
number = 0
while True:
    number += 1
    write_info(Path(sys.argv[1]), replace(info, step=number, command=["x"] * (number % 3000)))
    if number == 1: print("ready", flush=True)
"""
# A file may have 100 bytes and no more: what a full disk looks like.
FULL = """
import json, resource, signal, sys
from pathlib import Path
from seqablate.errors import RunFailure
from seqablate.record.reader import read_record
from seqablate.record.info import write_info
from seqablate.record.schema import RunInfo
from seqablate.record.table import write_signals
from seqablate.shape import fitting
info = fitting(json.loads(sys.argv[2]), RunInfo)
folder = Path(sys.argv[1])
signals = read_record(folder).signals
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
for write in (lambda: write_info(folder, info), lambda: write_signals(folder, signals)):
    try:
        write()
    except RunFailure as failure:
        print(failure)
"""


def signal(step: int, quantity: str, values: list, at: list[float] | None = None, **where) -> Signal:
    place = Place(part="rnn", **where)
    return Signal(step=step, quantity=quantity, place=place, values=np.array(values), at=at and np.array(at))


SIGNALS = [
    signal(0, "total", [0.25, 1e-30, math.nan]),
    signal(0, "lag", [1.0, 0.5]),
    signal(2, "total", [0.125, 0.0, 3.0], layer=1, direction="reverse", state="c"),
    signal(2, "layer", [1.0, 2.0], layer=None),
    signal(2, "pair", [[1.0, math.inf, 0.1], [4.0, math.nan, 0.2]], at=[0.0, 2.0, 10.0]),
    signal(2, "spectrum", [[1.0], [0.5], [0.25]], at=[0.5]),
]


@pytest.fixture
def run_dir(tmp_path) -> Path:
    """A record written by hand: three steps, two evaluations, three curves."""
    rows = [header(name="by-hand")]
    rows += [eval_row(step, mse=0.5 + step) | {"loss": 1.0 / (step + 1)} for step in (0, 2)]
    rows += [train_row(step, loss=float(step), grad_norm=2.0 * step) for step in range(3)]
    with RecordWriter(tmp_path / "record.jsonl", new=True) as writer:
        writer.append_many([*map(raw, rows), *map(SignalRow.of, SIGNALS)])
    write_info(tmp_path, run_info(name="inf", best={"step": 2, "value": math.inf}))
    return tmp_path


def test_a_writer_killed_at_any_moment_leaves_a_whole_run_json(tmp_path):
    for seconds in (0.0, 0.003, 0.01, 0.03, 0.1):
        words = [sys.executable, "-c", WRITING, str(tmp_path), json.dumps(info())]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n"
        time.sleep(seconds)
        process.kill()
        process.communicate(timeout=30)
        found = json.loads((tmp_path / "run.json").read_text())
        assert found["command"] == ["x"] * (found["step"] % 3000)
    assert len(list(tmp_path.iterdir())) <= 2  # what killed writers left does not pile up


def test_the_status_is_running_only_while_somebody_writes(run_dir):
    write_info(run_dir, run_info(status="running"))
    with RecordWriter(run_dir / "record.jsonl"):
        assert Run(run_dir).status == "running"
    assert Run(run_dir).status == "killed"
    write_info(run_dir, run_info(status="interrupted"))
    assert Run(run_dir).status == "interrupted"


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "null", '{"step": 3}', "\x00\x00", '"status"'])
def test_a_damaged_run_json_is_a_usage_error(content, run_dir):
    (run_dir / "run.json").write_text(content)
    with pytest.raises(UsageError, match=r"run\.json is damaged"):
        read_info(run_dir)


def test_a_run_json_in_no_encoding_is_damaged_and_a_missing_one_is_named(run_dir):
    (run_dir / "run.json").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(UsageError, match="damaged"):
        read_info(run_dir)
    (run_dir / "run.json").unlink()
    with pytest.raises(UsageError, match=r"cannot read .*run\.json"):
        read_info(run_dir)


def test_numbers_that_json_lacks_come_back_and_names_stay_names(run_dir):
    assert read_info(run_dir) == run_info(name="inf", best={"step": 2, "value": math.inf})
    assert read_info(run_dir).best.value == math.inf


FINITE = st.floats(allow_nan=False)  # NaN is not equal to itself; that it comes back is tested with the rows
WHOLE = st.integers(0, 2**53)
METRICS = st.dictionaries(st.text("abc_", max_size=5), FINITE, max_size=3).map(lambda found: found | {"mse": 0.5})
RESULTS = st.fixed_dictionaries({"loss": FINITE, "metrics": METRICS, "solved": st.booleans()})
DECAYS = st.sampled_from([0.5, 0.9, 1.0, 1.1, 1e-30]).map(
    lambda factor: (
        {"quantity": "lag", "part": "rnn", "layer": 0, "direction": "forward", "state": "h"}
        | vars(fit_decay(factor ** np.arange(6.0)))
    )
)
INFOS = st.fixed_dictionaries(
    {
        "seed": st.integers(),
        "status": st.sampled_from(["done", "interrupted", "diverged", "failed"]),
        "step": WHOLE,
        "message": st.none() | st.text("ab c", max_size=9),
        "measured_step": st.none() | WHOLE,
        "final": st.none() | METRICS,
        "best": st.none() | st.fixed_dictionaries({"step": WHOLE, "value": FINITE}),
        "solved_at": st.none() | WHOLE,
        "lost_at": st.none() | WHOLE,
        "refuted": WHOLE,
        "confirmation": st.none() | st.builds(lambda step, found: {"step": step} | found, WHOLE, RESULTS),
        "test": st.none() | RESULTS,
        "decay": st.lists(DECAYS, max_size=2),
        "clipped_share": st.none() | FINITE,
        "regularized_share": st.none() | FINITE,
        "skipped": WHOLE,
        "guesses": WHOLE,
        "baselines": METRICS,
    }
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(values=INFOS)
def test_every_run_json_that_is_read_is_written_as_it_was(values, tmp_path):
    expected = json.loads(json.dumps(strict(info(**values))))
    (tmp_path / "run.json").write_text(json.dumps(expected | {"of_a_later_version": [1]}))
    read = read_info(tmp_path)
    write_info(tmp_path, read)
    assert json.loads((tmp_path / "run.json").read_text()) == expected
    assert read_info(tmp_path) == read


def test_a_full_disk_is_a_run_failure_and_leaves_what_was_there(run_dir):
    before = {path.name: path.read_bytes() for path in run_dir.iterdir()}
    words = [sys.executable, "-c", FULL, str(run_dir), json.dumps(info())]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    for line, name in zip(done.stdout.splitlines(), ("run.json", "signals.parquet"), strict=True):
        assert line.startswith(f"cannot write {run_dir / name}: ")
    assert {path.name: path.read_bytes() for path in run_dir.iterdir()} == before


def test_the_metrics_equal_what_was_written(run_dir):
    metrics = Run(run_dir).metrics
    assert metrics.index.tolist() == [0, 1, 2]
    assert metrics["loss"].tolist() == [0.0, 1.0, 2.0]
    assert metrics["grad_norm"].tolist() == [0.0, 2.0, 4.0]
    assert metrics["eval_loss"].dropna().to_dict() == {0: 1.0, 2: 1.0 / 3.0}
    assert metrics["eval_mse"].dropna().to_dict() == {0: 0.5, 2: 2.5}
    assert "kind" not in metrics


def assert_equals_the_curves(table: pd.DataFrame) -> None:
    assert len(table) == sum(signal.values.size for signal in SIGNALS)
    for signal in SIGNALS:
        here = table[(table["step"] == signal.step) & (table["quantity"] == signal.quantity)]
        columns = [None] if signal.at is None else signal.at.tolist()
        expected = [(t, at) for t in range(len(signal.values)) for at in columns]
        found = [(t, None if pd.isna(at) else at) for t, at in zip(here["index"], here["at"], strict=True)]
        assert found == expected
        np.testing.assert_array_equal(here["value"].to_numpy(), np.ravel(signal.values))
        assert set(here["loss_step"]) == {"all"}
        for name in ("part", "direction", "state"):
            assert set(here[name]) == {getattr(signal.place, name)}
        layers = {None if pd.isna(layer) else layer for layer in here["layer"]}
        assert layers == {signal.place.layer}


def test_signals_and_their_parquet_file_equal_what_was_written(run_dir):
    assert_equals_the_curves(Run(run_dir).signals)
    path = write_signals(run_dir, read_record(run_dir).stream_signals())
    assert path.name == "signals.parquet"
    assert_equals_the_curves(pd.read_parquet(path))
    assert write_signals(run_dir, read_record(run_dir).stream_signals()) == path  # again, over the first
    assert sorted(p.name for p in run_dir.iterdir()) == ["record.jsonl", "run.json", "signals.parquet"]


def test_the_last_signals_are_those_of_the_last_step_measured(run_dir):
    run = Run(run_dir)
    lag, profile, depth = (last_shown(view, run.record.signals) for view in (LAG, PROFILE, DEPTH))
    assert [signal.step for signal in profile] == [2]
    assert [signal.step for signal in lag] == [0]
    assert depth == []


def test_a_run_that_has_only_begun_has_empty_tables(tmp_path):
    with RecordWriter(tmp_path / "record.jsonl", new=True) as writer:
        writer.append(raw(header()))
    write_info(tmp_path, run_info(status="running"))
    run = Run(tmp_path)
    assert run.metrics.empty
    assert run.signals.empty
    assert list(run.signals.columns) == [
        "step", "quantity", "part", "layer", "direction", "state", "loss_step", "index", "at", "value",
    ]  # fmt: skip


def test_reading_a_run_needs_no_torch(run_dir):
    code = (
        "import sys\nfrom seqablate.record.run import Run\nrun = Run(sys.argv[1])\n"
        "run.metrics, run.signals, run.status\nsys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-W", "error", "-c", code, str(run_dir)], timeout=60).returncode == 0


def test_what_a_run_has_come_to_counts_updates_not_the_step_of_a_message():
    """The loss of step 3 is that of the fourth update."""
    diverged = run_info(status="diverged", step=4, message="the loss is not finite at step 3")
    assert diverged.standing == "diverged after 4 updates"
    assert run_info(step=1).standing == "done after 1 update"
