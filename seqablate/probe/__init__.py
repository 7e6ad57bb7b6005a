"""Measuring a model while it trains: the gradient of every timestep."""

from seqablate.probe.loop import probe_every
from seqablate.probe.timestep import TimestepProbe

__all__ = ["TimestepProbe", "probe_every"]
