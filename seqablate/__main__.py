"""``python -m seqablate``."""

import sys

from seqablate.cli import main

sys.exit(main())
