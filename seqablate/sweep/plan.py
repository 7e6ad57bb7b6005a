"""From the words of a request to the runs of a sweep: composed and checked before any of them begins."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from seqablate.config.codec import digest
from seqablate.config.compose import compose_config, config_folder
from seqablate.config.registry import registered
from seqablate.config.schema import TrainConfig
from seqablate.errors import UsageError, shorten
from seqablate.sweep.folder import Plan, PlannedRun
from seqablate.sweep.names import run_name

MEANS = ("device=", "backend=", "threads=")  # what a run is computed with, which its digest leaves out
SEED = re.compile(r"seed=(0|[1-9]\d{0,17})")
PLACE = ("name=", "output_dir=")  # where a sweep is made, and nothing of its runs
# What a machine can lack for a run (data, a device, memory, kernels) does not depend on these.
FREE = (
    "seed=", "steps=", "optim.", "schedule.", "clip.", "regularizer.", "on_nonfinite=", "skip_above=",
    "stop_when_solved=", "checkpoint.", "quiet=",
)  # fmt: skip
PARTS = "clip.parts="  # decides, beside the clip itself, whether a recurrence is needed, and which backend


@dataclass(frozen=True, slots=True)
class Wanted:
    """One run that a request asks for: its words, the swept ones among them, and the digest of its config."""

    words: list[str]
    swept: dict[str, str]
    digest: str


def first_config(arms: Sequence[list[str]]) -> TrainConfig:
    """The config of the first run, which says where the sweep is made.

    Raises:
        UsageError: it cannot be composed, or runs disagree about their folder.
    """
    for key in PLACE:
        if len({word for words in arms for word in words if word.startswith(key)}) > 1:
            raise UsageError(
                f"{key[:-1]}: give it one value; it names the sweep's folder, and the runs inside are named"
            )
    return _compose(arms[0])


def compose_runs(arms: Sequence[list[str]], typed: Collection[str], skipped: list[str] | None) -> list[Wanted]:
    """Compose every run that a request asks for.

    Args:
        arms: the words of each run.
        typed: the words of the request: what is not among them is swept.
        skipped: gets a line for every run that cannot be composed; None: such a run is an error.

    Raises:
        UsageError: a run that cannot be composed (named by its words), or none that can.
    """
    found: list[Wanted] = []
    compose = _Seeds()
    for words in arms:
        try:
            found.append(Wanted(run_words(words), swept_values(words, typed), digest(compose(words))))
        except UsageError as error:
            if skipped is None:
                raise
            skipped.append(str(error))
    if not found:
        raise UsageError(f"no run of the sweep can be composed: {(skipped or ['there are none'])[0]}")
    return found


class _Seeds:
    """Composes runs. Of those that differ in their seed alone it composes two, and takes the others from them.

    Hydra takes 25 ms for a run. Where the two differ in more than the seed (``eval.seed=${seed}``), all are composed.
    """

    def __init__(self) -> None:
        self.known: dict[tuple[str, ...], list[TrainConfig]] = {}

    def __call__(self, words: list[str]) -> TrainConfig:
        """The config (UsageError as :func:`_compose`)."""
        seeds = [found[1] for word in words if (found := SEED.fullmatch(word))]
        if len(seeds) != 1:
            return _compose(words)
        known = self.known.setdefault(tuple(word for word in words if not SEED.fullmatch(word)), [])
        if len(known) == 2 and replace(known[0], seed=known[1].seed) == known[1]:
            return replace(known[0], seed=int(seeds[0]))
        config = _compose(words)
        if len(known) < 2 and all(config.seed != one.seed for one in known):
            known.append(config)
        return config


def _compose(words: list[str]) -> TrainConfig:
    try:
        return compose_config(words)
    except UsageError as error:
        raise UsageError(f"{error} (in the sweep's run {shorten(' '.join(words))!r}; nothing was started)") from error


def run_words(words: Sequence[str]) -> list[str]:
    """The words that say what is trained: those that name the sweep's folder are left out."""
    return [word for word in words if not word.startswith(PLACE)]


def swept_values(words: Sequence[str], typed: Collection[str]) -> dict[str, str]:
    """Keys and values of the words that are not as they were typed; of the seed where nothing is swept."""
    swept = [word for word in run_words(words) if word not in typed]
    alone = [word for word in words if word.startswith("seed=")]
    pairs = (word.partition("=") for word in swept or alone)
    return {key.lstrip("+"): value for key, _, value in pairs}


def add_runs(plan: Plan, wanted: Sequence[Wanted]) -> tuple[list[PlannedRun], list[str]]:
    """The runs that a plan lacks, and the names of all that are wanted, each once.

    Raises:
        UsageError: a run is in the plan with another device, backend or number of threads.
    """
    named = {run.key: run.name for run in plan.runs.values()}
    taken = dict(plan.runs)
    new: list[PlannedRun] = []
    names: dict[str, None] = {}
    for one in wanted:
        run = PlannedRun(_name(one, taken), one.words, one.digest, one.swept)
        if run.key in named:
            _refuse_other_means(plan.runs.get(named[run.key], run), run)
        else:
            named[run.key] = run.name
            taken[run.name] = run
            new.append(run)
        names[named[run.key]] = None
    return new, list(names)


def _name(wanted: Wanted, taken: Mapping[str, PlannedRun]) -> str:
    """What is swept; and what else a run has that another one lacks which would have the same name."""
    other = taken.get(run_name(wanted.swept, ()))
    more = [] if other is None else [word for word in wanted.words if word not in other.words]
    return run_name({**wanted.swept, **swept_values(more, ())}, taken)


def _refuse_other_means(planned: PlannedRun, wanted: PlannedRun) -> None:
    before, now = ([word for word in run.words if word.startswith(MEANS)] for run in (planned, wanted))
    if before != now:
        said, says = (" ".join(words) or "none of these words" for words in (before, now))
        raise UsageError(
            f"{planned.name} is planned with {said}, and now there is {says}: {', '.join(MEANS).replace('=', '')} of a "
            "planned run stay as they are; leave them as they were, or choose another name"
        )


def demand(words: Sequence[str]) -> tuple[str, ...]:
    """What a run demands of the machine: the words of its data, its device, its model."""
    return tuple(word for word in words if word.startswith(PARTS) or not word.startswith(FREE))


def check_means(runs: Sequence[list[str]]) -> list[str | None]:
    """Build each run once and write nothing. Imports torch.

    Args:
        runs: their words.

    Returns:
        For each of them what is wrong, None if it can be built.
    """
    return [_wrong_with(words) for words in runs]


def _wrong_with(words: list[str]) -> str | None:
    from seqablate.assemble import assemble, memory_errors

    try:
        with memory_errors(UsageError):
            assemble(compose_config(words))
    except UsageError as error:
        return str(error)
    return None


def data_hashes(runs: Sequence[list[str]]) -> list[str | None]:
    """For each run the hash of its data as they are now; None where they cannot be read, or are drawn at random."""
    return [_data_hash(words) for words in runs]


def _data_hash(words: list[str]) -> str | None:
    from seqablate.assemble import build_task

    try:
        return build_task(compose_config(words)).fingerprint
    except UsageError:
        return None


@cache
def composer() -> str:
    """A hash of everything that decides what words compose to: our code and values, and other packages' variants."""
    package = Path(__file__).resolve().parents[1]
    files = [*package.rglob("*.py"), *config_folder().rglob("*.yaml"), *_variant_files()]
    hashed = hashlib.sha256()
    for file in sorted(set(files)):
        hashed.update(f"{file}\0".encode() + file.read_bytes())
    return hashed.hexdigest()


def _variant_files() -> Iterator[Path]:
    for cls in registered().values():
        if file := inspect.getsourcefile(cls):
            yield Path(file).resolve()
