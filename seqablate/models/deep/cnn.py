"""Convolutional network on a task whose timesteps are the pixels of an image.

Every layer keeps the image's size (zero padding, stride 1), so that layers differ in depth alone and skips fit; global
average pooling (Lin, Chen & Yan 2014) comes before the readout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from omegaconf import MISSING

from seqablate.config.registry import variant, variant_name
from seqablate.config.schema import at_least, at_most
from seqablate.config.task_spec import TaskSpec, TaskTraits
from seqablate.errors import UsageError
from seqablate.models.choices import MOST_LAYERS
from seqablate.models.deep.config import DeepConfig, check_whole_sequence

if TYPE_CHECKING:
    from seqablate.models.deep.model import CNN


@variant("model", "cnn")
@dataclass(kw_only=True, slots=True)
class CNNConfig(DeepConfig):
    """Two-dimensional convolutions.

    Args:
        depth: number of hidden layers.
        kernel_size: height and width of a kernel: odd, so that there is a pixel in its middle.
    """

    reference: ClassVar[str] = "LeCun et al. 1989; Lin, Chen & Yan 2014"
    restrictions: ClassVar[str] = "needs a task on images (digits)"

    depth: int = MISSING
    kernel_size: int = MISSING

    def __post_init__(self) -> None:
        at_least("model.depth", self.depth, 1)
        at_most("model.depth", self.depth, MOST_LAYERS)
        at_least("model.kernel_size", self.kernel_size, 1)
        if self.kernel_size % 2 == 0:
            raise UsageError(f"model.kernel_size={self.kernel_size}: must be odd, to have a pixel in its middle")
        DeepConfig.__post_init__(self)

    @property
    def widths(self) -> list[int]:
        return [self.hidden_size] * self.depth

    @property
    def kernel(self) -> int:
        return self.kernel_size**2

    def check(self, task: TaskTraits) -> None:
        if task.image is None:
            raise UsageError(
                "model=cnn needs images, and the inputs of this task are not images: use task=digits task.order=rows"
            )
        if self.kernel_size >= 2 * max(task.image):
            raise UsageError(
                f"model.kernel_size={self.kernel_size}: reads beyond the image on every side: "
                f"it must be below {2 * max(task.image)}"
            )
        check_whole_sequence("cnn", task)

    def build(self, *, seed: int, task: TaskSpec) -> CNN:
        from seqablate.models.deep.model import CNN

        return CNN(self.shape(), task, variant_name(self), self.initialiser(seed), kernel_size=self.kernel_size)
