"""What a clipping strategy is: a pure object that changes gradients in place and says what it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    import torch

    from seqablate.engine.ports import StateClip


@dataclass(frozen=True, slots=True)
class ClipResult:
    """Scalars on the gradients' device: global L2 norm before and after (float64), and whether anything was cut."""

    norm_before: torch.Tensor
    norm_after: torch.Tensor
    clipped: torch.Tensor


class Bound(NamedTuple):
    """An upper bound on the global norm of a gradient, or on the absolute value of each of its entries."""

    of: Literal["norm", "value"]
    largest: float


class Clip:
    """Abstract: a clipping strategy, built once per run. It acts after a backward pass, or inside of it, or both."""

    def __init_subclass__(cls) -> None:
        """What a class inherits of its bound does not hold where it clips in a way of its own."""
        if {"__call__", "inside"} & vars(cls).keys() and "bound" not in vars(cls):
            cls.bound = Clip.bound  # type: ignore[method-assign]

    def prepare(self, model: torch.nn.Module) -> None:
        """Told the model once, before the first step."""

    def inside(self, samples: int) -> StateClip | None:
        """What the gradients of a recurrence's states are clipped by, at every timestep of a training step's backward
        pass; None: by nothing. A loss is a mean over ``samples`` samples, so of each the 1/``samples``-th part arrives.
        """
        return None

    def bound(self) -> Bound | None:
        """What it does to a gradient, where that is all that it does; None: something else, or more."""
        return None

    def __call__(self, parameters: Sequence[torch.Tensor]) -> ClipResult:
        """Clip the ``.grad`` of ``parameters`` in place. Called after ``backward()``, before the optimizer."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, torch.Tensor]:
        """What it remembers of earlier steps, for a checkpoint; nothing where a step does not depend on them."""
        return {}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Go on from a checkpoint.

        Raises:
            ValueError: no clip of this kind remembers that.
        """
        if state:
            raise ValueError("this clip remembers nothing")


def measured(parameters: Sequence[torch.Tensor]) -> ClipResult:
    """The result of a strategy that leaves the gradients of parameters as they are."""
    import torch

    norm = global_norm(gradients(parameters))
    return ClipResult(norm_before=norm, norm_after=norm, clipped=norm.new_zeros([], dtype=torch.bool))


def shrink(tensors: Sequence[torch.Tensor], factor: torch.Tensor) -> None:
    """Multiply tensors in place by a factor (float64) of at most 1; those of a factor of 1 stay as they are to the bit.

    It is applied as two square roots: the factor of a very large norm may be below the range of the entries' type.
    """
    import torch

    for dtype in {tensor.dtype for tensor in tensors}:
        same, root = [tensor for tensor in tensors if tensor.dtype == dtype], factor.sqrt().to(dtype)
        for _ in range(2):
            torch._foreach_mul_(same, root)


def gradients(parameters: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The gradients that exist, in the order of ``parameters``."""
    return [p.grad for p in parameters if p.grad is not None]


def global_norm(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """The L2 norm over all entries of all tensors: a float64 scalar on their device, which nothing waits for.

    It is summed in float64, where the square of a float32 entry neither overflows nor underflows. float64 entries are
    divided by the largest one first, for the same reason. So the norm of finite entries is finite, unless it is itself
    beyond the range of float64.

    Example:
        >>> import torch
        >>> large = 2.0**100  # its square is beyond the range of float32
        >>> global_norm([torch.tensor([3 * large]), torch.tensor([4 * large])]).item() / large
        5.0
    """
    import torch

    if not tensors:
        return torch.zeros((), dtype=torch.float64)
    scale = None
    if any(tensor.dtype == torch.float64 for tensor in tensors):
        scale = largest_entry(tensors)
        scale = torch.where((scale > 0) & scale.isfinite(), scale, torch.ones_like(scale))
        tensors = torch._foreach_div(list(tensors), scale)
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(tensors), 2, dtype=torch.float64)))
    return norm if scale is None else norm * scale


def largest_entry(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """The largest absolute value of all entries, a scalar of their type; NaN if an entry is NaN, 0 without entries."""
    import torch

    tensors = [tensor for tensor in tensors if tensor.numel()]
    if not tensors:
        return torch.zeros((), dtype=torch.float64)
    return torch.stack(torch._foreach_norm(list(tensors), float("inf"))).max()
