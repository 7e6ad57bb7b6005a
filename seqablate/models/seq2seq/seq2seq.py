"""Recurrent encoder-decoder (Cho et al. 2014; Sutskever et al. 2014), with or without attention."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, ClassVar

from seqablate.config.checks import finite
from seqablate.config.keys import key
from seqablate.config.registry import variant
from seqablate.config.task_spec import TaskSpec, TaskTraits
from seqablate.errors import UsageError
from seqablate.models.base import check_transduction
from seqablate.models.recurrent.config import RecurrentConfig

if TYPE_CHECKING:
    from seqablate.models.base import Model


class CellKind(StrEnum):
    """Cells of encoder and decoder, and what the engine calls them."""

    rnn = "rnn_tanh"
    lstm = "lstm"
    gru = "gru"


class Attention(Enum):
    """How the decoder scores encoder timesteps (:mod:`seqablate.models.seq2seq.attention`)."""

    none = "none"  # one fixed summary of the source
    additive = "additive"  # Bahdanau et al. 2015
    dot = "dot"  # Luong et al. 2015


@variant("model", "seq2seq")
@dataclass(kw_only=True, slots=True)
class Seq2SeqConfig(RecurrentConfig):
    """Recurrent encoder-decoder, for tasks with a source and a target.

    Encoder and decoder have one shape; ``bidirectional`` is the encoder's, the decoder goes forward.
    """

    reference: ClassVar[str] = (
        "Cho et al. 2014; Sutskever et al. 2014; attention: Bahdanau et al. 2015, Luong et al. 2015"
    )
    states: ClassVar[str] = "h, and c of an lstm, of encoder and decoder"
    restrictions: ClassVar[str] = "tasks with a source and a target only (reverse, span_corruption)"

    cell: CellKind = key("of encoder and decoder")
    attention: Attention = key("how the decoder reads the encoder; none: one fixed summary")
    forget_bias: float = key(finite, "initial bias of the forget gate; for cell=lstm")

    def check_keys(self) -> None:
        if self.forget_bias != 1 and self.cell is not CellKind.lstm:
            raise UsageError(
                f"model.forget_bias={self.forget_bias} has no effect with model.cell={self.cell.name}, which has no "
                "forget gate: leave it out, or use model.cell=lstm"
            )

    @property
    def gated(self) -> bool:
        return self.cell is not CellKind.rnn

    @property
    def kernels(self) -> frozenset[str]:
        """All of its cells have them."""
        return frozenset({"compiled", "torch"})

    @property
    def gate_bias(self) -> dict[str, float]:
        """Of an LSTM's forget gates."""
        return {"f": self.forget_bias} if self.cell is CellKind.lstm else {}

    def check(self, task: TaskTraits) -> None:
        check_transduction("seq2seq", task)
        RecurrentConfig.check(self, task)

    def sees_targets(self, task: TaskTraits) -> bool:
        """No: ``bidirectional`` is the encoder's."""
        return False

    def steps(self, task: TaskTraits) -> int:
        """The source's or the target's, whichever is longer."""
        assert task.source_steps is not None
        return max(task.source_steps, task.horizon - task.source_steps)

    def build(self, *, seed: int, task: TaskSpec) -> Model:
        from seqablate.models.seq2seq.model import EncoderDecoder

        initialiser = self.initialiser(seed=seed, task=task)
        return EncoderDecoder(self.shape(self.hidden_size), task, self.attention.value, initialiser)
