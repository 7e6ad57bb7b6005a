"""Steps that make no update: ``on_nonfinite=skip`` and ``skip_above``.

Parameters, the optimizer's state and a carried state stay as they were. In the code of Pascanu, Mikolov & Bengio 2013
(github.com/pascanur/trainingRNNs, RNN.py) a step whose norm is above 1e10 or not finite does not use its gradient
either, but shrinks W_rec by the factor 1 - 0.02 lr.
"""

from __future__ import annotations

import math

import torch

from seqablate.config.schema import OnNonfinite, TrainConfig

MADE, NOT_FINITE, ABOVE = range(3)
WHY = {NOT_FINITE: "loss or gradient not finite", ABOVE: "gradient norm above skip_above"}


def skip(config: TrainConfig, loss: torch.Tensor, norm: torch.Tensor) -> int:
    """MADE, or why a step is skipped. Waits for the device where one of the keys is set, and only there.

    Args:
        config: of the run.
        loss: of the step.
        norm: of its gradient before clipping, in float64.
    """
    if config.on_nonfinite is OnNonfinite.stop and config.skip_above is None:
        return MADE
    return why_skipped(config, *torch.stack([loss.detach().double(), norm]).tolist())


def why_skipped(config: TrainConfig, loss: float, norm: float) -> int:
    """As :func:`skip`, of numbers."""
    if not (math.isfinite(loss) and math.isfinite(norm)):
        return NOT_FINITE if config.on_nonfinite is OnNonfinite.skip else MADE
    return ABOVE if config.skip_above is not None and norm > config.skip_above else MADE
