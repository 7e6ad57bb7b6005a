"""The parameters of a model, their gradients and an optimizer's state, each in one array.

Torch's tensors become views of it, so that a model is evaluated, probed and saved as ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

Array = np.ndarray[Any, Any]


class Flat:
    """Parameters in the order of the optimizer's groups: those with weight decay come first.

    Attributes:
        values, grads: [P]. What is behind ``parameter.data`` lies in the first from now on.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer
        self.parameters: list[nn.Parameter] = [p for group in optimizer.param_groups for p in group["params"]]
        ends = np.cumsum([0] + [p.numel() for p in self.parameters])
        self._places: dict[torch.Tensor, slice] = {
            p: slice(a, b) for p, a, b in zip(self.parameters, ends[:-1], ends[1:], strict=True)
        }
        self.values = self._filled([p.detach() for p in self.parameters])
        self.grads = np.zeros_like(self.values)
        for parameter in self.parameters:
            parameter.data = torch.from_numpy(self.value(parameter))

    @property
    def decayed(self) -> int:
        """How many of the values have weight decay."""
        groups = self.optimizer.param_groups
        return sum(p.numel() for group in groups if group["weight_decay"] for p in group["params"])

    def value(self, parameter: torch.Tensor) -> Array:
        """Its part of the values, in its shape."""
        return self.values[self._places[parameter]].reshape(parameter.shape)

    def grad(self, parameter: torch.Tensor) -> Array:
        """Its part of the gradients, in its shape."""
        return self.grads[self._places[parameter]].reshape(parameter.shape)

    def state(self, name: str) -> Array:
        """What the optimizer keeps under a name of all parameters [P]; zeros where it has nothing yet."""
        kept = self.optimizer.state
        whole = self._filled([kept[p].get(name, torch.zeros_like(p)) for p in self.parameters])
        for parameter in self.parameters:
            kept[parameter][name] = torch.from_numpy(whole[self._places[parameter]].reshape(parameter.shape))
        return whole

    def counts(self) -> Array:
        """The steps that the optimizer has made, as it keeps them: one number for each parameter."""
        kept = self.optimizer.state
        found = np.array([float(kept[p].get("step", 0)) for p in self.parameters], np.float32)
        for number, parameter in enumerate(self.parameters):
            kept[parameter]["step"] = torch.from_numpy(found[number : number + 1]).squeeze(0)
        return found

    def _filled(self, tensors: Sequence[torch.Tensor]) -> Array:
        return np.concatenate([np.asarray(tensor.numpy()).reshape(-1) for tensor in tensors])
