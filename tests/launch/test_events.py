"""What a worker tells of a run: events that fit a pipe."""

from __future__ import annotations

import math
import pickle
from types import SimpleNamespace

import pytest

from seqablate.assemble import assemble, read_overrides
from seqablate.launch.events import Event, WorkerReporter
from seqablate.training.run import start_run

WORDS = ["task.length=10", "model=rnn", "model.hidden_size=4", "steps=30", "eval.every=10", "eval.size=20"]
WORDS += ["probe.every=1", "device=cpu", "backend=torch", "output_dir=out"]


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is set."""
    clock = SimpleNamespace(now=1.0)
    monkeypatch.setattr("seqablate.launch.events.time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


def train(events: list[Event], *words: str, send=None) -> str:
    parts = assemble(read_overrides([*WORDS, *words]))
    return start_run(parts, WorkerReporter(send or events.append, "model=rnn,seed=0", "w1"), []).status


def test_a_run_sends_its_beginning_its_progress_and_its_outcome():
    events: list[Event] = []
    assert train(events, "name=run") == "done"
    first, *_, last = events
    assert (first.kind, first.step, first.steps) == ("begin", 0, 30)
    assert (last.kind, last.step, last.steps, last.status) == ("end", 30, 30, "done")
    assert last.text.startswith("not solved within 30 steps: mse ")
    assert last.seconds > 0
    assert len(last.curve) == 10
    assert all(value > 0 for value in last.curve)
    assert {(event.run, event.worker) for event in events} == {("model=rnn,seed=0", "w1")}


def test_progress_is_sent_five_times_a_second_and_no_more(clock):
    events: list[Event] = []
    reporter = WorkerReporter(events.append, "run", "w1")
    reporter.watch = SimpleNamespace(
        row=lambda row: None,
        step=3,
        parts=SimpleNamespace(config=SimpleNamespace(steps=9)),
        curve=None,
        eval=1,
        result="mse 1",
    )
    sent = []
    for clock.now in (1.0, 1.1, 1.19, 1.25, 1.3, 1.5):
        before = len(events)
        reporter.row(None)
        sent.append(len(events) - before)
    assert sent == [1, 0, 0, 1, 0, 1]
    assert events[0] == Event("progress", "run", "w1", 3, 9, "mse 1")


def test_a_run_goes_on_when_nobody_takes_its_events_any_more():
    def gone(event: Event) -> None:
        raise BrokenPipeError

    assert train([], "name=run", send=gone) == "done"


def test_an_event_fits_a_pipe_whatever_it_says():
    event = Event("note", "é" * 127, "worker" * 20, 2**62, 2**62, "ü" * 10_000, (math.pi,) * 1000, "interrupted", 1e300)
    assert len(pickle.dumps(event)) < 4000
    assert len(event.curve) == 40


def test_of_a_long_text_both_ends_are_kept():
    text = Event("note", "run", text="Traceback ü" + "x" * 10_000 + "ü ValueError").text
    assert text.startswith("Traceback ü")
    assert text.endswith("ü ValueError")
    assert "..." in text
    assert Event("note", "run", text="short").text == "short"
