"""What every subcommand but ``train`` reads its arguments with."""

from __future__ import annotations

import argparse
from typing import NoReturn

from seqablate.errors import UsageError, shorten


class Parser(argparse.ArgumentParser):
    """argparse whose complaints are one line, as all of ours are."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{shorten(message, 200)}; see {self.prog} --help")
