"""signals.parquet: every curve of a run as a tidy table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seqablate.errors import RunFailure
from seqablate.record.reader import Record
from seqablate.signals import Signal

if TYPE_CHECKING:
    import pyarrow

COLUMNS = ("quantity", "module", "layer", "direction", "state", "loss_step", "axis")


def signals_table(signals: list[Signal]) -> pyarrow.Table:
    """One row a value: step, what was measured where, the index along the axis, the value."""
    import pyarrow

    sizes = [len(signal.values) for signal in signals]

    def column(name: str) -> pyarrow.Array:
        array = pyarrow.array(np.repeat(np.array([getattr(s, name) for s in signals], dtype=object), sizes))
        return array.dictionary_encode() if pyarrow.types.is_string(array.type) else array

    data = {"step": column("step")} | {name: column(name) for name in COLUMNS}
    data["index"] = pyarrow.array(np.concatenate([np.arange(size) for size in sizes] or [np.arange(0)]))
    data["value"] = pyarrow.array(np.concatenate([s.values for s in signals] or [np.zeros(0)]))
    return pyarrow.table(data)


def write_signals(run_dir: Path, record: Record) -> Path:
    """Write (or write again) signals.parquet from the record (RunFailure if the disk does not take it)."""
    import pyarrow.parquet

    path, temporary = run_dir / "signals.parquet", run_dir / ".signals.parquet"
    try:
        pyarrow.parquet.write_table(signals_table(record.signals), temporary)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunFailure(f"cannot write {path}: {error.strerror}") from error
    return path
