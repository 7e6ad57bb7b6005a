"""What a run needs at least, in memory and time, from the sizes in its config alone. Imports no torch.

Every figure is a lower bound: a request is refused only if the machine certainly cannot carry it out, or not within
any time that somebody would wait.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqablate.config.checks import at_most
from seqablate.config.lengths import task_at
from seqablate.config.schema import DType, TrainConfig
from seqablate.config.task_spec import EVAL_BATCH, TaskTraits
from seqablate.errors import UsageError, shorten

# Bounds on what one machine does in a second, on the optimistic side.
CPU_FLOPS = 2e11  # a thread
GPU_FLOPS = 1e15
PER_SAMPLE = 2e-6  # seconds to draw and score one sequence of an evaluation
PER_TIMESTEP = 2e-8  # seconds for each of its timesteps
PER_STEP = 1e-4  # seconds of a training step however small
PER_LAYER = 20_000  # bytes of a module's Python objects

LONGEST_EVALUATION = 600.0  # seconds
LONGEST_RUN = 366 * 86400.0
UNITS = (("years", 365 * 86400), ("days", 86400), ("hours", 3600), ("minutes", 60))

# Usual values: the key that is above its own by the largest factor is the one that a message names.
USUAL = {
    "model.hidden_size": 64, "model.num_layers": 1, "model.depth": 4, "model.dim_feedforward": 256,
    "model.num_heads": 4, "model.kernel_size": 3, "model.match_params": 10_000, "model.hidden_sizes": 64,
    "task.length": 100, "task.bptt": 64, "task.symbols": 8, "batch_size": 32, "eval.size": 2000, "steps": 3000,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelSize:
    """Lower bounds of what a model consists of.

    Args:
        layers: modules stacked over depth.
        parameters: numbers in its weights.
        activations: numbers that one sample's backward pass needs.
        flops: multiplications and additions of one sample's forward pass.
    """

    layers: int
    parameters: int
    activations: int
    flops: int


def refuse_too_large(config: TrainConfig) -> None:
    """Refuse what needs more memory than this machine has, or never ends (UsageError names the key)."""
    at_most(os.cpu_count() or 1)("threads", config.threads)
    size: ModelSize = config.model.size(config.task.traits)
    limit, needed = memory(), needed_memory(config, size)
    if needed > limit:
        raise UsageError(
            f"{_largest(config, 'eval.size', 'steps')}: needs {_gigabytes(needed)} of memory or more, "
            f"and this machine has {_gigabytes(limit)}; use a smaller value"
        )
    for length in config.eval.lengths:
        _refuse_test(config, length)
    evaluation = _evaluation(config, config.task.traits, size)
    if evaluation > LONGEST_EVALUATION:
        raise UsageError(
            f"{_largest(config, 'batch_size', 'steps')}: one evaluation would take {_duration(evaluation)} or more; "
            "use a smaller value"
        )
    run = config.steps * (PER_STEP + 3 * config.batch_size * size.flops / _speed(config))
    if run > LONGEST_RUN:
        raise UsageError(
            f"{_largest(config, 'eval.size')}: training would take {_duration(run)} or more; use a smaller value"
        )


def _refuse_test(config: TrainConfig, length: int) -> None:
    """Refuse a length of ``eval.lengths`` at which a test needs more memory than there is, or takes too long."""
    traits = task_at(config.task, length).traits
    size: ModelSize = config.model.size(traits)
    duration = _evaluation(config, traits, size)
    if duration > LONGEST_EVALUATION:
        raise UsageError(
            f"eval.lengths={length}: one test would take {_duration(duration)} or more; use a smaller value"
        )
    needed, limit = _test_memory(config, traits, size), memory()
    if needed > limit:
        raise UsageError(
            f"eval.lengths={length}: its test needs {_gigabytes(needed)} of memory or more, and this machine has "
            f"{_gigabytes(limit)}; use a smaller value, or a smaller eval.size"
        )


def _evaluation(config: TrainConfig, traits: TaskTraits, size: ModelSize) -> float:
    """Seconds of one evaluation."""
    each = PER_SAMPLE + traits.horizon * PER_TIMESTEP + size.flops / _speed(config)
    return evaluated(config) * each


def _speed(config: TrainConfig) -> float:
    return GPU_FLOPS if _may_use_gpu(config) else CPU_FLOPS * config.threads


def _test_memory(config: TrainConfig, traits: TaskTraits, size: ModelSize) -> float:
    """Bytes for the sequences that a test reads at once, and (on the host) the output of one layer for them."""
    layer = 0 if _may_use_gpu(config) else size.activations / max(size.layers, 1)
    return _number(config) * min(config.eval.size, EVAL_BATCH) * (traits.horizon + layer)


def _number(config: TrainConfig) -> int:
    """Bytes of a number."""
    return 8 if config.dtype is DType.float64 else 4


def needed_memory(config: TrainConfig, size: ModelSize) -> float:
    """Bytes that the host must have for a run; what a GPU holds instead is left out if there is one."""
    number = _number(config)
    parameters = max(size.parameters, config.model.match_params or 0)
    batch = config.batch_size * config.task.traits.horizon * number
    if _may_use_gpu(config):
        return number * parameters + PER_LAYER * size.layers + batch
    gradients = 2 * number * parameters  # and themselves
    return gradients + PER_LAYER * size.layers + batch + number * config.batch_size * size.activations


def evaluated(config: TrainConfig) -> int:
    """Sequences of one evaluation, at most; texts and images have an end of their own."""
    return config.eval.size if hasattr(config.task, "length") else min(config.eval.size, 10_000)


def memory() -> float:
    """Bytes of memory that this process may use."""
    limits = [float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))]
    limits += [float(soft) for soft, _ in [resource.getrlimit(resource.RLIMIT_AS)] if soft != resource.RLIM_INFINITY]
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limits.append(float(Path(file).read_text()))
        except (OSError, ValueError):  # no such limit ("max")
            continue
    return min(limits)


def _may_use_gpu(config: TrainConfig) -> bool:
    return config.device != "cpu" and any(Path("/dev").glob("nvidia[0-9]*"))


def _largest(config: TrainConfig, *unrelated: str) -> str:
    """``key=value`` of the size that is above its usual value by the largest factor."""
    values = {key: value for key, value in _values(config) if key not in unrelated}
    key = max(values, key=lambda key: values[key] / USUAL[key])
    return f"{key}={shorten(values[key], 40)}"


def _values(config: TrainConfig) -> Iterator[tuple[str, int]]:
    for key in USUAL:
        found: Any = config
        for part in key.split("."):
            found = getattr(found, part, None)
        if isinstance(found, int) and not isinstance(found, bool):
            yield key, found
        elif isinstance(found, list) and found:
            yield key, max(found)


def _duration(seconds: float) -> str:
    name, unit = next((entry for entry in UNITS if seconds >= 2 * entry[1]), UNITS[-1])
    return f"{seconds / unit:,.0f} {name}" if seconds / unit < 1e6 else f"more than a million {name}"


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.3g} GB" if size < 1e15 else "more than a million GB"
