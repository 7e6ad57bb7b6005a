"""A Ray cluster of two nodes on this machine: a sweep on it, during which one node is lost.

    python two_nodes.py WORKERS_TITLE seqablate words ...

Run it where loopback is the only network: elsewhere Ray takes the machine's own address, whatever it is told.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

from ray.cluster_utils import Cluster


def busy(node, title: str) -> bool:
    """Whether a process of a node carries out a task: Ray names such a process after it."""
    raylet = node.all_processes["raylet"][0].process.pid
    children = Path(f"/proc/{raylet}/task/{raylet}/children").read_text().split()
    return any(title.encode() in Path(f"/proc/{child}/cmdline").read_bytes() for child in children)


def done(folder: Path) -> int:
    return sum('"status": "done"' in path.read_text() for path in folder.glob("[!.]*/run.json"))


def held(folder: Path) -> int:
    """How many runs somebody works at."""
    return sum(b"released" not in path.read_bytes() for path in (folder / ".claims").glob("[!.]*"))


def main(title: str, folder: str, words: list[str]) -> int:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    node = cluster.add_node(num_cpus=1)
    command = [sys.executable, "-m", "seqablate", "train", "-m", *words, f"launch.address={cluster.address}"]
    sweep = subprocess.Popen(command)
    try:
        while sweep.poll() is None and not (done(Path(folder)) >= 3 and held(Path(folder)) == 2 and busy(node, title)):
            time.sleep(0.05)
        cluster.remove_node(node, allow_graceful=False)
        return sweep.wait()
    finally:
        sweep.kill()
        cluster.shutdown()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
