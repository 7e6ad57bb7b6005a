"""Shared by every test: registered variants, one thread, and no way out to a network."""

from __future__ import annotations

import os
import signal

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
import torch

from seqablate.assemble import load_variants

load_variants()
torch.set_num_threads(1)
# A shell that starts the tests in the background has Ctrl-C ignored, and nohup a hangup: by every process that a test
# starts as well.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


# Files that start whole processes take longest: they go first, so that the workers of the suite end together.
LONGEST = ("training/test_kill.py", "cli/", "config/test_plugins.py", "damaged/", "report/", "browser/")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not any(place in item.nodeid for place in LONGEST))


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """Whatever a test writes without saying where lands in its own folder."""
    monkeypatch.chdir(tmp_path)
