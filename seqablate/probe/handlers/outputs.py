"""The gradient of any module's output: what its dimensions mean, and how it is recorded without changing anything.

Shapes: T time, B batch, D all the other dimensions of an output in one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves
from torch.utils.hooks import RemovableHandle

from seqablate.engine.gradients import Gradients
from seqablate.probe.hooks import Forward
from seqablate.probe.names import Names
from seqablate.probe.session import Session, in_backward

Receive = Callable[[Tensor], None]


@dataclass(frozen=True, slots=True)
class NamedOutput:
    """A module of which the output is probed.

    Args:
        name: as in ``named_modules()``.
        layout: a letter for each dimension of its output: ``T`` timestep, ``B`` batch, any other is reduced over.

    Raises:
        ValueError: a layout without exactly one B, with more than one T, or with anything but letters.
    """

    name: str
    layout: str

    def __post_init__(self) -> None:
        letters = self.layout if isinstance(self.layout, str) else ""
        if not letters.isalpha() or letters.count("B") != 1 or letters.count("T") > 1:
            raise ValueError(
                f"outputs: the layout of {self.name!r} must be a letter for each dimension of its output, one of them "
                f"B (batch) and at most one T (timestep), such as 'BTD', 'BCT' or 'BD', not {self.layout!r}"
            )

    def find(self, output: Any) -> Tensor:
        """The tensor that counts in what the module returned: itself, or the first in a tuple or list.

        Raises:
            TypeError: it is not a floating-point tensor.
            ValueError: it has more or fewer dimensions than the layout.
        """
        found = output
        if isinstance(output, tuple | list):
            found = next((part for part in output if isinstance(part, Tensor)), None)
        if not isinstance(found, Tensor) or not found.is_floating_point():
            what = f"a tensor of {found.dtype}" if isinstance(found, Tensor) else f"a {type(output).__name__}"
            raise TypeError(
                f"outputs: {self.name!r} returned {what}; it must return a floating-point tensor, or a tuple or list "
                "whose first tensor is one"
            )
        if found.dim() != len(self.layout):
            raise ValueError(
                f"outputs: {self.name!r} returned a tensor of shape {[*found.shape]}, to which the layout "
                f"{self.layout!r} does not fit: it must have {found.dim()} letters"
            )
        return found

    def gradients(self, gradient: Tensor, vectors: bool) -> Gradients:
        """What a recurrence would report of a state h: vectors [T, B, D], or else norms [T, B]; T = 1 without a T."""
        g = gradient.detach().permute(_order(self.layout))
        if "T" not in self.layout:
            g = g[None]
        g_TBD = g.flatten(2) if g.dim() > 2 else g[:, :, None]
        if vectors:  # a copy: autograd may make this memory some parameter's .grad
            return Gradients({"h": g_TBD.clone()}, {})
        return Gradients({}, {}, {"h": torch.linalg.vector_norm(g_TBD, dim=-1, dtype=torch.float64)}, {})


def read_outputs(outputs: Mapping[str, str], names: Names, recurrences: Collection[str]) -> dict[str, NamedOutput]:
    """The outputs that a caller named among a model's modules, checked; each by its module's first name.

    Raises:
        TypeError: no mapping.
        KeyError: there is no such module.
        ValueError: a recurrence, which is probed as such; an invalid layout; two layouts for one module.
    """
    if not isinstance(outputs, Mapping):
        raise TypeError(f'outputs must map names of modules to layouts, such as {{"fc": "BD"}}, not {outputs!r}')
    found: dict[str, NamedOutput] = {}
    for name, layout in outputs.items():
        first = names.first(str(name))
        if first is None:
            close = ", ".join(map(repr, names.close_to(str(name))))
            raise KeyError(f"outputs: no module is called {name!r}; close to it: {close}")
        if first in recurrences:
            raise ValueError(
                f"outputs: {name!r} is a recurrence, whose states are measured without being named: leave it out"
            )
        if first in found and found[first].layout != layout:
            raise ValueError(
                f"outputs: {name!r} and {first!r} are one module, which can have one layout: "
                f"{layout!r} or {found[first].layout!r}"
            )
        found.setdefault(first, NamedOutput(first, layout))
    return found


def listen(tensor: Tensor, inputs: Any, receive: Receive) -> tuple[Tensor, RemovableHandle | None]:
    """Call ``receive`` with the gradient of a tensor that a module computed from ``inputs``, after the caller's hooks.

    Returns:
        The tensor to use from here on, and the handle of a hook. It is the same tensor if possible. Autograd bypasses
        a view that is later changed in place (the output of ``nn.Linear`` on more than two dimensions is a view), so a
        view that the module itself made is replaced by a tensor that is not a view.

    Raises:
        RuntimeError: in the backward pass, when a view of an input was modified in place after it had been used.
    """
    if tensor._base is not None and not _shared(tensor._base, inputs):
        return Heard.apply(receive, tensor), None
    # A view of what others hold must stay one. Its detached self shares the count of changes.
    view, version = (None if tensor._base is None else tensor.detach()), tensor._version
    node, number = tensor.grad_fn, tensor.output_nr

    def keep(gradients: tuple[Tensor | None, ...]) -> None:
        gradient = gradients[number]
        if view is not None and view._version != version:
            raise RuntimeError(
                "an output that TimestepProbe listens to is a view of its module's input and was modified in place: "
                "use the out-of-place operation inside the block"
            )
        if gradient is not None:
            receive(gradient)

    if node is None:  # a leaf, handed through
        return tensor, tensor.register_hook(receive)
    return tensor, node.register_prehook(keep)


def replaced(output: Any, old: Tensor, new: Tensor) -> Any:
    """What a module returned, with one tensor replaced by another."""
    if output is old:
        return new
    parts = [new if part is old else part for part in output]
    return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)


class Output:
    """The handler of a module whose output is named: records the gradient of what it returns."""

    def __init__(self, named: NamedOutput, session: Session, keep: Callable[[RemovableHandle], None]) -> None:
        """``keep`` is given the handle of every hook that the block has to remove."""
        self.named, self.session, self.keep = named, session, keep

    def __call__(self, forward: Forward, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        output = forward(*args, **kwargs)
        if not self.session.records_call(self.named.name) or in_backward():
            return output
        tensor = self.named.find(output)
        if not tensor.requires_grad:
            return output
        call = self.session.new_call(self.named.name, dtype=tensor.dtype)

        def receive(gradient: Tensor) -> None:
            call.add(0, [self.named.gradients(gradient, self.session.vectors)])

        heard, handle = listen(tensor, (args, kwargs), receive)
        if handle is not None:
            self.keep(handle)
        return output if heard is tensor else replaced(output, tensor, heard)


@cache
def _order(layout: str) -> tuple[int, ...]:
    """An output's dimensions with T and B in front."""
    return tuple(sorted(range(len(layout)), key=lambda k: "TB".find(layout[k]) % 3))


def _shared(base: Tensor, inputs: Any) -> bool:
    """Whether the base of a view is shared: it is a parameter, or belongs to the caller."""
    return base.is_leaf or any(base is x or base is x._base for x in tree_leaves(inputs) if isinstance(x, Tensor))


class Heard(torch.autograd.Function):
    """The same values in the same memory, with the same version counter, but not a view for autograd."""

    @staticmethod
    def forward(ctx: Any, receive: Receive, x: Tensor) -> Tensor:
        ctx.receive = receive
        ctx.set_materialize_grads(False)
        return x.detach()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None) -> tuple[None, Tensor | None]:
        if gradient is not None:
            ctx.receive(gradient)
        return None, gradient
