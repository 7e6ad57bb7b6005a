"""Keys that all deep nets without recurrences share: their signal's axis is depth, one gradient norm per layer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from seqablate.config.checks import at_least, finite, fraction, positive
from seqablate.config.keys import key
from seqablate.config.sizes import ModelSize
from seqablate.config.task_spec import TaskTraits
from seqablate.errors import UsageError
from seqablate.models.base import ModelConfig, shape_of
from seqablate.models.choices import DeepInit, Nonlinearity, Norm, Skip, check_gain, check_skip

if TYPE_CHECKING:
    from seqablate.models.deep.stack import DeepShape
    from seqablate.models.initialise import Initialiser


@dataclass(kw_only=True, slots=True)
class DeepConfig(ModelConfig):
    """Abstract: hidden layers ``y = f(norm(W x + b))``, with skips over depth; each model adds what W is.

    f is ``nonlinearity``. ``norm=layer`` (Ba et al. 2016, eq. 4) is over units or channels only, each timestep and each
    pixel on its own. Sources: ``dropout`` Srivastava et al. 2014; ``transform_bias`` Srivastava et al. 2015, negative,
    so that a layer carries its input on at first; ``init`` :class:`seqablate.models.choices.DeepInit`; ``skip``
    :mod:`seqablate.models.skip`.
    """

    depth_key: ClassVar[str] = "model.depth"
    width_key: ClassVar[str] = "model.hidden_size"

    hidden_size: int = key(at_least(1), "units, or channels, of each hidden layer")
    nonlinearity: Nonlinearity = key("of the hidden layers")
    norm: Norm = key("LayerNorm of what the nonlinearity reads (Ba et al. 2016); cell: not for this model")
    dropout: float = key(fraction, "share of each hidden layer's outputs set to 0")
    init: DeepInit = key("initial weights; he is made for relu without skips")
    gain: float = key(positive, "factor on the initial weights; for init=orthogonal and gaussian", off=1)
    skip: Skip = key("connections over depth")
    transform_bias: float = key(
        finite, "initial bias of highway gates; -3: a layer carries 0.95 of its input on", headline=False
    )

    def check_keys(self) -> None:
        if self.norm is Norm.cell:
            raise UsageError("model.norm=cell needs a recurrent model: use model.norm=layer")
        if self.norm is Norm.layer:
            at_least(2)("model.norm=layer: model.hidden_size", self.hidden_size)
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
