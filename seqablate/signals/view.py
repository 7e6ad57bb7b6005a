"""How a signal is shown: a view is declared beside what measures the signal, and whoever draws loops over views.

A quantity that no view was declared for, such as that of a package that is not installed any more, has a plain view.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any, Protocol

import numpy as np

from seqablate.signals.signal import Signal, check_quantity

MOST_PANELS = 60  # places in one picture
NORM = "gradient norm (mean over samples)"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Abstract: how the signals of one quantity are shown; :class:`Curve` or :class:`Heatmap`.

    Args:
        quantity: of the signals that it shows.
        tag: prefix of its tags on TensorBoard, such as ``lag_curve``.
        title: what it is; ``{state}`` stands for h or c.
        xlabel: what T counts.
        unit: what the values are.
        log: whether values are shown by their log10; else as they are.
        index: the letter or name of one place along T.
        symbol: of the values in a formula; ``{place}`` stands for h, c, ...
        live: whether its first layer is shown on the terminal while a run goes on; of a heatmap the first of K.
        file: in the names of its pictures; the quantity when left out.
    """

    quantity: str
    tag: str
    title: str
    xlabel: str = "timestep t"
    unit: str = NORM
    log: bool = True
    index: str = "t"
    symbol: str = "‖dL/d{place}‖"
    live: bool = True
    file: str = ""

    def __post_init__(self) -> None:
        check_quantity(self.quantity)

    @property
    def noun(self) -> str:
        """What it is called in titles and messages: ``lag curve``."""
        return self.tag.replace("_", " ")

    @property
    def stem(self) -> str:
        """Of the names of its pictures."""
        return self.file or self.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve(View):
    """A line over [T] values.

    Args:
        axis: what T counts, in a chart's title: against ...
        decay: whether it runs back from a loss, so that a decay is read off it. What is not a number (NaN) at the
            beginning of such a curve was not measured; of any other curve this holds for its end.
        aside: of secondary interest: TensorBoard has its tags and ``show`` saves its picture, and no more.
        history: the fewest values with which TensorBoard shows it against the training step as well; None: never.
    """

    axis: str = "the timestep"
    decay: bool = False
    aside: bool = False
    history: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heatmap(View):
    """Cells of [T, K] values as they were last measured: T to the right, K upwards, in colours.

    Args:
        ylabel: what K counts.
        relative: with ``log``, colours compare each of the K rows with its own largest value, and the first row stands
            at the top: so that each loss step of a decoder can be seen.
    """

    ylabel: str
    relative: bool = False

    @property
    def words(self) -> dict[str, Any]:
        """What :func:`seqablate.figures.panels.draw_panels` is told besides the values and the title."""
        return {name: getattr(self, name) for name in ("xlabel", "ylabel", "unit", "log", "relative")}


Panels = dict[str, tuple[np.ndarray, np.ndarray]]  # label of a place -> at [K] and values [K, T]
_declared: dict[str, View] = {}


def declare(*views: View) -> None:
    """Make views known.

    Raises:
        ValueError: a quantity has another view already.
    """
    for view in views:
        if _declared.setdefault(view.quantity, view) != view:
            raise ValueError(f"the quantity {view.quantity!r} has a view already: {_declared[view.quantity].title}")


def declared() -> tuple[View, ...]:
    """All views, in the order in which they were declared."""
    return tuple(_declared.values())


class Viewed(Protocol):
    """What of a signal, or of its row in a record, decides how it is shown."""

    @property
    def quantity(self) -> str: ...

    @property
    def at(self) -> object | None: ...


def view_of(signal: Viewed) -> View:
    """The view that shows a signal: its quantity's, or a plain one where there is none that fits."""
    view = _declared.get(signal.quantity)
    kind = Curve if signal.at is None else Heatmap
    return view if isinstance(view, kind) else _plain(signal.quantity, kind)


def has_decay(signal: Signal) -> bool:
    """Whether a decay is read off it."""
    view = view_of(signal)
    return isinstance(view, Curve) and view.decay


def views_of(signals: Iterable[Signal]) -> list[View]:
    """The views that show these signals: the declared ones in their order, then the plain ones by name."""
    found = {view_of(signal) for signal in signals}
    known = [view for view in declared() if view in found]
    return known + sorted(found.difference(known), key=lambda view: view.tag)


def last_shown(view: View, signals: Iterable[Signal]) -> list[Signal]:
    """A view's signals of the last step at which any was known (a diverged run ends in NaN)."""
    found = [signal for signal in signals if view_of(signal) is view and signal.known]
    return [signal for signal in found if signal.step == found[-1].step]


def panels(matrices: Iterable[Signal]) -> Panels:
    """Signals of two axes as :func:`seqablate.figures.panels.draw_panels` takes them, by place; not more than fit."""
    found = {m.place.label: (m.at, m.values.T) for m in matrices if m.at is not None}
    return dict(islice(found.items(), MOST_PANELS))


def standing_for_run(signals: Sequence[Signal]) -> Signal | None:
    """The signal whose place stands for the run (see :attr:`Place.rank`), None without any."""
    return max(signals, key=lambda signal: signal.place.rank, default=None)


@cache
def _plain(name: str, kind: type[View]) -> View:
    """What is shown of a quantity that nothing is known of: its name."""
    words: dict[str, Any] = {"quantity": name, "tag": f"signal/{name}", "title": name, "unit": name, "xlabel": "index"}
    words |= {"index": "i", "symbol": name + " {place}", "log": False}
    if kind is Curve:
        return Curve(**words, axis="the index", file=f"signal-{name}")
    return Heatmap(**words, ylabel="second index", file=f"signal-{name}-2d")
