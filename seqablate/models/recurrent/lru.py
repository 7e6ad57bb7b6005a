"""Linear recurrent unit (Orvieto et al. 2023, "Resurrecting recurrent neural networks for long sequences"), real."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from seqablate.config.checks import at_least, at_most
from seqablate.config.keys import key
from seqablate.config.registry import variant
from seqablate.config.task_spec import TaskSpec
from seqablate.errors import UsageError
from seqablate.models.choices import Eigenvalues
from seqablate.models.recurrent.config import RecurrentConfig

if TYPE_CHECKING:
    from seqablate.models.initialise import Initialiser


@variant("model", "lru")
@dataclass(kw_only=True, slots=True)
class LRUConfig(RecurrentConfig):
    """Linear recurrent unit: h' = lambda h + sqrt(1 - lambda^2) (W x + b), lambda real and diagonal.

    A layer is linear in its input. What is nonlinear in a model stands between its layers: ``skip=highway``, or
    ``norm=layer``.
    """

    reference: ClassVar[str] = "Orvieto et al. 2023; Grazzi et al. 2024"

    eigenvalues: Eigenvalues = key("range of lambda: positive: (0, 1), signed: (-1, 1) (Grazzi et al. 2024)")
    r_min: float = key(at_least(0), at_most(1), "smallest absolute value of an eigenvalue at first")
    r_max: float = key(at_least(0), at_most(1), "largest absolute value of an eigenvalue at first")

    def check_keys(self) -> None:
        if self.r_min > self.r_max:
            raise UsageError(f"model.r_min={self.r_min}: must not be above model.r_max={self.r_max}")

    @property
    def kernels(self) -> frozenset[str]:
        return frozenset({"compiled"})

    @property
    def recurrent_matrix(self) -> bool:
        return False

    @property
    def cell(self) -> str:
        return f"lru_{self.eigenvalues.value}"

    def initialiser(self, *, seed: int, task: TaskSpec) -> Initialiser:
        return replace(RecurrentConfig.initialiser(self, seed=seed, task=task), radii=(self.r_min, self.r_max))
