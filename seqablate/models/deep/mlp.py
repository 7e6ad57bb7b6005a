"""Multilayer perceptron on the whole sequence at once: depth without time.

All timesteps stand side by side in the input, so a gradient has no way through time to vanish on; what is left of
vanishing is that over depth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from seqablate.config.checks import at_least, at_most
from seqablate.config.keys import key
from seqablate.config.registry import variant, variant_name
from seqablate.config.task_spec import TaskSpec, TaskTraits
from seqablate.errors import UsageError
from seqablate.models.choices import MOST_LAYERS
from seqablate.models.deep.config import DeepConfig, check_whole_sequence

if TYPE_CHECKING:
    from seqablate.models.deep.model import MLP


def _widths(key: str, widths: list[int]) -> None:
    if not widths:
        raise UsageError(f"{key}=[]: needs at least one width, such as [64,32]")
    if min(widths) < 1:
        raise UsageError(f"{key}={list(widths)}: every width must be at least 1")


@variant("model", "mlp")
@dataclass(kw_only=True, slots=True)
class MLPConfig(DeepConfig):
    """Multilayer perceptron on the whole sequence at once: depth without time."""

    reference: ClassVar[str] = "Rumelhart, Hinton & Williams 1986"
    restrictions: ClassVar[str] = "sequences of one length, real input, a loss on the last step only"
    width_key: ClassVar[str] = "model.hidden_sizes"

    depth: int = key(at_least(1), at_most(MOST_LAYERS), "hidden layers")
    hidden_sizes: list[int] | None = key(
        _widths, "width of each hidden layer, such as [256,128,64]; null: depth layers of hidden_size"
    )

    def check_keys(self) -> None:
        if self.hidden_sizes and self.match_params is not None:
            raise UsageError("model.match_params chooses model.hidden_size: leave model.hidden_sizes out")
        if self.hidden_sizes:
            self.depth = len(self.hidden_sizes)  # so that the record says what was built

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
