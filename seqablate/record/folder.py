"""The run folder: made exclusively, never reused."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from seqablate.errors import UsageError


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where the parts of a run are."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def record(self) -> Path:
        return self.path / "record.jsonl"

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def write_config(self, plain: dict[str, Any]) -> None:
        import yaml

        self.config.write_text(yaml.safe_dump(plain, sort_keys=False))

    def read_config(self) -> dict[str, Any]:
        import yaml

        config: dict[str, Any] = yaml.safe_load(self.config.read_text())
        return config


def create_folder(parent: Path, name: str) -> Path:
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            path = parent / (name if number == 1 else f"{name}-{number}")
            try:
                path.mkdir()
            except FileExistsError:
                continue
            return path
    except OSError as error:
        raise UsageError(f"cannot make a folder in {parent}: {error.strerror}; choose another output_dir") from error
    raise AssertionError


def create_run_folder(parent: Path, name: str) -> RunFolder:
    folder = RunFolder(create_folder(parent, name))
    folder.checkpoints.mkdir()
    return folder


def open_run_folder(path: str | Path) -> RunFolder:
    folder = RunFolder(Path(path))
    if not folder.record.is_file():
        raise UsageError(f"{path} is not a run folder: it has no record.jsonl")
    return folder
