"""What computed a run, besides its config: source files, versions of packages, data and the kind of device.

Two runs that have digest and fingerprint in common have computed the same. Imports torch only to ask it for a GPU.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from seqablate.config.schema import TrainConfig
from seqablate.errors import UsageError
from seqablate.record.reader import read_record
from seqablate.record.schema import RunInfo
from seqablate.record.sources import chosen_modules, sources, sources_of

PACKAGES = ("torch", "numpy", "numba")  # whose versions change what is computed
DRIVERS = ("nvidia*", "nvhost*", "dxg", "kfd")  # in /dev: where there is none of them, torch finds no GPU
MOST_NAMED = 3
RESUMED = "resumed after a change of what computes it"


def fingerprint(config: TrainConfig, data_sha256: str | None, device: str) -> str:
    """SHA-256 (hex) of what decides, besides the config's values, what a run computes.

    Args:
        config: its variants decide which source files count.
        data_sha256: of the task's data.
        device: such as ``cuda:0``, of which the kind counts.
    """
    return _hash(_computing(chosen_modules(config)), data_sha256, _kind(device))


def changes(run_dir: Path, info: RunInfo, config: TrainConfig) -> str | None:
    """What has changed of all that computed a recorded run; whether the data have is not looked at.

    Args:
        run_dir: the run's folder. Its record is opened only if something has changed.
        info: its run.json.
        config: what would be computed now.

    Returns:
        ``"torch 2.12.1 (now 2.13.0), seqablate/clip/norm.py"``, or None if nothing has changed.
    """
    device = _kind_now(config.device)
    if info.fingerprint == fingerprint(config, info.data_sha256, device):
        return None
    found = [*other_versions(info.versions, package_versions()), *_other_device(_kind(info.device), device)]
    try:
        found += other_files(read_record(run_dir, info.digest).header.sources, sources(config))
    except UsageError:
        found.append("its record cannot be read")
    named = ", ".join(found[:MOST_NAMED]) or RESUMED
    return f"{named} and {len(found) - MOST_NAMED} more" if found[MOST_NAMED:] else named


def other_files(recorded: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """The files whose content is no longer what was recorded, and those that have come or gone."""
    for name in sorted({*recorded, *now}):
        if name not in now:
            yield f"{name} (no longer used)"
        elif name not in recorded:
            yield f"{name} (new)"
        elif recorded[name] != now[name]:
            yield name


def other_versions(recorded: Mapping[str, str | None], now: Mapping[str, str | None]) -> Iterator[str]:
    """The packages that compute, where their versions differ: ``torch 2.12.1 (now 2.13.0)``."""
    for package in PACKAGES:
        if (before := recorded.get(package)) != (after := now.get(package)):
            yield f"{package} {before or 'not installed'} (now {after or 'not installed'})"


@cache
def package_versions() -> dict[str, str | None]:
    """The installed versions of the packages that compute, by name; numba may be missing."""
    return {package: package_version(package) for package in PACKAGES}


def package_version(package: str) -> str | None:
    """The installed version of a package; None if it is missing."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@cache
def _computing(chosen: frozenset[str]) -> str:
    """The part of a fingerprint that all runs of one process with these variants have in common."""
    return _hash(sources_of(chosen), package_versions())


def _hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _other_device(recorded: str, now: str) -> Iterator[str]:
    if recorded != now:
        yield f"device {recorded} (now {now})"


def _kind(device: str) -> str:
    return device.partition(":")[0]


def _kind_now(device: str) -> str:
    """The kind of device that a config asks for, as :func:`seqablate.assemble.find_device` finds it."""
    return _kind_of_auto() if device == "auto" else _kind(device)


@cache
def _kind_of_auto() -> str:
    if not any(path for driver in DRIVERS for path in Path("/dev").glob(driver)):
        return "cpu"
    import torch  # takes a second, which a machine without a GPU need not wait

    return "cuda" if torch.cuda.is_available() else "cpu"
