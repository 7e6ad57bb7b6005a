"""TensorBoard's view of a record: written live, and rebuilt from the record whenever that is simpler.

Few tags, so that TensorBoard stays quick: a curve over timesteps or lags is ONE scalar tag whose step axis is the
timestep or the lag, its values log10, so that the stock pages overlay the curves of many runs.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from seqablate.record.events.file import EventFile, own_event_files, remove
from seqablate.record.events.protos import heatmap_value, hparam_values, layout_value, scalar_value, text_value
from seqablate.record.reader import Record
from seqablate.signals import Signal
from seqablate.signals.pairs import PAIRS, last_pairs, last_pairs_step
from seqablate.signals.views import View, view_of

LEAST_LAYERS = 4  # over fewer a heatmap shows nothing that the curves do not
FIRST_HEATMAP = 1000  # profiles; drawn again each time that they have doubled: each costs some tenths of a second
TRAIN_TAGS = {
    "loss": "loss/train",
    "grad_norm": "gradient/norm",
    "grad_norm_clipped": "gradient/norm_clipped",
    "update_ratio": "gradient/update_ratio",
    "lr": "optimizer/lr",
}
# The Custom scalars page: sections, their charts, and the tags of each as a pattern. TensorBoard merges the pages of
# many runs and shows a chart once only where its title and pattern are the same, so no pattern names a layer.
LAYOUT = {
    "training": {
        "loss in training and evaluation": "^loss/",
        "{metric}, with chance, goal and baselines": "^metric/{metric}(/|$)",
        "gradient norm, before and after clipping": "^gradient/norm",
        "share of steps clipped so far": "^gradient/clipped_share$",
    },
    "gradient of every timestep and layer, log10 (set Smoothing to 0)": {
        "lag curve, last (against the lag)": "^lag_curve/",
        "lag curve, at initialisation (against the lag)": "^lag_curve_init/",
        "reverse direction, last (against its own steps)": "^path_curve/",
        "reverse direction, at initialisation (against its own steps)": "^path_curve_init/",
        "profile, last (against the timestep)": "^profile/",
        "profile, at initialisation (against the timestep)": "^profile_init/",
        "layer profile, last (against the layer)": "^layer_profile/",
        "layer profile, at initialisation (against the layer)": "^layer_profile_init/",
    },
}


class EventView:
    """Writes a run's event file from the rows that the record gets, and from nothing else.

    So a view that is rebuilt from the record equals the one that was written while the run went on.

    Args:
        run_dir: the run's folder.
        facts: the record's header.

    Raises:
        RunFailure: on any write that the disk does not take.
    """

    def __init__(self, run_dir: Path, facts: dict[str, Any]) -> None:
        self.facts = facts
        self.file = EventFile(run_dir)
        self.tags: set[str] = set()
        self.laid_out: dict[str, dict[str, str]] = {}
        self.clipped = self.steps = 0
        self.profiles: dict[str, list[Signal]] = defaultdict(list)
        self.heatmap_due = FIRST_HEATMAP
        self.last: dict[str, Signal] = {}  # by tag
        self.pairs: list[Signal] = []  # of the last step that has some

    def add(self, row: dict[str, Any]) -> None:
        """Show one row of the record."""
        kind = row["kind"]
        if kind == "train":
            self._train(row)
        elif kind == "eval":
            self._eval(row)
        elif kind == "text":
            self.file.add(row["step"], [text_value("text/sample", row["text"])])
        elif kind == "signal":
            self._signal(Signal.from_row(row))
        elif kind == "progress":  # an evaluation is over
            self._progress()

    def flush(self) -> None:
        """Bring everything to the file."""
        self.file.flush()

    def finish(self, summary: dict[str, Any]) -> None:
        """Add what is known at the end: last curves, heatmaps, hyperparameters with their metrics.

        Args:
            summary: the record's last row of that kind.
        """
        for tag, signal in self.last.items():
            self._curve(tag, signal)
        self._heatmaps()
        self._draw_pairs(summary["step"])
        self._lay_out()
        self.file.add(0, hparam_values(self.facts, summary["status"]))
        self.file.sync()

    def _train(self, row: dict[str, Any]) -> None:
        self.steps += 1
        self.clipped += row["clipped"]
        values = {tag: row[name] for name, tag in TRAIN_TAGS.items() if not math.isnan(row[name])}
        values["gradient/clipped_share"] = self.clipped / self.steps
        self._scalars(row["step"], values)

    def _eval(self, row: dict[str, Any]) -> None:
        metric = self.facts["metric"]
        references = {"chance": metric["chance"], "goal": metric["goal"], **self.facts["baselines"]}
        values = {name: value for name, value in row["metrics"].items() if name != "loss" or name == metric["name"]}
        values |= {f"{metric['name']}/{name}": value for name, value in references.items() if value is not None}
        self._scalars(row["step"], {"loss/eval": row["loss"]} | {f"metric/{name}": v for name, v in values.items()})

    def _signal(self, signal: Signal) -> None:
        """Curves at initialisation at once; the last ones only when they are known to be the last."""
        if (view := view_of(signal)) is not None:
            self.last[_tag(view, signal, "")] = signal
            if signal.step == 0:
                self._curve(_tag(view, signal, "_init"), signal)
        if signal.quantity == "pair" and np.isfinite(signal.values).any():
            self.pairs = [pair for pair in self.pairs if pair.step == signal.step] + [signal]
        timed = (signal.quantity, signal.axis) == ("total", "timestep")
        if timed or (signal.axis == "layer" and len(signal.values) >= LEAST_LAYERS):
            self.profiles[_place(signal)].append(signal)

    def _progress(self) -> None:
        self._lay_out()
        if max(map(len, self.profiles.values()), default=0) >= self.heatmap_due:
            self._heatmaps()
            self.heatmap_due *= 2

    def _curve(self, tag: str, signal: Signal) -> None:
        """One curve over its axis; unknown points are left out."""
        for index in np.flatnonzero(np.isfinite(signal.values) & (signal.values > 0)):
            self._scalars(int(index), {tag: math.log10(signal.values[index])})

    def _heatmaps(self) -> None:
        from seqablate.figures.curves import png
        from seqablate.figures.heatmap import draw_heatmap

        for place, signals in self.profiles.items():
            timed = signals[0].axis == "timestep"
            width = max(len(s.values) for s in signals)
            norms_ST = np.full((len(signals), width), np.nan)
            for row, signal in zip(norms_ST, signals, strict=True):
                row[: len(signal.values)] = signal.values
            figure = draw_heatmap(
                norms_ST,
                np.array([s.step for s in signals]),
                title=f"{self.facts['name']}: {signals[0].label}" + ("" if timed else ", by layer"),
                label=f"log10 ‖dL/d{signals[0].state}ₜ‖" if timed else f"log10 ‖dL/d{signals[0].state}‖",
                ylabel="timestep t" if timed else "layer",
            )
            self.file.add(signals[-1].step, [heatmap_value(f"heatmap/{place}", png(figure))])

    def _draw_pairs(self, step: int) -> None:
        """Which decoder step depends on which encoder timestep, as it was in the end."""
        from seqablate.figures.curves import png
        from seqablate.figures.pairs import draw_pairs

        if pairs := last_pairs(self.pairs):
            figure = draw_pairs(
                {"": pairs}, title=f"{self.facts['name']}\n{PAIRS}, after {last_pairs_step(self.pairs)} steps"
            )
            self.file.add(step, [heatmap_value("heatmap/pair", png(figure))])

    def _lay_out(self) -> None:
        """The page's layout, where there is more to show than before."""
        layout = self._layout()
        if layout != self.laid_out:
            self.laid_out = layout
            self.file.add(self.steps, [layout_value(layout)])

    def _layout(self) -> dict[str, dict[str, str]]:
        """Sections and charts for which there is something to show."""
        metric = self.facts["metric"]["name"]
        layout: dict[str, dict[str, str]] = {}
        for section, charts in LAYOUT.items():
            for title, pattern in charts.items():
                pattern = pattern.format(metric=metric)
                if any(re.match(pattern, tag) for tag in self.tags):
                    layout.setdefault(section, {})[title.format(metric=metric)] = pattern
        return layout

    def _scalars(self, step: int, values: dict[str, float]) -> None:
        self.tags.update(values)
        self.file.add(step, [scalar_value(tag, value) for tag, value in values.items()])


def rebuild_events(run_dir: Path, record: Record, summary: dict[str, Any] | None = None) -> EventView:
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


def _place(signal: Signal) -> str:
    """``h_layer0``, ``encoder_h_layer1_reverse``; ``h_layers`` for a curve over all of them."""
    return signal.label.replace("layer ", "layer").replace(" ", "_") + ("_layers" if signal.axis == "layer" else "")


def _tag(view: View, signal: Signal, when: str) -> str:
    return f"{view.tag}{when}/{_place(signal)}"
