"""The typed config of a run. Values stand in ``configs/``; here are types, and checks that no single key can see.

``Any`` stands where a variant is chosen (``model=lstm``): its own dataclass is the schema there.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from omegaconf import MISSING

from seqablate.errors import UsageError, shorten

LARGEST = 2**63 - 1  # of a 64-bit integer
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


@dataclass(kw_only=True, slots=True)
class ProbeConfig:
    """How often the gradient of every timestep is measured; 0 switches it off."""

    every: int = MISSING

    def __post_init__(self) -> None:
        at_least("probe.every", self.every, 0)


@dataclass(kw_only=True, slots=True)
class EvalConfig:
    """When and on how many sequences a run is evaluated, and the seed that fixes them for all runs."""

    every: int = MISSING
    size: int = MISSING
    seed: int = MISSING

    def __post_init__(self) -> None:
        at_least("eval.every", self.every, 1)
        at_least("eval.size", self.size, 1)
        at_least("eval.seed", self.seed, 0, LARGEST_SEED)


@dataclass(kw_only=True, slots=True)
class CheckpointConfig:
    """How often the whole state is saved (0: at the end or an interruption only), and how many are kept (0: all)."""

    every: int = MISSING
    keep: int = MISSING

    def __post_init__(self) -> None:
        at_least("checkpoint.every", self.every, 0)
        at_least("checkpoint.keep", self.keep, 0)


@dataclass(kw_only=True, slots=True)
class TrainConfig:
    """Everything that determines a run. Fields whose metadata say ``digest: False`` do not change what is learned."""

    model: Any = MISSING
    task: Any = MISSING
    clip: Any = MISSING
    optim: Any = MISSING
    schedule: Any = MISSING
    probe: ProbeConfig = MISSING
    eval: EvalConfig = MISSING
    checkpoint: CheckpointConfig = field(default=MISSING, metadata={"digest": False})
    seed: int = MISSING
    steps: int = MISSING
    batch_size: int = MISSING
    device: str = field(default=MISSING, metadata={"digest": False})
    threads: int = field(default=MISSING, metadata={"digest": False})
    backend: Backend = field(default=MISSING, metadata={"digest": False})
    dtype: DType = MISSING
    stop_when_solved: bool = MISSING
    name: str | None = field(default=MISSING, metadata={"digest": False})
    output_dir: str = field(default=MISSING, metadata={"digest": False})
    quiet: bool = field(default=MISSING, metadata={"digest": False})

    def __post_init__(self) -> None:
        at_least("seed", self.seed, 0, LARGEST_SEED)
        at_least("steps", self.steps, 1)
        at_least("batch_size", self.batch_size, 1)
        at_least("threads", self.threads, 1)
        _check_device(self.device)
        _check_name(self.name)
        _check_folder(self.output_dir)
        if self.backend in (Backend.compiled, Backend.torch) and not self.model.fused:
            raise UsageError(
                f"backend={self.backend.value} has no kernel for what this model consists of: use backend=auto, or loop"
            )
        self.model.check(self.task.traits)


def at_least(key: str, value: float, minimum: float, maximum: float = LARGEST) -> None:
    """Refuse ``value`` below ``minimum`` or above ``maximum``, NaN and infinity.

    Raises:
        UsageError: naming the key, the value and the bound.
    """
    if not value >= minimum:
        raise UsageError(f"{key}={shorten(value)}: must be at least {minimum}")
    if value > maximum:
        raise UsageError(f"{key}={shorten(value)}: is too large; must be at most {maximum:.0e}")


def at_most(key: str, value: int, maximum: int) -> None:
    """Refuse ``value`` above ``maximum`` (UsageError)."""
    if value > maximum:
        raise UsageError(f"{key}={shorten(value)}: must be at most {maximum:,}")


def positive(key: str, value: float) -> None:
    """Refuse zero, negative and non-finite values (UsageError)."""
    if not math.isfinite(value) or value <= 0:
        raise UsageError(f"{key}={value}: must be a positive finite number")


def fraction(key: str, value: float) -> None:
    """Refuse what is not in [0, 1) (UsageError)."""
    if not 0 <= value < 1:
        raise UsageError(f"{key}={value}: must be at least 0 and below 1")


def check_betas(betas: tuple[float, float]) -> None:
    """Refuse anything but two values in [0, 1) for Adam's ``betas`` (UsageError)."""
    if len(betas) != 2:
        raise UsageError(f"optim.betas={list(betas)}: must be two numbers, such as [0.9,0.999]")
    for beta in betas:
        fraction("optim.betas", beta)


def _check_device(device: str) -> None:
    kind, _, index = device.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (index and not (kind == "cuda" and index.isdigit())):
        raise UsageError(f"device={device}: must be auto, cpu, cuda or cuda:N")


def _check_name(name: str | None) -> None:
    if name is None:
        return
    bad = not name.strip() or name[0] in ".-" or any(c in "/\\" for c in name) or not name.isprintable()
    if bad or len(name) > 100 or len(os.fsencode(name)) > 255:
        raise UsageError(
            f"name={shorten(repr(name))}: must be a plain folder name of 1 to 100 characters, "
            "without '/' or '\\', not beginning with '.' or '-'"
        )


def _check_folder(path: str) -> None:
    if not path.strip():
        raise UsageError("output_dir is empty: name a folder, or leave it out")
    if "\\" in path or not path.isprintable():
        raise UsageError(
            f"output_dir={shorten(path)}: has a backslash or a control character; separate folders with '/'"
        )
    if len(os.fsencode(path)) > 3500 or any(len(os.fsencode(part)) > 255 for part in path.split("/")):
        raise UsageError(f"output_dir={shorten(path)}: is too long for a path; choose a shorter one")
