"""What a cell is: its gates, its states, the formula of one step, and what runs whole sequences of it.

The formula alone is enough: the plain loop runs it under autograd. ``cells/`` holds the cells, one file each.

Shapes: B batch, I input, D hidden, P projected (D without ``proj_size``), G gates. Weights are laid out as in torch.nn:
``w_ih`` [G*D, I] and ``w_hh`` [G*D, P], one block of D rows per gate. A cell that is diagonal has ``w_hh`` [G*D], one
number for each unit, and one whose gates see the input alone has none: [0].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear

if TYPE_CHECKING:
    from seqablate.engine.kernels.arrays import Array, Backward, Call

States = tuple[Tensor, ...]  # (h,), or (h, c)


class Weights(NamedTuple):
    """The parameters of one layer and direction, in torch's order of gates (LSTM: i, f, g, o; GRU: r, z, n).

    A cell's formula takes from here what its gates are made of: sums, or with gains their layer norms, each over all
    gates that the formula takes at once (Ba et al. 2016, eq. 20-22; ``b_ih`` and ``b_hh`` are their beta and b).
    """

    w_ih: Tensor  # [G*D, I]
    w_hh: Tensor  # [G*D, P]; by ``Cell.recurrent`` also [G*D], or [0]
    b_ih: Tensor | None = None  # [G*D]
    b_hh: Tensor | None = None  # [G*D]
    w_hr: Tensor | None = None  # [P, D], only with proj_size
    gain_ih: Tensor | None = None  # [G*D], only with layer norm, as the next three
    gain_hh: Tensor | None = None  # [G*D]
    gain_c: Tensor | None = None  # [D], only of a cell with a state c
    b_c: Tensor | None = None  # [D]
    w_skip: Tensor | None = None  # [G*D, D], only with a skip over time; a formula finds it in w_ih, behind its columns

    def from_input(self, x_BI: Tensor) -> Tensor:
        """``W_ih x + b_ih`` [B, G*D], or ``LN(W_ih x)``."""
        return _normed_linear(x_BI, self.w_ih, self.b_ih, self.gain_ih)

    def from_hidden(self, h_BP: Tensor) -> Tensor:
        """``W_hh h + b_hh`` [B, G*D], or ``LN(W_hh h)``."""
        return _normed_linear(h_BP, self.w_hh, self.b_hh, self.gain_hh)

    def from_cell(self, c_BD: Tensor) -> Tensor:
        """``c`` as the output sees it [B, D], or ``LN(c)``."""
        return c_BD if self.gain_c is None else layer_norm(c_BD, self.gain_c.shape, self.gain_c, self.b_c)

    def split(self, gates: Sequence[int]) -> list[Weights]:
        """The weights of the first so many gates, of the next so many, and so on."""
        D = len(self.w_ih) // sum(gates)
        by_gate = {name: p for name, p in self._asdict().items() if name.endswith(("_ih", "_hh")) and _has_rows(p)}
        rows = {name: p.split([D * n for n in gates]) for name, p in by_gate.items()}
        return [self._replace(**{name: parts[k] for name, parts in rows.items()}) for k in range(len(gates))]


def _has_rows(p: Tensor | None) -> bool:
    return p is not None and len(p) > 0


def _normed_linear(v: Tensor, w: Tensor, b: Tensor | None, gain: Tensor | None) -> Tensor:
    if gain is None:
        return linear(v, w, b)
    return layer_norm(linear(v, w), gain.shape, gain, b)


@dataclass(frozen=True, slots=True)
class Kernels:
    """Compiled code for whole sequences of a cell, in float32 and float64 on a CPU (``kernels/``).

    Args:
        forward: fills ``call.over_time`` and, where ``call.keep``, what the backward pass needs of the gates.
        backward: fills ``back``, and returns dW_ih, dW_hh, db_ih and db_hh as torch has them, and then the gradients
            of the gains and of W_skip where the call has them; each its own array.
        scan: whether they are given a and b of a :class:`Linear` formula, and no weights.
    """

    forward: Callable[[Call], None]
    backward: Callable[[Call, Backward], list[Array]]
    scan: bool = False


@dataclass(frozen=True, slots=True)
class Linear:
    """The formula of a cell with one state that is kept elementwise: ``h' = a h + b``.

    A cell with it may have the kernels ``SCAN`` (``kernels/scan.py``).

    Args:
        terms: ``(x, *weights) -> (a, b)``, of the input alone: x [..., I] of any number of timesteps, b [..., D], and a
            [..., D] or [D].
    """

    terms: Callable[..., tuple[Tensor, Tensor]]

    def __call__(self, x_BI: Tensor, states: States, *weights: Weights) -> States:
        """One step."""
        a, b_BD = self.terms(x_BI, *weights)
        return (a * states[0] + b_BD,)

    def side_by_side(self, x_TBI: Tensor, *weights: Weights) -> Tensor:
        """a and b of every timestep, [T, B, 2 D]."""
        a, b_TBD = self.terms(x_TBI, *weights)
        return torch.cat([a.expand_as(b_TBD), b_TBD], dim=2)


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of recurrence.

    Args:
        name: by which :class:`~seqablate.engine.recurrence.Recurrence` knows it.
        gates: the blocks of the weight matrices, in order.
        states: ``("h",)`` or ``("h", "c")``; the first is the output.
        step: ``(x_BI, states, *weights) -> states``, the formula; ``weights`` by ``blocks``.
        blocks: how many gates, in order, the formula takes at once; all when empty. A layer norm is over one block.
        torch: torch's kernel of the cell, by its name in ``torch._VF``; None where torch has none.
        kernels: our own; None where there are none.
        base: the cell of which this one lacks a part. Gates of one name start from the same values in both.
        recurrent: the weights by which h enters a step: a ``"full"`` matrix with a bias, those of which the formula
            makes a ``"diagonal"`` one, or ``"none"``.
        of_eigenvalues: of a diagonal cell the ``w_hh`` [D] for eigenvalues [D], from which it starts.
        memory: the gates that decide how long a state is kept: 1 where an open gate keeps the state, -1 where an open
            gate lets the new value in. ``init=chrono`` sets their biases. A cell with a base has the base's.

    Raises:
        ValueError: kernels that do not fit the formula.
    """

    name: str
    gates: tuple[str, ...]
    states: tuple[str, ...]
    step: Callable[..., States]
    blocks: tuple[int, ...] = ()
    torch: str | None = None
    kernels: Kernels | None = None
    base: str | None = None
    recurrent: Literal["full", "diagonal", "none"] = "full"
    of_eigenvalues: Callable[[Tensor], Tensor] | None = None
    memory: Mapping[str, int] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.kernels is None:
            return
        if self.kernels.scan != isinstance(self.step, Linear):
            raise ValueError(f"the cell {self.name}: a step that is Linear and the kernels SCAN go together")
        if not self.kernels.scan and self.recurrent != "full":
            raise ValueError(f"the cell {self.name}: kernels but SCAN need a recurrent matrix")

    def formula(self, w: Weights) -> Callable[[Tensor, States], States]:
        """``(x_BI, states) -> states``: one step with these weights."""
        weights = self.by_block(w)
        return lambda x_BI, states: self.step(x_BI, states, *weights)

    def by_block(self, w: Weights) -> Sequence[Weights]:
        """What the formula takes."""
        return w.split(self.blocks) if self.blocks else (w,)
