"""``seqablate study list|show|plan|run|report``: one file for each, imported when it is called."""

from __future__ import annotations

from importlib import import_module

from seqablate.assemble import load_variants
from seqablate.cli.parser import Parser

CODES = "exit code 0 SUPPORTED, 3 CONTRADICTED, 4 INCONCLUSIVE, 5 NOT RUN"
COMMANDS = {
    "list": "the studies that come with seqablate",
    "show": "what a study claims, compares and decides by",
    "plan": "how many runs it needs, how likely it is to decide, and how long it takes here",
    "run": f"do what is missing of a study, then report; {CODES}",
    "report": f"the verdict on what there is; {CODES}",
}


def main(argv: list[str]) -> int:
    parser = Parser(prog="seqablate study", description="From a claim in a file of some 15 lines to a verdict.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        if name != "list":
            command.add_argument("study", metavar="NAME|FILE|FOLDER", help="of the list, a .yaml file, a folder")
            command.add_argument("words", nargs="*", metavar="KEY=VALUE", help="budget=quick, seeds.first=1000, jobs=2")
        command.add_argument("--json", action="store_true", help="print everything as JSON")
    arguments = parser.parse_args(argv)
    load_variants()
    code: int = import_module(f"seqablate.cli.study.{arguments.command}").main(arguments)
    return code
