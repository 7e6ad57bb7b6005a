"""The probe on a model that others wrote: the LSTM inside transformers' Encodec."""

from __future__ import annotations

import copy

import pytest
import torch
from recurrences import errors, kernel_call
from torch import Tensor, nn

from seqablate.engine.oracle import Trace, loop
from seqablate.probe import TimestepProbe

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs, not ours


class Loop(nn.Module):
    """In the place of an nn.LSTM: the same weights as a plain loop of cells."""

    def __init__(self, lstm: nn.LSTM) -> None:
        super().__init__()
        self.lstm = lstm
        self.traces: list[Trace] = []

    def forward(self, x_TBI: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        zeros = x_TBI.new_zeros(self.lstm.num_layers, x_TBI.shape[1], self.lstm.hidden_size)
        self.traces.append(loop(kernel_call(self.lstm, x_TBI, (zeros, zeros))))
        return self.traces[-1].output, self.traces[-1].final


def test_both_lstms_of_encodec_are_measured_as_loops_in_their_place_would_be():
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.EncodecConfig(
        num_filters=4, hidden_size=8, upsampling_ratios=[4, 2], codebook_size=16, codebook_dim=8, num_lstm_layers=2
    )
    model = transformers.EncodecModel(config).double()
    reference = copy.deepcopy(model)
    names = [name for name, part in model.named_modules() if isinstance(part, nn.LSTM)]
    for name in names:
        parent, attribute = name.rsplit(".", 1)
        setattr(reference.get_submodule(parent), attribute, Loop(reference.get_submodule(name)))

    audio = torch.randn(2, 1, 160, dtype=torch.float64)

    def loss(encodec: nn.Module) -> Tensor:
        return encodec.decoder(encodec.encoder(audio)).square().sum()

    with TimestepProbe(model, vectors=True) as probe:
        loss(model).backward()
    loss(reference).backward()

    assert list(probe.names) == names
    assert len(names) == 2
    for name in names:
        (trace,) = reference.get_submodule(name).traces
        for state in ("h", "c"):
            for layer in range(2):
                found = probe[name].vectors[state][layer][0]
                assert errors(found, trace.gradient(layer, 0, state)).max() <= 1e-9
