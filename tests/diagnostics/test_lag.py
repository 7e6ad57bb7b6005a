"""The lag curve where its closed form is known: of a linear RNN, the proof of Pascanu et al. 2013, section 2.1."""

from __future__ import annotations

import numpy as np
import pytest

from seqablate.assemble import assemble, read_overrides
from seqablate.training.diagnose import look_at

T = 60
WORDS = ["model=rnn", "model.nonlinearity=identity", "model.hidden_size=16", "task=adding", f"task.length={T}",
         "dtype=float64", "eval.size=8", "device=cpu"]  # fmt: skip


@pytest.mark.parametrize("backend", ["loop", "compiled"])
@pytest.mark.parametrize("init", [("orthogonal", 0.8), ("orthogonal", 1.2), ("gaussian", 0.9)], ids=str)
def test_the_lag_curve_of_a_linear_rnn_is_the_norms_of_powers_of_its_matrix(init, backend):
    kind, gain = init
    parts = assemble(read_overrides([*WORDS, f"model.init={kind}", f"model.gain={gain}", f"backend={backend}"]))
    (curve,) = (signal.values for signal in look_at(parts, 0, evaluating=True) if signal.quantity == "lag")
    W = parts.model.stack.layers[0]["forward_cell"].weight_hh.detach().numpy()
    u = parts.model.readout.weight[0].detach().numpy()  # the gradient at the last state is a multiple of it
    wanted = np.array([np.linalg.norm(u @ np.linalg.matrix_power(W, k)) for k in range(T)])
    np.testing.assert_allclose(curve / curve[0], wanted / wanted[0], rtol=1e-10)
    if kind == "orthogonal":
        np.testing.assert_allclose(curve / curve[0], gain ** np.arange(T), rtol=1e-4)  # it was drawn in float32
