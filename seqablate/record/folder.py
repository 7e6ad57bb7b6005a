"""The run folder: made exclusively, never reused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqablate.errors import RunFailure, UsageError


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
        """Write the resolved config (RunFailure if the disk does not take it)."""
        import yaml

        try:
            self.config.write_text(yaml.safe_dump(plain, sort_keys=False))
        except OSError as error:
            raise RunFailure(f"cannot write {self.config}: {error.strerror}") from error

    def read_config(self) -> dict[str, Any]:
        """The resolved config as plain data.

        Raises:
            UsageError: missing or damaged.
        """
        import yaml

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # seven times quicker: `show` reads a thousand of them
        try:
            config = yaml.load(self.config.read_text(), Loader=loader)
        except OSError as error:
            raise UsageError(f"cannot read {self.config}: {error.strerror}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UsageError(f"{self.config} is damaged") from error
        if not isinstance(config, dict):
            raise UsageError(f"{self.config} is damaged")
        return config


def create_folder(parent: Path, name: str) -> Path:
    """A new folder ``name``, or ``name-2``, ``name-3``, ... where that is taken; never one that was there before.

    Raises:
        UsageError: ``parent`` cannot be made or written.
    """
    path, number = parent / name, 1
    try:
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                path.mkdir()
                return path
            except FileExistsError:
                number += 1
                path = parent / f"{name}-{number}"
    except OSError as error:
        raise UsageError(f"cannot make a folder in {parent}: {error.strerror}; choose another output_dir") from error


def create_run_folder(parent: Path, name: str) -> RunFolder:
    """A new run folder (UsageError as :func:`create_folder`; RunFailure if the disk is full)."""
    folder = RunFolder(create_folder(parent, name))
    try:
        folder.checkpoints.mkdir()
    except OSError as error:
        raise RunFailure(f"cannot make {folder.checkpoints}: {error.strerror}") from error
    return folder


def open_run_folder(path: str | Path) -> RunFolder:
    folder = RunFolder(Path(path))
    if not folder.record.is_file():
        raise UsageError(f"{path} is not a run folder: it has no record.jsonl")
    return folder
