"""An encoder that reads the source, a decoder that writes the target, told each right answer before the next.

    s_1 ... s_S = decoder(targets so far), begun from the encoder's final states
    c_s         = attention's weighted mean of the encoder's outputs; without it, always its output after the last step
    output_s    = readout(tanh(W_c [c_s; s_s]))                                Luong et al. 2015, eq. 5

How c_s comes about is all that differs between the arms of attention. The decoder never reads c_s (no input feeding,
Luong section 3.3): so its recurrences run as whole sequences, and no step waits for another's output.

Shapes: T source steps, S target steps, B batch, D hidden, W width of the encoder's output, O outputs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from seqablate.config.task_spec import TaskSpec
from seqablate.engine.cell import States
from seqablate.models.initialise import Initialiser
from seqablate.models.recurrent.stack import RecurrentStack, StackShape
from seqablate.models.seq2seq.attention import AdditiveScore, DotScore, attend

SCORES: dict[str, type[AdditiveScore | DotScore]] = {"additive": AdditiveScore, "dot": DotScore}


class Join(nn.Module):
    """One layer's states of both directions made one: ``h = tanh(W [h_f; h_b] + b)``, and ``c`` without the tanh.

    Bahdanau et al. 2015 (appendix A.2.2) do so with h_b alone. A cell state may be larger than 1: hence no tanh.
    """

    def __init__(self, hidden_size: int, states: tuple[str, ...]) -> None:
        super().__init__()
        self.linears = nn.ModuleDict({name: nn.Linear(2 * hidden_size, hidden_size) for name in states})

    def forward(self, ahead: States, back: States) -> States:
        names = [*self.linears, "h"][: len(ahead)]  # with a time skip the last of the states is h of several steps
        joined = []
        for name, from_ahead, from_back in zip(names, ahead, back, strict=True):
            y = self.linears[name](torch.cat([from_ahead, from_back], -1))
            joined.append(y if name == "c" else torch.tanh(y))
        return tuple(joined)


class Bridge(nn.Module):
    """The decoder's initial states from the encoder's final ones, layer by layer.

    Those of a forward encoder are handed over as they are (Sutskever et al. 2014), those of a bidirectional one joined.
    """

    def __init__(self, shape: StackShape) -> None:
        super().__init__()
        joined = shape.num_layers if shape.bidirectional else 0
        self.joins = nn.ModuleList(Join(shape.hidden_size, shape.states) for _ in range(joined))

    def initialise(self, initialiser: Initialiser, prefix: str) -> None:
        """Give its parameters their initial values."""
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                initialiser.linear(module, prefix + name)

    def forward(self, finals: list[States]) -> list[States]:
        """``finals`` as :class:`RecurrentStack` returns them, by layer and direction."""
        if not self.joins:
            return finals
        return [join(f, b) for join, f, b in zip(self.joins, finals[::2], finals[1::2], strict=True)]


class EncoderDecoder(nn.Module):
    """See :class:`seqablate.models.base.Model` for the call; its output [S, B, O] is that of the target's steps only.

    Args:
        shape: of the encoder; the decoder's is the same but for ``bidirectional``.
        task: how long its source is, its vocabulary and its outputs.
        attention: ``"none"``, ``"additive"`` or ``"dot"``.
        initialiser: of its values.
    """

    def __init__(self, shape: StackShape, task: TaskSpec, attention: str, initialiser: Initialiser) -> None:
        super().__init__()
        assert task.source_steps is not None
        self.source_steps = task.source_steps
        D = shape.hidden_size
        self.source_embedding = nn.Embedding(task.input_size, D)
        self.target_embedding = nn.Embedding(task.input_size, D)
        self.encoder = RecurrentStack(replace(shape, input_size=D))
        self.decoder = RecurrentStack(replace(shape, input_size=D, bidirectional=False))
        self.bridge = Bridge(shape)
        widths = self.decoder.output_size, self.encoder.output_size
        self.score = SCORES[attention](*widths) if attention in SCORES else None
        self.combine = nn.Linear(sum(widths), D)
        self.readout = nn.Linear(D, task.output_size)
        self.probe_points = (
            *self.encoder.probe_points("encoder", "encoder.", lag=task.horizon - task.source_steps),
            *self.decoder.probe_points("decoder", "decoder."),
        )
        self._initialise(initialiser)

    def _initialise(self, initialiser: Initialiser) -> None:
        for name in ("source_embedding", "target_embedding"):
            initialiser.embedding(getattr(self, name), name)
        for name in ("encoder", "decoder", "bridge", *(["score"] if self.score else [])):
            getattr(self, name).initialise(initialiser, f"{name}.")
        for name in ("combine", "readout"):
            initialiser.linear(getattr(self, name), name)

    def forward(
        self, x: Tensor, lengths: Tensor | None = None, state: Any = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, None]:
        """``lengths`` change nothing: a source has no padding, and what stands behind a target no step before sees."""
        source_TB, target_SB = x[: self.source_steps], x[self.source_steps :]
        last_only, source_TBD = self.score is None, self.source_embedding(source_TB)
        memory, finals = self.encoder(source_TBD, generator=generator, last_only=last_only)
        s_SBD, _ = self.decoder(self.target_embedding(target_SB), state=self.bridge(finals), generator=generator)
        context_SBW = memory.expand(len(s_SBD), -1, -1) if self.score is None else attend(self.score, s_SBD, memory)
        return self.readout(torch.tanh(self.combine(torch.cat([context_SBW, s_SBD], -1)))), None
