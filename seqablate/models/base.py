"""What a model is: a function of (parameters, input, state, generator), and where its gradient is measured.

Shapes: T time, B batch, I input, D hidden, O outputs, L layers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from seqablate.config.checks import at_least
from seqablate.config.keys import key
from seqablate.config.sizes import ModelSize
from seqablate.config.task_spec import TaskSpec, TaskTraits
from seqablate.errors import UsageError
from seqablate.signals.place import Place

if TYPE_CHECKING:
    import torch

S = TypeVar("S")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePoint:
    """One module of a model whose gradient is recorded.

    Args:
        name: the torch module's name inside the model (as in ``named_modules()``).
        place: what signals call it; a recurrence's other states stand at this place, too.
        layout: of its output, as :class:`seqablate.probe.TimestepProbe` takes it (``"TBD"``; ``"BD"`` for a layer that
            knows no time); None for a :class:`seqablate.engine.recurrence.Recurrence`, whose states are recorded.
        lag: timesteps between its last one and the model's last one: those of a decoder, for an encoder.
    """

    name: str
    place: Place
    layout: str | None = None
    lag: int = 0

    @property
    def timed(self) -> bool:
        """Whether its output has timesteps."""
        return self.layout is None or "T" in self.layout


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainStack:
    """A model that is a stack of recurrences in one direction between an embedding and a linear readout, and no more.

    Args:
        embedding: of token ids; None for a real input.
        recurrences: name of the module -> a :class:`seqablate.engine.recurrence.Recurrence`, the first layer first.
        readout: of every step, or of each sample's last one.
        every_step: which of the two.
    """

    embedding: torch.nn.Embedding | None
    recurrences: Mapping[str, Any]
    readout: torch.nn.Linear
    every_step: bool


@dataclass(kw_only=True, slots=True)
class ModelConfig:
    """Abstract: what the config of every model answers. Keys are the fields that a subclass adds.

    Attributes:
        reference: paper, for ``seqablate models``.
        states: what is recorded of it, for ``seqablate models``.
        restrictions: what it cannot do, for ``seqablate models``.
    """

    reference: ClassVar[str] = ""
    states: ClassVar[str] = "h"
    restrictions: ClassVar[str] = ""

    match_params: int | None = key(
        at_least(1),
        "N: the hidden_size that gives about N parameters; null: hidden_size as it is",
        default=None,
        headline=False,
    )

    def check_keys(self) -> None:
        if self.match_params is not None and "hidden_size" not in {f.name for f in fields(self)}:
            raise UsageError("model.match_params: this model has no hidden_size that could be chosen to match")

    @property
    def size_multiple(self) -> int:
        """What the hidden size must be a multiple of."""
        return 1

    @property
    def backends(self) -> frozenset[str]:
        """The backends that have kernels for its recurrences; without any only ``backend=loop`` runs it."""
        return frozenset()

    def size(self, task: TaskTraits) -> ModelSize:
        """Lower bounds of its sizes, from which a request that no machine could carry out is refused."""
        return ModelSize(layers=1, parameters=0, activations=task.horizon, flops=task.horizon)

    def check(self, task: TaskTraits) -> None:
        """Refuse a task that the model cannot be trained on (UsageError: one line that says why and what would do)."""

    def notes(self, task: TaskTraits) -> list[str]:
        """What a user should know of this model on a task before the run begins, a line each."""
        return []

    def build(self, *, seed: int, task: TaskSpec) -> Model:
        """The model for one run; initial values are a function of ``seed``. Import torch in here, not above."""
        raise NotImplementedError


def shape_of(kind: Callable[..., S], config: ModelConfig, **more: Any) -> S:
    """The sizes and choices that a model is built from.

    Args:
        kind: a dataclass of them.
        config: has keys or properties of the same names.
        more: fields that it has not.
    """
    names = set(signature(kind).parameters) - more.keys()
    return kind(**{name: getattr(config, name) for name in names}, **more)


def check_transduction(model: str, task: TaskTraits) -> None:
    """Refuse a task without a source and a target of tokens, which an encoder-decoder needs (UsageError)."""
    if task.source_steps is None or not task.tokens:
        raise UsageError(
            f"model={model} reads a source of tokens and writes a target: it needs a task that has both, such as "
            "task=reverse or task=span_corruption; use another model for this task"
        )


def one_window(task: TaskTraits) -> list[str]:
    """The note of a model that has no state to carry from one window of a text to the next."""
    if not task.carries_state:
        return []
    return [
        f"context: one window of task.bptt={task.horizon} tokens, also in evaluation; no state is carried over, "
        "so the first tokens of a window are predicted from few"
    ]


class Model(Protocol):
    """A ``torch.nn.Module`` with this much more.

    One whose outputs are made by a module calls it ``readout``: ``clip=adaptive`` leaves the parameters of that alone.
    One that may be a :class:`PlainStack` says so by a method ``plain_stack()``, which gives that or None.
    """

    probe_points: tuple[ProbePoint, ...]

    def __call__(
        self,
        x: torch.Tensor,
        lengths: torch.Tensor | None = None,
        state: Any = None,
        generator: torch.Generator | None = None,
    ) -> tuple[torch.Tensor, Any]:
        """Map an input to outputs and the state after its last step.

        Args:
            x: [T, B, I] real, or [T, B] token ids.
            lengths: [B] valid steps of each sample, or None when all T are.
            state: what an earlier call returned, or None to start from zeros.
            generator: where dropout masks come from; None switches dropout off (evaluation).

        Returns:
            Output [T, B, O] if the task has a loss at every step (of a transduction, a model may leave out the source),
            else [B, O] after each sample's last valid step; and the state, None for a model that has none.
        """
