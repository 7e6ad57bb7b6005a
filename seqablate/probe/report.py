"""A probe's record as text and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from seqablate.probe.curves import everything, notes
from seqablate.probe.modules import ModuleGradients
from seqablate.text import counted, sparkline

if TYPE_CHECKING:
    import pandas as pd

WIDTH = 24  # blocks of a sparkline
COLUMNS = ("module", "state", "layer", "direction", "call", "quantity", "timestep", "sample", "value")


def text(model: str, records: Mapping[str, ModuleGradients]) -> str:
    """A line for each curve: label, sparkline over its steps, and its decay in words."""
    found = everything(records)
    calls = sum(len(record.calls) for record in records.values())
    head = f"TimestepProbe of {model}: {counted(len(records), 'module')}, {counted(calls, 'call')} recorded"
    if not found:
        names = ", ".join(name or "the model" for name in records)
        return "\n".join([head, f"no gradient yet; probed: {names}", *notes(records, found)])
    width = max(len(curve.label) for curve in found)
    lines = [f"{curve.label:{width}}  {sparkline(curve.mean(), WIDTH)}  {curve.words()}" for curve in found]
    odd = [f"{curve.label}: {curve.oddities()}" for curve in found if curve.is_finite() and curve.oddities()]
    return "\n".join([head, *lines, *odd, *notes(records, found)])


def frame(records: Mapping[str, ModuleGradients]) -> pd.DataFrame:
    """Every norm in a row of its own (see :meth:`~seqablate.probe.timestep.TimestepProbe.to_frame`)."""
    import pandas as pd

    parts = [part for name, record in records.items() for part in _parts(name, record.only_readable())]
    if not parts:
        return pd.DataFrame({column: [] for column in COLUMNS})
    return pd.concat(parts, ignore_index=True)


def _parts(name: str, module: ModuleGradients) -> Iterator[pd.DataFrame]:
    import pandas as pd

    if not module.calls:
        return
    valid_L1TB = module.valid.cpu().numpy()
    for quantity, by_state in (("total", module.total), ("direct", module.direct)):
        for state, norms_LSTB in by_state.items():
            values = norms_LSTB.cpu().numpy()
            n, s, t, b = np.nonzero(np.broadcast_to(valid_L1TB, values.shape))
            calls = module.layout is not None
            yield pd.DataFrame(
                {
                    "module": name,
                    "state": state if module.layout is None else "output",
                    "layer": 0 if calls else n,
                    "direction": np.where(s == 1, "reverse", "forward"),
                    "call": n if calls else 0,
                    "quantity": quantity,
                    "timestep": t,
                    "sample": b,
                    "value": values[n, s, t, b],
                }
            )
