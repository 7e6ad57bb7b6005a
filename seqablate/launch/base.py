"""What one command is to do with a sweep, and what it tells the workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from seqablate.sweep.claims import Claims
from seqablate.sweep.folder import PlannedRun, SweepFolder
from seqablate.sweep.options import SweepOptions
from seqablate.sweep.queue import Orders
from seqablate.sweep.standing import RunStanding, is_to_do, standings


@dataclass
class Sweep:
    """A sweep, the runs of it that a command asks for, and how they are to be carried out."""

    folder: SweepFolder
    runs: list[PlannedRun]
    options: SweepOptions
    quiet: bool = False

    def standings(self) -> list[RunStanding]:
        """How these runs stand."""
        return standings(self.folder, self.runs)

    def missing(self) -> list[PlannedRun]:
        """Those that the command has to train."""
        return [found.run for found in still_to_do(self.standings(), self.options)]

    def orders(self, *, leave: bool = False) -> Orders:
        """What the workers are told (see :class:`seqablate.sweep.queue.Orders`)."""
        keys = self.options.sweep
        return Orders(
            retry_failed=keys.retry_failed,
            timeout=keys.timeout,
            lease=keys.lease,
            leave=leave,
            fail_fast=keys.fail_fast,
            runs=frozenset(run.name for run in self.runs),
            before=Claims(self.folder.claims, "", keys.lease).generations(),
        )


def still_to_do(found: Sequence[RunStanding], options: SweepOptions) -> list[RunStanding]:
    """Those of the runs that a command with these options trains."""
    return [one for one in found if is_to_do(one.standing, options.sweep.retry_failed)]


class Launcher(Protocol):
    """What the dataclass behind ``launch=NAME`` can do."""

    def start(self, sweep: Sweep, missing: list[PlannedRun]) -> int | None:
        """Have the missing runs trained.

        Returns:
            0, or 128 + n when signal n ended it; None when the runs go on after this command has ended.
        """
