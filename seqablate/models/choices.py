"""Choices that many models share, and what is refused of them. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from seqablate.errors import UsageError

MOST_LAYERS = 10_000  # a stack of so many takes minutes to build


class Skip(Enum):
    """What layer k + 1 reads, of its predecessor's input x and output y (:mod:`seqablate.models.skip`)."""

    none = "none"
    residual = "residual"
    dense = "dense"
    dense_residual = "dense_residual"
    highway = "highway"


class Nonlinearity(Enum):
    """Of vanilla recurrences and of the hidden layers of deep nets; with identity they are linear."""

    tanh = "tanh"
    relu = "relu"
    sigmoid = "sigmoid"
    identity = "identity"


class Eigenvalues(Enum):
    """Where the eigenvalues of a diagonal recurrence may lie (Grazzi et al. 2024)."""

    positive = "positive"  # in (0, 1)
    signed = "signed"  # in (-1, 1)


class Norm(Enum):
    """Where activations are normalised: each layer's output, or (recurrent models) inside of the cell."""

    none = "none"
    layer = "layer"
    cell = "cell"


class Init(Enum):
    """How recurrent layers start (:mod:`seqablate.models.initialise` says exactly how)."""

    torch = "torch"  # U(-1/sqrt(D), 1/sqrt(D)), biases too
    orthogonal = "orthogonal"
    identity = "identity"  # IRNN: Le, Jaitly & Hinton 2015
    gaussian = "gaussian"  # N(0, gain^2 / D)
    smart_tanh = "smart_tanh"  # Pascanu, Mikolov & Bengio 2013
    chrono = "chrono"  # Tallec & Ollivier 2018


class DeepInit(Enum):
    """How the hidden layers of a net without recurrences start."""

    torch = "torch"  # U(-1/sqrt(fan_in), 1/sqrt(fan_in)), biases too
    he = "he"  # He et al. 2015
    glorot = "glorot"  # Glorot & Bengio 2010
    orthogonal = "orthogonal"  # Saxe, McClelland & Ganguli 2014
    gaussian = "gaussian"  # N(0, gain^2 / fan_in)


def check_gain(init: Init | DeepInit, gain: float) -> None:
    """Refuse a gain that ``init`` has no use for (UsageError)."""
    if gain != 1 and init.value not in ("orthogonal", "gaussian"):
        raise UsageError(
            f"model.gain={gain} scales model.init=orthogonal and model.init=gaussian; "
            f"model.init={init.value} has a scale of its own: leave model.gain out"
        )


def check_heads(hidden_size: int, num_heads: int) -> None:
    """Refuse a width that attention heads cannot share equally (UsageError)."""
    if hidden_size % num_heads:
        raise UsageError(f"model.hidden_size={hidden_size}: must be a multiple of model.num_heads={num_heads}")


def check_skip(skip: Skip, widths: Sequence[int], depth_key: str, width_key: str) -> None:
    """Refuse skips that have nothing to skip, or that would add what has different widths (UsageError).

    Args:
        skip: the choice.
        widths: of each layer's output.
        depth_key: config key of the number of layers, for the message.
        width_key: config key of their widths, for the message.
    """
    if skip is Skip.none:
        return
    if len(widths) == 1:
        raise UsageError(f"model.skip={skip.value} acts from the second layer on: it needs {depth_key} of 2 or more")
    if skip is not Skip.dense and len(set(widths)) > 1:
        raise UsageError(
            f"model.skip={skip.value} combines a layer's input with its output and needs layers of one width, not "
            f"{width_key}={list(widths)}: make them equal, or use model.skip=dense, which joins them side by side"
        )


def check_reach(key: str, value: int, reach: int, steps: int) -> None:
    """Refuse what reaches back over a whole sequence: it would change nothing (UsageError).

    Args:
        key, value: as the user gave it.
        reach: timesteps, in the last layer where it grows from layer to layer.
        steps: timesteps there are.
    """
    if reach >= steps:
        where = "" if reach == value else f" ({reach} steps in the last layer)"
        raise UsageError(
            f"{key}={value}{where} reaches back over all {steps} timesteps of the task: "
            "use a smaller one, or a longer task"
        )
