"""seqablate: sequence-model ablations with the gradient norm of every timestep.

    import seqablate

    run = seqablate.train(["model=lstm", "steps=500"])
    run = seqablate.load_run("outputs/...")
    from seqablate import TimestepProbe

Names are imported when first used, so that ``import seqablate`` costs nothing and needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqablate.api import Run, compare, load_run, load_runs, train
    from seqablate.errors import RunFailure, UsageError
    from seqablate.probe import TimestepProbe, probe_every

    __version__: str

__all__ = [
    "Run",
    "RunFailure",
    "TimestepProbe",
    "UsageError",
    "compare",
    "load_run",
    "load_runs",
    "probe_every",
    "train",
]

_HOMES = {
    "Run": "seqablate.api",
    "compare": "seqablate.api",
    "load_run": "seqablate.api",
    "load_runs": "seqablate.api",
    "train": "seqablate.api",
    "RunFailure": "seqablate.errors",
    "UsageError": "seqablate.errors",
    "TimestepProbe": "seqablate.probe",
    "probe_every": "seqablate.probe",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("seqablate")
    if name not in _HOMES:
        raise AttributeError(f"module 'seqablate' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
