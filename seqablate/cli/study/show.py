"""``seqablate study show``."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from seqablate.cli.study.output import print_result
from seqablate.study.request import Request
from seqablate.study.runs import check_arms
from seqablate.study.text import shown


def main(arguments: argparse.Namespace) -> int:
    study = Request(arguments.study, arguments.words).frozen.study
    check_arms(study)
    print_result(asdict(study), shown(study), as_json=arguments.json)
    return 0
