"""A stack against the same arithmetic written out: one sample, one timestep and one layer at a time, in float64."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from seqablate.models.choices import Norm, Skip
from seqablate.models.recurrent.stack import RecurrentStack, StackShape

T, I, D = 7, 2, 3  # noqa: E741
LENGTHS = torch.tensor([7, 1, 4])
TIME = {"plain": {}, "dilation": {"dilation": 2}, "time_skip": {"time_skip": 3}}


def layer_norm(v: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    centred = v - v.mean()
    return centred / (centred.square().mean() + 1e-5).sqrt() * gain + bias


def cell_step(cell: str, w: dict[str, Tensor], x: Tensor, h: Tensor, c: Tensor, skipped: Tensor | None, normed: bool):
    """h and c after one step of an RNN or an LSTM."""
    brought, kept = w["weight_ih"] @ x, w["weight_hh"] @ h
    if skipped is not None:
        brought = brought + w["weight_skip"] @ skipped
    if normed:
        a = layer_norm(brought, w["norm_ih_weight"], w["bias_ih"]) + layer_norm(kept, w["norm_hh_weight"], w["bias_hh"])
    else:
        a = brought + w["bias_ih"] + kept + w["bias_hh"]
    if cell == "rnn_tanh":
        return a.tanh(), c
    i, f, g, o = a.split(D)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * (layer_norm(c, w["norm_c_weight"], w["norm_c_bias"]) if normed else c).tanh(), c


def run_layer(shape: StackShape, k: int, w: dict[str, Tensor], xs: list[Tensor]) -> list[Tensor]:
    back, zero = shape.dilation**k, torch.zeros(D, dtype=torch.float64)
    hs: list[Tensor] = []
    cs: list[Tensor] = []
    for t, x in enumerate(xs):
        h, c = (hs[t - back], cs[t - back]) if t >= back else (zero, zero)
        skipped = (hs[t - shape.time_skip] if t >= shape.time_skip else zero) if shape.time_skip else None
        h, c = cell_step(str(shape.cell), w, x, h, c, skipped, shape.norm is Norm.cell)
        hs.append(h)
        cs.append(c)
    return hs


def reference(w: dict[str, Tensor], shape: StackShape, xs: list[Tensor]) -> list[Tensor]:
    """The stream above the last layer, by timestep."""
    stream, read = xs, []
    for k in range(shape.num_layers):
        halves = []
        for direction in shape.directions:
            prefix = f"layers.{k}.{direction}_cell."
            own = {name.removeprefix(prefix): p for name, p in w.items() if name.startswith(prefix)}
            there = stream if direction == "forward" else stream[::-1]
            h = run_layer(shape, k, own, there)
            halves.append(h if direction == "forward" else h[::-1])
        y = [torch.cat(half) for half in zip(*halves, strict=True)]
        if shape.norm is Norm.layer:
            y = [layer_norm(v, w[f"norms.{k}.weight"], w[f"norms.{k}.bias"]) for v in y]
        read.append(stream)
        stream = y if k == 0 else [skip(w, shape, k, [r[t] for r in read[1:]], v) for t, v in enumerate(y)]
    return stream


def skip(w: dict[str, Tensor], shape: StackShape, k: int, read: list[Tensor], y: Tensor) -> Tensor:
    """What the next layer reads; ``read`` is what this one and all above the first have read."""
    x = read[-1]
    if shape.skip is Skip.residual:
        return x + y
    if shape.skip is Skip.dense:
        return torch.cat([x, y])
    if shape.skip is Skip.dense_residual:
        return y + sum(read)
    if shape.skip is Skip.highway:
        gate = (w[f"skip.gates.{k - 1}.weight"] @ x + w[f"skip.gates.{k - 1}.bias"]).sigmoid()
        return gate * y + (1 - gate) * x
    return y


def last(stream: list[Tensor], shape: StackShape) -> Tensor:
    """The forward halves of the last timestep, the reverse halves of the first."""
    if not shape.bidirectional:
        return stream[-1]
    ends = zip(stream[-1].split(D), stream[0].split(D), strict=True)
    return torch.cat([(end, start)[number % 2] for number, (end, start) in enumerate(ends)])


def gradients(output: Tensor, w: dict[str, Tensor]) -> list[Tensor]:
    found = torch.autograd.grad(output.sin().sum(), list(w.values()), allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for g, p in zip(found, w.values(), strict=True)]


@pytest.mark.parametrize("time", TIME)
@pytest.mark.parametrize("norm", Norm)
@pytest.mark.parametrize("kind", Skip)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_stack_is_its_formulas_sample_by_sample_and_so_are_its_gradients(bidirectional, kind, norm, time):
    for cell, layers, lengths in itertools.product(("rnn_tanh", "lstm"), (1, 3), (None, LENGTHS)):
        if layers == 1 and kind is not Skip.none:
            continue
        shape = StackShape(cell=cell, input_size=I, hidden_size=D, num_layers=layers, bidirectional=bidirectional,
                           norm=norm, skip=kind, **TIME[time])  # fmt: skip
        stack = RecurrentStack(shape).double()
        generator = torch.Generator().manual_seed(layers)
        with torch.no_grad():
            for p in stack.parameters():
                p.uniform_(-1, 1, generator=generator)
        x = torch.randn(T, 3, I, dtype=torch.float64, generator=generator)
        steps = [T] * 3 if lengths is None else lengths.tolist()
        w = dict(stack.named_parameters())
        streams = [reference(w, shape, [x[t, b] for t in range(steps[b])]) for b in range(3)]
        whole = stack(x, lengths)[0]
        for b, stream in enumerate(streams):
            torch.testing.assert_close(whole[: steps[b], b], torch.stack(stream), rtol=1e-9, atol=1e-11)
        expected, output = (
            torch.stack([last(stream, shape) for stream in streams]),
            stack(x, lengths, last_only=True)[0],
        )
        torch.testing.assert_close(output, expected, rtol=1e-9, atol=1e-11)
        for a, b in zip(gradients(output, w), gradients(expected, w), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)


def test_dropout_acts_between_layers_and_not_behind_the_last():
    """With all but 1e-9 of the activations dropped, a second layer reads zeros and the output is its own."""
    shape = StackShape(cell="rnn_tanh", input_size=I, hidden_size=D, num_layers=2, dropout=1 - 1e-9)
    stack, x = RecurrentStack(shape), torch.randn(T, 4, I)
    generator = torch.Generator().manual_seed(0)
    output = stack(x, generator=generator)[0]
    alone = stack.layers[1]["forward_cell"](torch.zeros(T, 4, D))[0]
    torch.testing.assert_close(output, alone)
    assert (output != 0).all()
