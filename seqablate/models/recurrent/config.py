"""Keys that all recurrent models share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from seqablate.config.checks import at_least, at_most, finite, fraction, positive
from seqablate.config.keys import key
from seqablate.config.registry import variant_name
from seqablate.config.sizes import ModelSize
from seqablate.config.task_spec import TaskSpec, TaskTraits
from seqablate.errors import UsageError
from seqablate.models.base import Model, ModelConfig, shape_of
from seqablate.models.choices import MOST_LAYERS, Init, Norm, Skip, check_gain, check_reach, check_skip

if TYPE_CHECKING:
    from seqablate.engine.cell import Cell
    from seqablate.models.initialise import Initialiser
    from seqablate.models.recurrent.stack import StackShape


def _time_skip(key: str, value: int) -> None:
    if value < 0 or value == 1:
        raise UsageError(f"{key}={value}: must be 2 or more (h_t sees h_(t-1) anyway), or 0")


@dataclass(kw_only=True, slots=True)
class RecurrentConfig(ModelConfig):
    """Abstract: a stack of recurrences; each cell's config adds its own keys.

    ``hidden_size``, ``num_layers``, ``bidirectional`` and ``dropout`` are those of torch.nn. Sources: ``norm`` Ba et
    al. 2016; ``transform_bias`` Srivastava et al. 2015, negative, so that a layer carries its input on at first;
    ``time_skip`` Lin et al. 1996 and Zhang et al. 2016; ``dilation`` Chang et al. 2017; ``init``
    :mod:`seqablate.models.initialise`; ``skip`` :mod:`seqablate.models.skip`.
    """

    shared_values: ClassVar[str] = "shared/recurrent"
    restrictions: ClassVar[str] = "bidirectional: not where the future is the target (lm, reverse)"

    hidden_size: int = key(at_least(1), "units of each layer")
    num_layers: int = key(at_least(1), at_most(MOST_LAYERS), "layers, one above the other", off=1)
    bidirectional: bool = key("true: a second recurrence reads the input from its end")
    dropout: float = key(fraction, "share of units set to 0 between layers")
    norm: Norm = key("LayerNorm of each layer's output, or inside the cell (Ba et al. 2016)")
    skip: Skip = key("connections over depth")
    transform_bias: float = key(finite, "initial bias of highway gates", headline=False)
    time_skip: int = key(_time_skip, "k: h_t also sees h_(t-k); 0: not")
    dilation: int = key(at_least(1), "d: layer l sees h_(t - d^l) instead of h_(t-1)", off=1)
    init: Init = key("initial weights; chrono sets gate biases for the length of the task (Tallec & Ollivier 2018)")
    gain: float = key(positive, "factor on the initial recurrent weights; for init=orthogonal and gaussian", off=1)

    def check_keys(self) -> None:
        if self.dropout > 0 and self.num_layers == 1:
            raise UsageError(
                f"model.dropout={self.dropout} acts between layers: it needs model.num_layers of 2 or more"
            )
        check_skip(self.skip, [self.hidden_size] * self.num_layers, "model.num_layers", "model.hidden_size")
        check_gain(self.init, self.gain)
        if self.gain != 1 and not self.recurrent_matrix:
            raise UsageError(
                f"model.gain={self.gain} scales recurrent matrices, and this cell has none: leave model.gain out"
            )
        if self.norm is not Norm.none:
            at_least(2)(f"model.norm={self.norm.value}: model.hidden_size", self.hidden_size)
        if self.norm is Norm.cell and self.gain != 1:
            raise UsageError(f"model.gain={self.gain} has no effect with model.norm=cell: leave one of them out")
        if self.init is Init.chrono and not self.gated:
            raise UsageError(
                "model.init=chrono sets the biases of gates, and this cell has no gates: "
                "use another model.init, or model=lstm, gru or mgu"
            )
        self._check_time()

    def _check_time(self) -> None:
        if self.time_skip and self.dilation > 1:
            raise UsageError(
                f"model.time_skip={self.time_skip} and model.dilation={self.dilation} cannot be combined: "
                "leave one of them out"
            )
        if self.dilation > 1 and self.num_layers == 1:
            raise UsageError(
                f"model.dilation={self.dilation} grows from layer to layer and is 1 in the first: "
                "it needs model.num_layers of 2 or more"
            )

    @property
    def cell(self) -> str | Cell:
        """The cell's name in the engine, or a cell that the engine does not know by name."""
        raise NotImplementedError

    @property
    def recurrent_matrix(self) -> bool:
        """Whether the units of a layer read each other, through a matrix [D, D]."""
        return True

    @property
    def gated(self) -> bool:
        """Whether the cell has gates that ``init=chrono`` knows."""
        return False

    @property
    def kernels(self) -> frozenset[str]:
        """The backends that have kernels of the cell: ``"compiled"``, ``"torch"``."""
        return frozenset()

    @property
    def gate_bias(self) -> dict[str, float]:
        """What is added to the initial biases of gates, by gate."""
        return {}

    @property
    def backends(self) -> frozenset[str]:
        """Torch's kernels have no skip over time, and no norm inside the cell.

        A cell without a recurrent matrix has a scan, to which everything is known before it begins: h_{t-k} is not.
        """
        if self.time_skip and not self.recurrent_matrix:
            return frozenset()
        return self.kernels - {"torch"} if self.time_skip or self.norm is Norm.cell else self.kernels

    def check(self, task: TaskTraits) -> None:
        if self.bidirectional and self.sees_targets(task):
            raise UsageError(
                "model.bidirectional=true cannot be combined with next-token prediction (or a task that is shown its "
                "targets): it would see the token it has to predict; use model.bidirectional=false or another task"
            )
        if self.init is Init.chrono and task.horizon < 3:
            raise UsageError(
                f"model.init=chrono draws from log U(1, T - 1), and the task's T is {task.horizon}: it needs 3 or more"
            )
        if task.carries_state:  # what is read may lie before the window
            return
        check_reach("model.time_skip", self.time_skip, self.time_skip, self.steps(task))
        if self.dilation > 1:
            check_reach("model.dilation", self.dilation, self.dilation ** (self.num_layers - 1), self.steps(task))

    def size(self, task: TaskTraits) -> ModelSize:
        """Of the recurrent weights of a cell without gates (or its input weights, one for each unit), and of h."""
        layers = self.num_layers * (1 + self.bidirectional)
        weights = layers * (self.hidden_size**2 if self.recurrent_matrix else self.hidden_size)
        return ModelSize(
            layers=layers,
            parameters=weights,
            activations=task.horizon * layers * self.hidden_size,
            flops=2 * task.horizon * weights,
        )

    def sees_targets(self, task: TaskTraits) -> bool:
        """Whether what ``bidirectional`` reads back to front holds targets."""
        return task.causal_only

    def steps(self, task: TaskTraits) -> int:
        """Timesteps over which a recurrence of the model runs, at most."""
        return task.horizon

    def shape(self, input_size: int) -> StackShape:
        """This config's sizes and an input's together."""
        from seqablate.models.recurrent.stack import StackShape

        return shape_of(StackShape, self, input_size=input_size)

    def initialiser(self, *, seed: int, task: TaskSpec) -> Initialiser:
        """Of this config's initial values."""
        from seqablate.models.initialise import Initialiser

        return Initialiser(
            seed=seed,
            kind=self.init,
            gain=self.gain,
            horizon=task.horizon,
            gate_bias=self.gate_bias,
            transform_bias=self.transform_bias,
        )

    def build(self, *, seed: int, task: TaskSpec) -> Model:
        from seqablate.models.recurrent.model import RecurrentModel

        shape = self.shape(self.hidden_size if task.tokens else task.input_size)
        return RecurrentModel(shape, task, variant_name(self), self.initialiser(seed=seed, task=task))
