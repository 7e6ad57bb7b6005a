"""What is said of a run at its beginning and at its end, line by line; see the reporters for where it appears."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from shlex import quote
from typing import Any

from seqablate.config.codec import to_plain
from seqablate.config.keys import declaration
from seqablate.config.metric import Metric
from seqablate.config.registry import GROUPS
from seqablate.config.schema import TrainConfig
from seqablate.record.schema import AtLength, RunInfo
from seqablate.signals.fit import Fit
from seqablate.signals.words import decay_words
from seqablate.tasks.base import Task
from seqablate.text import apart, counted, duration, number, percent
from seqablate.training.parts import Parts
from seqablate.training.state import TrainState

MOST_SENTENCES = 4


def headline(parts: Parts) -> str:
    """What is being trained, with the settings that matter, in one line."""
    plain = to_plain(parts.config)
    pieces = []
    for group in (f.name for f in fields(TrainConfig) if f.name in GROUPS and declaration(f).headline):
        shown = ", ".join(_telling_keys(getattr(parts.config, group), plain[group]))
        name = plain[group]["name"]
        if (group, name) != ("regularizer", "none"):
            named = f"{group}={name}" if group in ("clip", "regularizer") else name
            pieces.append(f"{named} ({shown})" if shown else named)
    pieces += [f"seed={parts.config.seed}", f"{parts.parameter_count:,} parameters", f"{parts.device}, {parts.backend}"]
    return " · ".join(pieces)


def _telling_keys(variant: Any, plain: dict[str, Any]) -> Iterator[str]:
    """``key=value`` of each key of a variant that says something of a run, by its own declaration."""
    for f in fields(variant):
        value, says = plain[f.name], declaration(f)
        if says.headline and value not in says.off:
            yield f"{f.name}={value}"


def scale_lines(task: Task) -> Iterator[str]:
    """What the results are to be compared with: chance or measured baselines, the goal, and their source."""
    for metric in task.metrics:
        baselines = task.baselines if metric is task.metrics[0] else {}
        references = [f"{name} {number(value)}" for name, value in (baselines or {"chance": metric.chance}).items()]
        if metric.goal is not None:
            references.append(f"solved {'below' if metric.lower_is_better else 'above'} {number(metric.goal)}")
        yield f"{scale_name(metric.name, metric.unit)}: {', '.join(references)} ({metric.source})"


def scale_name(name: str, unit: str) -> str:
    """``wrong (share with ...)``, or the unit alone where it says the name already: ``bits per character``."""
    return unit if name.replace("_", " ") in unit else f"{name} ({unit})"


def model_lines(parts: Parts) -> list[str]:
    """What ``model.match_params`` came to, and what the model itself has to say."""
    model = parts.config.model
    notes: list[str] = [*model.notes(parts.task.spec), *parts.task.notes]
    if model.match_params is None:
        return notes
    off = parts.parameter_count / model.match_params - 1
    found = f"hidden_size={model.hidden_size} has {parts.parameter_count:,} parameters ({100 * off:+.1f} %)"
    return [f"match_params={model.match_params:,}: {found}", *notes]


def resumed_line(state: TrainState) -> list[str]:
    """Where a resumed run goes on."""
    return [f"resumed at step {state.step}"] if state.progress.last else []


def first_lines(parts: Parts, state: TrainState) -> list[str]:
    """What follows the headline when a run begins."""
    return [*model_lines(parts), *scale_lines(parts.task), *resumed_line(state)]


def against(metric: Metric, value: float | None, baselines: dict[str, float]) -> str:
    """``mse 0.0087 (chance 0.167, goal 0.01)``; a measured baseline says more than chance where there is one."""
    references = {"chance": metric.chance} if not baselines else dict(baselines)
    if metric.goal is not None:
        references["goal"] = metric.goal
    shown = apart(value, metric.goal)
    return f"{metric.name} {shown} ({', '.join(f'{k} {number(v)}' for k, v in references.items())})"


def outcome(info: RunInfo) -> str:
    """The result in one line."""
    metric, status = info.metric, info.status
    result = against(metric, info.final_value, info.baselines)
    solved = f"solved at step {info.solved_at}"
    if status == "diverged":
        return f"diverged: {info.message}" + ("; earlier checkpoints are kept" if info.step > 1 else "")
    if status == "failed":
        return f"failed: {info.message}"
    if status == "interrupted":
        return f"interrupted at step {info.step}; last evaluation: {result}"
    if info.solved_at is not None:
        later = "still" if info.keeps else "but not any more"
        return (
            f"{solved}: {result}" if info.solved_at == info.step else f"{solved}, {later} at step {info.step}: {result}"
        )
    if metric.goal is None:
        return f"done after {info.step} steps: {result}"
    return f"not solved within {info.step} steps: {result}"


def telling(fits: list[Fit]) -> list[Fit]:
    """The fits worth a sentence each: all where they are few, else each part's first and last layer, forward."""
    if len(fits) <= MOST_SENTENCES:
        return fits
    last = {fit.part: fit.layer for fit in fits}
    return [fit for fit in fits if fit.direction == "forward" and fit.layer in (0, None, last[fit.part])]


def result_lines(info: RunInfo, chosen: Mapping[str, str]) -> Iterator[str]:
    """The result on held-out data, what the gradient did, what acted on it, and the time it took.

    Args:
        info: run.json.
        chosen: the names of the clip and of the regularizer by group; empty where they are not known.
    """
    metric = info.metric
    if info.test is not None:
        own = ", ".join(f"{name} {number(value)}" for name, value in info.test_baselines.items())
        beside = f" ({own})" if own else ""
        yield f"held-out test: {metric.name} {apart(info.test_value, metric.goal)}{beside}"
    yield from (f"held-out test at {_at_length(info.metric, found)}" for found in info.at_lengths)
    if info.length is not None:
        yield f"training sequences: up to length {info.length} at the end"
    if info.status not in ("diverged", "failed"):  # decay is about the last evaluation, not about how they ended
        yield from map(decay_words, telling(info.decay))
        if more := len(info.decay) - len(telling(info.decay)):
            yield f"({counted(more, 'more curve')} in run.json)"
    if info.clipped_share:
        yield f"clipped {percent(info.clipped_share)} of {info.step} steps"
    for group, share in (("clip", info.clipped_share), ("regularizer", info.regularized_share)):
        if share == 0 and chosen.get(group, "none") != "none":
            yield f"{group} never acted: this run equals {group}=none"
    if info.guesses:
        yield f"all weights were drawn {counted(info.guesses, 'time')}, each guess tested on a batch"
    if info.skipped:
        yield f"skipped {counted(info.skipped, 'step')} of {info.step}: they made no update"
    yield f"total time {duration(info.seconds.total)}"


def _at_length(metric: Metric, found: AtLength) -> str:
    """``length 256: accuracy 0.52 (chance 0.5)``."""
    shown = apart(found.metrics[metric.name], metric.goal)
    return f"length {found.length}: {metric.name} {shown} (chance {number(found.chance)})"


def next_lines(path: Path, info: RunInfo) -> Iterator[str]:
    """Where everything is, and what to type next."""
    yield f"run folder: {path}"
    if info.status in ("interrupted", "failed"):
        yield f"continue:   seqablate resume {quote(str(path))}"
    else:
        yield f"curves:     seqablate show {quote(str(path))}"
        yield f"browser:    seqablate tensorboard {quote(str(path.parent))}"
