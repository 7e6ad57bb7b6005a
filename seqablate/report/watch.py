"""What is known of a run while it goes on."""

from __future__ import annotations

import time

import numpy as np

from seqablate.config.registry import variant_name
from seqablate.record.rows import EvalRow, Row, SignalRow, SkipRow, TrainRow
from seqablate.record.schema import Evaluation
from seqablate.report.outcome import against
from seqablate.signals.view import view_of
from seqablate.text import duration, number, percent
from seqablate.training.parts import Parts
from seqablate.training.state import TrainState


class Watch:
    """The latest numbers of a run, and how fast it goes."""

    def __init__(self, parts: Parts, state: TrainState) -> None:
        self.parts = parts
        self.metric = parts.task.metrics[0]
        self.first_step = self.step = state.step
        self.clipped = state.progress.clipped
        self.skipped = state.progress.skipped
        self.started = time.perf_counter()
        self.train: TrainRow | None = None
        self.eval: Evaluation | None = state.progress.last
        self.length = state.progress.length
        self.shown: dict[tuple[str, str], SignalRow] = {}  # by quantity and place

    def row(self, row: Row) -> None:
        if isinstance(row, TrainRow):
            self.train, self.step = row, row.step + 1
            self.clipped += row.clipped
        elif isinstance(row, SkipRow):
            self.skipped += 1
        elif isinstance(row, EvalRow):
            self.eval, self.length = row, row.length
        elif isinstance(row, SignalRow):
            self._keep(row)

    def _keep(self, row: SignalRow) -> None:
        """Of what is shown live, the first layer, or all layers together."""
        if not row.layer and view_of(row).live:
            self.shown[row.quantity, row.place.label] = row

    @property
    def curve(self) -> np.ndarray | None:
        """The first of what is shown."""
        return next(map(curve_of, self.shown.values()), None)

    @property
    def rate(self) -> float:
        """Training steps per second since this process began, evaluations included."""
        return (self.step - self.first_step) / max(time.perf_counter() - self.started, 1e-9)

    @property
    def remaining(self) -> str:
        """Time left if the run uses its whole budget."""
        return duration((self.parts.config.steps - self.step) / self.rate) if self.rate > 0 else "–"

    @property
    def training(self) -> list[str]:
        """The last step's loss and gradient norm, and how many steps were clipped and skipped so far."""
        clipped = f"clipped {percent(self.clipped / self.step if self.step else None)}"
        loss, norm = (None, None) if self.train is None else (self.train.loss, self.train.grad_norm)
        found = [f"train loss {number(loss)}", f"gradient norm {number(norm)}"]
        found += [] if self.length is None else [f"length {self.length} of {self.parts.config.task.length}"]
        found += [] if acting(self)["clip"] == "none" else [clipped]
        return [*found, f"skipped {self.skipped}"] if self.skipped else found

    @property
    def result(self) -> str:
        results = {} if self.eval is None else self.eval.metrics
        others = [f"  {other.name} {number(results.get(other.name))}" for other in self.parts.task.metrics[1:]]
        return against(self.metric, results.get(self.metric.name), self.parts.task.baselines) + "".join(others)


def curve_of(row: SignalRow) -> np.ndarray:
    """What is shown of a signal: its values, of a matrix its first column."""
    return np.array([value[0] if isinstance(value, list) else value for value in row.values])


def acting(watch: Watch | None) -> dict[str, str]:
    """What acts on the gradients of the run that was watched, by group; empty if it never began."""
    if watch is None:
        return {}
    return {group: variant_name(getattr(watch.parts.config, group)) for group in ("clip", "regularizer")}
