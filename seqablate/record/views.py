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

COLUMNS = ("step", "quantity", "module", "layer", "direction", "state", "loss_step", "axis")
NUMBERS = ("step", "layer")


def signals_table(signals: list[Signal]) -> pyarrow.Table:
    """One row a value: step, what was measured where, the index along the axis, the value."""
    import pyarrow

    sizes = [len(signal.values) for signal in signals]

    def column(name: str) -> pyarrow.Array:
        values = [getattr(signal, name) for signal in signals]
        if name in NUMBERS:
            return _numbers(np.repeat(np.array(values, dtype=np.int64), sizes))
        words, codes = np.unique(np.array(values, dtype=str), return_inverse=True)
        return pyarrow.DictionaryArray.from_arrays(
            _numbers(np.repeat(codes.astype(np.int32), sizes)), _words(words.tolist())
        )

    data = {name: column(name) for name in COLUMNS}
    data["index"] = _numbers(np.concatenate([np.arange(size) for size in sizes] or [np.arange(0)]))
    data["value"] = _numbers(np.concatenate([s.values for s in signals] or [np.zeros(0)]))
    return pyarrow.table(data)


# Out of their buffers, because pyarrow.array() imports pandas, which takes longer than all else at the end of a run.


def _numbers(values: np.ndarray) -> pyarrow.Array:
    import pyarrow

    buffer = pyarrow.py_buffer(np.ascontiguousarray(values))
    return pyarrow.Array.from_buffers(pyarrow.from_numpy_dtype(values.dtype), len(values), [None, buffer])


def _words(values: list[str]) -> pyarrow.Array:
    import pyarrow

    encoded = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pyarrow.StringArray.from_buffers(
        len(values), pyarrow.py_buffer(np.ascontiguousarray(ends)), pyarrow.py_buffer(b"".join(encoded))
    )


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
