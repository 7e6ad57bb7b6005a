"""``seqablate rebuild RUN...``."""

from __future__ import annotations

import sys

from seqablate.cli.parser import Parser
from seqablate.errors import UsageError
from seqablate.record.folder import find_run_folders


def main(argv: list[str]) -> int:
    parser = Parser(
        prog="seqablate rebuild",
        description="Write the TensorBoard events, signals.parquet and run.json of runs again, from their records. "
        "Records and checkpoints are not changed.",
    )
    parser.add_argument(
        "paths", nargs="+", metavar="RUN", help="a run folder, or a folder that holds runs (a sweep, outputs)"
    )
    arguments = parser.parse_args(argv)
    folders = [folder for path in arguments.paths for folder in find_run_folders(path)]
    import seqablate.diagnostics  # noqa: F401  (how what they measured is shown)
    from seqablate.config.plugins import load_plugins
    from seqablate.record.rebuild import rebuild

    load_plugins()
    failed = False
    for folder in folders:
        try:
            info = rebuild(folder)
        except UsageError as error:  # the other runs are rebuilt all the same
            print(f"seqablate: {error}", file=sys.stderr)
            failed = True
        else:
            print(f"rebuilt {folder.path}: {info.standing}")
    return 2 if failed else 0
