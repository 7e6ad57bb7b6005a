"""The one schema for everything that is measured while a model learns."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from seqablate.signals.place import Place

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")  # of a quantity: it stands in tags and names of files
MOST_VALUES = 2_500_000  # of one signal: the record's longest row holds them


def check_quantity(name: str) -> None:
    """Refuse what cannot be the name of a quantity, with ValueError."""
    if not NAME.fullmatch(name):
        raise ValueError(f"quantity {name!r}: at most 40 lower-case letters, digits and underscores")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signal:
    """A curve, or a matrix, measured at one training step.

    Args:
        step: number of updates the parameters had seen when this was measured (0 = at initialisation).
        quantity: what it is, and with that what ``values`` is indexed by; its view
            (:mod:`seqablate.signals.view`) has the words. Ours are

            - ``"total"``: dL/dh_t with all that flows back through later timesteps, by timestep;
            - ``"direct"``: the part of it that arrives through h_t's own output, by timestep;
            - ``"layer"``: the gradient at a layer's whole output, all timesteps together, as it arrives from the layers
              above (of a recurrence the direct part), by layer from the input;
            - ``"lag"``: the gradient of the last loss step (Pascanu et al. 2013, eq. 5), by timesteps before it;
            - ``"path_lag"``: the same of a reverse direction, by its own steps back from its end, which is timestep 0,
              behind the steps of a decoder;
            - ``"depth_lag"``: the same of layers without timesteps, by layers below the top;
            - ``"pair"``: the gradient of each loss step of a decoder (``at``) at each timestep of its encoder.
        place: what it is measured of.
        loss_step: which loss the gradient is of: ``"all"`` (the training loss), ``"last"`` (the last loss step only),
            or ``"each"`` (one after the other, along ``at``).
        values: float64 [T], or [T, K] with ``at``. Ours are the batch mean of each sample's own gradient norm of its
            own loss: what is not finite in one sample is not finite here. NaN where no sample has the step, too.
        at: [K] increasing coordinates of a second axis, such as the number of a singular value; None without one.

    Raises:
        ValueError: a quantity that is no lower-case name, or shapes that do not fit.
    """

    step: int
    quantity: str
    place: Place
    loss_step: str = "all"
    values: np.ndarray
    at: np.ndarray | None = None

    def __post_init__(self) -> None:
        check_quantity(self.quantity)
        shape = np.shape(self.values)
        if len(shape) != (1 if self.at is None else 2) or (self.at is not None and shape[1:] != np.shape(self.at)):
            columns = "no at" if self.at is None else f"at of shape {np.shape(self.at)}"
            raise ValueError(f"{self.quantity}: values of shape {shape} with {columns}: [T], or [T, K] with K in at")
        if self.at is not None and not (np.isfinite(self.at).all() and (np.diff(self.at) > 0).all()):
            raise ValueError(f"{self.quantity}: at must increase, and be finite")
        if np.size(self.values) > MOST_VALUES:
            raise ValueError(f"{self.quantity}: {np.size(self.values):,} values; at most {MOST_VALUES:,} are recorded")

    @property
    def known(self) -> bool:
        """Whether anything in it is a number."""
        return bool(np.isfinite(self.values).any())
