"""Config -> built objects: the one place that sees every kind of part."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib import import_module
from pkgutil import walk_packages
from typing import TYPE_CHECKING, Any

from seqablate.config.compose import compose_config, config_folder
from seqablate.config.lengths import task_at
from seqablate.config.plugins import load_plugins
from seqablate.config.registry import ALL_GROUPS, GROUPS, variant_name
from seqablate.config.schema import TrainConfig
from seqablate.errors import RunFailure, UsageError
from seqablate.models.match import solve_hidden_size
from seqablate.tasks.base import RunData, Task
from seqablate.text import counted

if TYPE_CHECKING:
    import torch

    from seqablate.clip.base import Clip
    from seqablate.regularizer.base import Regularizer
    from seqablate.training.parts import Parts


def load_variants(groups: Iterable[str] = GROUPS) -> None:
    """Import the file of every variant of these groups, and the packages that add some. Imports no torch."""
    for group in groups:
        _import_variants(group)
    load_plugins()


@cache
def _import_variants(group: str) -> None:
    """``model=lstm`` is declared in the file ``lstm.py`` somewhere in ``models/``, and has a YAML of that name."""
    room = import_module(f"seqablate.{ALL_GROUPS[group].room}")
    names = {path.stem for path in (config_folder() / group).glob("*.yaml")}
    for file in walk_packages(room.__path__, f"{room.__name__}."):
        if file.name.rpartition(".")[2] in names:
            import_module(file.name)


def read_overrides(overrides: list[str]) -> TrainConfig:
    """Compose and check one run's config (UsageError says what is wrong). Imports no torch."""
    load_variants()
    return compose_config(overrides)


def build_task(config: TrainConfig, length: int | None = None) -> Task:
    """The task alone, for whoever wants its data or needs to know that they can be read (UsageError if not).

    Args:
        config: of the run.
        length: instead of ``task.length``.
    """
    chosen = config.task if length is None else task_at(config.task, length)
    data = RunData(
        seed=config.seed, batch_size=config.batch_size, eval_seed=config.eval.seed, eval_size=config.eval.size
    )
    task: Task = chosen.build(data)
    return task


def build_lengths(config: TrainConfig, task: Task) -> Callable[[int], Task]:
    """The run's task at each length that it needs, built once, when it is first asked for.

    Raises:
        UsageError: its inputs or answers are others at another length, or a length is to be solved and no goal is set.
    """
    at = cache(lambda length: task if length == config.task.length else build_task(config, length))
    name = variant_name(config.task)
    for key, length in config.lengths.others:
        found = at(length).spec
        if (found.input_size, found.output_size) != (task.spec.input_size, task.spec.output_size):
            raise UsageError(f"{key}: task={name} has other inputs or answers at length {length}: no model has both")
    if config.curriculum.judged and task.metrics[0].goal is None:
        raise UsageError(f"curriculum={variant_name(config.curriculum)}: task={name} has no goal that could be met")
    return at


def assemble(config: TrainConfig) -> Parts:
    """Build everything a run needs; writes nothing.

    Raises:
        UsageError: a device that is not there, data that cannot be read.
    """
    import torch

    from seqablate.optim.dynamo import without_dynamo
    from seqablate.training.parts import Parts

    if config.threads > (cpus := os.cpu_count() or 1):
        raise UsageError(f"threads={config.threads}: this machine has {cpus} CPUs")
    device = find_device(config.device)
    task = build_task(config)
    task_at_length = build_lengths(config, task)
    config = match_parameters(config, task)
    model = build_model(config, task).to(device)
    regularizer = build_regularizer(config, model)
    clip = config.clip.build()
    clip.prepare(model)
    backend = use_backend(model, config, clip, device)
    without_dynamo()
    optimizer = config.optim.build(model.parameters())
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]  # what the schedule multiplies
    return Parts(
        config=config,
        task=task,
        task_at=task_at_length,
        model=model,
        regularizer=regularizer,
        clip=clip,
        optimizer=optimizer,
        schedule=config.schedule,
        device=device,
        backend=backend,
        dtype=getattr(torch, config.dtype.value),
        parameters=[p for p in model.parameters() if p.requires_grad],
    )


def build_model(config: TrainConfig, task: Task) -> Any:
    """The model with its initial parameters (drawn in float32), on the CPU, as ``config.dtype``."""
    import torch

    from seqablate.engine.threads import using_threads

    # torch's modules draw from the global generator before our own values replace theirs: leave it as it was.
    # An orthogonal matrix of more threads has other last digits.
    with torch.random.fork_rng(devices=[]), using_threads(1):
        told = replace(task.spec, length=config.traits.length, longest=config.traits.longest)
        model = config.model.build(seed=config.seed, task=told)
    return model.to(getattr(torch, config.dtype.value))


def build_regularizer(config: TrainConfig, model: Any) -> Regularizer:
    """The regularizer (UsageError where it has no meaning for the model)."""
    regularizer: Regularizer = config.regularizer.build()
    if reason := regularizer.refusal(model):
        name, on = variant_name(config.regularizer), variant_name(config.model)
        raise UsageError(f"regularizer={name} cannot act on model={on}: {reason}")
    return regularizer


def match_parameters(config: TrainConfig, task: Task) -> TrainConfig:
    """The config with the hidden size that ``model.match_params`` asks for (UsageError where there is none)."""
    target = config.model.match_params
    if target is None:
        return config

    def sized(hidden_size: int) -> TrainConfig:
        return replace(config, model=replace(config.model, hidden_size=hidden_size))

    def count(hidden_size: int) -> int:
        return sum(p.numel() for p in build_model(sized(hidden_size), task).parameters())

    return sized(solve_hidden_size(count, target, config.model.size_multiple))


def use_backend(model: Any, config: TrainConfig, clip: Clip, device: torch.device) -> str:
    """Fix what runs the model's recurrences; its name (UsageError where it cannot run, or has nothing to clip)."""
    from seqablate.engine.setup import set_backend

    inside = clip.inside(config.batch_size)
    try:
        name = set_backend(model, config.backend.value, device, inside)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if inside is not None and name == "none":
        raise UsageError(
            f"clip={variant_name(config.clip)} acts inside of a recurrence, and model={variant_name(config.model)} "
            "has none: use another clip, or a recurrent model"
        )
    return name


def _gpus(count: int) -> str:
    return f"only {counted(count, 'GPU')}" if count else "no GPU"


def find_device(name: str) -> torch.device:
    """``auto`` is the first CUDA device where there is one, else the CPU (UsageError for one that is not there)."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda:0" if count else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= count:
        raise UsageError(f"device={name}: {_gpus(count)} that torch can use; use device=cpu")
    return device


@contextmanager
def memory_errors(kind: type[UsageError] | type[RunFailure]) -> Iterator[None]:
    """torch's ways of saying that there is not enough memory, as one line: an error of this kind."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        first = (str(error).splitlines() or ["numpy"])[0]
        if isinstance(error, RuntimeError) and "out of memory" not in first and "allocate memory" not in first:
            raise
        raise kind(f"out of memory ({first}): try a smaller model, batch_size, task.length or eval.lengths") from error
