"""What a process that trains many runs imports before the first, so that no worker and no run has to.

Much of it would otherwise be imported within the first run of every worker, which takes seconds: torch, and what torch,
numba and matplotlib import when they are first used.
"""

from __future__ import annotations

import gc
from contextlib import suppress
from importlib import import_module
from pkgutil import walk_packages

from seqablate.assemble import load_variants
from seqablate.record.sources import read_sources

ROOMS = ("tasks", "models", "engine", "probe", "training", "record", "figures")
OTHERS = (
    "seqablate.api",
    "seqablate.report.outcome",
    "seqablate.report.watch",
    "hydra",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "numba",
    "PIL.PngImagePlugin",
    "pyarrow.parquet",
    "scipy.linalg.cython_blas",  # imported by numba's matrix products
    "tensorboard.compat.proto.event_pb2",
)


def load(name: str) -> None:
    with suppress(ImportError):  # numba may be missing; what is needed and missing is told by the run
        import_module(name)


def load_everything() -> None:
    """Import it, note the sources as they are now, and leave what is there out of later collections of garbage.

    Nothing is collected meanwhile: imports leave no garbage, and looking for some takes a quarter of their time.
    """
    gc.disable()
    load_variants()
    for room in ROOMS:
        for file in walk_packages(import_module(f"seqablate.{room}").__path__, f"seqablate.{room}."):
            load(file.name)
    for name in OTHERS:
        load(name)
    read_sources()  # as they have been imported: they may be edited before a worker's first run
    gc.freeze()  # workers need not look at it again, nor copy its pages
    gc.enable()
