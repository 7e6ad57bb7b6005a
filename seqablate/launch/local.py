"""The runs of a sweep in this process, one after the other."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

from seqablate.config.registry import variant
from seqablate.errors import RunFailure, UsageError
from seqablate.launch.plan import Arm
from seqablate.launch.process import begin_run
from seqablate.report.lines import complain, say


@variant("launch", "local")
@dataclass(kw_only=True, slots=True)
class LocalLaunch:
    """Processes of this machine."""


def run_one_by_one(arms: Sequence[Arm]) -> int:
    """Every arm in this process; 128 + n when signal n stopped one, else 0."""
    swept = _swept([arm.words for arm in arms])
    for number, arm in enumerate(arms):
        say(f"[{number + 1}/{len(arms)}] {' '.join(word for word in arm.words if word in swept)}")
        stopped = run_arm(arm)
        gc.collect()  # a run leaves some 2 MB of cycles, which would wait for a rare full collection
        if stopped:
            return stopped
    return 0


def run_arm(arm: Arm) -> int:
    """One run of the sweep. What goes wrong is said, never raised; 128 + n when signal n stopped it, else 0."""
    from seqablate.api import run_config

    try:
        ending = run_config(arm.config, ["seqablate", "train", *arm.words], brief=True, when_ready=begin_run)
    except (UsageError, RunFailure) as error:
        complain(f"{arm.config.name}: failed: {error}")
    except KeyboardInterrupt:  # while kernels were compiled: nothing is written yet
        return 130
    except Exception:  # whatever it is, the other arms must go on; nothing is hidden: it is printed whole
        complain(f"{arm.config.name}: failed:\n{traceback.format_exc()}")
    else:
        return 0 if ending.signum is None else 128 + ending.signum
    return 0


def _swept(arms: list[list[str]]) -> set[str]:
    """The words in which arms differ; all words of a sweep of one."""
    common = set(arms[0]).intersection(*arms) if len(arms) > 1 else set()
    return {word for words in arms for word in words} - common
