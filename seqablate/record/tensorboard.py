"""TensorBoard's view of a record: written live, and rebuilt from the record whenever that is simpler.

Few tags, so that TensorBoard stays quick: a curve over timesteps or lags is ONE scalar tag whose step axis is the
timestep or the lag, its values log10, so that the stock pages overlay the curves of many runs.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqablate.record.reader import Record, read_record
from seqablate.record.summary import read_info
from seqablate.record.tensorboard_protos import heatmap_value, hparam_values, layout_value, scalar_value, text_value
from seqablate.signals import Signal

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

HEATMAP_SECONDS = 60  # between heatmaps of a run that goes on: each costs some tenths of a second to draw
TRAIN_TAGS = {
    "loss": "loss/train",
    "grad_norm": "gradient/norm",
    "grad_norm_clipped": "gradient/norm_clipped",
    "update_ratio": "gradient/update_ratio",
    "lr": "optimizer/lr",
}
# Chart titles of the Custom scalars page, and the tags each shows (as prefixes of the tags that exist).
CHARTS = {
    "loss": ("loss/",),
    "metric": ("metric/",),
    "gradient norm": ("gradient/norm", "gradient/norm_clipped"),
    "share of steps clipped": ("gradient/clipped_share",),
    "lag curve, last (log10 against lag)": ("lag_curve/",),
    "lag curve, at initialisation (log10 against lag)": ("lag_curve_init/",),
    "profile, last (log10 against timestep)": ("profile/",),
    "profile, at initialisation (log10 against timestep)": ("profile_init/",),
}


class EventView:
    """Writes a run's event file from the rows that the record gets.

    Args:
        run_dir: the run's folder, which holds run.json.
    """

    def __init__(self, run_dir: Path) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self.run_dir = run_dir
        self.info = read_info(run_dir)
        self.writer = EventFileWriter(str(run_dir), filename_suffix=".seqablate")
        self.tags: set[str] = set()
        self.clipped = self.steps = 0
        self.profiles: dict[str, list[Signal]] = defaultdict(list)
        self.drawn = time.monotonic()

    def add(self, row: dict[str, Any]) -> None:
        """Show one row of the record."""
        kind = row["kind"]
        if kind == "train":
            self._train(row)
        elif kind == "eval":
            self._eval(row)
        elif kind == "text":
            self._write(row["step"], [text_value("text/sample", row["text"])])
        elif kind == "signal" and row["quantity"] == "total":
            self.profiles[_place(row)].append(Signal.from_row(row))

    def flush(self) -> None:
        """Bring everything to the file."""
        self.writer.flush()

    def finish(self, record: Record) -> None:
        """Add what is known at the end: curves, heatmaps, hyperparameters with their metrics, the page layout."""
        self._curves("lag_curve", [s for s in record.signals if s.quantity == "lag"])
        self._curves("profile", [s for s in record.signals if s.quantity == "total"])
        self._heatmaps()
        self.info = read_info(self.run_dir)
        self._write(0, hparam_values(self.run_dir, self.info, sorted(self._headline_tags())))
        self._write(self.info["step"], [layout_value(self._layout())])
        self.writer.close()

    def _train(self, row: dict[str, Any]) -> None:
        self.steps += 1
        self.clipped += row["clipped"]
        values = {tag: row[name] for name, tag in TRAIN_TAGS.items() if not math.isnan(row[name])}
        values["gradient/clipped_share"] = self.clipped / self.steps
        self._scalars(row["step"], values)

    def _eval(self, row: dict[str, Any]) -> None:
        metric = self.info["metric"]
        values = {"loss/eval": row["loss"]}
        values |= {f"metric/{name}": value for name, value in row["metrics"].items() if name != "loss"}
        values[f"metric/{metric['name']}"] = row["metrics"][metric["name"]]
        values["metric/chance"] = metric["chance"]
        if metric["goal"] is not None:
            values["metric/goal"] = metric["goal"]
        values |= {f"metric/{name}": value for name, value in self.info["baselines"].items()}
        first = "loss/eval" not in self.tags
        self._scalars(row["step"], values)
        if first:
            self._write(0, [layout_value(self._layout())])
        if time.monotonic() - self.drawn > HEATMAP_SECONDS:
            self._heatmaps()

    def _curves(self, name: str, signals: list[Signal]) -> None:
        """The last curve of every place, and the first one under ``<name>_init``; unknown points are left out."""
        by_place: dict[str, list[Signal]] = defaultdict(list)
        for signal in signals:
            by_place[_place(signal.to_row())].append(signal)
        for place, measured in by_place.items():
            for prefix, signal in ((name, measured[-1]), (f"{name}_init", measured[0])):
                known = np.flatnonzero(np.isfinite(signal.values) & (signal.values > 0))
                for index in known:
                    self._scalars(int(index), {f"{prefix}/{place}": math.log10(signal.values[index])})

    def _heatmaps(self) -> None:
        from seqablate.figures.curves import png
        from seqablate.figures.heatmap import draw_heatmap

        for place, signals in self.profiles.items():
            width = max(len(s.values) for s in signals)
            norms_ST = np.full((len(signals), width), np.nan)
            for row, signal in zip(norms_ST, signals, strict=True):
                row[: len(signal.values)] = signal.values
            figure = draw_heatmap(
                norms_ST,
                np.array([s.step for s in signals]),
                title=f"{self.info['name']}: {signals[0].label}",
                label=f"log10 ‖dL/d{signals[0].state}ₜ‖, mean over the batch",
            )
            self._write(signals[-1].step, [heatmap_value(f"heatmap/{place}", png(figure))])
        self.drawn = time.monotonic()

    def _headline_tags(self) -> set[str]:
        return {"loss/eval", f"metric/{self.info['metric']['name']}"} & self.tags

    def _layout(self) -> dict[str, list[str]]:
        charts = {
            title: sorted(t for t in self.tags if any(t == p or (p.endswith("/") and t.startswith(p)) for p in prefixes))
            for title, prefixes in CHARTS.items()
        }
        return {title: tags for title, tags in charts.items() if tags}

    def _scalars(self, step: int, values: dict[str, float]) -> None:
        self.tags.update(values)
        self._write(step, [scalar_value(tag, value) for tag, value in values.items()])

    def _write(self, step: int, values: list[Summary.Value]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        self.writer.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))


def rebuild_events(run_dir: Path) -> EventView:
    """Write a fresh event file from the record as it stands, and remove the older ones.

    A resumed run begins so: then every step stands there once, whatever an interrupted process had written.

    Returns:
        The view, to go on with.
    """
    older = list(run_dir.glob("events.out.tfevents.*"))
    view = EventView(run_dir)
    for row in read_record(run_dir).rows:
        view.add(row)
    view.flush()
    for path in older:
        path.unlink()
    return view


def _place(row: dict[str, Any]) -> str:
    reverse = "_reverse" if row["direction"] == "reverse" else ""
    return f"{row['state']}_layer{row['layer']}{reverse}"
