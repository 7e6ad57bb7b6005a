"""Everything that the page shows, as one JSON document; pure but for the reading of the records."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seqablate.comparison.learning import MOST_POINTS
from seqablate.comparison.page.frames import MOST_MOMENTS, moments, signal_charts
from seqablate.comparison.page.learning import learning_charts
from seqablate.comparison.page.reading import Story, read_story
from seqablate.comparison.result import ArmResult, Comparison, RunLine
from seqablate.config.flat import flat_config, shown
from seqablate.errors import UsageError, printable
from seqablate.figures.styles import PALETTE, styles
from seqablate.record.run import Run
from seqablate.record.schema import FINISHED
from seqablate.text import counted

MOST_ARMS = 60  # with curves: more cannot be told apart
MANY_RUNS = 300  # so many records take a while to read: fewer moments
MOST_SEEDS = 400  # runs that have a learning curve of their own on the page


def document(comparison: Comparison, runs: Sequence[Run]) -> dict[str, Any]:
    """The page's data.

    Args:
        comparison: the numbers.
        runs: those that it is of; curves are read from their records.

    Returns:
        ``arms`` (label, colour, dash), ``alike`` (whether two of them have the same look), ``runs`` (arm, and what sets
        a run apart), ``facts`` (what all runs have in common), ``learning`` and ``signals`` (charts, with an entry for
        each arm), ``said`` (what the curves leave out).
    """
    by_path = {str(run.path): run for run in runs}
    drawn = comparison.arms[:MOST_ARMS]
    stories, unread = _stories(drawn, by_path)
    each_seed = sum(map(len, stories)) <= MOST_SEEDS
    floor = "float32" if any(run.info.dtype != "float64" for run in runs) else None
    facts = [[_facts(by_path.get(run.path)) for run in arm.runs] for arm in comparison.arms]
    looks = _styles(comparison.arms)
    return {
        "arms": [_arm(arm, style) for arm, style in zip(comparison.arms, looks, strict=True)],
        "alike": any(look in looks[:position] for position, look in enumerate(looks)),
        "runs": _runs(comparison.arms, facts),
        "facts": _shared([fact for group in facts for fact in group]),
        "learning": learning_charts(stories, comparison.level, each_seed=each_seed),
        "signals": signal_charts(stories, _moments(drawn), floor, comparison.level),
        "said": [*_said(comparison, each_seed), *unread],
    }


def _moments(arms: Sequence[ArmResult]) -> list[int]:
    steps = [run.step for arm in arms for run in arm.runs]
    return moments(max(steps, default=0), MOST_MOMENTS if len(steps) <= MANY_RUNS else MOST_MOMENTS // 2)


def _stories(arms: Sequence[ArmResult], by_path: Mapping[str, Run]) -> tuple[list[list[Story]], list[str]]:
    """The runs of each arm that count, with their curves, and a line for each record that cannot be read."""
    when = _moments(arms)
    unread: list[str] = []
    return [
        [s for run in arm.runs if run.status in FINISHED and (s := _story(by_path.get(run.path), when, unread))]
        for arm in arms
    ], unread


def _story(run: Run | None, when: Sequence[int], unread: list[str]) -> Story | None:
    if run is None:
        return None
    try:
        return read_story(run, when)
    except UsageError as error:
        unread.append(f"no curves of {run.name}: {error}")
        return None


def _said(comparison: Comparison, each_seed: bool) -> list[str]:
    """What the curves leave out."""
    count = sum(len(arm.runs) for arm in comparison.arms)
    lines = [f"Curves are thinned to at most {MOST_POINTS} points and {MOST_MOMENTS} moments of the training."]
    if not each_seed:
        lines.append(f"The {counted(count, 'run')} have no learning curves of their own here: more than {MOST_SEEDS}.")
    if len(comparison.arms) > MOST_ARMS:
        lines.append(f"Curves are drawn of the first {MOST_ARMS} of {len(comparison.arms)} arms.")
    return lines


def _arm(arm: ArmResult, style: Mapping[str, Any]) -> dict[str, Any]:
    """What the script is told of an arm: its name and its look."""
    return {"label": arm.label, "n": arm.n, "total": len(arm.runs), **style}


def _styles(arms: Sequence[ArmResult]) -> list[dict[str, Any]]:
    """Colour (its number in the palette) and dash (lengths in units of the line's width) of every arm."""
    return [
        {
            "colour": PALETTE.index(style["color"]),
            "dash": [] if style["linestyle"] == "solid" else list(style["linestyle"][1]),
        }
        for style in styles([arm.look for arm in arms])
    ]


def _runs(arms: Sequence[ArmResult], facts: Sequence[Sequence[Mapping[str, str]]]) -> list[dict[str, Any]]:
    """What each run says of itself besides its row in the table."""
    common = _shared([fact for group in facts for fact in group])
    return [
        {
            "arm": number,
            "path": printable(run.path),
            "message": run.message,
            "other_code": run.other_code,
            "command": command_words(run),
            "own": {key: value for key, value in fact.items() if key not in common},
        }
        for number, (arm, group) in enumerate(zip(arms, facts, strict=True))
        for run, fact in zip(arm.runs, group, strict=True)
    ]


def command_words(run: RunLine) -> str:
    """The words that asked for a run, as a shell takes them."""
    return shlex.join(run.command)


def _facts(run: Run | None) -> dict[str, str]:
    """Config and circumstances of a run as they are shown."""
    if run is None:
        return {}
    info = run.info
    circumstances = {
        "device": info.device, "backend": info.backend, "threads": info.threads, "dtype": info.dtype,
        "started": info.started, "git commit": info.git_commit, "parameters": info.parameters,
        **{f"version of {name}": version for name, version in info.versions.items()},
    }  # fmt: skip
    return {key: shown(value) for key, value in (*flat_config(run.config).items(), *circumstances.items())}


def _shared(facts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The facts that are the same for all."""
    first, *others = [fact for fact in facts if fact] or [{}]
    return {key: value for key, value in first.items() if all(fact.get(key) == value for fact in others)}
