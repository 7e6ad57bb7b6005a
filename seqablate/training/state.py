"""What changes while a run goes on, and nothing else: all of it goes into a checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from seqablate.record.schema import AtLength, Best, Evaluation, Results, Seconds
from seqablate.shape import fitting
from seqablate.signals.fit import Fit
from seqablate.training.parts import Parts


@dataclass(kw_only=True)
class Progress:
    """The results so far: they are summarised in run.json as well.

    Attributes:
        clipped: how many steps were clipped, of those that made an update.
        skipped: how many steps made no update.
        guesses: how often all weights were drawn anew.
        regularized: at how many steps the penalty had a gradient, of those that made an update.
        solved_at: the step of the first evaluation that met the criterion and that the test data confirmed.
        lost_at: the step since which a solved task no longer meets it, on evaluation or test data; None while it does.
        refuted: how many evaluations met the criterion and were refuted by the test data.
        confirmation: what the test data said last of an evaluation that met it.
        best: the headline metric's best evaluation.
        last: the last evaluation.
        decay: fits of the last evaluation's lag curves.
        length: the largest length of a training sequence, as the last evaluation left it; None without a curriculum.
        at_lengths: results on test data of other lengths, once the run is finished.
        test: results on test data, once the run is finished.
        finished: whether everything has been measured.
        seconds: wall time spent training, evaluating and in all, over every process that worked on the run.
    """

    clipped: int = 0
    skipped: int = 0
    guesses: int = 0
    regularized: int = 0
    solved_at: int | None = None
    lost_at: int | None = None
    refuted: int = 0
    confirmation: Evaluation | None = None
    best: Best | None = None
    last: Evaluation | None = None
    decay: list[Fit] = field(default_factory=list)
    length: int | None = None
    at_lengths: list[AtLength] = field(default_factory=list)
    test: Results | None = None
    finished: bool = False
    seconds: Seconds = field(default_factory=Seconds)

    def spend(self, what: Literal["total", "train", "eval"], seconds: float) -> None:
        """Count wall time."""
        self.seconds = replace(self.seconds, **{what: getattr(self.seconds, what) + seconds})


@dataclass(slots=True, kw_only=True)
class TrainState:
    """The step, the carried recurrent state and the progress; parameters and optimizer live in the parts."""

    step: int = 0
    carried: Any = None
    progress: Progress = field(default_factory=Progress)

    def to_dict(self, parts: Parts) -> dict[str, Any]:
        """For a checkpoint: tensors and plain values only, so that it loads with ``weights_only=True``."""
        return {
            "model": parts.model.state_dict(),
            "optimizer": parts.optimizer.state_dict(),
            "clip": parts.clip.state_dict(),
            "carried": self.carried,
            "progress": asdict(self.progress),
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any], parts: Parts) -> TrainState:
        """Load a checkpoint into the parts and return the state to go on from."""
        parts.model.load_state_dict(saved["model"])
        parts.optimizer.load_state_dict(saved["optimizer"])
        parts.clip.load_state_dict(saved["clip"])
        carried = _to_device(saved["carried"], parts)
        return cls(step=saved["step"], carried=carried, progress=fitting(saved["progress"], Progress))


def _to_device(state: Any, parts: Parts) -> Any:
    if state is None:
        return None
    if isinstance(state, list | tuple):
        return type(state)(_to_device(part, parts) for part in state)
    return state.to(parts.device)
