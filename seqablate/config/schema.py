"""The typed config of a run. Values stand in ``configs/``; here are types, checks and descriptions.

``Any`` stands where a variant is chosen (``model=lstm``): its own dataclass is the schema there. A group of which a run
may have several variants is a dict of them by name.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from typing import Any

from seqablate.config.checks import at_least, positive
from seqablate.config.keys import check_config, key
from seqablate.config.lengths import Lengths
from seqablate.config.registry import variant_name
from seqablate.config.task_spec import TaskTraits
from seqablate.errors import UsageError, shorten

LARGEST_SEED = 10**100


class DType(Enum):
    """Floating-point type of parameters, data and gradients."""

    float32 = "float32"
    float64 = "float64"


class Backend(Enum):
    """What runs a recurrence (``seqablate/engine/recurrence.py``); ``auto`` takes the quickest that can."""

    auto = "auto"
    compiled = "compiled"
    torch = "torch"
    loop = "loop"


class OnNonfinite(Enum):
    """What becomes of a step whose loss or gradient is not finite."""

    stop = "stop"
    skip = "skip"


def _device(key: str, device: str) -> None:
    kind, _, index = device.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (index and not (kind == "cuda" and index.isdigit())):
        raise UsageError(f"{key}={device}: must be auto, cpu, cuda or cuda:N")


def _folder_name(key: str, name: str) -> None:
    bad = not name.strip() or name[0] in ".-" or any(c in "/\\" for c in name) or not name.isprintable()
    if bad or len(name) > 100 or len(os.fsencode(name)) > 255:
        raise UsageError(
            f"{key}={shorten(repr(name))}: must be a plain folder name of 1 to 100 characters, "
            "without '/' or '\\', not beginning with '.' or '-'"
        )


def _folder(key: str, path: str) -> None:
    if not path.strip():
        raise UsageError(f"{key} is empty: name a folder, or leave it out")
    if "\\" in path or not path.isprintable():
        raise UsageError(f"{key}={shorten(path)}: has a backslash or a control character; separate folders with '/'")
    if len(os.fsencode(path)) > 3500 or any(len(os.fsencode(part)) > 255 for part in path.split("/")):
        raise UsageError(f"{key}={shorten(path)}: is too long for a path; choose a shorter one")


def _lengths(key: str, lengths: list[int]) -> None:
    for length in lengths:
        at_least(1)(key, length)
    if len(set(lengths)) < len(lengths):
        raise UsageError(f"{key}={shorten(lengths)}: names a length twice")


@dataclass(kw_only=True, slots=True)
class ProbeConfig:
    """When gradients are measured."""

    every: int = key(
        at_least(0),
        "steps between two measurements of the gradient norm of every timestep; 0: never",
        compared=False,
    )


@dataclass(kw_only=True, slots=True)
class EvalConfig:
    """When and on how many sequences a run is evaluated."""

    every: int = key(at_least(1), "steps between two evaluations", compared=False)
    size: int = key(at_least(1), "sequences of an evaluation", compared=False)
    seed: int = key(at_least(0, LARGEST_SEED), "of the evaluation data, which are the same for every run")
    lengths: list[int] = key(_lengths, "values of task.length at which the end is tested, too", compared=False)


@dataclass(kw_only=True, slots=True)
class CheckpointConfig:
    """When the whole state of a run is saved."""

    every: int = key(at_least(0), "steps between two checkpoints; 0: only at the end or when interrupted")
    keep: int = key(at_least(0), "newest checkpoints that are kept; 0: all")


@dataclass(kw_only=True, slots=True)
class TrainConfig:
    """Everything that determines a run."""

    model: Any = key("what is trained")
    task: Any = key("what it is trained on")
    regularizer: Any = key("what is added to the loss")
    clip: Any = key("what is done to the gradient before a step")
    optim: Any = key("how the gradient becomes a step")
    curriculum: Any = key("how long the training sequences are", headline=False)
    schedule: Any = key("how the learning rate changes over the steps", headline=False)
    diagnostic: dict[str, Any] = key("what is measured of the model while it learns", compared=False, headline=False)
    probe: ProbeConfig = key("when gradients are measured")
    eval: EvalConfig = key("when and on what a run is evaluated")
    checkpoint: CheckpointConfig = key("when the state of a run is saved", digest=False)
    seed: int = key(at_least(0, LARGEST_SEED), "of initial weights, training data and dropout", compared=False)
    steps: int = key(at_least(1), "training steps")
    batch_size: int = key(at_least(1), "sequences of a training step")
    device: str = key(_device, "auto, cpu, cuda or cuda:N", digest=False)
    threads: int = key(at_least(1), "CPU threads of one run; they help wide layers alone", digest=False)
    backend: Backend = key("implementation of the recurrences; auto: the fastest one", digest=False)
    dtype: DType = key("of parameters, data and gradients")
    on_nonfinite: OnNonfinite = key("a step whose loss or gradient is not finite ends the run, or makes no update")
    skip_above: float | None = key(
        positive, "a step whose gradient norm before clipping is above it makes no update; null: no bound"
    )
    stop_when_solved: bool = key("true: stop once the goal of the task is reached")
    name: str | None = key(
        _folder_name, "folder name inside output_dir; null: date, task, model, clip and seed", digest=False
    )
    output_dir: str = key(_folder, "folder in which run folders are made", digest=False)
    quiet: bool = key("true: print nothing", digest=False)

    def __post_init__(self) -> None:
        check_config(self)

    def check_keys(self) -> None:
        if self.backend not in (Backend.auto, Backend.loop) and self.backend.value not in self.model.backends:
            raise UsageError(
                f"backend={self.backend.value} has no kernel for what this model consists of: use backend=auto, or loop"
            )
        if variant_name(self.optim) == "random_guess":
            self._check_guess()
        self.lengths.check()
        self.model.check(self.traits)

    def _check_guess(self) -> None:
        """Nothing that changes a gradient is chosen together with an optimizer that takes none."""
        for group, what in (("regularizer", "that a penalty could change"), ("clip", "to clip")):
            if variant_name(getattr(self, group)) != "none":
                raise UsageError(f"optim=random_guess takes no gradient {what}: use {group}=none")

    @property
    def traits(self) -> TaskTraits:
        """What the model is told of the task."""
        return self.lengths.traits

    @property
    def lengths(self) -> Lengths:
        """The lengths that the run needs of its task."""
        return Lengths(self.task, self.curriculum.shortest, self.eval.lengths)
