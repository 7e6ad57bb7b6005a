"""What a diagnostic is: its keys, when it is measured, what it yields and how that is shown. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from seqablate.config.checks import at_least
from seqablate.config.keys import key
from seqablate.signals.signal import Signal
from seqablate.signals.view import View, declare

if TYPE_CHECKING:
    from seqablate.diagnostics.look import Look, ProbedPass


@dataclass(kw_only=True, slots=True)
class Diagnostic:
    """Abstract: something measured of a model while it learns. Keys are the fields that a subclass adds.

    A diagnostic derives from one of the two classes below, which say when it is measured. It changes neither the
    parameters nor any random stream: a run learns the same with it and without it.

    Attributes:
        reference: paper, for ``seqablate diagnostics``.
        views: how each quantity that it yields is shown. They are declared when the class is made.
    """

    reference: ClassVar[str] = ""
    views: ClassVar[tuple[View, ...]] = ()

    every: int | None = key(
        at_least(1),
        "steps between two measurements; null: as the others of its kind",
        default=None,
    )

    def __init_subclass__(cls) -> None:
        declare(*cls.views)


@dataclass(kw_only=True, slots=True)
class TrainingDiagnostic(Diagnostic):
    """Abstract: read off the backward pass of a training step, which costs no pass of its own.

    It is due at every ``probe.every``-th step, or every ``every``-th if that is set, and after the last step.
    """

    def due(self, step: int, probe_every: int) -> bool:
        """Whether it is measured at this step."""
        return step % (self.every or probe_every) == 0

    def measure(self, seen: ProbedPass) -> Iterable[Signal]:
        """What is measured.

        Args:
            seen: the pass. The parameters have changed since then: only what it holds may be used.
        """
        raise NotImplementedError


@dataclass(kw_only=True, slots=True)
class EvaluationDiagnostic(Diagnostic):
    """Abstract: measured on the first samples of the evaluation data, with passes of its own.

    It is due at every evaluation; if ``every`` is set, at every ``every``-th step instead, and after the last one.
    """

    def due(self, step: int, evaluating: bool) -> bool:
        """Whether it is measured before this step is made."""
        return evaluating if self.every is None else step % self.every == 0

    def measure(self, look: Look) -> Iterable[Signal]:
        """What is measured.

        Args:
            look: the model, the samples, and backward passes through them.
        """
        raise NotImplementedError
