"""Convolutional network on a task whose timesteps are the pixels of an image.

Every layer keeps the image's size (zero padding, stride 1), so that layers differ in depth alone and skips fit; global
average pooling (Lin, Chen & Yan 2014) comes before the readout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from seqablate.config.checks import at_least, at_most
from seqablate.config.keys import key
from seqablate.config.registry import variant, variant_name
from seqablate.config.task_spec import TaskSpec, TaskTraits
from seqablate.errors import UsageError
from seqablate.models.choices import MOST_LAYERS, DeepInit
from seqablate.models.deep.config import DeepConfig, check_whole_sequence

if TYPE_CHECKING:
    from seqablate.models.deep.model import CNN


def _odd(key: str, value: int) -> None:
    if value % 2 == 0:
        raise UsageError(f"{key}={value}: must be odd, to have a pixel in its middle")


@variant("model", "cnn")
@dataclass(kw_only=True, slots=True)
class CNNConfig(DeepConfig):
    """Convolutional network, for tasks on images."""

    reference: ClassVar[str] = "LeCun et al. 1989; Lin, Chen & Yan 2014"
    restrictions: ClassVar[str] = "needs a task on images (digits)"

    hidden_size: int = key(at_least(1), "channels of each hidden layer")
    init: DeepInit = key("initial weights; with torch this model learns little for long")
    depth: int = key(at_least(1), at_most(MOST_LAYERS), "hidden layers")
    kernel_size: int = key(at_least(1), _odd, "height and width of a kernel, odd")

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
