"""TensorBoard's view of a record: written live, and rebuilt from the record whenever that is simpler.

Few tags, so that TensorBoard stays quick: a curve over timesteps or lags is ONE scalar tag whose step axis is the
timestep or the lag, its values log10, so that the stock pages overlay the curves of many runs.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from pathlib import Path

import numpy as np

from seqablate.record.events.file import EventFile, own_event_files, remove
from seqablate.record.events.pictures import draw_history, draw_matrices, has_history
from seqablate.record.events.protos import heatmap_value, hparam_values, layout_value, text_value
from seqablate.record.reader import Record
from seqablate.record.rows import EvalRow, Header, PenaltyRow, ProgressRow, Row, SignalRow, SkipRow, TextRow, TrainRow
from seqablate.record.schema import Summary
from seqablate.signals import Curve, Signal
from seqablate.signals.view import view_of, views_of

FIRST_HEATMAP = 1000  # profiles; drawn again each time that they have doubled: each costs some tenths of a second
TRAIN_TAGS = {
    "loss": "loss/train",
    "grad_norm": "gradient/norm",
    "grad_norm_clipped": "gradient/norm_clipped",
    "update_ratio": "gradient/update_ratio",
    "lr": "optimizer/lr",
}
PENALTY_TAGS = {"value": "penalty/value", "grad_norm": "penalty/gradient_norm", "weight": "penalty/weight"}
# The Custom scalars page: sections, their charts, and the tags of each as a pattern. TensorBoard merges the pages of
# many runs and shows a chart once only where its title and pattern are the same, so no pattern names a layer.
TRAINING = {
    "loss in training and evaluation": "^loss/",
    "{metric}, with chance, goal and baselines": "^metric/{metric}(/|$)",
    "gradient norm, before and after clipping": "^gradient/norm",
    "share of steps clipped so far": "^gradient/clipped_share$",
    "steps without an update so far": "^optimizer/skipped$",
    "penalty of the regularizer": "^penalty/value$",
    "gradient norm of the penalty": "^penalty/gradient_norm$",
}
CURVES = "gradient of every timestep and layer, log10 (set Smoothing to 0)"
OTHERS = "other curves, as measured (set Smoothing to 0)"


class EventView:
    """Writes a run's event file from the rows that the record gets, and from nothing else.

    So a view that is rebuilt from the record equals the one that was written while the run went on.

    Args:
        run_dir: the run's folder.
        header: the record's first row.

    Raises:
        RunFailure: on any write that the disk does not take.
    """

    def __init__(self, run_dir: Path, header: Header) -> None:
        self.header = header
        self.file = EventFile(run_dir)
        self.tags: set[str] = set()
        self.laid_out: dict[str, dict[str, str]] = {}
        self.clipped = self.skipped = self.steps = 0
        self.last: dict[str, Signal] = {}  # by tag
        self.history: dict[str, list[Signal]] = defaultdict(list)  # by tag
        self.heatmap_due = FIRST_HEATMAP

    def add(self, row: Row) -> None:
        """Show one row of the record."""
        if isinstance(row, TrainRow):
            self._train(row)
        elif isinstance(row, PenaltyRow):
            self._scalars(row.step, {tag: getattr(row, name) for name, tag in PENALTY_TAGS.items()})
        elif isinstance(row, SkipRow):
            self.skipped += 1
            self._scalars(row.step, {"optimizer/skipped": self.skipped})
        elif isinstance(row, EvalRow):
            self._eval(row)
        elif isinstance(row, TextRow):
            self.file.add(row.step, [text_value("text/sample", row.text)])
        elif isinstance(row, SignalRow):
            self._signal(row.signal)
        elif isinstance(row, ProgressRow):  # an evaluation is over
            self._progress()

    def flush(self) -> None:
        """Bring everything to the file."""
        self.file.flush()

    def finish(self, summary: Summary) -> None:
        """Add what is known at the end: last curves, heatmaps, hyperparameters with their metrics.

        Args:
            summary: the record's last row of that kind.
        """
        for tag, signal in self.last.items():
            if signal.at is None:
                self._curve(tag, signal)
        self._draw_history()
        for tag, picture in draw_matrices(self.header.name, self.last.values()).items():
            self.file.add(summary.step, [heatmap_value(tag, picture)])
        self._lay_out()
        self.file.add(0, hparam_values(self.header, summary.status))
        self.file.sync()

    def _train(self, row: TrainRow) -> None:
        self.steps += 1
        self.clipped += row.clipped
        values = {tag: value for name, tag in TRAIN_TAGS.items() if not math.isnan(value := getattr(row, name))}
        values["gradient/clipped_share"] = self.clipped / self.steps
        self._scalars(row.step, values)

    def _eval(self, row: EvalRow) -> None:
        metric = self.header.metric
        references = {"chance": metric.chance, "goal": metric.goal, **self.header.baselines}
        values = {name: value for name, value in row.metrics.items() if name != "loss" or name == metric.name}
        values |= {f"{metric.name}/{name}": value for name, value in references.items() if value is not None}
        length = {} if row.length is None else {"curriculum/length": float(row.length)}
        self._scalars(row.step, {"loss/eval": row.loss} | {f"metric/{name}": v for name, v in values.items()} | length)

    def _signal(self, signal: Signal) -> None:
        """Curves at initialisation at once; the last ones only when they are known to be the last."""
        if not signal.known:
            return
        tag, place = view_of(signal).tag, signal.place.slug
        self.last[f"{tag}/{place}"] = signal
        if signal.at is None and signal.step == 0:
            self._curve(f"{tag}_init/{place}", signal)
        if has_history(signal):
            self.history[f"heatmap/{tag}/{place}"].append(signal)

    def _progress(self) -> None:
        self._lay_out()
        if max(map(len, self.history.values()), default=0) >= self.heatmap_due:
            self._draw_history()
            self.heatmap_due *= 2

    def _curve(self, tag: str, signal: Signal) -> None:
        """One curve over its axis, without the points that are unknown or that a logarithmic axis cannot show."""
        log = view_of(signal).log
        for index in np.flatnonzero(np.isfinite(signal.values) & ((signal.values > 0) | (not log))):
            value = float(signal.values[index])
            self._scalars(int(index), {tag: math.log10(value) if log else value})

    def _draw_history(self) -> None:
        """Curves against the training step."""
        for tag, signals in self.history.items():
            view = view_of(signals[0])
            assert isinstance(view, Curve)
            self.file.add(signals[-1].step, [heatmap_value(tag, draw_history(view, signals))])

    def _lay_out(self) -> None:
        """The page's layout, where there is more to show than before."""
        layout = self._layout()
        if layout != self.laid_out:
            self.laid_out = layout
            self.file.add(self.steps, [layout_value(layout)])

    def _layout(self) -> dict[str, dict[str, str]]:
        """Sections and charts for which there is something to show."""
        metric = self.header.metric.name
        charts = {title.format(metric=metric): pattern.format(metric=metric) for title, pattern in TRAINING.items()}
        layout = {"training": charts}
        for view in views_of(self.last.values()):
            if isinstance(view, Curve) and not view.aside:
                layout.setdefault(CURVES if view.log else OTHERS, {}).update(_charts(view))
        found = {section: self._found(charts) for section, charts in layout.items()}
        return {section: charts for section, charts in found.items() if charts}

    def _found(self, charts: dict[str, str]) -> dict[str, str]:
        return {title: pattern for title, pattern in charts.items() if any(re.match(pattern, tag) for tag in self.tags)}

    def _scalars(self, step: int, values: dict[str, float]) -> None:
        self.tags.update(values)
        self.file.add_scalars(step, values)


def rebuild_events(run_dir: Path, record: Record, summary: Summary | None = None) -> EventView:
    """Write a fresh event file from the record as it stands, then remove the older ones of this package.

    A resumed run begins so: then every step stands there once, whatever an interrupted process had written.

    Args:
        run_dir: the run's folder.
        record: its record.
        summary: the record's last row of that kind, where nothing more will come.

    Returns:
        The view, to go on with.
    """
    older = own_event_files(run_dir)
    view = EventView(run_dir, record.header)
    for row in record.rows():
        view.add(row)
    view.flush() if summary is None else view.finish(summary)
    remove(older)
    return view


def _charts(view: Curve) -> dict[str, str]:
    """Titles and patterns of what shows a view's curves as they were last, and as they were at initialisation."""
    against = f"(against {view.axis})"
    return {
        f"{view.noun}, last {against}": f"^{view.tag}/",
        f"{view.noun}, at initialisation {against}": f"^{view.tag}_init/",
    }
