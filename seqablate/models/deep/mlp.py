"""Multilayer perceptron on the whole sequence at once: depth without time.

All timesteps stand side by side in the input, so a gradient has no way through time to vanish on; what is left of
vanishing is that over depth.
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
    from seqablate.models.deep.model import MLP


@variant("model", "mlp")
@dataclass(kw_only=True, slots=True)
class MLPConfig(DeepConfig):
    """Fully connected hidden layers.

    Args:
        depth: number of hidden layers, all of them ``hidden_size`` wide.
        hidden_sizes: their widths one by one, in place of ``depth`` and ``hidden_size``.
    """

    reference: ClassVar[str] = "Rumelhart, Hinton & Williams 1986"
    restrictions: ClassVar[str] = "sequences of one length, real input, a loss on the last step only"
    width_key: ClassVar[str] = "model.hidden_sizes"

    depth: int = MISSING
    hidden_sizes: list[int] | None = MISSING

    def __post_init__(self) -> None:
        at_least("model.depth", self.depth, 1)
        at_most("model.depth", self.depth, MOST_LAYERS)
        if self.hidden_sizes == []:
            raise UsageError("model.hidden_sizes=[]: needs at least one width, such as [64,32]")
        if self.hidden_sizes and min(self.hidden_sizes) < 1:
            raise UsageError(f"model.hidden_sizes={list(self.hidden_sizes)}: every width must be at least 1")
        if self.hidden_sizes and self.match_params is not None:
            raise UsageError("model.match_params chooses model.hidden_size: leave model.hidden_sizes out")
        if self.hidden_sizes:
            self.depth = len(self.hidden_sizes)  # so that the record says what was built
        DeepConfig.__post_init__(self)

    @property
    def widths(self) -> list[int]:
        return [self.hidden_size] * self.depth if self.hidden_sizes is None else list(self.hidden_sizes)

    def positions(self, task: TaskTraits) -> int:
        return 1

    def check(self, task: TaskTraits) -> None:
        check_whole_sequence("mlp", task)
        if task.length is None:
            raise UsageError(
                "model=mlp has a weight for every timestep and needs sequences of one length, which this task has not: "
                "use another task, or another variant of it"
            )

    def build(self, *, seed: int, task: TaskSpec) -> MLP:
        from seqablate.models.deep.model import MLP

        return MLP(self.shape(), task, variant_name(self), self.initialiser(seed))
