"""Ways to fill a tensor with initial values, one function each: ``(tensor, generator)``, in place.

Shapes: D hidden; w is the block of one gate of a recurrence, [D, I] or [D, D], or the weights of a layer,
[outputs, inputs, ...]. Its fan-in is the inputs that one output sees.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

Fill = Callable[[Tensor, torch.Generator], object]
CONNECTIONS, SPECTRAL_RADIUS = 15, 0.95  # of sparse()


def zeros(w: Tensor, generator: torch.Generator) -> None:
    """0; draws nothing."""
    w.zero_()


def uniform(w: Tensor, bound: float, generator: torch.Generator) -> None:
    """U(-bound, bound)."""
    w.uniform_(-bound, bound, generator=generator)


def torch_recurrent(w: Tensor, generator: torch.Generator) -> None:
    """U(-1/sqrt(D), 1/sqrt(D)), as torch.nn.RNNBase fills all of its tensors."""
    uniform(w, 1 / math.sqrt(len(w)), generator)


def torch_layer(w: Tensor, generator: torch.Generator) -> None:
    """U(-1/sqrt(fan_in), 1/sqrt(fan_in)), as torch.nn.Linear and convolutions."""
    uniform(w, 1 / math.sqrt(fan_in(w)), generator)


def glorot(w: Tensor, generator: torch.Generator) -> None:
    """U with variance 2 / (fan_in + fan_out) (Glorot & Bengio 2010, eq. 16)."""
    nn.init.xavier_uniform_(w, generator=generator)


def he(w: Tensor, generator: torch.Generator) -> None:
    """N(0, 2 / fan_in) (He et al. 2015, "Delving deep into rectifiers", eq. 10)."""
    w.normal_(0.0, math.sqrt(2 / fan_in(w)), generator=generator)


def gaussian(w: Tensor, generator: torch.Generator) -> None:
    """N(0, 1 / fan_in). For large D the spectral radius of a square one is 1 (Girko's circular law)."""
    w.normal_(0.0, 1 / math.sqrt(fan_in(w)), generator=generator)


def orthogonal(w: Tensor, generator: torch.Generator) -> None:
    """Uniformly drawn with orthonormal rows, or columns where these are fewer (Saxe, McClelland & Ganguli 2014)."""
    nn.init.orthogonal_(w, generator=generator)


def identity(w: Tensor, generator: torch.Generator) -> None:
    """The identity (Le, Jaitly & Hinton 2015, section 3); draws nothing."""
    nn.init.eye_(w)


def thousandth(w: Tensor, generator: torch.Generator) -> None:
    """N(0, .001^2), all but the identity of Le, Jaitly & Hinton 2015, section 3."""
    w.normal_(0.0, 0.001, generator=generator)


def hundredth(w: Tensor, generator: torch.Generator) -> None:
    """N(0, .01^2), the input weights of Pascanu, Mikolov & Bengio 2013, "smart tanh"."""
    w.normal_(0.0, 0.01, generator=generator)


def sparse(w: Tensor, generator: torch.Generator) -> None:
    """15 normal weights into each unit (all D where there are fewer), then scaled to a spectral radius of .95.

    Pascanu, Mikolov & Bengio 2013, "smart tanh", as the paper says: their program has 15 weights out of each unit.
    """
    w.normal_(generator=generator)
    order = torch.rand(w.shape, generator=generator).argsort(dim=1)
    w.scatter_(1, order[:, CONNECTIONS:], 0.0)
    w *= SPECTRAL_RADIUS / torch.linalg.eigvals(w.double()).abs().max().item()


def diagonal(
    radii: tuple[float, float], of_eigenvalues: Callable[[Tensor], Tensor], w: Tensor, generator: torch.Generator
) -> None:
    """Eigenvalues whose squares are from U(r_min^2, r_max^2), each with a sign at random.

    Uniform on a ring of the complex plane (Orvieto et al. 2023, lemma 3.2); of the phase a real one keeps the sign.
    """
    low, high = (r * r for r in radii)
    squares = (
        torch.empty_like(w).uniform_(low, high, generator=generator).clamp(1e-6, 1 - 1e-6)
    )  # no eigenvalue of 0, 1
    signs = torch.randint(0, 2, w.shape, generator=generator) * 2 - 1
    w.copy_(of_eigenvalues(squares.sqrt() * signs))


def log_uniform_time(horizon: int, size: int, generator: torch.Generator) -> Tensor:
    """[size] log u with u from U(1, horizon - 1): a sigmoid gate there keeps u/(1+u), so forgets after 1 + u steps.

    Tallec & Ollivier 2018, "Can recurrent neural networks warp time?", eq. 16.
    """
    return torch.empty(size).uniform_(1.0, horizon - 1.0, generator=generator).log()


def fan_in(w: Tensor) -> int:
    """Inputs that one output sees."""
    return w[0].numel()
