"""signals.parquet: every curve of a run as a tidy table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seqablate.record.files import replacing
from seqablate.signals import Signal

if TYPE_CHECKING:
    import pyarrow

COLUMNS = ("step", "quantity", "module", "layer", "direction", "state", "loss_step", "axis")
NUMBERS = ("step", "layer")
GROUP = 200_000  # values written at a time


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


def write_signals(run_dir: Path, signals: Iterable[Signal]) -> Path:
    """Write (or write again) signals.parquet from the record's signals (RunFailure if the disk does not take it).

    Some hundred thousand values at a time, so that memory does not grow with the length of a run.
    """
    import pyarrow.parquet

    path = run_dir / "signals.parquet"
    with replacing(path) as file, pyarrow.parquet.ParquetWriter(file, signals_table([]).schema) as writer:
        for group in _groups(signals):
            writer.write_table(signals_table(group))
    return path


def _groups(signals: Iterable[Signal]) -> Iterator[list[Signal]]:
    group: list[Signal] = []
    size = 0
    for signal in signals:
        group.append(signal)
        size += len(signal.values)
        if size >= GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group
