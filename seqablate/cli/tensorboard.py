"""``seqablate tensorboard [PATH]``: TensorBoard on this machine only, keeping every point."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

from seqablate.errors import UsageError

# Points kept for each tag and run: TensorBoard thins out long series unless told not to.
SAMPLES = "scalars=100000,images=10,text=100"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="seqablate tensorboard", description="Open TensorBoard on runs, on 127.0.0.1 only. Ctrl-C ends it."
    )
    parser.add_argument("path", nargs="?", default="outputs", help="a run, or a folder of runs (default: outputs)")
    parser.add_argument("--port", type=int, default=6006, help="default 6006; 0 takes any free one")
    arguments = parser.parse_args(argv)
    if not Path(arguments.path).is_dir():
        raise UsageError(f"{arguments.path}: no such folder; runs land in outputs/ unless output_dir says otherwise")
    if next(Path(arguments.path).rglob("events.out.tfevents.*"), None) is None:
        raise UsageError(f"{arguments.path}: no run in it; name a run, or a folder of runs")
    check_port(arguments.port)
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", arguments.path, "--host", "127.0.0.1"]
    command += ["--port", str(arguments.port), "--samples_per_plugin", SAMPLES]
    sys.stdout.flush()
    os.execv(sys.executable, command)


def check_port(port: int) -> None:
    """Refuse a port that TensorBoard could not open (UsageError)."""
    if not 0 <= port < 65536:
        raise UsageError(f"--port {port}: must be from 0 (any free one) to 65535")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UsageError(f"--port {port}: {(error.strerror or 'not to be had').lower()}; try --port 0") from error
