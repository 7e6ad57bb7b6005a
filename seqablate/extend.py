"""What another package needs in order to add a model, a cell, a clip, a task or a diagnostic: ``models/``, ``tasks/``
and ``diagnostics/README.md`` have complete examples.

A variant is a dataclass under ``@variant("model" | "task" | ..., name)`` whose fields are its keys, with their values,
and whose ``build`` makes the thing. A package names the module that holds it as an entry point of the group
``seqablate.variants``.

Names are imported when first used, so that a package which is only listed costs no import of torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqablate.clip.base import Clip, ClipResult
    from seqablate.config.checks import at_least, at_most, finite, fraction, positive
    from seqablate.config.keys import key
    from seqablate.config.metric import Metric
    from seqablate.config.registry import variant
    from seqablate.config.task_spec import TaskSpec, TaskTraits
    from seqablate.diagnostics.base import EvaluationDiagnostic, TrainingDiagnostic
    from seqablate.diagnostics.batches import batch_mean, in_time
    from seqablate.diagnostics.look import Look, ProbedPass
    from seqablate.engine.cell import Cell, Kernels, Linear
    from seqablate.engine.kernels.cache import compiled
    from seqablate.engine.kernels.scan import SCAN
    from seqablate.engine.recurrence import Recurrence
    from seqablate.errors import UsageError
    from seqablate.models.base import ModelConfig, ProbePoint
    from seqablate.models.recurrent.config import RecurrentConfig
    from seqablate.signals.place import Place
    from seqablate.signals.signal import Signal
    from seqablate.signals.view import Curve, Heatmap
    from seqablate.tasks.base import Batch, RunData
    from seqablate.tasks.objectives import Classification, Regression
    from seqablate.tasks.synthetic import SyntheticTask

_HOMES = {
    "variant": "config.registry",
    "at_least": "config.checks",
    "at_most": "config.checks",
    "finite": "config.checks",
    "fraction": "config.checks",
    "positive": "config.checks",
    "key": "config.keys",
    "TaskSpec": "config.task_spec",
    "TaskTraits": "config.task_spec",
    "UsageError": "errors",
    "EvaluationDiagnostic": "diagnostics.base",
    "TrainingDiagnostic": "diagnostics.base",
    "batch_mean": "diagnostics.batches",
    "in_time": "diagnostics.batches",
    "Look": "diagnostics.look",
    "ProbedPass": "diagnostics.look",
    "Clip": "clip.base",
    "ClipResult": "clip.base",
    "Cell": "engine.cell",
    "Kernels": "engine.cell",
    "Linear": "engine.cell",
    "SCAN": "engine.kernels.scan",
    "compiled": "engine.kernels.cache",
    "Recurrence": "engine.recurrence",
    "ModelConfig": "models.base",
    "ProbePoint": "models.base",
    "RecurrentConfig": "models.recurrent.config",
    "Place": "signals.place",
    "Signal": "signals.signal",
    "Curve": "signals.view",
    "Heatmap": "signals.view",
    "Batch": "tasks.base",
    "Metric": "config.metric",
    "RunData": "tasks.base",
    "Classification": "tasks.objectives",
    "Regression": "tasks.objectives",
    "SyntheticTask": "tasks.synthetic",
}
__all__ = [
    "SCAN", "Batch", "Cell", "Classification", "Clip", "ClipResult", "Curve", "EvaluationDiagnostic", "Heatmap",
    "Kernels", "Linear", "Look", "Metric", "ModelConfig", "Place", "ProbePoint", "ProbedPass", "Recurrence",
    "RecurrentConfig", "Regression", "RunData", "Signal", "SyntheticTask", "TaskSpec", "TaskTraits",
    "TrainingDiagnostic", "UsageError", "at_least", "at_most", "batch_mean", "compiled", "finite", "fraction",
    "in_time", "key", "positive", "variant",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'seqablate.extend' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"seqablate.{_HOMES[name]}"), name)
