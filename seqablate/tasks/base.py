"""What a task is: data that are a pure function of (seed, step), a loss for each sample, and a scale to judge it on.

Shapes: T time, B batch, I input features, O outputs (classes or real values), V vocabulary. Time comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from seqablate.config.metric import Metric
from seqablate.config.task_spec import TaskSpec

if TYPE_CHECKING:
    import torch

# Given token ids [1, 1] and the carried state, the logits [V] of the next token and the new state.
NextLogits = Callable[[np.ndarray, Any], tuple[np.ndarray, Any]]
NO_TARGET = -1  # the class of a step at which nothing is asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Input and target of B sequences, as numpy arrays until :meth:`tensors`.

    Args:
        x: [T, B, I] real or [T, B] token ids (int64).
        y: targets, [B] for a loss on the last step, [T, B] for a loss on every step, of a transduction [S, B] for its
            last S steps. A step of class NO_TARGET has no loss; every sample has a step with a target.
        lengths: [B] valid steps of each sample; None when all T are. Padding stands at the end and is zero.
        reset: whether a carried state is reset before this batch (TaskTraits.carries_state).
    """

    x: Any
    y: Any
    lengths: Any = None
    reset: bool = True

    def tensors(self, device: torch.device, dtype: torch.dtype) -> Batch:
        """The same batch on ``device``, real arrays as ``dtype``."""
        import torch

        def move(array: np.ndarray | None) -> torch.Tensor | None:
            if array is None:
                return None
            tensor = torch.from_numpy(array)
            tensor = tensor.to(dtype if tensor.is_floating_point() else tensor.dtype)
            if device.type == "cuda":
                tensor = tensor.pin_memory()  # else the copy waits for all work queued on the GPU
            return tensor.to(device, non_blocking=True)

        return Batch(x=move(self.x), y=move(self.y), lengths=move(self.lengths), reset=self.reset)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunData:
    """The parts of a run's config that its data depend on."""

    seed: int
    batch_size: int
    eval_seed: int
    eval_size: int


class Objective(Protocol):
    """Loss and scores. ``batch`` arguments hold tensors; ``output`` is the model's, [B, O] or [T, B, O] (of a
    transduction also [S, B, O], the target's steps alone)."""

    def step_losses(self, output: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Loss of each sample [B], or of each step (with a target) and sample; a sample's is the mean of its steps."""

    def scores(self, output: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """Per-sample values [B] by name; their means over a whole split go to :meth:`Task.summarise`."""


class Task(Objective, Protocol):
    """A built task."""

    spec: TaskSpec
    metrics: tuple[Metric, ...]  # the first is the headline: its chance and goal are printed and drawn
    baselines: dict[str, float]  # measured reference values on the headline's scale, by name, of the evaluation data
    test_baselines: dict[str, float]  # the same of the test data
    notes: tuple[str, ...]  # what a user should know of the data before the run begins, a line each

    @property
    def fingerprint(self) -> str | None:
        """SHA-256 of the data, where they are read rather than drawn: a resumed run must find the same."""

    def train_batch(self, step: int) -> Batch:
        """The batch of one training step: fresh data, a pure function of the run's seed and ``step``."""

    def eval_batches(self, split: str) -> Iterator[Batch]:
        """``"evaluation"`` data (fixed by their own seed) or ``"test"`` data, which only confirm a solution."""

    def summarise(self, loss: float, scores: dict[str, float]) -> dict[str, float]:
        """Every metric of ``metrics`` (and others worth keeping) from the mean loss and the mean scores."""

    def solved(self, results: dict[str, float]) -> bool:
        """Whether the results of :meth:`summarise` meet the criterion."""

    def sample(self, next_logits: NextLogits, rng: np.random.Generator) -> str | None:
        """Text drawn from a language model; None for every other task."""


class ByObjective:
    """Abstract: a task whose loss and scores are those of its objective.

    Attributes:
        input_names: for who looks at samples, what the token ids (or the features of a real input) are called.
        target_names: what the classes are called. Both are empty where numbers say as much.
    """

    __slots__ = ()
    objective: Objective
    input_names: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()

    def step_losses(self, output: torch.Tensor, batch: Batch) -> torch.Tensor:
        """See :meth:`Objective.step_losses`."""
        return self.objective.step_losses(output, batch)

    def scores(self, output: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """See :meth:`Objective.scores`."""
        return self.objective.scores(output, batch)
