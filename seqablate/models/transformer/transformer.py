"""Transformer: layers of self-attention over all timesteps at once (Vaswani et al. 2017, "Attention is all you need").

With x the residual stream, A a layer's attention and F its feed-forward net:

    post-norm   x = LN(x + A(x)),  x = LN(x + F(x))         Vaswani et al. 2017
    pre-norm    x = x + A(LN(x)),  x = x + F(LN(x))         Xiong et al. 2020; one more LN above the last layer
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from seqablate.config.checks import at_least, at_most, fraction
from seqablate.config.keys import key
from seqablate.config.registry import variant, variant_name
from seqablate.config.sizes import ModelSize
from seqablate.config.task_spec import TaskSpec, TaskTraits
from seqablate.errors import UsageError
from seqablate.models.base import ModelConfig, one_window, shape_of
from seqablate.models.choices import MOST_LAYERS, check_heads

if TYPE_CHECKING:
    from seqablate.models.transformer.model import TransformerModel


class FeedForward(Enum):
    """Nonlinearity of a layer's feed-forward net."""

    relu = "relu"
    gelu = "gelu"


class Position(Enum):
    """What tells a layer where a timestep stands."""

    sinusoidal = "sinusoidal"  # Vaswani et al. 2017, section 3.5
    learned = "learned"  # one vector a position: Gehring et al. 2017, section 3.1
    none = "none"  # a causal mask alone tells positions apart (Haviv et al. 2022); without one, nothing does


@variant("model", "transformer")
@dataclass(kw_only=True, slots=True)
class TransformerConfig(ModelConfig):
    """Transformer of torch's encoder layers, pre-norm by default; a good optim.lr with adam is 0.001."""

    reference: ClassVar[str] = "Vaswani et al. 2017; pre-norm: Xiong et al. 2020"
    states: ClassVar[str] = "h: the residual stream above each layer"
    restrictions: ClassVar[str] = (
        "causal=false: not where the future is the target (lm, reverse); no skip: every layer has its residual stream; "
        "lm: no state, the window of task.bptt steps is the context"
    )

    hidden_size: int = key(at_least(1), "d_model of torch; a multiple of num_heads")
    num_layers: int = key(at_least(1), at_most(MOST_LAYERS), "encoder layers", off=1)
    num_heads: int = key(at_least(1), "attention heads; nhead of torch")
    dim_feedforward: int = key(at_least(1), "width of the feed-forward nets")
    dropout: float = key(fraction, "after the embedding, on attention weights and in every sublayer")
    causal: bool = key("true: a timestep sees itself and earlier ones; false: the whole input")
    norm_first: bool = key("true: LayerNorm before each sublayer (pre-norm); false: after the sum")
    nonlinearity: FeedForward = key("of the feed-forward nets")
    position: Position = key("encoding of the timestep")

    def check_keys(self) -> None:
        if self.match_params is None:
            check_heads(self.hidden_size, self.num_heads)

    @property
    def size_multiple(self) -> int:
        return self.num_heads

    def size(self, task: TaskTraits) -> ModelSize:
        weights = self.num_layers * self.hidden_size * (4 * self.hidden_size + 2 * self.dim_feedforward)
        return ModelSize(
            layers=self.num_layers,
            parameters=weights,
            activations=self.num_layers * task.horizon * (self.hidden_size + self.dim_feedforward),
            # Each timestep attends to each, or (causal) to half of them.
            flops=2 * task.horizon * (weights + self.num_layers * task.horizon * self.hidden_size),
        )

    def check(self, task: TaskTraits) -> None:
        if not self.causal and task.causal_only:
            raise UsageError(
                "model.causal=false cannot be combined with a task whose later inputs are the targets: "
                "it would see the token it has to predict; use model.causal=true or another task"
            )

        if self.position is Position.learned and (task.longest or 0) > task.horizon:
            raise UsageError(
                f"model.position=learned has {task.horizon} positions, and eval.lengths asks for {task.longest} "
                "timesteps; use model.position=sinusoidal or none"
            )

    def notes(self, task: TaskTraits) -> list[str]:
        return one_window(task)

    def build(self, *, seed: int, task: TaskSpec) -> TransformerModel:
        from seqablate.models.initialise import Initialiser
        from seqablate.models.transformer.model import TransformerModel, TransformerShape

        choices = {"nonlinearity": self.nonlinearity.value, "position": self.position.value}
        shape = shape_of(TransformerShape, self, **choices)
        return TransformerModel(shape, task, variant_name(self), Initialiser(seed=seed))
