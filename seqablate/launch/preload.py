"""What the server of worker processes imports once, so that no worker and no run has to. Imported by nothing else."""

from __future__ import annotations

import gc

import pyarrow.parquet  # noqa: F401

from seqablate.assemble import load_variants

load_variants()
gc.collect()
gc.freeze()  # what is here stays: workers need not look at it again, nor copy its pages
