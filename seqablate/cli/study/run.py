"""``seqablate study run``: what is missing, then the report."""

from __future__ import annotations

import argparse

from seqablate.cli.study.report import main as report
from seqablate.study.request import Request
from seqablate.study.run import run_study


def main(arguments: argparse.Namespace) -> int:
    stopped = run_study(Request(arguments.study, arguments.words), quiet=arguments.json)
    return stopped or report(arguments)
