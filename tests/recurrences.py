"""Shared by the tests of the engine and of the probe: the same call for the fast path, the oracle and torch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from seqablate.engine.backends.torch_call import KernelCall, parse
from seqablate.engine.gradients import Gradients
from seqablate.engine.ports import Observer
from seqablate.engine.recurrence import Recurrence

CELLS = {
    "rnn_tanh": (nn.RNN, {}),
    "rnn_relu": (nn.RNN, {"nonlinearity": "relu"}),
    "lstm": (nn.LSTM, {}),
    "lstm_projected": (nn.LSTM, {"proj_size": 2}),
    "gru": (nn.GRU, {}),
}


def recurrence(cell: str, inputs: int, hidden: int, *args, **options) -> nn.RNNBase:
    """An nn.RNN, nn.LSTM or nn.GRU by the name of its cell."""
    make, extra = CELLS[cell]
    return make(inputs, hidden, *args, **extra, **options)


def initial_states(module: nn.RNNBase, batch: int, like: Tensor) -> tuple[Tensor, ...]:
    """Random h0, and c0 for an LSTM."""
    rows = module.num_layers * (2 if module.bidirectional else 1)
    sizes = [module.proj_size or module.hidden_size] + ([module.hidden_size] if module.mode == "LSTM" else [])
    return tuple(torch.randn(rows, batch, size).to(like) for size in sizes)


def kernel_args(module: nn.RNNBase, x: Tensor | PackedSequence, hx: tuple[Tensor, ...]) -> tuple:
    """What the module passes to its kernel; ``hx`` is in the packed batch's order."""
    states = hx if module.mode == "LSTM" else hx[0]
    weights, options = module._flat_weights, (module.bias, module.num_layers, module.dropout, module.training)
    if isinstance(x, PackedSequence):
        return (x.data, x.batch_sizes, states, weights, *options, module.bidirectional)
    return (x, states, weights, *options, module.bidirectional, module.batch_first)


def kernel_call(module: nn.RNNBase, x: Tensor | PackedSequence, hx: tuple[Tensor, ...]) -> KernelCall:
    """The same, parsed."""
    return parse(module.mode.lower(), kernel_args(module, x, hx))


def errors(found_TBD: Tensor, wanted_TBD: Tensor, valid_TB: Tensor | None = None) -> Tensor:
    """Relative error of every (timestep, sample), norm by norm; where both are zero it is zero."""
    difference, size = (torch.linalg.vector_norm(v.double(), dim=-1) for v in (found_TBD - wanted_TBD, wanted_TBD))
    relative_TB = difference / size.clamp_min(torch.finfo(torch.float64).tiny)
    return relative_TB.flatten() if valid_TB is None else relative_TB[valid_TB]


# --- a Recurrence with all its options, written down once more ------------------------------------------------------


def layer_norm(z_BN: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    """Ba et al. 2016, eq. 4."""
    centred_BN = z_BN - z_BN.mean(1, keepdim=True)
    return centred_BN / (centred_BN.square().mean(1, keepdim=True) + 1e-5).sqrt() * gain + bias


@dataclass(frozen=True)
class Reference:
    """A plain loop over the steps of a Recurrence; nothing of the engine but the parameters' names and values.

    Args:
        module: whose parameters and options it has.
        cut: whether what a step reads of earlier ones is detached, so that only direct gradients remain.
    """

    module: nn.Module
    cut: bool = False

    def run(self, x: Tensor, states: tuple[Tensor, ...]):
        """Output, final states, and every state of every step, by name; after a backward pass ``.grad`` is there."""
        d, k, names = self.module.dilation, self.module.time_skip, self.module.cell.states
        at = {name: {} for name in names}  # step -> state; the steps before the call are below 0
        for name, state in zip(names, states, strict=False):
            at[name] = {i - d: one for i, one in enumerate(state if d > 1 else state[None])}
        skipped = {i - k: one for i, one in enumerate(states[-1])} if k else {}
        for t, x_BI in enumerate(x):
            past = [self._read(at[name][t - d]) for name in names]
            skip = self._read((at["h"] if t >= k else skipped)[t - k]) if k else None
            for name, state in zip(names, self._step(x_BI, skip, *past), strict=True):
                at[name][t] = state
                state.retain_grad()
        T, h = len(x), skipped | {t: at["h"][t] for t in range(len(x))}
        final = [torch.stack([at[name][t] for t in range(T - d, T)]) for name in names]
        final = final if d > 1 else [state[0] for state in final]
        last = [torch.stack([h[t] for t in range(T - k, T)])] if k else []
        steps = {name: [at[name][t] for t in range(T)] for name in names}
        return torch.stack(steps["h"]), (*final, *last), steps

    def _read(self, state: Tensor) -> Tensor:
        return state.detach() if self.cut else state

    def _product(self, which: str, v: Tensor, *gates: str, also: Tensor | float = 0.0) -> Tensor:
        """``W v + b`` for the rows of some gates, or with its layer norm."""
        m, D = self.module, self.module.hidden_size
        rows = torch.cat([torch.arange(D) + D * m.cell.gates.index(gate) for gate in gates])
        z, bias = v @ getattr(m, f"weight_{which}")[rows].T, getattr(m, f"bias_{which}")[rows]
        if which == "ih" and not isinstance(also, float):
            z = z + also @ m.weight_skip[rows].T
        return layer_norm(z, getattr(m, f"norm_{which}_weight")[rows], bias) if m.layer_norm else z + bias

    def _step(self, x: Tensor, skip: Tensor | None, h: Tensor, c: Tensor | None = None) -> tuple[Tensor, ...]:
        name, gates, also = self.module.cell.name, self.module.cell.gates, 0.0 if skip is None else skip
        if name == "gru":
            a = self._product("ih", x, "r", "z", also=also) + self._product("hh", h, "r", "z")
            r, z = a.sigmoid().chunk(2, 1)
            n = torch.tanh(self._product("ih", x, "n", also=also) + r * self._product("hh", h, "n"))
            return (n + z * (h - n),)
        if name == "mgu":
            f = torch.sigmoid(self._product("ih", x, "f", also=also) + self._product("hh", h, "f"))
            n = torch.tanh(self._product("ih", x, "n", also=also) + self._product("hh", f * h, "n"))
            return (h + f * (n - h),)
        if self.module.cell.recurrent != "full":
            return (self._input_only(name, h, {gate: self._product("ih", x, gate, also=also) for gate in gates}),)
        a = self._product("ih", x, *gates, also=also) + self._product("hh", h, *gates)
        if name.startswith("rnn"):
            f = {"tanh": torch.tanh, "relu": lambda a: a.clamp(min=0), "sigmoid": lambda a: 1 / (1 + (-a).exp())}
            return (f.get(name.removeprefix("rnn_"), lambda a: 1 * a)(a),)
        a = dict(zip(gates, a.chunk(len(gates), 1), strict=True))
        i, o = a["i"].sigmoid(), a["o"].sigmoid()
        f = 1 - i if name == "lstm_coupled_gates" else a["f"].sigmoid()
        c = f * c + i * a["g"].tanh()
        m = layer_norm(c, self.module.norm_c_weight, self.module.norm_c_bias) if self.module.layer_norm else c
        return o * (m if name == "lstm_no_output_activation" else m.tanh()), c

    def _input_only(self, name: str, h: Tensor, a: dict[str, Tensor]) -> Tensor:
        """Where the input alone makes the gates ``a``; a norm is over the gates of one block."""
        if name == "mingru":
            return h + a["z"].sigmoid() * (a["n"] - h)
        if name.startswith("lru"):
            s = torch.exp(-torch.exp(self.module.weight_hh))
            eigenvalues = 2 * s - 1 if name == "lru_signed" else s
            return eigenvalues * h + (1 - eigenvalues**2).sqrt() * a["b"]
        s = a["a"].sigmoid()
        return (2 * s - 1 if name == "lrnn_signed" else s) * h + a["b"]


def random_recurrence(cell: str, inputs: int, hidden: int, **options) -> Recurrence:
    """In float64, with weights that bend every nonlinearity; the same ones for the same arguments."""
    torch.manual_seed(0)
    module = Recurrence(cell, inputs, hidden, **options).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.6)
    return module


def random_call(module: Recurrence, T: int, B: int) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Input and initial states, as leaves."""
    torch.manual_seed(T)
    d, k, D = module.dilation, module.time_skip, module.hidden_size
    shapes = [(d, B, D) if d > 1 else (B, D) for _ in module.cell.states] + [(k, B, D)] * (k > 0)
    x, *states = (
        torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in [(T, B, module.input_size), *shapes]
    )
    return x, tuple(states)


LOSSES = {
    "everything": lambda output, final: sum((state.square() + state + 1).sqrt().sum() for state in (output, *final)),
    "output": lambda output, final: output.tanh().sum(),
    "one step": lambda output, final: output[len(output) // 2].square().sum(),
    "last step": lambda output, final: output[-1].square().sum(),
    "final h": lambda output, final: final[0].square().sum(),
    "last state": lambda output, final: final[-1].atan().sum(),
}


def check_observed(module: Recurrence, backends: tuple[str, ...], T: int, B: int, loss: str) -> None:
    """Results, gradients and what an observer is told on each backend, against :class:`Reference`."""
    x, states = random_call(module, T, B)
    leaves = [x, *states, *module.parameters()]
    gradients, told = [], {}
    for kind in ("total", "direct"):
        output, final, steps = Reference(module, cut=kind == "direct").run(x, states)
        LOSSES[loss](output, final).backward(inputs=[*leaves, *(s for of in steps.values() for s in of)])
        gradients.append([torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves])
        for leaf in leaves:
            leaf.grad = None
        told[kind] = {
            name: torch.stack([torch.zeros_like(s) if s.grad is None else s.grad for s in of])
            for name, of in steps.items()
        }
    for backend in backends:
        module.backend = backend
        for vectors in (True, False) if backend == "compiled" else (True,):  # the others keep them anyway
            found: list[Gradients] = []
            results = module(x, states, Observer(found.append, vectors=vectors))
            torch.testing.assert_close((results[0], *results[1]), (output, *final), rtol=1e-9, atol=1e-11)
            mine = torch.autograd.grad(LOSSES[loss](*results), leaves, materialize_grads=True)
            torch.testing.assert_close(list(mine), gradients[0], rtol=1e-9, atol=1e-11)
            assert len(found) == 1
            for kind, by_state in told.items():
                assert list(found[0].norms(kind)) == list(by_state)
                for name, wanted in by_state.items():
                    where = (backend, kind, name, T)
                    torch.testing.assert_close(found[0].norms(kind)[name], wanted.norm(dim=-1), rtol=1e-9, atol=0)
                    if vectors:
                        assert errors(getattr(found[0], kind)[name], wanted).max() <= 1e-9, where


def check_carried(module: Recurrence, backend: str, lengths: tuple[int, ...], B: int) -> None:
    """Calls that start where the one before ended are one call: results and gradients."""
    module.backend = backend
    x, states = random_call(module, sum(lengths), B)
    leaves = [x, *states, *module.parameters()]
    whole, carried, outputs = module(x, states), states, []
    for part in x.split(lengths):
        output, carried = module(part, carried)
        outputs.append(output)
    results = torch.cat(outputs), carried
    torch.testing.assert_close(results, whole, rtol=1e-10, atol=1e-12)
    both = [torch.autograd.grad(LOSSES["everything"](*found), leaves) for found in (results, whole)]
    torch.testing.assert_close(*both, rtol=1e-9, atol=1e-11)


def check_gradients(module: Recurrence, T: int, B: int) -> None:
    """Finite differences, by everything that goes in."""
    x, states = random_call(module, T, B)
    names = dict(module.named_parameters())

    def call(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        parameters = dict(zip(names, rest[len(states) :], strict=True))
        output, final = torch.func.functional_call(module, parameters, (x, rest[: len(states)]))
        return output, *final

    assert torch.autograd.gradcheck(call, (x, *states, *names.values()), fast_mode=True)
