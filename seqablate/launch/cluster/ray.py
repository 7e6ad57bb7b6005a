"""``launch=ray``: the workers of a sweep are tasks of a Ray cluster, which is there already or begun on this machine.

Where all nodes see the sweep's folder (``launch.shared=true``), a task is one worker. Otherwise a task is one run: it
is trained in a temporary folder of its node and comes back through Ray's object store as an archive
(:mod:`seqablate.launch.cluster.parcel`). This process then holds the claims, and sends along what there is of a run
already.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from seqablate.config.checks import at_least
from seqablate.config.keys import key
from seqablate.config.registry import variant
from seqablate.errors import RunFailure, UsageError, shorten
from seqablate.launch.base import Sweep
from seqablate.launch.cluster.driver import Driver
from seqablate.launch.screen import SweepScreen
from seqablate.sweep.folder import PlannedRun
from seqablate.text import counted

SILENCE = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": "^",  # of what Ray prints about lost nodes and workers nothing; the driver names them
}
PATIENCE = 5.0  # seconds until a cluster counts as one that does not answer


@variant("launch", "ray")
@dataclass(kw_only=True, slots=True)
class RayLaunch:
    """Tasks of a Ray cluster (seqablate[ray])."""

    address: str | None = key("HOST:PORT of the cluster, or auto; null: begin one on this machine")
    shared: bool = key("true: every node sees the sweep's folder; false: runs come back through Ray's object store")
    cpus: int = key(at_least(1), "CPUs of a worker")
    gpus: int = key(at_least(0), "GPUs of a worker")

    def check_keys(self) -> None:
        if find_spec("ray") is None:
            raise UsageError("launch=ray needs the package ray: pip install 'seqablate[ray]'")
        if self.address not in (None, "auto"):
            _refuse_silent(str(self.address))

    def start(self, sweep: Sweep, missing: Sequence[PlannedRun]) -> int:
        """See :class:`seqablate.launch.base.Launcher`."""
        workers = sweep.options.workers
        with _cluster(self.address, None if workers is None else self.cpus * workers) as ray:
            places = _places(ray, self)
            count = min(len(missing), workers or places)
            screen = SweepScreen(sweep.quiet)
            screen.begin(sweep.standings(), [run.name for run in missing], count)
            needs = {"num_cpus": self.cpus, "num_gpus": self.gpus}
            try:
                return Driver(ray, sweep, screen, count, needs, shared=self.shared).run()
            finally:
                screen.end()


def _refuse_silent(address: str) -> None:
    """Ray takes 80 s to find out that nobody listens (UsageError)."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not host or not port.isdecimal():
        raise UsageError(f"launch.address={shorten(address)}: must be HOST:PORT, ray://HOST:PORT, auto or null")
    try:
        socket.create_connection((host, int(port)), PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise UsageError(f"launch.address={shorten(address)}: no Ray cluster answers there ({error})") from error


@contextmanager
def _cluster(address: str | None, cpus: int | None) -> Iterator[Any]:
    """ray, connected; without its own output, its dashboard and its usage statistics.

    A cluster begun here has so many CPUs (``None``: the machine's): Ray starts a process for each before there is work.
    """
    os.environ.update(SILENCE)
    import ray

    here = {"include_dashboard": False, "num_cpus": cpus} if address is None else {}
    try:
        ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **here)
    except (OSError, RuntimeError, ValueError) as error:
        raise RunFailure(f"launch.address={address}: Ray cannot be used: {shorten(error, 200)}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _places(ray: Any, launch: RayLaunch) -> int:
    """How many workers the nodes have room for (UsageError if not for one: Ray would wait for it without end)."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    places = sum(_places_of(node, launch) for node in nodes)
    if not places:
        there = sorted(
            {" and ".join(counted(int(node.get(kind, 0)), kind) for kind in ("CPU", "GPU")) for node in nodes}
        )
        raise UsageError(
            f"launch.cpus={launch.cpus} launch.gpus={launch.gpus}: no node of the Ray cluster has so many; "
            f"there are nodes with {shorten('; '.join(there))}"
        )
    return places


def _places_of(node: Mapping[str, float], launch: RayLaunch) -> int:
    """How many workers fit on one node; a worker is never on two."""
    needs = {"CPU": launch.cpus, "GPU": launch.gpus}
    return min(int(node.get(kind, 0) // need) for kind, need in needs.items() if need)
