"""Runs that were computed by something else than what would compute them now: refused, computed again, or kept."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from seqablate.config.compose import compose_config
from seqablate.config.registry import GROUPS
from seqablate.config.schema import TrainConfig
from seqablate.errors import RunFailure, UsageError
from seqablate.launch.nursery import in_a_worker
from seqablate.record.files import is_folder
from seqablate.record.identity import changes
from seqablate.report.lines import complain
from seqablate.sweep.claims import Claims
from seqablate.sweep.folder import STALE, PlannedRun, SweepFolder
from seqablate.sweep.options import Stale
from seqablate.sweep.plan import data_hashes, demand
from seqablate.sweep.standing import RunStanding, standing_of
from seqablate.text import counted


def find_stale(folder: SweepFolder, found: Sequence[RunStanding], choice: Stale) -> dict[str, PlannedRun]:
    """Stale runs that are to be trained again.

    Args:
        folder: the sweep.
        found: how its runs stand.
        choice: of ``sweep.stale``.

    Returns:
        Name -> run; nothing is moved yet (:func:`put_aside`).

    Raises:
        UsageError: there are some, and the choice is ``refuse``: which run, which file, and what to choose from.
    """
    stale = list(_stale(folder, found))
    if not stale:
        return {}
    run, why = stale[0]
    more = f" (and so were {counted(len(stale) - 1, 'other run')})" if len(stale) > 1 else ""
    which = f"{folder.path.name}/{run.name} was computed with something that has changed since: {why}{more}"
    if choice is Stale.refuse:
        raise UsageError(
            f"{which}; sweep.stale=rerun trains them again and puts the old ones aside, sweep.stale=keep uses them as "
            "they are"
        )
    if choice is Stale.keep:
        complain(f"kept as it is: {which}")
        return {}
    return {run.name: run for run, _ in stale}


def put_aside(folder: SweepFolder, runs: Iterable[PlannedRun]) -> None:
    """Move run folders to where nothing is lost and nobody takes them for the present ones.

    Raises:
        UsageError: somebody is training such a run.
        RunFailure: it cannot be moved.
    """
    for run in runs:
        claim = Claims(folder.claims, "stale").take(run.name)
        if claim is None:
            raise UsageError(f"{folder.run_path(run)} is being trained by another process: wait until it ends")
        with claim:
            if any(_stale(folder, [standing_of(folder, run)])):  # still, now that nobody else can change it
                _move_aside(folder, run)
            claim.release("put aside")


def _stale(folder: SweepFolder, found: Sequence[RunStanding]) -> Iterator[tuple[PlannedRun, str]]:
    recorded = [(one.run, one.info) for one in found if one.info is not None and one.standing != "running"]
    data = _data_now([run for run, info in recorded if info.data_sha256 is not None])
    configs: dict[tuple[str, ...], TrainConfig] = {}
    for run, info in recorded:
        chosen = _choices(run.words)
        if chosen not in configs:
            configs[chosen] = compose_config(run.words)
        now = data.get(demand(run.words))
        if why := changes(folder.run_path(run), info, configs[chosen]):
            yield run, why
        elif now not in (None, info.data_sha256):
            yield run, "the data"


def _data_now(runs: Sequence[PlannedRun]) -> dict[tuple[str, ...], str | None]:
    """The hash of the data of each different demand, as they are now."""
    demands = {demand(run.words): run.words for run in runs}
    if not demands:
        return {}
    hashes: list[str | None] = in_a_worker(data_hashes, list(demands.values()))
    return dict(zip(demands, hashes, strict=True))


def _choices(words: Sequence[str]) -> tuple[str, ...]:
    """The words on which it depends which code computes a run, and on what device."""
    return tuple(word for word in words if word.partition("=")[0].lstrip("+") in (*GROUPS, "device"))


def _move_aside(folder: SweepFolder, run: PlannedRun) -> None:
    aside = folder.path / STALE
    try:
        aside.mkdir(exist_ok=True)
        if not is_folder(aside):
            raise RunFailure(f"{aside} is not a folder of its own: move it away")
        os.rename(folder.run_path(run), _free(aside, run.name))
    except OSError as error:
        raise RunFailure(f"cannot move {folder.run_path(run)} to {aside}: {error.strerror}") from error


def _free(parent: Path, name: str) -> Path:
    number = 1
    while (path := parent / f"{name}-{number}").exists():
        number += 1
    return path
