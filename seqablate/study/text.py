"""What the commands about studies print: lines of plain text."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from seqablate.study.file import Study
from seqablate.study.plan import Plan
from seqablate.study.report import ArmLine, Report, interval
from seqablate.text import counted, duration, result

MOST_LISTED = 5  # missing runs


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows as columns of equal width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def listing(studies: Sequence[Study]) -> Iterator[str]:
    """A line for each study."""
    return aligned([(study.name, study.claim) for study in studies])


def shown(study: Study) -> Iterator[str]:
    """What a study claims, compares and decides by."""
    yield f"{study.name}: {study.claim}"
    if study.source:
        yield f"source: {study.source}"
    yield ""
    yield from aligned([("arm", "words"), *((arm, " ".join(words)) for arm, words in study.arms.items())])
    if study.why:
        yield f"more than one factor: {study.why}"
    yield f"in every arm: {' '.join(study.fixed) or 'what seqablate train does where nothing is said'}"
    for key, values in study.tune.items():
        own = f"{counted(study.tuning_seeds, 'seed')} of their own"
        yield f"tuned in every arm: {key} in {', '.join(values)}, with {own}"
    yield f"seeds: {study.seeds.count}, from {study.seeds.first}"
    if study.looks:
        yield f"looked at after {', '.join(map(str, study.looks))} seeds, which share the 5 % of false verdicts"
    for criterion in study.criterion:
        yield f"supported if {criterion.title}"
    quick = " ".join(study.quick.words)
    yield f"budget=quick: {counted(study.quick.seeds, 'seed')}{' ' if quick else ''}{quick}"


def planned(plan: Plan) -> Iterator[str]:
    """What running a study will take, and what it can find."""
    yield from shown(plan.frozen.study)
    yield ""
    yield f"folder: {plan.folder}"
    yield f"runs: {plan.tuning} to tune and {plan.deciding} to decide; {plan.missing} to do"
    for power in plan.powers:
        yield power.line()
    if plan.seconds is not None:
        less = ", or less: runs stop when their task is solved" if plan.may_stop else ""
        workers = counted(plan.workers, "worker")
        yield f"time: about {duration(plan.seconds)} with {workers} here{less} (nothing was written)"


def reported(report: Report, pictures: Sequence[Path], again: str) -> Iterator[str]:
    """The report: word, sentences, findings, arms, notes, folders, and where its pictures are.

    Args:
        report: what is said.
        pictures: of it.
        again: the study, as one names it to go on with it.
    """
    yield f"{report.study}: {report.claim}"
    yield f"{report.verdict}{_quick(report)}"
    yield ""
    yield from report.sentences
    if report.findings:
        yield ""
        yield from _findings(report)
        yield ""
        yield from aligned(_arms(report.arms))
    yield from (f"note: {note}" for note in report.notes)
    yield from _missing(report, again)
    yield from _folders(report)
    yield from (f"picture: {path}" for path in pictures)
    if report.findings:
        yield f"next: seqablate show {shlex.quote(report.folder)}/runs"


def _quick(report: Report) -> str:
    return " (budget=quick)" if report.budget == "quick" else ""


def _findings(report: Report) -> Iterator[str]:
    rows = [("criterion", "verdict", "effect", "interval", "p", "pairs")]
    for found in report.findings:
        ends = interval(found).strip(" ()") or (found.note or "–")
        rows.append(
            (found.criterion.title, found.word, result(found.estimate), ends, result(found.p), str(found.pairs))
        )
    return aligned(rows)


def _arms(arms: Sequence[ArmLine]) -> list[list[str]]:
    names = list(arms[0].measures)
    rows = [["arm", "tuned to", "runs", "solved", *(f"median {name}" for name in names)]]
    for arm in arms:
        solved = "–" if arm.solved is None else f"{arm.solved} of {arm.runs}"
        tuned = " ".join(arm.chosen) or "–"
        rows.append([arm.arm, tuned, str(arm.runs), solved, *(_whole(arm.measures[name]) for name in names)])
    return rows


def _whole(value: float | None) -> str:
    """A count with all its digits."""
    return str(int(value)) if value is not None and 1e4 <= value < 1e9 and value == int(value) else result(value)


def _missing(report: Report, again: str) -> Iterator[str]:
    for line in report.missing[:MOST_LISTED]:
        yield f"without a result: {line}"
    if len(report.missing) > MOST_LISTED:
        yield f"and {len(report.missing) - MOST_LISTED} more (--json names all)"
    if report.missing:
        retried = " sweep.retry_failed=true" if any(": failed" in line for line in report.missing) else ""
        yield f"go on: seqablate study run {again}{retried}"


def _folders(report: Report) -> Iterator[str]:
    """Every folder of the study, so that a choice among them is seen."""
    if len(report.folders) < 2:
        return
    yield ""
    rows = [("folder", "verdict", "seeds", "")]
    for each in report.folders:
        seeds = f"{each.seeds[0]} to {each.seeds[-1]}"
        rows.append((each.path, each.verdict, seeds, "" if each.same else _other(each.budget)))
    yield from aligned(rows)
    if sum(each.same for each in report.folders) > 1:
        yield f"together: {report.together}"


def _other(budget: str) -> str:
    return "budget=quick" if budget == "quick" else "another version of the study"
