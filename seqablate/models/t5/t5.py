"""T5, the text-to-text transformer (Raffel et al. 2020, "Exploring the limits of transfer learning", section 2.1).

With x the residual stream, N a norm (RMS, with a scale and no bias), A self-attention, C attention over the encoder's
output m, and F the feed-forward net:

    encoder layer   x = x + A(N(x)),                    x = x + F(N(x))
    decoder layer   x = x + A(N(x)),  x = x + C(N(x), m),  x = x + F(N(x))

Both stacks end with one more norm. No map has a bias, and attention is not scaled by 1/sqrt(d). Source and target are
embedded by one table, which is also the readout: logits are the decoder's output times that table, divided by sqrt(D).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from seqablate.config.checks import at_least, at_most, fraction
from seqablate.config.keys import key
from seqablate.config.registry import variant
from seqablate.config.sizes import ModelSize
from seqablate.config.task_spec import TaskSpec, TaskTraits
from seqablate.errors import UsageError
from seqablate.models.base import ModelConfig, check_transduction, shape_of
from seqablate.models.choices import MOST_LAYERS, check_heads

if TYPE_CHECKING:
    from seqablate.models.t5.model import T5Model


class FeedForward(Enum):
    """The feed-forward net of a layer, with W the maps: :class:`seqablate.models.t5.layers.FeedForward`."""

    relu = "relu"  # W_2 relu(W_1 x)
    gated_gelu = "gated_gelu"  # W_2 (gelu(W_1 x) * W_g x), of T5 1.1 (Shazeer 2020, "GLU variants", eq. 6)


@variant("model", "t5")
@dataclass(kw_only=True, slots=True)
class T5Config(ModelConfig):
    """T5's encoder-decoder, for tasks with a source and a target; a good optim.lr with adam is 0.001.

    A head has ``hidden_size / num_heads`` features, as in the paper's models up to Large.
    """

    reference: ClassVar[str] = "Raffel et al. 2020; gated_gelu: Shazeer 2020"
    states: ClassVar[str] = "h: the residual stream above each layer, of encoder and decoder"
    restrictions: ClassVar[str] = (
        "tasks with a source and a target only (reverse, span_corruption); no skip: every layer has its residual stream"
    )

    hidden_size: int = key(at_least(1), "d_model of the paper; a multiple of num_heads")
    num_layers: int = key(at_least(1), at_most(MOST_LAYERS), "layers of the encoder, and as many of the decoder", off=1)
    num_heads: int = key(at_least(1), "attention heads")
    dim_feedforward: int = key(at_least(1), "width of the feed-forward nets; d_ff of the paper")
    dropout: float = key(
        fraction, "share of embeddings, attention weights, inner units and outputs of sublayers set to 0"
    )
    nonlinearity: FeedForward = key("of the feed-forward nets; gated_gelu has a third map")
    num_buckets: int = key(at_least(4), "distances that are told apart; an encoder has half of them for each direction")
    max_distance: int = key(at_least(2), "timesteps from which on all distances are one")

    def check_keys(self) -> None:
        if self.match_params is None:
            check_heads(self.hidden_size, self.num_heads)
        if self.max_distance <= self.num_buckets // 2:
            raise UsageError(
                f"model.max_distance={self.max_distance}: the first {self.num_buckets // 2} distances have a bucket "
                f"each with model.num_buckets={self.num_buckets}: it must be larger than that"
            )

    @property
    def size_multiple(self) -> int:
        return self.num_heads

    def size(self, task: TaskTraits) -> ModelSize:
        """Of the layers; what a decoder's attention computes of the encoder's output is counted there."""
        maps = 3 if self.nonlinearity is FeedForward.gated_gelu else 2
        weights = self.num_layers * self.hidden_size * (12 * self.hidden_size + 2 * maps * self.dim_feedforward)
        source = task.source_steps or 0
        target = task.horizon - source
        attention = self.num_heads * (source**2 + target**2 + source * target)
        return ModelSize(
            layers=2 * self.num_layers,
            parameters=weights,
            activations=self.num_layers * (task.horizon * (self.hidden_size + self.dim_feedforward) + attention),
            flops=task.horizon * weights,
        )

    def check(self, task: TaskTraits) -> None:
        check_transduction("t5", task)

    def build(self, *, seed: int, task: TaskSpec) -> T5Model:
        from seqablate.models.initialise import Initialiser
        from seqablate.models.t5.layers import T5Shape
        from seqablate.models.t5.model import T5Model

        shape = shape_of(T5Shape, self, gated=self.nonlinearity is FeedForward.gated_gelu)
        return T5Model(shape, task, Initialiser(seed=seed))
