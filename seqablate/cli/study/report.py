"""``seqablate study report``: the verdict on what there is. Its exit code is that of all repetitions together."""

from __future__ import annotations

import argparse

from seqablate.cli.study.output import print_result
from seqablate.study.picture import draw
from seqablate.study.report import make_report
from seqablate.study.request import Request
from seqablate.study.text import reported
from seqablate.study.verdict import EXIT_CODES


def main(arguments: argparse.Namespace) -> int:
    request = Request(arguments.study, arguments.words)
    report = make_report(request.folder, request.frozen)
    pictures = draw(report, request.folder)
    print_result(report.to_json(), reported(report, pictures, request.again), as_json=arguments.json)
    return EXIT_CODES[report.together]
