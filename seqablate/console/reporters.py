"""The three ways of watching a run. See :class:`seqablate.training.run.Reporter` for the calls they receive."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from seqablate.config.codec import to_plain
from seqablate.console.output import make_console
from seqablate.signals import Signal
from seqablate.signals.schema import PARTS
from seqablate.signals.words import against, decay_words, duration, number, outcome, percent, sparkline, telling
from seqablate.training.parts import Parts
from seqablate.training.run import Reporter
from seqablate.training.state import TrainState

REFRESH = 0.25  # seconds between pictures
# What says nothing in a run's first line: keys, and values (of any other key false, 0 and none).
NOT_SHOWN = ("betas", "eps", "transform_bias", "match_params")
OFF: dict[str, tuple[Any, ...]] = dict.fromkeys(("num_layers", "dilation", "gain"), (1,))


def make_reporter(quiet: bool, brief: bool = False) -> Reporter:
    """Nothing when quiet, live on a terminal, plain lines elsewhere; ``brief`` leaves one line of each run."""
    if quiet:
        return SilentReporter()
    console = make_console()
    if console.is_terminal:
        return LiveReporter(console, brief)
    return BriefReporter(console) if brief else PlainReporter(console)


class SilentReporter:
    """Shows nothing but warnings, which go to standard error."""

    def begin(self, path: Path, parts: Parts, state: TrainState) -> None:
        pass

    def row(self, row: dict[str, Any]) -> None:
        pass

    def warn(self, message: str) -> None:
        Console(stderr=True).print(f"[yellow]warning:[/] {escape(message)}", soft_wrap=True)

    def end(self, path: Path, info: dict[str, Any]) -> None:
        pass


class Watch:
    """The latest numbers of a run, and how fast it goes."""

    def __init__(self, parts: Parts, state: TrainState) -> None:
        self.parts = parts
        self.metric = parts.task.metrics[0]
        self.first_step = self.step = state.step
        self.clipped = state.progress.clipped
        self.started = time.perf_counter()
        self.train: dict[str, Any] = {}
        self.eval: dict[str, Any] = state.progress.last or {}
        self.profiles: dict[tuple[str, str], np.ndarray] = {}

    def row(self, row: dict[str, Any]) -> None:
        if row["kind"] == "train":
            self.train, self.step = row, row["step"] + 1
            self.clipped += row["clipped"]
        elif row["kind"] == "eval":
            self.eval = row
        elif row["kind"] == "signal" and row["quantity"] in ("total", "layer"):
            self._profile(Signal.from_row(row))

    def _profile(self, signal: Signal) -> None:
        """Keep a profile: over the timesteps of a part's first layer, or over its layers."""
        if signal.layer > 0:
            return
        part = f"{signal.module} " if signal.module in PARTS else ""
        where = f"{part}{signal.state}{'←' if signal.direction == 'reverse' else ''}"
        self.profiles[where, "t" if signal.axis == "timestep" else "layer"] = signal.values

    @property
    def rate(self) -> float:
        """Training steps per second since this process began, evaluations included."""
        return (self.step - self.first_step) / max(time.perf_counter() - self.started, 1e-9)

    @property
    def remaining(self) -> str:
        """Time left if the run uses its whole budget."""
        return duration((self.parts.config.steps - self.step) / self.rate) if self.rate > 0 else "–"

    @property
    def result(self) -> str:
        results = self.eval.get("metrics", {})
        metric = {"name": self.metric.name, "chance": self.metric.chance, "goal": self.metric.goal}
        others = [f"  {other.name} {number(results.get(other.name))}" for other in self.parts.task.metrics[1:]]
        return against(metric, results.get(self.metric.name), self.parts.task.baselines) + "".join(others)


class PlainReporter:
    """One line an evaluation, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.watch: Watch | None = None

    def begin(self, path: Path, parts: Parts, state: TrainState) -> None:
        self.watch = Watch(parts, state)
        self._line(headline(parts))
        for line in [*model_lines(parts), *scale_lines(parts), *resumed_line(state)]:
            self._line(f"  {line}")

    def row(self, row: dict[str, Any]) -> None:
        if self.watch is None:
            return
        self.watch.row(row)
        if row["kind"] == "eval":
            train, steps = self.watch.train, self.watch.parts.config.steps
            line = f"  step {row['step']:>{len(str(steps))}}/{steps}  {self.watch.result}"
            if train:
                line += f"  train loss {number(train['loss'])}  gradient norm {number(train['grad_norm'])}"
                line += f"  clipped {percent(self.watch.clipped / row['step'])}  {self.watch.rate:.0f} steps/s"
            self._line(line)
        elif row["kind"] == "text":
            self._line(f"  sample: {' '.join(row['text'].split())[:150]}")

    def warn(self, message: str) -> None:
        self._line(f"  warning: {message}")

    def end(self, path: Path, info: dict[str, Any]) -> None:
        for line in summary_lines(path, info):
            self._line(line)

    def _line(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


class BriefReporter(SilentReporter):
    """The outcome, in one line: for the runs of a sweep."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def end(self, path: Path, info: dict[str, Any]) -> None:
        self.console.print(f"    {outcome(info)}; {duration(info['seconds']['total'])}", markup=False, soft_wrap=True)


class LiveReporter:
    """A picture that follows the run, and a panel at its end (``brief``: a line)."""

    def __init__(self, console: Console, brief: bool = False) -> None:
        self.console = console
        self.brief = brief
        self.watch: Watch | None = None
        self.live: Live | None = None
        self.drawn = 0.0
        self.text: str | None = None

    def begin(self, path: Path, parts: Parts, state: TrainState) -> None:
        self.watch = Watch(parts, state)
        if not self.brief:
            self.console.print(Text(headline(parts), style="bold"))
            for line in [*model_lines(parts), *scale_lines(parts), *resumed_line(state)]:
                self.console.print(Text(f"  {line}", style="dim"))
        self.live = Live(console=self.console, auto_refresh=False, transient=True)
        self.live.start()

    def row(self, row: dict[str, Any]) -> None:
        if self.watch is None or self.live is None:
            return
        self.watch.row(row)
        if row["kind"] == "text":
            self.text = " ".join(row["text"].split())[:160]
        if time.perf_counter() - self.drawn > REFRESH:
            self.live.update(Group(*self._picture(self.watch)), refresh=True)
            self.drawn = time.perf_counter()

    def warn(self, message: str) -> None:
        self.console.print(f"[yellow]warning:[/] {escape(message)}")

    def end(self, path: Path, info: dict[str, Any]) -> None:
        if self.live is not None:
            self.live.stop()
        if self.brief:
            BriefReporter(self.console).end(path, info)
            return
        first, *rest = summary_lines(path, info)
        colour = "green" if info["status"] == "done" and info.get("solved_at") is not None else "yellow"
        if info["status"] in ("failed", "diverged"):
            colour = "red"
        body = Text("\n".join(line.strip() for line in rest))
        self.console.print(
            Panel(body, title=Text(first, style=f"bold {colour}"), title_align="left", border_style=colour)
        )

    def _picture(self, watch: Watch) -> Iterator[Any]:
        steps = watch.parts.config.steps
        bar = Table.grid(padding=(0, 1))
        share = watch.step / steps
        bar.add_row(
            f"  step {watch.step}/{steps}",
            ProgressBar(total=steps, completed=watch.step, width=24),
            f"{100 * share:.0f} %  {watch.rate:.0f} steps/s  ≤ {watch.remaining} left",
        )
        yield bar
        yield Text(
            f"  train loss {number(watch.train.get('loss'))}   gradient norm {number(watch.train.get('grad_norm'))}   "
            f"clipped {percent(watch.clipped / watch.step if watch.step else None)}"
        )
        yield Text(f"  {watch.result}", style="cyan")
        for (place, index), values in watch.profiles.items():
            known = values[np.isfinite(values) & (values > 0)]
            span = f"{number(known.min())} … {number(known.max())}" if len(known) else "all zero"
            yield Text(f"  ‖dL/d{place}‖ {index}=0 {sparkline(values)} {index}={len(values) - 1}  {span}")
        if self.text:
            yield Text(f"  sample: {self.text}", style="dim")


def headline(parts: Parts) -> str:
    """What is being trained, with the settings that matter, in one line."""
    plain = to_plain(parts.config)
    pieces = []
    for group in ("model", "task", "clip", "optim"):
        values = dict(plain[group])
        name = values.pop("name")
        shown = [
            f"{k}={v}"
            for k, v in values.items()
            if k not in NOT_SHOWN and v not in OFF.get(k, (False, 0, None, "none"))
        ]
        pieces.append(f"{name} ({', '.join(shown)})" if shown else name)
    pieces += [f"seed={parts.config.seed}", f"{parts.parameter_count:,} parameters", f"{parts.device}, {parts.backend}"]
    return " · ".join(pieces)


def scale_lines(parts: Parts) -> Iterator[str]:
    """What the results are to be held against: chance or measured baselines, the criterion, and their source."""
    for metric in parts.task.metrics:
        baselines = parts.task.baselines if metric is parts.task.metrics[0] else {}
        references = [f"{name} {number(value)}" for name, value in (baselines or {"chance": metric.chance}).items()]
        if metric.goal is not None:
            references.append(f"solved at {number(metric.goal)}")
        yield f"{metric.name} ({metric.unit}): {', '.join(references)}; {metric.source}"


def model_lines(parts: Parts) -> list[str]:
    """What ``model.match_params`` came to, and what the model itself has to say."""
    model = parts.config.model
    notes: list[str] = model.notes(parts.task.spec)
    if model.match_params is None:
        return notes
    off = parts.parameter_count / model.match_params - 1
    found = f"hidden_size={model.hidden_size} has {parts.parameter_count:,} parameters ({100 * off:+.1f} %)"
    return [f"match_params={model.match_params:,}: {found}", *notes]


def resumed_line(state: TrainState) -> list[str]:
    """Where a resumed run goes on."""
    return [f"resumed at step {state.step}"] if state.progress.last else []


def summary_lines(path: Path, info: dict[str, Any]) -> Iterator[str]:
    """The result, what the gradient did, where everything is, and what to type next."""
    yield outcome(info)
    metric, test = info["metric"], info.get("test")
    if test:
        yield f"  on test data that decided nothing: {metric['name']} {number(test['metrics'][metric['name']])}"
    if info["status"] not in ("diverged", "failed"):  # decay is about the last evaluation, not about how they ended
        fits = info.get("decay") or []
        for fit in telling(fits):
            yield f"  {decay_words(fit)}"
        if len(fits) > len(telling(fits)):
            yield f"  ({len(fits) - len(telling(fits))} more layers and directions in run.json)"
    if info.get("clipped_share") is not None:
        clipped = f"{percent(info['clipped_share'])} of {info['step']} steps clipped"
        yield f"  {clipped}; {duration(info['seconds']['total'])} in all"
    yield f"  run folder: {path}"
    if info["status"] in ("interrupted", "failed"):
        yield f"  go on:      seqablate resume {quote(str(path))}"
    else:
        yield f"  curves:     seqablate show {quote(str(path))}"
        yield f"  browser:    seqablate tensorboard {quote(str(path.parent))}"
