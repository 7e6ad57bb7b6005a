"""The probe on models that others wrote: the LSTMs inside transformers' Encodec, the blocks of its GPT-2."""

from __future__ import annotations

import copy

import pytest
import torch
from differences import by_differences
from oracle import Trace, loop
from recurrences import errors, kernel_call
from torch import Tensor, nn

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


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_residual_stream_of_gpt2_is_measured_after_every_block(checkpointing):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=11, n_positions=16, n_embd=8, n_layer=3, n_head=2, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0
    )
    model = transformers.GPT2LMHeadModel(config).double().train()
    tokens_BT = torch.randint(11, (2, 5))

    def last_token_loss(**options: bool) -> tuple[Tensor, tuple[Tensor, ...]]:
        found = model(tokens_BT, use_cache=False, **options)
        return found.logits[:, -1].log_softmax(-1)[:, 3].sum(), found.hidden_states

    loss, hidden = last_token_loss(output_hidden_states=True)
    wanted = torch.autograd.grad(loss, hidden[1:3])  # behind blocks 0 and 1; the last one comes normalised
    last = by_differences(model.transformer.h[2], (2, 5, 8), lambda: last_token_loss()[0])
    within = by_differences(model.transformer.h[1].mlp.c_fc, (2, 5, 32), lambda: last_token_loss()[0])

    if checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    outputs = {f"transformer.h.{n}": "BTD" for n in range(3)} | {"transformer.h.1.mlp.c_fc": "BTD"}
    with TimestepProbe(model, vectors=True, outputs=outputs) as probe:
        last_token_loss()[0].backward()

    found = [probe[name].vectors["h"][0][0].transpose(0, 1) for name in outputs]
    assert [len(probe[name].calls) for name in outputs] == [1] * 4
    for found_BTD, wanted_BTD in zip(found, wanted, strict=False):
        torch.testing.assert_close(found_BTD, wanted_BTD, rtol=1e-10, atol=1e-15)
    for found_BTD, wanted_BTD in zip(found[2:], (last, within), strict=True):
        torch.testing.assert_close(found_BTD, wanted_BTD, rtol=1e-6, atol=1e-8)
