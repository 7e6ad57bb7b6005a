"""``seqablate tensorboard [PATH]``: TensorBoard on this machine only, keeping every point."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from seqablate.cli.parser import Parser
from seqablate.errors import UsageError
from seqablate.record.files import is_file

# Points kept for each tag and run: TensorBoard thins out long series unless told not to.
SAMPLES = "scalars=100000,images=10,text=100"
SELECTED = 40  # of more runs TensorBoard shows none until they are ticked
# TensorBoard's own main, without its notes on how it loads data. ``-P`` keeps the current folder out of Python's path:
# what lies there is no part of the program. The HParams page lists two columns of results, of all scalars there are.
SERVE = """
import re, sys
from absl import app, logging
from tensorboard import default
import tensorboard.program
from tensorboard.plugins.hparams.backend_context import Context
logging.set_verbosity(logging.WARNING)
program = sys.modules["tensorboard.program"]
program._DATA_SERVER_ADVISORY_MESSAGE = ""
names = getattr(Context, "_compute_metric_names", None)
def headlines(*arguments):
    found = names(*arguments)
    return [name for name in found if re.fullmatch("loss/eval|metric/[^/]+", name[0])] or found
if names:
    Context._compute_metric_names = headlines
sys.argv[0] = "tensorboard"
board = program.TensorBoard(plugins=default.get_plugins())
app.run(board.main, flags_parser=board.configure)
"""
PROGRAM = [sys.executable, "-P", "-c", SERVE]


def main(argv: list[str]) -> int:
    parser = Parser(
        prog="seqablate tensorboard", description="Open TensorBoard on runs, on 127.0.0.1 only. Ctrl-C ends it."
    )
    parser.add_argument("path", nargs="?", default="outputs", help="a run, or a folder of runs (default: outputs)")
    parser.add_argument("--port", type=int, default=6006, help="default: 6006; 0: any free port")
    arguments = parser.parse_args(argv)
    check_port(arguments.port)
    runs = count_runs(Path(arguments.path))
    if runs > SELECTED:
        print(f"{runs} runs: TensorBoard selects none if there are more than {SELECTED}; tick runs in the list at left")
    sys.stdout.flush()
    words = ["--logdir", arguments.path, "--host", "127.0.0.1", "--port", str(arguments.port)]
    os.execv(sys.executable, [*PROGRAM, *words, "--samples_per_plugin", SAMPLES])


def count_runs(path: Path) -> int:
    """How many folders with event files there are in ``path``.

    Raises:
        UsageError: no such folder, none in it, or one that is no regular file, on which TensorBoard may wait for ever.
    """
    if not path.is_dir():
        raise UsageError(f"{path}: no such folder; runs land in outputs/ unless output_dir says otherwise")
    folders = set()
    for parent, _, names in os.walk(path):
        for name in names:
            if name.startswith("events.out.tfevents."):
                file = Path(parent, name)
                if not is_file(file):
                    raise UsageError(f"{file} is not a regular file: TensorBoard cannot be opened on it")
                folders.add(parent)
    if not folders:
        raise UsageError(f"{path}: no run in it; name a run, or a folder of runs")
    return len(folders)


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
