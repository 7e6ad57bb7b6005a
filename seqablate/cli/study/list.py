"""``seqablate study list``."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from seqablate.cli.study.output import print_result
from seqablate.study.file import read_study, study_files
from seqablate.study.text import listing


def main(arguments: argparse.Namespace) -> int:
    studies = [read_study(path) for path in study_files()]
    print_result({"studies": [asdict(study) for study in studies]}, listing(studies), as_json=arguments.json)
    return 0
