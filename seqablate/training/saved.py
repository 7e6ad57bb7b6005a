"""Whether the state in a checkpoint is one of this run: every part, of the right type and shape, before any is loaded.

The hash of a checkpoint says that it is the file that was committed. A folder from a stranger may commit anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import torch

from seqablate.shape import Misfit, fitting
from seqablate.training.parts import Parts
from seqablate.training.state import Progress
from seqablate.training.step import dropout_generator, forward


def fits_model(saved: dict[str, Any], model: torch.nn.Module) -> bool:
    """Whether a checkpoint holds the parameters of this model."""
    return _alike(saved.get("model"), model.state_dict())


def fits_run(saved: dict[str, Any], parts: Parts) -> bool:
    """Whether a run can go on from a checkpoint."""
    return (
        saved.keys() == {"version", "step", "model", "optimizer", "clip", "carried", "progress"}
        and type(saved["step"]) is int
        and 0 <= saved["step"] <= parts.config.steps
        and fits_model(saved, parts.model)
        and _fits_optimizer(saved["optimizer"], parts)
        and _fits_clip(saved["clip"], parts)
        and _fits_carried(saved["carried"], saved["step"], parts)
        and _fits_progress(saved["progress"], parts)
    )


def _fits_progress(found: Any, parts: Parts) -> bool:
    try:
        length = fitting(found, Progress).length
    except Misfit:
        return False
    shortest = parts.config.curriculum.shortest
    if length is not None and not (shortest and shortest <= length <= parts.config.task.length):
        return False
    return found.keys() == {f.name for f in fields(Progress)}


def _fits_clip(found: Any, parts: Parts) -> bool:
    """Whether a clip of the run's kind takes what it is said to remember."""
    if not isinstance(found, dict) or not all(isinstance(part, torch.Tensor) for part in found.values()):
        return False
    try:
        parts.config.clip.build().load_state_dict(found)
    except ValueError:
        return False
    return True


def _fits_optimizer(found: Any, parts: Parts) -> bool:
    ours = parts.optimizer.state_dict()
    if not isinstance(found, dict) or found.keys() != ours.keys() or not isinstance(found["state"], dict):
        return False
    if not isinstance(found["param_groups"], list) or not all(isinstance(g, dict) for g in found["param_groups"]):
        return False
    settings, expected = (
        [{key: value for key, value in group.items() if key != "lr"} for group in state["param_groups"]]
        for state in (found, ours)
    )
    rates = [group.get("lr") for group in found["param_groups"]]
    if settings != expected or not all(isinstance(rate, float) for rate in rates):
        return False
    parameters = [p for group in parts.optimizer.param_groups for p in group["params"]]
    example = _example_state(parts)
    return all(
        number in range(len(parameters))
        and _alike(state, {k: _like(v, parameters[number]) for k, v in example.items()})
        for number, state in found["state"].items()
    )


def _example_state(parts: Parts) -> dict[str, Any]:
    """What the run's optimizer keeps of one parameter."""
    parameter = torch.nn.Parameter(torch.zeros(2, dtype=parts.dtype))
    parameter.grad = torch.zeros_like(parameter)
    optimizer = parts.config.optim.build([parameter])
    optimizer.step()
    return dict(optimizer.state[parameter])


def _like(example: Any, parameter: torch.Tensor) -> Any:
    """The example's value, in the shape that it has for ``parameter``."""
    if isinstance(example, torch.Tensor) and example.dim() > 0:
        return example.new_empty((), device="meta").expand(parameter.shape)
    return example


def _fits_carried(found: Any, step: int, parts: Parts) -> bool:
    if found is None:
        return step == 0 or not parts.task.spec.carries_state
    if not parts.task.spec.carries_state:
        return False
    batch = parts.task.train_batch(0).tensors(parts.device, parts.dtype)
    with torch.no_grad():
        _, _, carried = forward(parts.model, parts.task, batch, None, dropout_generator(parts, 0))
    return _alike(found, carried)


def _alike(found: Any, expected: Any) -> bool:
    """The same nesting, and tensors of the same shapes and types in it."""
    if isinstance(expected, torch.Tensor):
        return (
            isinstance(found, torch.Tensor)
            and found.layout == torch.strided
            and (found.shape, found.dtype) == (expected.shape, expected.dtype)
        )
    if isinstance(expected, Mapping):
        return (
            isinstance(found, Mapping)
            and found.keys() == expected.keys()
            and all(_alike(found[key], part) for key, part in expected.items())
        )
    if isinstance(expected, list | tuple):
        same = type(found) is type(expected) and len(found) == len(expected)
        return same and all(map(_alike, found, expected))
    return type(found) is type(expected)
