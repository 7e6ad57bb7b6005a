"""The runs of a study: which words each has, and that arms which are compared differ in one factor."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from seqablate.config.codec import digest, to_plain
from seqablate.config.compose import compose_config
from seqablate.config.flat import counts, flat_config
from seqablate.config.schema import TrainConfig
from seqablate.errors import UsageError
from seqablate.study.criterion import constant
from seqablate.study.file import Study

Point = tuple[str, ...]  # a word for each tuned key
Settings = dict[str, Any]  # by their dotted keys


def points(study: Study) -> list[Point]:
    """Every combination of the values that are tried in each arm; one empty point where nothing is tuned."""
    words = [[f"{key}={value}" for value in values] for key, values in study.tune.items()]
    return list(itertools.product(*words))


def run_words(study: Study, arm: str, point: Point, seed: int, *, quick: bool) -> list[str]:
    """The words of one run. Where a key is given twice, an arm's word replaces the common one, and quick's either."""
    words = [*study.fixed, *study.arms[arm], *(study.quick.words if quick else ()), *point, f"seed={seed}"]
    return list({word.partition("=")[0]: word for word in words}.values())


def divide(runs: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """The words that all runs have, and for each run its others."""
    common = [word for word in runs[0] if all(word in words for words in runs)]
    return common, [[word for word in words if word not in common] for words in runs]


def check_arms(study: Study, *, quick: bool = False) -> None:
    """Compose every arm with everything that is tried in it.

    Raises:
        UsageError: one that cannot be composed, two that are the same run, or a comparison of arms that differ in
            several factors.
    """
    composed = {(arm, point): _compose(study, arm, point, quick) for arm in study.arms for point in points(study)}
    _refuse_twins(study, composed)
    if study.why:
        return
    flat = {arm: _settings(study, config) for (arm, _), config in composed.items()}
    for first, second in (criterion.sides for criterion in study.criterion):
        if constant(first) is None and constant(second) is None:
            _check_pair(study.name, first, second, _factors(flat[first], flat[second]))


def _refuse_twins(study: Study, composed: Mapping[tuple[str, Point], TrainConfig]) -> None:
    found: dict[str, tuple[str, Point]] = {}
    for mine, config in composed.items():
        other = found.setdefault(digest(config), mine)
        if other != mine:
            names = " and ".join(" ".join([arm, *point]) for arm, point in (other, mine))
            raise UsageError(f"study {study.name}: {names} are the same run: give each arm, and each value, once")


def _factors(first: Settings, second: Settings) -> list[str]:
    """The keys in which two arms differ, of those that both have and that count."""
    return [key for key in first if key in second and first[key] != second[key] and counts(key, "compared")]


def _check_pair(name: str, first: str, second: str, factors: list[str]) -> None:
    if len(factors) != 1:
        what = f"differ in {', '.join(factors)}" if factors else "are the same"
        raise UsageError(
            f"study {name}: {first} and {second} {what}: compare arms that differ in one factor, "
            "or add a line 'why:' that says why it cannot be one"
        )


def _compose(study: Study, arm: str, point: Point, quick: bool) -> TrainConfig:
    try:
        return compose_config(run_words(study, arm, point, study.seeds.first, quick=quick))
    except UsageError as error:
        raise UsageError(f"study {study.name}: arms.{arm}: {error}") from None


def _settings(study: Study, config: TrainConfig) -> Settings:
    """The settings of an arm that are not tuned."""
    return {key: value for key, value in flat_config(to_plain(config)).items() if key not in study.tune}
