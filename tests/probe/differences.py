"""Shared by the tests of the probe: gradients without autograd."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Output = Tensor | tuple[Tensor, ...]


def by_differences(module: nn.Module, shape: tuple[int, ...], loss: Callable[[], Tensor], eps: float = 1e-6) -> Tensor:
    """dL/d(output of the module, or the first of a tuple), one element after the other, by central differences."""
    gradient = torch.empty(shape, dtype=torch.float64)
    for at in range(gradient.numel()):
        push = torch.zeros(gradient.numel(), dtype=torch.float64)
        push[at] = eps
        up, down = (_loss_when_pushed(module, sign * push.view(shape), loss) for sign in (1, -1))
        gradient.view(-1)[at] = (up - down) / (2 * eps)
    return gradient


def _loss_when_pushed(module: nn.Module, push: Tensor, loss: Callable[[], Tensor]) -> float:
    def add(module: nn.Module, args: object, output: Output) -> Output:
        return (output[0] + push, *output[1:]) if isinstance(output, tuple) else output + push

    handle = module.register_forward_hook(add)
    with torch.no_grad():
        value = loss().item()
    handle.remove()
    return value
