"""A study from its file to its last run: frozen, tuned, run. What is there already is never done again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from seqablate.errors import UsageError, shorten
from seqablate.launch.command import Asked, begin_sweep, check_runs, foresee, train
from seqablate.study.file import load_study
from seqablate.study.frozen import LARGEST_FIRST, Budget, Frozen, folder_of, freeze, is_study, make, read_frozen
from seqablate.study.look import look_at
from seqablate.study.runs import check_arms, divide
from seqablate.study.sweeps import Stage, choose, deciding_stage, tuning_stage, untuned
from seqablate.sweep.options import divide as divide_options

OUTPUTS = "outputs"


class Request:
    """What is asked for of a study by words such as ``budget=quick seeds.first=1000 name=mine jobs=2``.

    Args:
        what: the name of a study, its file, or its folder.
        words: as they were typed.

    Attributes:
        frozen: what would be frozen now, or of a folder what is.
        folder: where.
        options: the words that say how its sweeps are carried out.

    Raises:
        UsageError: there is no such study, or a word that a study does not take.
    """

    def __init__(self, what: str, words: Sequence[str]) -> None:
        self.options, mine = divide_options(words)
        said = dict(map(_split, mine))
        if is_study(Path(what)):
            self.folder, self.frozen = Path(what), read_frozen(Path(what))
        else:
            study = load_study(what)
            budget, first = _budget(said.pop("budget", "full")), said.pop("seeds.first", None)
            self.frozen = make(study, budget, None if first is None else _first(first))
            name, outputs = said.pop("name", None), said.pop("output_dir", OUTPUTS)
            self.folder = Path(outputs) / (_plain(name) if name else folder_of(self.frozen, study.seeds))
        for key in said:
            raise UsageError(
                f"{shorten(key)}: a study takes budget=, seeds.first=, name= and output_dir= (its folder none of them) "
                "and what a sweep as a whole takes, such as jobs=2; all else stands in its file"
            )


def _split(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals or not value:
        raise UsageError(f"{shorten(word)!r}: write key=value, such as budget=quick")
    return key, value


def _budget(value: str) -> Budget:
    if value == "full":
        return "full"
    if value == "quick":
        return "quick"
    raise UsageError(f"budget={shorten(value)}: must be full or quick")


def _first(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and int(value[:10]) <= LARGEST_FIRST):
        raise UsageError(f"seeds.first={shorten(value)}: must be a whole number from 0 to {LARGEST_FIRST:,}")
    return int(value)


def _plain(name: str) -> str:
    if "/" in name or "\\" in name or name[0] in ".-" or not name.isprintable() or len(name.encode()) > 100:
        raise UsageError(f"name={shorten(name)}: must be the name of a folder inside of output_dir")
    return name


def run_study(request: Request, *, quiet: bool = False) -> int | None:
    """Freeze the study and do what it lacks.

    Args:
        request: what is asked for.
        quiet: show no progress.

    Returns:
        0 when nothing is left that could be done, 128 + n when signal n ended it, None while it goes on elsewhere.

    Raises:
        UsageError: what cannot be run, or differs from what was frozen. Nothing is begun then.
    """
    check_arms(request.frozen.study, quick=request.frozen.quick)
    if not is_study(request.folder):  # a study that cannot be run is not frozen
        first = next(stages(request.folder, request.frozen))
        asked = ask(first, request.options, quiet)
        check_runs(None, foresee(asked).runs, asked.options, touch=False)
    frozen = freeze(request.folder, request.frozen)
    for stage in stages(request.folder, frozen):
        sweep = begin_sweep(ask(stage, request.options, quiet))
        stopped = train(sweep, sweep.missing())
        if stopped != 0:
            return stopped
    return 0


def stages(folder: Path, frozen: Frozen) -> Iterator[Stage]:
    """What a study needs, one after the other, each once the one before it is done.

    It ends where a stage has a run without a result, and after the look at which the claim is decided.
    """
    tuning = tuning_stage(folder, frozen)
    if tuning is not None:
        yield tuning
    for look in frozen.looks:
        tuned = tuning_stage(folder, frozen)  # read again: it has been carried out meanwhile
        if tuned is not None and tuned.unfinished():
            return
        yield deciding_stage(folder, frozen, untuned(frozen) if tuned is None else choose(frozen, tuned), look)
        if look != frozen.looks[-1] and look_at(folder, frozen, look).verdict.word != "INCONCLUSIVE":
            return


def ask(stage: Stage, options: Sequence[str], quiet: bool) -> Asked:
    """The sweep of a stage, as a command would ask for it."""
    common, runs = divide(list(stage.words.values()))
    asked = Asked([*options, *common], runs)
    if asked.options.sweep.samples is not None or asked.options.sweep.skip_invalid:
        raise UsageError("sweep.samples and sweep.skip_invalid: a study has the arms that its file names")
    asked.config.output_dir, asked.config.name = str(stage.path.parent), stage.path.name
    asked.config.quiet = quiet
    return asked
