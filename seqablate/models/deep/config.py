"""Keys that all deep nets without recurrences share: their signal's axis is depth, one gradient norm per layer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from omegaconf import MISSING

from seqablate.config.schema import at_least, fraction
from seqablate.config.sizes import ModelSize
from seqablate.config.task_spec import TaskTraits
from seqablate.errors import UsageError
from seqablate.models.base import ModelConfig, shape_of
from seqablate.models.choices import DeepInit, Nonlinearity, Norm, Skip, check_gain, check_skip, finite

if TYPE_CHECKING:
    from seqablate.models.deep.stack import DeepShape
    from seqablate.models.initialise import Initialiser


@dataclass(kw_only=True, slots=True)
class DeepConfig(ModelConfig):
    """Abstract: hidden layers ``y = f(norm(W x + b))``, with skips over depth; each model adds what W is.

    Args:
        hidden_size: of every hidden layer: units, or channels.
        nonlinearity: f.
        norm: ``layer``: of what the nonlinearity reads (Ba et al. 2016, eq. 4), over units or channels only: each
            timestep and each pixel on its own.
        dropout: of each hidden layer's output (Srivastava et al. 2014).
        init: of hidden layers (:class:`seqablate.models.choices.DeepInit`).
        gain: of ``init=orthogonal`` and ``init=gaussian``.
        skip: over depth (:mod:`seqablate.models.skip`).
        transform_bias: where the biases of highway gates start (Srivastava et al. 2015: negative, to carry at first).
    """

    depth_key: ClassVar[str] = "model.depth"
    width_key: ClassVar[str] = "model.hidden_size"

    hidden_size: int = MISSING
    nonlinearity: Nonlinearity = MISSING
    norm: Norm = MISSING
    dropout: float = MISSING
    init: DeepInit = MISSING
    gain: float = MISSING
    skip: Skip = MISSING
    transform_bias: float = MISSING

    def __post_init__(self) -> None:
        ModelConfig.__post_init__(self)
        at_least("model.hidden_size", self.hidden_size, 1)
        fraction("model.dropout", self.dropout)
        if self.norm is Norm.cell:
            raise UsageError("model.norm=cell needs a recurrent model: use model.norm=layer")
        finite("model.transform_bias", self.transform_bias)
        if self.norm is Norm.layer:
            at_least("model.norm=layer: model.hidden_size", self.hidden_size, 2)
        check_gain(self.init, self.gain)
        check_skip(self.skip, self.widths, self.depth_key, self.width_key)

    @property
    def widths(self) -> list[int]:
        """Of the hidden layers, from the input up."""
        raise NotImplementedError

    @property
    def kernel(self) -> int:
        """Positions that a unit reads of each channel below it."""
        return 1

    def positions(self, task: TaskTraits) -> int:
        """Places at which a layer's units are computed: timesteps or pixels; 1 where a layer reads all at once."""
        return task.horizon

    def size(self, task: TaskTraits) -> ModelSize:
        """Of the weights between hidden layers, and of their outputs."""
        weights = sum(below * above for below, above in pairwise(self.widths)) * self.kernel
        if self.positions(task) == 1:
            weights += task.horizon * self.widths[0]
        return ModelSize(
            layers=len(self.widths),
            parameters=weights,
            activations=sum(self.widths) * self.positions(task),
            flops=2 * weights * self.positions(task),
        )

    def shape(self) -> DeepShape:
        """The sizes and choices that a stack is built from."""
        from seqablate.models.deep.stack import DeepShape

        return shape_of(DeepShape, self)

    def initialiser(self, seed: int) -> Initialiser:
        """Of one run's initial values."""
        from seqablate.models.initialise import Initialiser

        return Initialiser(seed=seed, deep=self.init, gain=self.gain, transform_bias=self.transform_bias)


def check_whole_sequence(model: str, task: TaskTraits) -> None:
    """Refuse tasks that a model cannot read which sees whole inputs of one size and answers once (UsageError)."""
    if task.tokens:
        raise UsageError(f"model={model} reads real numbers, not token ids: use model=tcn or a recurrent model")
    if task.every_step:
        raise UsageError(
            f"model={model} answers once, after the whole input, and the task asks at every timestep: "
            "use model=tcn or a recurrent model"
        )
