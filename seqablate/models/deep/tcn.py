"""Temporal convolutional network (Bai, Kolter & Koltun 2018): causal convolutions, dilated more from layer to layer.

A step of layer l sees x_t, x_(t - d), ..., x_(t - (K - 1) d) with d = dilation**l and K = kernel_size, so L layers see

    1 + (K - 1) (1 + dilation + ... + dilation**(L - 1))

timesteps: what lies before has no influence, and no gradient.

Bai et al. put two convolutions with weight norm and one residual connection into a block; here a layer is one
convolution, so that ``skip`` and ``norm`` are factors of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from seqablate.config.checks import at_least, at_most
from seqablate.config.keys import key
from seqablate.config.registry import variant, variant_name
from seqablate.config.task_spec import TaskSpec, TaskTraits
from seqablate.models.base import one_window
from seqablate.models.choices import MOST_LAYERS, check_reach
from seqablate.models.deep.config import DeepConfig

if TYPE_CHECKING:
    from seqablate.models.deep.model import TCN


@variant("model", "tcn")
@dataclass(kw_only=True, slots=True)
class TCNConfig(DeepConfig):
    """Temporal convolutional network: causal, dilated convolutions."""

    reference: ClassVar[str] = "Bai, Kolter & Koltun 2018"
    restrictions: ClassVar[str] = "sees its receptive field only; for lm, the window"
    depth_key: ClassVar[str] = "model.num_layers"

    num_layers: int = key(at_least(1), at_most(MOST_LAYERS), "convolutions, one above the other", off=1)
    kernel_size: int = key(at_least(2), "timesteps K that a convolution reads")
    dilation: int = key(at_least(1), "d: layer l reads every (d^l)-th timestep; 1: every one", off=1)

    @property
    def widths(self) -> list[int]:
        return [self.hidden_size] * self.num_layers

    @property
    def kernel(self) -> int:
        return self.kernel_size

    @property
    def dilations(self) -> list[int]:
        """Of the layers, from the input up."""
        return [self.dilation**layer for layer in range(self.num_layers)]

    @property
    def receptive_field(self) -> int:
        """Timesteps that an output sees, its own one included."""
        return 1 + (self.kernel_size - 1) * sum(self.dilations)

    def check(self, task: TaskTraits) -> None:
        check_reach("model.dilation", self.dilation, self.dilations[-1], task.horizon)

    def notes(self, task: TaskTraits) -> list[str]:
        notes = one_window(task)
        if self.receptive_field < task.horizon:
            field = f"the last {self.receptive_field} of {task.horizon} timesteps"
            notes.append(f"an output sees {field}; more with model.num_layers")
        return notes

    def build(self, *, seed: int, task: TaskSpec) -> TCN:
        from seqablate.models.deep.model import TCN

        return TCN(
            self.shape(),
            task,
            variant_name(self),
            self.initialiser(seed),
            kernel_size=self.kernel_size,
            dilations=self.dilations,
        )
