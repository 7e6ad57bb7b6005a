"""signals.parquet: everything measured in a run as a tidy table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seqablate.record.files import replacing
from seqablate.signals import Signal

if TYPE_CHECKING:
    import pyarrow

PLACE = ("part", "layer", "direction", "state")
GROUP = 200_000  # values written at a time


def signals_table(signals: list[Signal]) -> pyarrow.Table:
    """One row a value: step, what was measured where, the index along the first axis, ``at`` on the second, the value.

    ``layer`` is null for a curve over layers, and ``at`` where there is no second axis.
    """
    import pyarrow

    sizes = [signal.values.size for signal in signals]

    def words(values: list[str]) -> pyarrow.Array:
        found, codes = np.unique(np.array(values, dtype=str), return_inverse=True)
        codes = np.repeat(codes.astype(np.int32), sizes)
        return pyarrow.DictionaryArray.from_arrays(_numbers(codes), _words(found.tolist()))

    def place(name: str) -> pyarrow.Array:
        values = [getattr(signal.place, name) for signal in signals]
        return words(values) if name != "layer" else _layers(values, sizes)

    return pyarrow.table(
        {
            "step": _numbers(np.repeat(np.array([signal.step for signal in signals], dtype=np.int64), sizes)),
            "quantity": words([signal.quantity for signal in signals]),
            **{name: place(name) for name in PLACE},
            "loss_step": words([signal.loss_step for signal in signals]),
            "index": _numbers(_joined([_index(signal) for signal in signals], np.int64)),
            "at": _known(_joined([_at(signal) for signal in signals])),
            "value": _numbers(_joined([signal.values.ravel() for signal in signals])),
        }
    )


def _index(signal: Signal) -> np.ndarray:
    """The first index of every value, row by row."""
    return np.repeat(np.arange(len(signal.values)), 1 if signal.at is None else len(signal.at))


def _at(signal: Signal) -> np.ndarray:
    """The second coordinate of every value, row by row; NaN without a second axis."""
    return np.tile(np.array([np.nan]) if signal.at is None else signal.at, len(signal.values))


def _layers(layers: list[int | None], sizes: list[int]) -> pyarrow.Array:
    given = np.array([layer is not None for layer in layers], dtype=bool)
    numbers = np.array([layer or 0 for layer in layers], dtype=np.int64)
    return _numbers(np.repeat(numbers, sizes), np.repeat(given, sizes))


def _joined(parts: list[np.ndarray], dtype: type = np.float64) -> np.ndarray:
    return np.concatenate([*parts, np.empty(0, dtype)])


def _known(values: np.ndarray) -> pyarrow.Array:
    """NaN as null."""
    return _numbers(values, ~np.isnan(values))


# Out of their buffers, because pyarrow.array() imports pandas, which takes longer than all else at the end of a run.


def _numbers(values: np.ndarray, given: np.ndarray | None = None) -> pyarrow.Array:
    """Where ``given`` is False, null."""
    import pyarrow

    bits = None if given is None or given.all() else pyarrow.py_buffer(np.packbits(given, bitorder="little"))
    buffer = pyarrow.py_buffer(np.ascontiguousarray(values))
    return pyarrow.Array.from_buffers(pyarrow.from_numpy_dtype(values.dtype), len(values), [bits, buffer])


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
        size += signal.values.size
        if size >= GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group
