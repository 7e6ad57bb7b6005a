"""``seqablate resume RUN_DIR``."""

from __future__ import annotations

from seqablate.cli.parser import Parser
from seqablate.cli.train import exit_code
from seqablate.launch.process import begin_run


def main(argv: list[str]) -> int:
    parser = Parser(
        prog="seqablate resume",
        description="Continue a run that was interrupted, killed or failed, from its newest complete checkpoint. "
        "On a CPU the result is bit-identical to that of an uninterrupted run.",
    )
    parser.add_argument("run", metavar="RUN_DIR", help="the run's folder")
    arguments = parser.parse_args(argv)
    from seqablate.api import resume_folder

    return exit_code(resume_folder(arguments.run, begin_run))
