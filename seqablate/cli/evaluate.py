"""``seqablate evaluate RUN pairs=FILE``: minimal pairs scored by the language model that a run has trained."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from seqablate.cli.parser import Parser
from seqablate.errors import UsageError, shorten
from seqablate.statistics.interval import rate
from seqablate.text import counted

if TYPE_CHECKING:
    from seqablate.training.pairs import Scored

VERSION = 2  # of --json


def main(argv: list[str]) -> int:
    parser = Parser(
        prog="seqablate evaluate",
        description="Score minimal pairs: how often the model of a run finds the good text more probable than the bad "
        "one. Nothing is written into the run's folder.",
    )
    parser.add_argument("run", metavar="RUN", help="the folder of a run of task=lm, or task=agreement task.variant=lm")
    parser.add_argument(
        "pairs",
        metavar="pairs=FILE",
        help="BLiMP's lines of JSON, or a table in the layout of Linzen et al. 2016 or of Gulordava et al. 2018",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args(argv)
    key, equals, file = arguments.pairs.partition("=")
    if key != "pairs" or not equals or not file:
        raise UsageError(f"{shorten(arguments.pairs)}: write pairs=FILE")
    scored = score(arguments.run, Path(os.path.expanduser(file)))
    if arguments.json:
        print(json.dumps({"version": VERSION, **asdict(scored)}, indent=1))
        return 0
    from seqablate.report.console import make_console

    console = make_console()
    for line in lines(scored):
        console.print(line, markup=False, soft_wrap=True)
    return 0


def score(run: str, file: Path) -> Scored:
    """What the model of a run says of the pairs in a file (UsageError where one of them cannot be read)."""
    from seqablate.tasks.syntax.pairs import read_pairs

    pairs = read_pairs(file)
    from seqablate.api import load_run, read_config
    from seqablate.assemble import build_task, load_variants
    from seqablate.training.pairs import score_pairs

    load_variants()
    recorded = load_run(run)
    return score_pairs(recorded.load_model(), build_task(read_config(recorded)), pairs)


def lines(scored: Scored) -> list[str]:
    """A row for each group, the sum of them, and what was not scored."""
    from seqablate.training.pairs import LEFT_OUT, left_out_in_words

    whole = sum(tally.scored for tally in scored.groups.values()), sum(t.right for t in scored.groups.values())
    rows = [(name, tally.scored, tally.right) for name, tally in sorted(scored.groups.items())]
    rows += [("all", *whole)] if len(rows) != 1 else []
    width = max(len(name) for name, _, _ in rows)
    shown = [f"{'':{width}}  {'pairs':>7}  accuracy (chance 0.5)"]
    shown += [f"{name:{width}}  {count:>7}  {_share(right, count)}" for name, count, right in rows]
    if scored.unknown:
        shown.append(f"{counted(scored.unknown, 'pair')} with words outside the vocabulary")
    if left_out := left_out_in_words({kind: getattr(scored, kind) for kind in LEFT_OUT}):
        shown.append(f"left out: {left_out}")
    return shown


def _share(right: int, count: int) -> str:
    found = rate(right, count)
    if found.estimate is None:
        return "–"
    return f"{found.estimate:.3f} [{found.low:.3f}, {found.high:.3f}]"
