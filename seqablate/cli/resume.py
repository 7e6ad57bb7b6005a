"""``seqablate resume FOLDER``: a run or a sweep."""

from __future__ import annotations

from pathlib import Path

from seqablate.assemble import load_variants
from seqablate.cli.parser import Parser
from seqablate.cli.process import begin_run
from seqablate.cli.train import exit_code
from seqablate.errors import UsageError, shorten
from seqablate.sweep.folder import is_sweep


def main(argv: list[str]) -> int:
    parser = Parser(
        prog="seqablate resume",
        description="Continue a run that was interrupted, killed or failed, from its newest complete checkpoint, or do "
        "what is missing of a sweep. On a CPU the result is bit-identical to that of an uninterrupted run.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="the folder of a run or of a sweep")
    parser.add_argument(
        "options",
        nargs="*",
        metavar="KEY=VALUE",
        help="of a sweep: jobs=2, sweep.retry_failed=true, sweep.stale=rerun, ... (see seqablate train --help)",
    )
    parser.add_argument("--dry-run", action="store_true", help="of a sweep: how long the rest would take, and stop")
    arguments = parser.parse_args(argv)
    path = Path(arguments.folder)
    if is_sweep(path):
        load_variants()
        if arguments.dry_run:
            from seqablate.launch.estimate import foretell_resumed

            return foretell_resumed(path, arguments.options)
        from seqablate.launch.command import carry_out, resume_sweep

        return carry_out(resume_sweep(path, arguments.options))
    if arguments.options:
        raise UsageError(f"{shorten(arguments.options[0])}: a run is continued as it was begun, without any options")
    if arguments.dry_run:
        raise UsageError("--dry-run tells how long a sweep would take, and this is a run")
    from seqablate.api import resume_folder

    return exit_code(resume_folder(path, when_ready=begin_run))
