"""The record as it stands: superseded rows left out, torn lines ignored."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from seqablate.errors import UsageError
from seqablate.record.rows import VERSION, decode
from seqablate.signals import Signal


@dataclass
class Record:
    """Rows in the order in which they were written, each step's once. Parsed when first asked for."""

    path: Path

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """Every row that counts.

        Raises:
            UsageError: there is no record, or it is of another record version.
        """
        try:
            lines = self.path.read_bytes().splitlines()
        except OSError as error:
            raise UsageError(f"cannot read {self.path}: {error.strerror}") from error
        kept: list[dict[str, Any]] = []
        for row in filter(None, map(decode, lines)):
            if row["kind"] == "header" and (version := row["version"]) != VERSION:
                raise UsageError(f"{self.path} is of record version {version}; this seqablate reads version {VERSION}")
            if row["kind"] == "resume":
                del kept[_resumed_from(kept, row["checkpoint"]) :]
            kept.append(row)
        return kept

    def kind(self, kind: str) -> list[dict[str, Any]]:
        """The rows of one kind."""
        return [row for row in self.rows if row["kind"] == kind]

    @property
    def header(self) -> dict[str, Any]:
        return self.rows[0]

    @property
    def train(self) -> list[dict[str, Any]]:
        return self.kind("train")

    @property
    def evals(self) -> list[dict[str, Any]]:
        return self.kind("eval")

    @property
    def texts(self) -> list[dict[str, Any]]:
        return self.kind("text")

    @property
    def commits(self) -> list[dict[str, Any]]:
        return self.kind("commit")

    @cached_property
    def signals(self) -> list[Signal]:
        return [Signal.from_row(row) for row in self.kind("signal")]


def read_record(run_dir: str | Path) -> Record:
    """The record of a run folder."""
    return Record(Path(run_dir) / "record.jsonl")


def _resumed_from(kept: list[dict[str, Any]], checkpoint: str | None) -> int:
    """How many rows a resumption keeps: up to the last commit of its checkpoint; without one, the header alone."""
    for index in range(len(kept) - 1, -1, -1):
        if kept[index]["kind"] == "commit" and kept[index]["checkpoint"] == checkpoint:
            return index + 1
    return 1
