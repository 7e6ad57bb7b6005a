"""What of the signals is shown while a run goes on."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from seqablate.record.rows import SignalRow
from seqablate.report.live import signal_line
from seqablate.report.watch import Watch
from seqablate.signals import Place, Signal


def row(quantity: str, values, at=None, **place) -> SignalRow:
    found = Signal(step=0, quantity=quantity, place=Place(part="lstm", **place), values=np.array(values), at=at)
    return SignalRow.of(found)


def lines(*rows: SignalRow) -> list[str]:
    progress = SimpleNamespace(clipped=0, skipped=0, last=None, length=None)
    watch = Watch(SimpleNamespace(task=SimpleNamespace(metrics=[None])), SimpleNamespace(step=0, progress=progress))
    for one in rows:
        watch.row(one)
    return [signal_line(kept, 80) for kept in watch.shown.values()]


def test_the_first_layers_profiles_and_the_one_over_the_layers_are_shown_as_they_were_last():
    first, last = [1e-3, 1e-2, 1e-1, 1.0], [1.0, 1.0, 1.0, 1.0]
    shown = lines(
        row("total", first), row("total", last), row("total", first, state="c", direction="reverse"),
        row("total", first, layer=1), row("layer", first, layer=None), row("lag", first), row("direct", first),
    )  # fmt: skip
    assert shown == [
        "‖dL/dh‖ t=0 ▅▅▅▅ t=3  1 to 1",
        "‖dL/dc←‖ t=0 ▁▃▆█ t=3  0.001 to 1",
        "‖dL/dh‖ layer=0 ▁▃▆█ layer=3  0.001 to 1",
    ]


@pytest.mark.parametrize("at", [None, np.array([1.0, 2.0])])
def test_what_no_view_is_known_of_is_shown_by_its_name(at):
    values = [1e-3, 1e-2, 1e-1, 1.0]
    columns = values if at is None else np.outer(values, [1.0, 9.0])
    assert lines(row("spectrum", columns, at)) == ["spectrum h i=0 ▁▃▆█ i=3  0.001 to 1"]
