"""``seqablate compare PATH...``: arms of runs, pooled over their seeds."""

from __future__ import annotations

import json
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Callable
from pathlib import Path

from seqablate.api import compare
from seqablate.cli.parser import Parser
from seqablate.comparison.arms.formats import print_comparison, to_csv, to_latex, to_markdown
from seqablate.comparison.result import Comparison
from seqablate.errors import UsageError, printable, shorten
from seqablate.report.console import make_console

EPILOG = """examples:
  seqablate compare outputs/gates
  seqablate compare outputs/gates --by model --where clip=norm --baseline model=rnn
  seqablate compare outputs/gates --metric ms_per_step
  seqablate compare outputs/gates --html gates.html --plots figures

An arm is one configuration; its runs differ in their seed. A share of solved runs has Wilson's interval, a median the
exact interval between two order statistics. Differences are paired by seed and tested exactly: McNemar's test of solved
runs, the sign-flip test of ranks for numbers, with Holm's correction over all of them. A run that diverged is a
failure. Runs are never chosen by their results. The README.md of seqablate/comparison and that of seqablate/statistics
explain each number."""
FORMATS: dict[str, Callable[[Comparison], str]] = {
    "json": lambda comparison: json.dumps(comparison.to_json(), indent=1, allow_nan=False),
    "csv": to_csv,
    "markdown": to_markdown,
    "latex": to_latex,
}


def main(argv: list[str]) -> int:
    arguments = _parser().parse_args(argv)
    _check_places(arguments.html, arguments.plots)
    answer = compare(
        *arguments.paths,
        by=arguments.by and arguments.by.split(","),
        where=arguments.where,
        baseline=arguments.baseline,
        metric=arguments.metric,
    )
    if arguments.format:
        print(FORMATS[arguments.format](answer.comparison))
    else:
        print_comparison(answer.comparison, make_console())
    said = sys.stderr if arguments.format else sys.stdout  # a program reads the other one
    if arguments.html:
        answer.write_page(arguments.html, ["seqablate", "compare", *argv])
        print(f"saved {printable(str(arguments.html))}", file=said)
    if arguments.plots:
        for line in answer.save_figures(arguments.plots):
            print(printable(line), file=said)
    return 0


def _check_places(page: Path | None, pictures: Path | None) -> None:
    """Find out before the work whether there is a place for its results (UsageError)."""
    if page is not None and (page.is_dir() or not page.absolute().parent.is_dir()):
        raise UsageError(f"--html {shorten(page)}: name a file in a folder that exists")
    if pictures is not None and pictures.exists() and not pictures.is_dir():
        raise UsageError(f"--plots {shorten(pictures)}: not a folder")


def _parser() -> Parser:
    parser = Parser(
        prog="seqablate compare",
        description="Compare arms of runs: which settings differ, what came of each arm over all its seeds, and which "
        "differences are more than chance.",
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a folder of runs, such as a sweep")
    parser.add_argument("--by", metavar="KEYS", help="the settings that tell arms apart, as model,clip (default: all)")
    parser.add_argument(
        "--where", metavar="K=V", nargs="+", default=[], help="only these runs, as model=rnn,lstm seed=0"
    )
    parser.add_argument(
        "--baseline",
        metavar="K=V",
        nargs="+",
        default=[],
        help="what others are compared with (default: the first arm)",
    )
    parser.add_argument(
        "--metric",
        metavar="M",
        help="compare by this: the task's metric (default), loss, METRIC@LENGTH (of eval.lengths), steps_to_solve, "
        "reach, gradient_factor, ms_per_step, seconds or parameters",
    )
    formats = parser.add_mutually_exclusive_group()
    for name in FORMATS:
        formats.add_argument(f"--{name}", dest="format", action="store_const", const=name, help=f"print as {name}")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write one page that shows everything")
    parser.add_argument("--plots", metavar="DIR", type=Path, help="save pictures for a paper: PNG, SVG and PDF")
    return parser
