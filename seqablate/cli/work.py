"""``seqablate work SWEEP``: one more worker for a sweep."""

from __future__ import annotations

from pathlib import Path

from seqablate.assemble import load_variants
from seqablate.cli.parser import Parser
from seqablate.cli.process import begin_run


def main(argv: list[str]) -> int:
    parser = Parser(
        prog="seqablate work",
        description="Join a sweep from any shell, or from any machine that sees its folder: train the runs that nobody "
        "else is training, until all are finished. Runs whose worker has died are continued. Ctrl-C saves the present "
        "run and leaves the rest to others.",
    )
    parser.add_argument("sweep", metavar="SWEEP", help="the folder of the sweep, made by seqablate train -m")
    parser.add_argument(
        "--leave", action="store_true", help="end when no run is left to begin, without waiting for those of others"
    )
    parser.add_argument(
        "options", nargs="*", metavar="KEY=VALUE", help="sweep.retry_failed=true, sweep.timeout=60, ..."
    )
    arguments = parser.parse_args(argv)
    load_variants()
    from seqablate.launch.command import join_sweep

    return join_sweep(Path(arguments.sweep), arguments.options, leave=arguments.leave, when_ready=begin_run)
