"""``seqablate train [-m] [overrides]``: one run, or a sweep.

Every run of a sweep is checked before the first begins, and one that fails leaves the others alone.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from seqablate.assemble import load_variants
from seqablate.cli.process import begin_run
from seqablate.config.codec import to_plain
from seqablate.config.compose import choices_of, compose_config
from seqablate.config.overrides import read_words
from seqablate.config.plugins import load_plugins
from seqablate.config.schema import TrainConfig
from seqablate.errors import UsageError, shorten
from seqablate.sweep.options import divide, option_values

if TYPE_CHECKING:
    from seqablate.training.session import Ending

HELP, SWEEP, SHOW, DRY = ("--help", "-h"), ("--multirun", "-m"), ("--cfg", "-c"), ("--dry-run",)
OPTIONS = (*HELP, *SWEEP, *SHOW, *DRY)


def main(argv: list[str]) -> int:
    load_variants()
    options, words = split_words(argv)
    if options & set(HELP):
        from seqablate.cli.train_help import help_text

        of_sweep, words = divide(words)
        print(help_text(choices_of(read_words(words)), option_values(of_sweep)))
        return 0
    if options & set(SWEEP):
        return sweep(words, show=bool(options & set(SHOW)), dry=bool(options & set(DRY)))
    if options & set(DRY):
        raise UsageError(f"{DRY[0]} tells how long a sweep would take: give it with -m")
    config = compose_config(words)
    if options & set(SHOW):
        print_config(config)
        return 0
    from seqablate.api import run_config

    name_what_is_passed_over()
    return exit_code(run_config(config, ["seqablate", "train", *argv], when_ready=begin_run))


def sweep(words: list[str], *, show: bool, dry: bool) -> int:
    """Do what the sweep lacks, or print the first run's config, or how long it would take."""
    from seqablate.launch.command import Asked, begin_sweep, carry_out

    if dry:
        from seqablate.launch.estimate import foretell

        name_what_is_passed_over()
        return foretell(words)
    asked = Asked(words)
    if show:
        print_config(asked.config)
        return 0
    name_what_is_passed_over()
    if asked.tuned:
        from seqablate.launch.rounds import carry_out_rounds

        return carry_out_rounds(asked)
    return carry_out(begin_sweep(asked))


def split_words(argv: list[str]) -> tuple[set[str], list[str]]:
    """Options and override words (UsageError for an option that there is not)."""
    options: set[str] = set()
    overrides: list[str] = []
    words = list(argv)
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if name in SHOW:
            value = value if equals else (words.pop(0) if words else "")
            if value != "job":
                raise UsageError(f"{name} takes one word: {name} job prints the composed config")
            options.add(name)
        elif word in OPTIONS:
            options.add(word)
        elif name in OPTIONS:
            raise UsageError(f"{shorten(word)}: {name} takes no value")
        elif word.startswith("-"):
            raise UsageError(f"unknown option {shorten(word)}: see seqablate train --help; overrides are key=value")
        else:
            overrides.append(word)
    return options, overrides


def print_config(config: TrainConfig) -> None:
    """The config as the run folder would have it."""
    import yaml

    print(yaml.safe_dump(to_plain(config), sort_keys=False, allow_unicode=True), end="")


def name_what_is_passed_over() -> None:
    """Packages whose variants could not be loaded: the run goes on without them."""
    for line in load_plugins():
        print(f"seqablate: {line}", file=sys.stderr)


def exit_code(ending: Ending) -> int:
    """0 when the run is done, 128 + n when signal n stopped it, 1 otherwise."""
    if ending.status == "interrupted" and ending.signum is not None:
        return 128 + ending.signum
    return 0 if ending.status == "done" else 1
