"""What a study says: the word, the effects with intervals, two plain sentences, and every folder of the same study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seqablate.comparison.code import other_code
from seqablate.errors import UsageError
from seqablate.record.rows import strict
from seqablate.record.run import Run
from seqablate.statistics.interval import median
from seqablate.study.criterion import Criterion
from seqablate.study.frozen import Frozen, is_study, read_frozen
from seqablate.study.look import Look, latest_look
from seqablate.study.runs import Point
from seqablate.study.sweeps import values
from seqablate.study.verdict import Finding, Word, together
from seqablate.text import counted, percent, result


@dataclass(frozen=True, kw_only=True)
class ArmLine:
    """One arm.

    Attributes:
        arm: its name.
        words: what it is.
        chosen: the tuned words.
        runs: how many have a result.
        statuses: how many of them ended how.
        solved: how many solved the task; None where it has no goal.
        measures: the median of each measure of the criteria; None where a run lacks it.
    """

    arm: str
    words: list[str]
    chosen: list[str]
    runs: int
    statuses: dict[str, int]
    solved: int | None
    measures: dict[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder of the same study, or of another version of it.

    Attributes:
        same: whether everything but the seeds is the same, so that it is a repetition.
    """

    path: str
    budget: str
    seeds: list[int]
    verdict: Word
    same: bool


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that ``--json`` prints.

    Attributes:
        verdict: of this folder.
        together: of all repetitions, which must agree; it decides the exit code.
        folders: this one and those beside it.
        sentences: two.
        notes: what one should know before one believes it.
        missing: a line for each run without a result.
    """

    study: str
    claim: str
    source: str
    folder: str
    budget: str
    seeds: list[int]
    alpha: float
    verdict: Word
    together: Word
    findings: list[Finding]
    arms: list[ArmLine]
    folders: list[Folder]
    sentences: list[str]
    notes: list[str]
    missing: list[str]

    def to_json(self) -> dict[str, Any]:
        """Plain data, numbers that are not finite as words."""
        plain: dict[str, Any] = strict(asdict(self))
        return plain


def make_report(folder: Path, frozen: Frozen) -> Report:
    """The report on a study's folder, which need not be there yet."""
    look = latest_look(folder, frozen)
    study = frozen.study
    folders = list(_folders(folder, frozen, look))
    word = look.verdict.word
    repeated = [each.verdict for each in folders if each.same and each.verdict != "NOT RUN"]
    return Report(
        study=study.name,
        claim=study.claim,
        source=study.source,
        folder=str(folder),
        budget=frozen.budget,
        seeds=frozen.seeds[: look.seeds],
        alpha=frozen.alpha,
        verdict=word,
        together="NOT RUN" if word == "NOT RUN" else together(repeated),
        findings=look.verdict.findings,
        arms=[_arm_line(arm, frozen, look) for arm in study.arms],
        folders=folders,
        sentences=_sentences(frozen, look),
        notes=list(_notes(frozen, look)),
        missing=look.missing,
    )


def _arm_line(arm: str, frozen: Frozen, look: Look) -> ArmLine:
    runs = look.runs.get(arm, [])
    solved = values("solved", runs)
    names = dict.fromkeys(criterion.measure for criterion in frozen.study.criterion if criterion.measure != "solved")
    return ArmLine(
        arm=arm,
        words=frozen.study.arms[arm],
        chosen=list(look.chosen.get(arm, ())),
        runs=len(runs),
        statuses=dict(Counter(run.status for run in runs)),
        solved=None if not runs or None in solved else int(sum(filter(None, solved))),
        measures={name: _middle(values(name, runs)) for name in names} if runs else {},
    )


def _middle(found: Sequence[float | None]) -> float | None:
    known = [value for value in found if value is not None]
    return median(known).estimate if known and len(known) == len(found) else None


def _folders(folder: Path, frozen: Frozen, look: Look) -> Iterator[Folder]:
    """This folder and those beside it that hold the study, or another version of it."""
    yield _folder(folder, frozen, look.verdict.word, frozen)
    around = folder.absolute().parent
    for path in sorted(around.iterdir()) if around.is_dir() else ():
        if path == folder.absolute() or not is_study(path):
            continue
        try:
            other = read_frozen(path)
            if frozen.identity == other.identity or frozen.study.name == other.study.name:
                yield _folder(folder.parent / path.name, other, latest_look(path, other).verdict.word, frozen)
        except UsageError:  # damaged: nothing can be read of it
            continue


def _folder(path: Path, found: Frozen, word: Word, frozen: Frozen) -> Folder:
    same = found.identity == frozen.identity and found.budget == frozen.budget
    return Folder(path=str(path), budget=found.budget, seeds=found.seeds, verdict=word, same=same)


def _sentences(frozen: Frozen, look: Look) -> list[str]:
    verdict, pairs = look.verdict, counted(look.seeds, "seed")
    if verdict.word == "NOT RUN":
        return [
            f"The study lacks the results of {counted(len(look.missing), 'run')}.",
            "So nothing is known of the claim.",
        ]
    finding = next((found for found in verdict.findings if found.word == verdict.word), verdict.findings[0])
    count = sum(found.word == verdict.word for found in verdict.findings)
    by = f", by {count} of {len(verdict.findings)} criteria" if verdict.findings[1:] else ""
    end = {
        "SUPPORTED": f"So {pairs} of each arm support the claim{by}.",
        "CONTRADICTED": f"So {pairs} of each arm contradict the claim{by}.",
    }
    lean = "the claim" if verdict.leans == "SUPPORTED" else "its contrary"
    why = "a quick study never decides" if frozen.quick else "the runs are compatible with both"
    undecided = f"So {pairs} of each arm do not decide: {why}; they lean to {lean}."
    return [_measured(finding, look), end.get(verdict.word, undecided)]


def _measured(finding: Finding, look: Look) -> str:
    """What was measured of one criterion."""
    criterion = finding.criterion
    if finding.estimate is None:
        return f"Of {criterion.title}: {finding.note or 'no median can be stated'}."
    sides = ", ".join(_side(side, criterion, look) for side in criterion.sides if side in look.runs)
    kind = "ratio" if criterion.is_ratio else "difference"
    p = "" if finding.p is None else f", p = {result(finding.p)}"
    effect = f"the {kind} is {result(finding.estimate)}{interval(finding)}{p}"
    return f"{_name(criterion)}: {sides}; {effect}, and the claim needs {criterion.asked}."


def _name(criterion: Criterion) -> str:
    what, _, length = criterion.measure.partition("@")
    name = {"solved": "Runs that solve the task", "value": "Median result on test data"}.get(what, f"Median {what}")
    return f"{name} of length {length}" if length else name


def _side(side: str, criterion: Criterion, look: Look) -> str:
    """``lstm 10 of 10``."""
    found = [value for value in values(criterion.measure, look.runs[side]) if value is not None]
    if criterion.measure == "solved":
        return f"{side} {sum(map(int, found))} of {len(found)}"
    return f"{side} {result(median(found).estimate)}"


def interval(finding: Finding) -> str:
    """`` (95 % interval 0.61 to 1)``; nothing where none can be stated."""
    if finding.low is None or finding.high is None:
        return ""
    return f" ({percent(finding.level)} interval {result(finding.low)} to {result(finding.high)})"


def _notes(frozen: Frozen, look: Look) -> Iterator[str]:
    for arm, point in look.chosen.items():
        yield from _edges(arm, point, frozen)
    diverged = {arm: sum(run.status == "diverged" for run in runs) for arm, runs in look.runs.items()}
    for arm, count in diverged.items():
        if count:
            yield f"{arm}: {counted(count, 'run')} diverged, and count as failures"
    every: list[Run] = [run for runs in look.runs.values() for run in runs]
    changed = sorted({line for line in other_code(every) if line})
    if changed:
        yield f"runs of different code are compared: {changed[0]}"


def _edges(arm: str, point: Point, frozen: Frozen) -> Iterator[str]:
    """Tuned values beside which nothing further was tried."""
    for word in point:
        key, _, value = word.partition("=")
        tried = frozen.study.tune[key]
        try:
            ordered = sorted(tried, key=float)
        except ValueError:
            continue
        if len(ordered) > 1 and value in (ordered[0], ordered[-1]):
            end = "smallest" if value == ordered[0] else "largest"
            yield f"{arm}: {word} is the {end} value that was tried; one beyond it may do better"
