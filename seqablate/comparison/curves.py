"""Lag curves and profiles of one run or several, at one training step or several, ready to be drawn."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqablate.comparison.pool import pool, rows_of
from seqablate.comparison.settings import arms
from seqablate.figures.curve import Curve
from seqablate.figures.scale import Scale
from seqablate.figures.styles import Look
from seqablate.record.run import Run
from seqablate.signals import Signal
from seqablate.signals.decay import FLOORS
from seqablate.signals.view import Curve as CurveView
from seqablate.signals.view import has_decay, last_shown, standing_for_run
from seqablate.text import counted

MOST_CURVES = 8  # more runs are pooled over their seeds
MOST_DRAWN = 60  # more cannot be told apart

When = int | None  # a number of training steps; None: the last evaluation


@dataclass(frozen=True, slots=True)
class Overlay:
    """Curves with the words around them.

    Attributes:
        scale: the vertical axis; norms below its floor are inexact, and it has none where all are float64.
        notes: what is not drawn, and why.
    """

    curves: list[Curve]
    title: str
    xlabel: str
    ylabel: str
    scale: Scale
    notes: list[str]

    @property
    def words(self) -> dict[str, Any]:
        """What whoever draws the curves is told besides them."""
        return {name: getattr(self, name) for name in ("title", "xlabel", "ylabel", "scale")}


@dataclass(frozen=True, slots=True)
class Found:
    """A run's curves of one kind as they were at one training step.

    Attributes:
        dash: 0 for the last of the steps asked for, 1 for the one before.
        diverged: the training step at which the run diverged, where that lies between ``step`` and the step asked for.
    """

    run: Run
    dash: int
    signals: list[Signal]
    step: int
    diverged: int | None


def overlay(runs: Sequence[Run], view: CurveView, whens: Sequence[When] = (None,)) -> Overlay | None:
    """The curves of one kind of every run; None when no run has one.

    A single run shows all its states, layers and directions. Several runs show the first layer's memory, one curve a
    run: c of an LSTM, h of the others, an encoder's before its decoder's, as in the table. More than 8 runs are pooled
    over their seeds.

    Args:
        runs: in the order in which they are drawn.
        view: the kind of curve.
        whens: after how many training steps; the curves of all but the last one are dashed.
    """
    asked = [(run, len(whens) - 1 - position, when) for position, when in enumerate(whens) for run in runs]
    answers = [_find(run, dash, view, when, every_place=len(runs) == 1) for run, dash, when in asked]
    found = [one for one in answers if one is not None]
    if not found:
        return None
    floor = None if all(run.info.dtype == "float64" for run in runs) else FLOORS["float32"]
    several = len(whens) > 1
    curves = _of_one(found, several) if len(runs) == 1 else _of_several(runs, found, several, floor)
    notes = [
        f"{run.name}: no such curve" + ("" if when is None else f" {after([when])}")
        for (run, _, when), one in zip(asked, answers, strict=True)
        if one is None
    ]
    if len(curves) > MOST_DRAWN:
        notes.append(
            f"only the first {MOST_DRAWN} of {len(curves)} curves are drawn: name fewer runs to see the others"
        )
    return Overlay(
        curves[:MOST_DRAWN], _title(runs, view, found), view.xlabel, view.unit, Scale(view.log, floor), notes
    )


def _find(run: Run, dash: int, view: CurveView, when: When, *, every_place: bool) -> Found | None:
    """The run's curves after ``when`` steps; where nothing was measured then, those of the last time before."""
    signals = last_shown(view, [signal for signal in run.record.signals if when is None or signal.step <= when])
    headline = standing_for_run(signals)
    if not every_place:
        signals = [] if headline is None else [headline]
    if not signals:
        return None
    end = run.info.diverged_at
    diverged = end if end is not None and (when is None or when >= end) else None
    return Found(run, dash, signals, signals[0].step, diverged)


def _of_one(found: Sequence[Found], several: bool) -> list[Curve]:
    """All places of a run: a colour for each place, a dash for each training step."""
    return [
        _curve(
            signal.place.label + (f", {after([one.step])}" if several else ""),
            signal,
            (number, one.dash) if several else (number,),
        )
        for one in found
        for number, signal in enumerate(one.signals)
    ]


def _of_several(runs: Sequence[Run], found: Sequence[Found], several: bool, floor: float | None) -> list[Curve]:
    """The first layer's memory of every arm: a colour for the first setting, a dash for the second.

    With several training steps it is a colour for each arm and a dash for each step.
    """
    steps_differ = {dash: len({one.step for one in found if one.dash == dash}) > 1 for dash in range(len(found))}
    curves = []
    for number, arm in enumerate(arms(runs, by_seed=len(runs) <= MOST_CURVES)):
        for dash in sorted({one.dash for one in found}):
            members = [one for one in found if one.dash == dash and one.run in arm.runs]
            look = (number, dash) if several else arm.look
            if len(arm.runs) > 1:
                curves.append(_pooled(arm.label, members, several, floor, look))
            elif members:
                curves.append(_single(arm.label, members[0], several or steps_differ[dash], look))
    return curves


def _single(label: str, one: Found, say_step: bool, look: Look) -> Curve:
    """The curve of an arm's only run."""
    (signal,) = one.signals
    words = [f"{label} ({signal.place.owner})"]
    words += [f"diverged at step {one.diverged}"] if one.diverged is not None else []
    words += [after([one.step])] if say_step or one.diverged is not None else []
    return _curve(", ".join(words), signal, look)


def _pooled(label: str, members: Sequence[Found], say_step: bool, floor: float | None, look: Look) -> Curve:
    """The median over an arm's seeds; those that diverged are counted and left out, for they have no such curve."""
    kept = [one for one in members if one.diverged is None]
    diverged = len(members) - len(kept)
    if not kept:
        return Curve(f"{label}: no curve, {diverged} of {len(members)} seeds diverged", np.empty(0), look=look)
    parts = [measured(one.signals[0]) for one in kept]
    start = max(first for first, _ in parts)
    curves = [values[start - first :] for first, values in parts]
    vanished = sum(bool((values < (floor or FLOORS["float64"])).any()) for values in curves)
    pooled = pool(rows_of(curves))
    at_least, most = pooled.n_K.min(), len(curves)
    seeds = f"{most} seeds" if at_least == most else f"{at_least} to {most} seeds"
    words = [f"{label} ({kept[0].signals[0].place.owner})"]
    words += [after([one.step for one in kept])] if say_step else []
    words += [f"median over {seeds} ({vanished} vanished, {diverged} diverged)"]
    return Curve(", ".join(words), pooled.median_K, start + np.arange(len(pooled.n_K)), look)


def _curve(label: str, signal: Signal, look: Look) -> Curve:
    start, values = measured(signal)
    return Curve(label, values, start + np.arange(len(values)), look)


def measured(signal: Signal) -> tuple[int, np.ndarray]:
    """Where the curve begins and its values, without the points that were never measured.

    These are NaN: the lags within a decoder at the beginning of its encoder's lag curve, and the padding behind the
    longest sequence at the end of a profile. A NaN elsewhere is a value, and so is one that an overflow leads to.
    """
    values = signal.values
    known = np.flatnonzero(~np.isnan(values))
    if has_decay(signal):
        return int(known[0]), values[known[0] :]
    overflowed = signal.place.direction == "reverse" and np.isinf(values[known[-1]])
    return 0, values if overflowed else values[: known[-1] + 1]


def _title(runs: Sequence[Run], view: CurveView, found: Sequence[Found]) -> str:
    """What is drawn, and after how many training steps."""
    title = titled(view, {signal.place.state for one in found for signal in one.signals})
    moments = []
    for dash in sorted({one.dash for one in found}, reverse=True):
        kept = [one for one in found if one.dash == dash]
        kept = [one for one in kept if one.diverged is None] or kept
        moments.append(after([one.step for one in kept]) + (" (dashed)" if dash == 1 else ""))
    title = f"{title}, {' and '.join(moments)}"
    if len(runs) > 1:
        return title
    diverged = found[-1].diverged
    return f"{runs[0].name}{'' if diverged is None else f' (diverged at step {diverged})'}\n{title}"


def titled(view: CurveView, states: Iterable[str]) -> str:
    """The view's title, with the states that it shows in it: ``h(t) or c(t)``."""
    ordered = sorted(states, reverse=True)  # h before c
    return re.sub(r"{state}(\S+)", lambda at: " or ".join(state + at[1] for state in ordered), view.title)


def after(steps: Sequence[int]) -> str:
    """``at initialisation``, ``after 3000 steps``, ``after 300 to 3000 steps``."""
    first, last = min(steps), max(steps)
    if first == last:
        return "at initialisation" if last == 0 else f"after {counted(last, 'step')}"
    return f"after {first} to {last} steps"
