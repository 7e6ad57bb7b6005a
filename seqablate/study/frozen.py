"""What a study has decided before its first run: ``study.json`` in its folder, written once and never changed.

Whoever looks at results and then adds seeds, or moves the criterion, finds what is not there. So both are fixed before
anything can be seen, and a folder whose study differs from the file is refused.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from seqablate.errors import UsageError, printable, shorten
from seqablate.record.files import is_file, read_bytes, replacing
from seqablate.record.folder import ensure_folder
from seqablate.record.identity import package_version, package_versions
from seqablate.record.schema import Hash
from seqablate.shape import By, Misfit, fitting, one_of
from seqablate.study.criterion import ALPHA
from seqablate.study.file import Seeds, Study

NAME = "study.json"
VERSION = 1
LARGEST = 1 << 20  # bytes
DECISIVE = ("arms", "fixed", "tune", "tuning_seeds", "looks", "criterion")  # of a study, besides the number of seeds
TUNING_OFFSET = 1_000_000  # seeds of tuning begin so far behind the first seed, where no study gets to
LARGEST_FIRST = TUNING_OFFSET - 1  # of the first seed

Budget = Literal["full", "quick"]


@dataclass(frozen=True)
class Frozen:
    """study.json.

    Attributes:
        study: as the file said it.
        identity: of what it runs and decides by: repetitions with other seeds have it in common.
        budget: ``full`` or ``quick``.
        seeds: of the runs that decide.
        tuning_seeds: of the runs that choose what is tuned; no run of any study decides with one of them.
        looks: after how many of the seeds the verdict is looked at.
        alpha: of each look: all of them together have 0.05.
        created: when.
        versions: of the packages that compute.
    """

    version: int
    study: Study
    identity: Hash
    budget: Annotated[Budget, By(one_of("full", "quick"))]
    seeds: list[int]
    tuning_seeds: list[int]
    looks: list[int]
    alpha: float
    created: str
    versions: dict[str, str | None]

    @property
    def quick(self) -> bool:
        return self.budget == "quick"


def make(study: Study, budget: Budget = "full", first: int | None = None) -> Frozen:
    """What a study decides now.

    Args:
        study: from its file.
        budget: ``quick`` for fewer seeds and steps.
        first: another first seed than the file says.
    """
    start = study.seeds.first if first is None else first
    count = study.quick.seeds if budget == "quick" else study.seeds.count
    looks = study.looks if study.looks and budget == "full" else [count]
    return Frozen(
        version=VERSION,
        study=replace_seeds(study, start),
        identity=identity(study),
        budget=budget,
        seeds=list(range(start, start + count)),
        tuning_seeds=[start + TUNING_OFFSET + number for number in range(study.tuning_seeds)] if study.tune else [],
        looks=looks,
        alpha=ALPHA / len(looks),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=package_versions() | {"seqablate": package_version("seqablate")},
    )


def replace_seeds(study: Study, first: int) -> Study:
    """The study with another first seed."""
    return replace(study, seeds=replace(study.seeds, first=first))


def identity(study: Study) -> str:
    """SHA-256 (hex) of what a study runs and decides by; its first seed, claim and expectations do not count."""
    criteria = [replace(criterion, expect=None) for criterion in study.criterion]
    plain = {name: value for name, value in asdict(replace(study, criterion=criteria)).items() if name in DECISIVE}
    plain["seeds"] = study.seeds.count
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def folder_of(frozen: Frozen, usual: Seeds) -> str:
    """The name of the folder where none is given: ``study-forget-bias``, ``study-forget-bias-from-1000-quick``."""
    first = frozen.study.seeds.first
    other = f"-from-{first}" if first != usual.first else ""
    return f"study-{frozen.study.name}{other}{'-quick' if frozen.quick else ''}"


def freeze(folder: Path, wanted: Frozen) -> Frozen:
    """Write ``study.json`` into a new folder, or find in one that is there the same study.

    Returns:
        What is in the folder.

    Raises:
        UsageError: the folder has another study, or holds something else.
        RunFailure: the disk does not take it.
    """
    if not is_study(folder):
        if folder.is_dir() and any(entry.name != f".{NAME}" for entry in folder.iterdir()):
            raise UsageError(f"{folder} is there and is no study (it has no {NAME}): choose another name")
        ensure_folder(folder)
        with replacing(folder / NAME) as file:
            file.write(json.dumps(asdict(wanted), indent=1).encode())
    return agreed(folder, wanted)  # of two that are started at once, one has written last


def agreed(folder: Path, wanted: Frozen) -> Frozen:
    """What a folder was frozen with (UsageError: it is not what is asked for, or cannot be read)."""
    found = read_frozen(folder)
    _refuse_changes(folder, found, wanted)
    return found


def is_study(folder: Path) -> bool:
    return is_file(folder / NAME)


def read_frozen(folder: Path) -> Frozen:
    """``study.json`` of a folder (UsageError: missing, damaged, or of another version)."""
    path = folder / NAME
    try:
        raw: Any = json.loads(read_bytes(path, LARGEST))
        if isinstance(raw, dict) and raw.get("version", VERSION) != VERSION:
            raise Misfit(f"is {shorten(raw['version'])}; this seqablate reads {VERSION}", ("version",))
        found: Frozen = fitting(raw, Frozen)
        again = make(found.study, found.budget)
        if changed := _differing(found, again, ["identity", "seeds", "tuning_seeds", "looks", "alpha"]):
            raise Misfit("does not fit the study: the file was edited", (changed[0],))
    except Misfit as error:
        raise UsageError(f"{printable(str(path))} is damaged: {error}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{printable(str(path))} is damaged: it is no JSON") from None
    return found


def _refuse_changes(folder: Path, found: Frozen, wanted: Frozen) -> None:
    """What was frozen stays as it is (UsageError names what differs)."""
    changed = _differing(found.study, wanted.study, [each.name for each in fields(Study)])
    changed = changed or _differing(found, wanted, ["budget", "seeds", "tuning_seeds", "looks", "alpha"])
    if changed:
        what = " and ".join(changed[:3])
        raise UsageError(
            f"{folder} was frozen with another {what}: seeds and criterion of a study are fixed before its first run; "
            "put the file back, name the folder, or choose another name="
        )


def _differing(one: object, other: object, names: list[str]) -> list[str]:
    return [name for name in names if getattr(one, name) != getattr(other, name)]
