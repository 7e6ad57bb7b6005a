"""Runs as one tidy table, for pandas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from seqablate.comparison.measures import gradient_factor, ms_per_step, reach, solved
from seqablate.config.flat import flat_config
from seqablate.record.run import Run

if TYPE_CHECKING:
    import pandas as pd


def runs_frame(runs: Sequence[Run]) -> pd.DataFrame:
    """A row for each run that can be read.

    First ``run``, ``path``, ``status`` and ``seed``, then every key of the configs by its dotted name, then results:
    ``step`` (updates made), ``evaluation_<metric>`` and ``test_<metric>`` (``test_<metric>@<length>`` at a length of
    ``eval.lengths``), ``solved``, ``solved_at``, ``lost_at``, ``reach`` (lags until 1 % of the gradient is left),
    ``gradient_factor`` (per lag), ``clipped_share``, ``ms_per_step``, ``seconds``, ``parameters``, ``started``,
    ``ended``, ``device``, ``fingerprint`` (of what computed it).
    """
    import pandas as pd

    return pd.DataFrame([_row(run) for run in runs])


def _row(run: Run) -> dict[str, Any]:
    info = run.info
    return {
        "run": run.name,
        "path": str(run.path),
        "status": info.status,
        "seed": info.seed,
        **{key: value for key, value in flat_config(run.config).items() if key != "seed"},
        "step": info.step,
        f"evaluation_{info.metric.name}": info.final_value,
        f"test_{info.metric.name}": info.test_value,
        **{f"test_{info.metric.name}@{at.length}": at.metrics.get(info.metric.name) for at in info.at_lengths},
        "solved": solved(run),
        "solved_at": info.solved_at,
        "lost_at": info.lost_at,
        "reach": reach(info),
        "gradient_factor": gradient_factor(info),
        "clipped_share": info.clipped_share,
        "ms_per_step": ms_per_step(info),
        "seconds": info.seconds.total,
        "parameters": info.parameters,
        "started": info.started,
        "ended": info.ended,
        "device": info.device,
        "fingerprint": info.fingerprint,
    }
