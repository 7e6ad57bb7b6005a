"""Shared by every test: registered variants, one thread, and no way out to a network."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
import torch

from seqablate.assemble import load_variants

load_variants()
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """Whatever a test writes without saying where lands in its own folder."""
    monkeypatch.chdir(tmp_path)
