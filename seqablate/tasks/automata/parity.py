"""Parity: a sequence of bits; at the end, whether the number of ones is odd. With end symbol ``=`` and T = 8::

    input   1 0 1 0 1 0 0 =      class 1: three ones

Every bit matters, and no part of them says anything of the answer: until all are taken into account, accuracy stays at
50 %. The sum modulo 2 (``task=modular``) with its own name, since it is the smallest regular language that a recurrence
with real eigenvalues in [0, 1] cannot recognise at every length, while eigenvalue -1 alone suffices.

Deletang et al. draw a length from 1 to 40 for each batch, as ``curriculum=uniform curriculum.shortest=1`` does: short
sequences show the way. Where all sequences have one length, even a short one, few seeds learn it.

Sources: Deletang et al. 2023, appendix A.1 (parity check; the answer is asked at an empty symbol, as here); Grazzi et
al. 2024, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from seqablate.config.checks import at_least
from seqablate.config.keys import key
from seqablate.config.metric import accuracy
from seqablate.config.registry import variant
from seqablate.config.task_spec import TaskTraits
from seqablate.tasks.automata.modular import sample_modular, sample_numbers
from seqablate.tasks.base import RunData
from seqablate.tasks.synthetic import SyntheticTask


@variant("task", "parity")
@dataclass(kw_only=True, slots=True)
class ParityConfig:
    """Parity: is the number of ones odd?"""

    reference: ClassVar[str] = "Deletang et al. 2023, appendix A.1; Grazzi et al. 2024"

    length: int = key(at_least(1), "bits; a sequence has one timestep more")
    tokens: bool = key("true: symbols are token ids, which a model embeds; false: one-hot, as in Deletang et al. 2023")
    shuffle_labels: bool = key("true: train on targets of other sequences (a control)")

    @property
    def traits(self) -> TaskTraits:
        """One class after the last step."""
        return TaskTraits(horizon=self.length + 1, length=self.length + 1, tokens=self.tokens)

    def build(self, data: RunData) -> SyntheticTask:
        """The task for one run."""
        from seqablate.tasks.objectives import Classification

        sampler = sample_numbers if self.tokens else sample_modular
        return SyntheticTask(
            spec=self.traits.sized(input_size=3, output_size=2),
            metrics=(accuracy(0.5, 0.99, "two classes"),),
            sampler=lambda rng, count: sampler(rng, count, self.length, numbers=2, shift=0, modulus=2),
            objective=Classification(),
            data=data,
            shuffle_labels=self.shuffle_labels,
            input_names=("0", "1", "="),
        )
