"""``seqablate study list|show|plan|run|report``: from a claim in a file to a verdict."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from typing import Any

from seqablate.assemble import load_variants
from seqablate.cli.parser import Parser

CODES = "exit code 0 SUPPORTED, 3 CONTRADICTED, 4 INCONCLUSIVE, 5 NOT RUN"


def main(argv: list[str]) -> int:
    parser = Parser(prog="seqablate study", description="From a claim in a file of some 15 lines to a verdict.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        if name != "list":
            command.add_argument("study", metavar="NAME|FILE|FOLDER", help="of the list, a .yaml file, a folder")
            command.add_argument("words", nargs="*", metavar="KEY=VALUE", help="budget=quick, seeds.first=1000, jobs=2")
        command.add_argument("--json", action="store_true", help="print everything as JSON")
    arguments = parser.parse_args(argv)
    load_variants()
    return COMMANDS[arguments.command][0](arguments)


def _list(arguments: argparse.Namespace) -> int:
    from seqablate.study.file import read_study, study_files
    from seqablate.study.text import listing, plain

    studies = [read_study(path) for path in study_files()]
    return _print(arguments, {"studies": [plain(study) for study in studies]}, listing(studies))


def _show(arguments: argparse.Namespace) -> int:
    from seqablate.study.run import Request
    from seqablate.study.runs import check_arms
    from seqablate.study.text import plain, shown

    study = Request(arguments.study, arguments.words).frozen.study
    check_arms(study)
    return _print(arguments, plain(study), shown(study))


def _plan(arguments: argparse.Namespace) -> int:
    from seqablate.study.plan import make_plan
    from seqablate.study.run import Request
    from seqablate.study.text import planned

    plan = make_plan(Request(arguments.study, arguments.words))
    return _print(arguments, plan.to_json(), planned(plan))


def _run(arguments: argparse.Namespace) -> int:
    from seqablate.study.run import Request, run_study

    stopped = run_study(Request(arguments.study, arguments.words), quiet=arguments.json)
    return stopped or _report(arguments)


def _report(arguments: argparse.Namespace) -> int:
    from seqablate.study.picture import draw
    from seqablate.study.report import make_report
    from seqablate.study.run import Request
    from seqablate.study.text import reported
    from seqablate.study.verdict import EXIT_CODES

    request = Request(arguments.study, arguments.words)
    report = make_report(request.folder, request.frozen)
    drawn = draw(report, request.folder)
    _print(arguments, report.to_json(), [*reported(report), *(f"picture: {path}" for path in drawn)])
    return EXIT_CODES[report.together]


def _print(arguments: argparse.Namespace, data: dict[str, Any], lines: Iterable[str]) -> int:
    from seqablate.report.console import make_console
    from seqablate.report.lines import print_line

    if arguments.json:
        print(json.dumps({"version": 1, **data}, indent=1, allow_nan=False, ensure_ascii=False))
        return 0
    console = make_console()
    for line in lines:
        print_line(console, line)
    return 0


COMMANDS: dict[str, tuple[Callable[[argparse.Namespace], int], str]] = {
    "list": (_list, "the studies that come with seqablate"),
    "show": (_show, "what a study claims, compares and decides by"),
    "plan": (_plan, "how many runs it needs, how likely it is to decide, and how long it takes here"),
    "run": (_run, f"do what is missing of a study, then report; {CODES}"),
    "report": (_report, f"the verdict on what there is; {CODES}"),
}
