"""The curves in a probe's record: norms over timesteps, over calls, or over the layers of a deep net.

Shapes: T steps along the curve, B batch, L layers, S directions, C calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from seqablate.probe.modules import ModuleGradients
from seqablate.signals.decay import FLOORS, Decay, fit_decay
from seqablate.signals.fit import Fit
from seqablate.signals.place import Place
from seqablate.signals.words import decay_words
from seqablate.text import counted

Align = Literal["start", "end"]
Axis = Literal["timestep", "call", "layer"]
OUTPUT = Place(part="", state="output")


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """The total norms of one state of one layer and direction, or of one output.

    Attributes:
        label: what it is of: ``encoder.rnn h layer 0 reverse``; an output's module; ``depth``.
        axis: what its steps are.
        norms_TB, valid_TB: the norms, and whether there is such a step of such a sample.
        place: its layer, direction and state; the state of an output is called ``"output"``.
        floor: norms below it are too small for the dtype of the gradient (see :data:`~seqablate.signals.decay.FLOORS`).
    """

    label: str
    axis: Axis
    norms_TB: np.ndarray
    valid_TB: np.ndarray
    place: Place = OUTPUT
    floor: float = FLOORS["float32"]

    def mean(self, align: Align = "start") -> np.ndarray:
        """[T] mean over the samples that have this step, or that have one so far from their end; NaN without any.

        A norm that is NaN or infinite makes the mean so.
        """
        norms_TB, valid_TB = self.norms_TB, self.valid_TB
        if align == "end":
            norms_TB, valid_TB = _from_the_end(norms_TB, valid_TB)
        count_T = valid_TB.sum(1)
        total_T = np.where(valid_TB, norms_TB, 0.0).sum(1)
        return np.divide(total_T, count_T, out=np.full(len(total_T), np.nan), where=count_T > 0)

    @property
    def unequal(self) -> bool:
        """Whether the samples end at different steps."""
        return not bool(self.valid_TB.all())

    def backwards(self) -> np.ndarray:
        """[T] the mean at each step back, counted from the last step that a gradient arrives at."""
        back_T = self.mean("start" if self.place.direction == "reverse" else "end")
        return back_T[np.argmax(back_T != 0) :]

    def decay(self) -> Decay | None:
        """What it does on the way back; None for fewer than three steps."""
        return fit_decay(self.backwards(), self.floor)

    def words(self) -> str:
        """The factor per step back, where there is one, and the decay in a sentence."""
        decay = self.decay()
        if decay is None:
            return f"too short for a decay: a gradient arrives at {counted(len(self.backwards()), self.axis)}"
        reverse = self.place.direction == "reverse"
        quantity = "depth_lag" if self.axis == "layer" else "path_lag" if reverse else "lag"
        fit = Fit.of(quantity, self.place, decay)
        words = decay_words(fit)
        return words if fit.factor is None else f"decay {fit.factor:.3g}  {words}"

    def vanished(self) -> float:
        """The share of its steps whose mean is 0 or below the floor."""
        known_T = self.mean()[self.valid_TB.any(1)]
        return float((known_T < self.floor).mean()) if len(known_T) else 0.0

    def oddities(self) -> str:
        """How many of its steps have no logarithm, and why: ``NaN at 1 of 20 timesteps, inf at 2``; empty for none."""
        mean_T = self.mean()[self.valid_TB.any(1)]
        kinds = {"NaN": np.isnan(mean_T), "inf": np.isinf(mean_T), "0": mean_T == 0}
        found = [f"{name} at {at.sum()} of {len(mean_T)} {self.axis}s" for name, at in kinds.items() if at.any()]
        return ", ".join(found)

    def is_finite(self) -> bool:
        """Whether every norm is."""
        return bool(np.isfinite(self.norms_TB[self.valid_TB]).all())


def profiles(records: Mapping[str, ModuleGradients]) -> list[Profile]:
    """The curves over timesteps or calls, by ``module h layer 0``, ``module c layer 1 reverse``, ..., or ``module``.

    The last is that of a named output. Modules without a call that can be read, and outputs without a T that were
    called once, are left out.
    """
    found = []
    for name, record in records.items():
        module = record.only_readable()
        if not module.calls or (module.layout is not None and "T" not in module.layout and not module.counts_calls):
            continue
        valid_L1TB = module.valid.cpu().numpy()
        for state, norms_LSTB in module.total.items():
            for layer, directions in enumerate(norms_LSTB.cpu().numpy()):
                valid_TB = valid_L1TB[layer if len(valid_L1TB) > 1 else 0, 0]
                if not valid_TB.any():
                    continue
                for s, norms_TB in enumerate(directions):
                    if module.layout is None:
                        place = Place(part="", layer=layer, direction="reverse" if s else "forward", state=state)
                        label = f"{name} {place.label}".strip()
                    else:
                        place, calls = OUTPUT, f" call {layer}" if len(norms_LSTB) > 1 else ""
                        label = (name or "output") + calls
                    axis: Axis = "call" if module.counts_calls else "timestep"
                    found.append(Profile(label, axis, norms_TB, valid_TB, place, _floor(module)))
    return found


def depth(records: Mapping[str, ModuleGradients]) -> Profile | None:
    """The curve [N] over the outputs without a T, in the order named, each a step; None without any.

    Its samples are those of each output side by side; several micro-batches are more samples.
    """
    modules = [record.only_readable() for record in records.values()]
    flat = [m for m in modules if m.calls and m.layout is not None and "T" not in m.layout and not m.counts_calls]
    if not flat:
        return None
    norms = [m.total["h"].flatten().cpu() for m in flat]
    norms_NB = torch.nn.utils.rnn.pad_sequence(norms, batch_first=True, padding_value=torch.nan).numpy()
    valid_NB = torch.nn.utils.rnn.pad_sequence([torch.ones(len(n), dtype=torch.bool) for n in norms], batch_first=True)
    return Profile("depth", "layer", norms_NB, valid_NB.numpy(), floor=_floor(flat[0]))


def everything(records: Mapping[str, ModuleGradients]) -> list[Profile]:
    """The curves over time or calls, then that over the layers."""
    over_layers = depth(records)
    return profiles(records) + ([] if over_layers is None else [over_layers])


def notes(records: Mapping[str, ModuleGradients], found: list[Profile]) -> list[str]:
    """What is missing from a record, and where it is not finite, in a line each."""
    lines = [line for record in records.values() for line in record.problems]
    return lines + [f"{curve.label}: {curve.oddities()}" for curve in found if not curve.is_finite()]


def _floor(module: ModuleGradients) -> float:
    return FLOORS["float64" if module.calls[0].dtype == torch.float64 else "float32"]


def _from_the_end(norms_TB: np.ndarray, valid_TB: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each sample's steps back to front, from its last one on."""
    lengths_B = valid_TB.sum(0)
    k_T1 = np.arange(len(norms_TB))[:, None]
    at_TB = np.maximum(lengths_B - 1 - k_T1, 0)
    return np.take_along_axis(norms_TB, at_TB, axis=0), k_T1 < lengths_B
