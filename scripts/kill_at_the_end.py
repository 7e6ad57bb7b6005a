"""Kill runs in their last second, and compare what they leave with an unbroken run.

    python scripts/kill_at_the_end.py                 60 kills, some minutes
    python scripts/kill_at_the_end.py --kills 6

Each run is a real process, killed with SIGKILL at a moment of its last second. A run that says ``done`` must have every
view that the unbroken run has: each tag of its event file, signals.parquet and run.json. Every other run is resumed,
and must equal the unbroken run then. Exit code 1 where one differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from seqablate.cli import main as command

RUN = [
    "model.hidden_size=8", "task.length=20", "batch_size=8", "steps=200", "eval.every=50",
    "eval.size=40", "checkpoint.every=20", "probe.every=5", "stop_when_solved=false", "device=cpu", "threads=1",
]  # fmt: skip
# What two runs of one config never share: clocks and places.
OWN = {"started", "ended", "seconds", "command", "git_commit"}
PLACES = {"output_dir"}
LAST_SECOND = 1.0


def start(*words: str) -> int:
    """A process of its own that runs a command; forked from this one, which has everything imported already."""
    process = os.fork()
    if process == 0:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        os._exit(command(list(words)))
    return process


def start_warm() -> None:
    """Import here what every process needs."""
    for name in (
        "seqablate.training.run", "seqablate.assemble", "seqablate.report.choose", "seqablate.cli.train",
        "seqablate.cli.resume", "numba", "pyarrow.parquet", "matplotlib.figure", "matplotlib.backends.backend_agg",
    ):  # fmt: skip
        import_module(name)


def train(folder: Path) -> int:
    """A training process; its run is ``folder``/run."""
    return start("train", *RUN, "name=run", f"output_dir={folder}")


def wait_for(path: Path) -> None:
    """Until a file is there."""
    deadline = time.monotonic() + 120
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.002)


def last_checkpoint(run: Path) -> Path:
    """What a run of RUN writes last before it is closed but one: from there on its end is near."""
    return run / "checkpoints" / "step_00000180.pt"


def views(run: Path) -> dict[str, Any]:
    """Everything that is shown of a run, in a form that can be compared."""
    import pandas as pd

    info = json.loads((run / "run.json").read_text())
    table = pd.read_parquet(run / "signals.parquet") if (run / "signals.parquet").exists() else pd.DataFrame()
    found: dict[str, Any] = {f"run.json {key}": repr(value) for key, value in info.items() if key not in OWN}
    found["signals.parquet"] = table.to_csv()
    return found | dict(_events(run))


def _events(run: Path) -> Iterator[tuple[str, Any]]:
    """Every tag of the event files: steps and values, the bytes of pictures and texts."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    read = EventAccumulator(str(run), size_guidance={"scalars": 0, "images": 0, "tensors": 0}).Reload()
    for tag in read.Tags()["scalars"]:
        yield tag, [(event.step, repr(event.value)) for event in read.Scalars(tag)]
    for tag in read.Tags()["images"]:
        yield tag, [(event.step, event.encoded_image_string) for event in read.Images(tag)]
    for tag in read.Tags()["tensors"]:
        yield tag, [(event.step, event.tensor_proto.SerializeToString()) for event in read.Tensors(tag)]
        if tag.startswith("_hparams_"):
            content = HParamsPluginData.FromString(read.SummaryMetadata(tag).plugin_data.content)
            shown = {name: str(value) for name, value in content.session_start_info.hparams.items()}
            yield f"{tag} values", {name: value for name, value in shown.items() if name not in PLACES}
            yield f"{tag} status", content.session_end_info.status


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """Names of what is missing, additional or different."""
    return sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))


def kill_once(folder: Path, after: float) -> Path:
    """Train in ``folder`` and kill the process ``after`` seconds behind its last checkpoint but one; the run."""
    process = train(folder)
    wait_for(last_checkpoint(folder / "run"))
    time.sleep(after)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return folder / "run"


def measure_end(folder: Path) -> float:
    """Seconds from the last checkpoint but one to the end of the unbroken run's process."""
    process = train(folder)
    wait_for(last_checkpoint(folder / "run"))
    begun = time.monotonic()
    os.waitpid(process, 0)
    return time.monotonic() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60)
    arguments = parser.parse_args()
    chance, bad, done = random.Random(0), 0, 0
    start_warm()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        took = measure_end(folder / "unbroken")
        expected = views(folder / "unbroken" / "run")
        print(f"unbroken: {len(expected)} views; from its last checkpoint but one to its end {took:.2f} s")
        for number in range(arguments.kills):
            after = chance.uniform(max(0.0, took - LAST_SECOND), took)
            run = kill_once(folder / str(number), after)
            status = json.loads((run / "run.json").read_text())["status"]
            if status == "done":
                done += 1
            else:
                os.waitpid(start("resume", str(run)), 0)
            wrong = differences(views(run), expected)
            bad += bool(wrong)
            print(f"{number}: killed after {after:.2f} s: {status}; {wrong or 'equal'}", flush=True)
    print(f"{arguments.kills} kills: {done} done, {arguments.kills - done} resumed, {arguments.kills - bad} equal")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
