"""``seqablate study plan``."""

from __future__ import annotations

import argparse

from seqablate.cli.study.output import print_result
from seqablate.study.plan import make_plan
from seqablate.study.request import Request
from seqablate.study.text import planned


def main(arguments: argparse.Namespace) -> int:
    plan = make_plan(Request(arguments.study, arguments.words))
    print_result(plan.to_json(), planned(plan), as_json=arguments.json)
    return 0
