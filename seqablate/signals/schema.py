"""The one schema for everything a probe measures.

Parts still to come (Jacobian spectra, Lyapunov exponents) are other values of the same fields, so that the record,
TensorBoard and ``show`` need no change for them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

PARTS = ("encoder", "decoder")  # of a model that has both; elsewhere the model's name says nothing new


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signal:
    """One curve, measured at one training step.

    Args:
        step: number of updates the parameters had seen when this was measured (0 = at initialisation).
        quantity: ``"total"`` (dL/dh_t with all that flows back through later timesteps), ``"direct"`` (the part that
            arrives through h_t's own output), ``"lag"`` (the gradient of ONE loss step: Pascanu et al. 2013, eq. 5),
            ``"pair"`` (the same, of each loss step of a decoder at the timesteps of its encoder) or ``"layer"`` (the
            gradient at a layer's whole output, as it arrives from the layers above; of a recurrence the direct part).
        module: the part that was probed: ``"rnn"``, ``"encoder"``.
        layer: depth in the stack, from 0; of a curve over layers, where it begins.
        direction: ``"forward"`` or ``"reverse"``.
        state: ``"h"``, or ``"c"`` for the cell state of an LSTM.
        loss_step: which loss the gradient is of: ``"all"`` (the training loss) or ``"last"`` (the last loss step only),
            or the number of one loss step, from 0.
        axis: what ``values`` is indexed by: ``"timestep"`` (0-based), ``"lag"`` (timesteps before the loss step),
            ``"path"`` (of a reverse direction: its own steps back from where it ends, which is timestep 0, behind the
            steps of a decoder), ``"layer"`` (from the input, 0-based; of all timesteps together) or ``"depth"`` (layers
            below the top).
        values: float64: the batch mean of each sample's own gradient norm of its own loss. What is not finite in one
            sample is not finite here. NaN where no sample has the step, too.
    """

    step: int
    quantity: str
    module: str
    layer: int
    direction: str
    state: str
    loss_step: str
    axis: str
    values: np.ndarray

    @property
    def label(self) -> str:
        """Short name of the place measured: ``h layer 0``, ``c layer 1 reverse``, ``encoder h layer 0``, ``h``."""
        part = f"{self.module} " if self.module in PARTS else ""
        layer = "" if self.axis in ("layer", "depth") else f" layer {self.layer}"
        return f"{part}{self.state}{layer}" + (" reverse" if self.direction == "reverse" else "")

    def to_row(self) -> dict[str, Any]:
        """The record's row; numbers keep 9 significant digits, so float32 values come back exactly."""
        row = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "values"}
        return row | {"values": [float(f"{v:.9g}") for v in self.values]}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Signal:
        """The inverse of :meth:`to_row`; fields of a newer schema are ignored."""
        known = {f.name: row[f.name] for f in fields(cls) if f.name != "values"}
        return cls(**known, values=np.array(row["values"], dtype=np.float64))
