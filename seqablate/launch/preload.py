"""What the server of worker processes imports (:mod:`seqablate.launch.nursery`); imported by nothing else."""

from __future__ import annotations

import signal

from seqablate.launch.everything import load_everything

before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that has started the server
load_everything()
signal.signal(signal.SIGINT, before)
