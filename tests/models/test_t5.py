"""model=t5 against the T5 of ``transformers`` with the same weights.

Shapes: T source steps, S target steps, B batch, D hidden, O outputs.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from seqablate.assemble import assemble, build_model, build_task, read_overrides
from seqablate.errors import UsageError
from seqablate.models.t5.layers import buckets
from seqablate.probe import TimestepProbe
from seqablate.training.diagnose import look_at

N, SYMBOLS, B, D, HEADS, WIDTH = 40, 9, 3, 8, 2, 12
V = SYMBOLS + 1  # the delimiter is the last
SMALL = ["task=reverse", f"task.length={N}", f"task.symbols={SYMBOLS}", "model=t5", "dtype=float64"]
SMALL += [f"model.hidden_size={D}", f"model.num_heads={HEADS}", f"model.dim_feedforward={WIDTH}"]
BUCKETS = ["model.num_buckets=8", "model.max_distance=20"]  # with single, shared and last buckets inside of 40 steps
KINDS = {"relu": "relu", "gated_gelu": "gated-gelu"}  # ours and theirs
NAMES = {  # ours and theirs; {k} is a layer
    "embedding": "shared",
    **{
        f"{part}.bias.table": f"{part}.block.0.layer.0.SelfAttention.relative_attention_bias"
        for part in ("encoder", "decoder")
    },
    **{f"{part}.norm": f"{part}.final_layer_norm" for part in ("encoder", "decoder")},
}


def build(*words: str) -> nn.Module:
    config = read_overrides([*SMALL, *words])
    return build_model(config, build_task(config))


def data(seed: int = 0, steps: int = N) -> Tensor:
    return torch.randint(0, V, (N + steps, B), generator=torch.Generator().manual_seed(seed))


def disturbed(model: nn.Module) -> nn.Module:
    """Scales of norms away from one, and relative biases large, so that a mistake in them is seen."""
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            scale = 1.0 if "table" in name else 0.1
            parameter.add_(scale * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
    return model


def layer_names(part: str, layer: int) -> dict[str, str]:
    """Ours and theirs, of one layer."""
    ours, theirs = f"{part}.layers.{layer}", f"{part}.block.{layer}.layer"
    blocks = [("self_attn", "self_norm", "SelfAttention")]
    blocks += [("cross_attn", "cross_norm", "EncDecAttention")] if part == "decoder" else []
    names = {}
    for place, (attention, norm, called) in enumerate(blocks):
        names[f"{ours}.{norm}"] = f"{theirs}.{place}.layer_norm"
        names |= {
            f"{ours}.{attention}.{m}": f"{theirs}.{place}.{called}.{m[0]}"
            for m in ("q_proj", "k_proj", "v_proj", "out_proj")
        }
    last = f"{theirs}.{len(blocks)}"
    return names | {f"{ours}.feed_forward_norm": f"{last}.layer_norm", f"{ours}.feed_forward": f"{last}.DenseReluDense"}


def in_transformers(model: nn.Module, kind: str) -> nn.Module:
    """Their model with our weights."""
    import transformers

    config = transformers.T5Config(
        vocab_size=V,
        d_model=D,
        d_kv=D // HEADS,
        d_ff=WIDTH,
        num_layers=len(model.encoder.layers),
        num_heads=HEADS,
        relative_attention_num_buckets=model.shape.num_buckets,
        relative_attention_max_distance=model.shape.max_distance,
        feed_forward_proj=KINDS[kind],
    )
    theirs = transformers.T5ForConditionalGeneration(config).eval().double()
    names = dict(NAMES)
    for part in ("encoder", "decoder"):
        for layer in range(config.num_layers):
            names |= layer_names(part, layer)
    inner = (
        {"linear1": "wi", "linear2": "wo"} if kind == "relu" else {"linear1": "wi_0", "gate": "wi_1", "linear2": "wo"}
    )
    values = {}
    for name, value in model.state_dict().items():
        module = name.removesuffix(".weight")
        if module in names:
            values[f"{names[module]}.weight"] = value
        else:
            module, _, net = module.rpartition(".")
            values[f"{names[module]}.{inner[net]}.weight"] = value
    missing = theirs.load_state_dict(values, strict=False)
    assert not missing.unexpected_keys
    assert set(missing.missing_keys) <= {"lm_head.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}
    theirs.tie_weights()
    return theirs


def mean_square_in_its_own_precision(norm: nn.Module, x: Tensor) -> Tensor:
    """Their norm, which takes the mean square of float64 in float32: an error of 1e-6 that is not ours."""
    return norm.weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + norm.variance_epsilon)


@pytest.mark.filterwarnings("ignore")  # theirs, not ours
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("words", [["model.num_layers=1"], ["model.num_layers=3", *BUCKETS]], ids=["32", "8"])
def test_outputs_bias_and_parameter_count_are_those_of_transformers_with_the_same_weights(kind, words, monkeypatch):
    from transformers.models.t5 import modeling_t5

    monkeypatch.setattr(modeling_t5.T5LayerNorm, "forward", mean_square_in_its_own_precision)
    model, x = disturbed(build(*words, f"model.nonlinearity={kind}")), data()
    theirs = in_transformers(model, kind)
    expected = theirs(input_ids=x[:N].T, decoder_input_ids=x[N:].T).logits.transpose(0, 1)
    output, state = model(x)
    assert state is None
    torch.testing.assert_close(output, expected[..., :SYMBOLS], rtol=0, atol=1e-12)
    assert expected.std() > 0.1
    assert sum(p.numel() for p in model.parameters()) == theirs.num_parameters()
    for part, causal in (("encoder", False), ("decoder", True)):
        theirs_HTT = getattr(theirs, part).block[0].layer[0].SelfAttention.compute_bias(N, N)[0]
        ours_HTT = getattr(model, part).bias(N)
        seen_TT = torch.ones(N, N).tril().bool() if causal else torch.ones(N, N).bool()
        assert torch.equal(ours_HTT[:, seen_TT], theirs_HTT[:, seen_TT])
        assert (ours_HTT[:, ~seen_TT] == -math.inf).all()


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("count", "most"), [(32, 128), (8, 20), (4, 3), (7, 12), (64, 4096)])
def test_every_distance_has_the_bucket_that_it_has_in_transformers(causal, count, most):
    from transformers.models.t5.modeling_t5 import T5Attention

    distance = torch.arange(-5000, 5001)
    expected = T5Attention._relative_position_bucket(distance, not causal, count, most)
    found = buckets(distance, count, most, causal)
    assert torch.equal(found, expected)
    assert 0 <= found.min() <= found.max() < count


def test_initial_values_are_those_of_the_papers_code():
    model = build("model.hidden_size=64", "model.num_heads=4", "model.dim_feedforward=256", "task.symbols=99")
    seen = set()
    for name, p in model.named_parameters():
        kind = name.split(".")[-2]
        seen.add(kind)
        if kind.endswith("norm"):
            assert (p == 1).all(), name
            continue
        variance = {"embedding": 1, "q_proj": 1 / (64 * 16), "linear2": 1 / 256}.get(kind, 1 / 64)
        assert abs(p.std() / math.sqrt(variance) - 1) < 5 / math.sqrt(2 * p.numel()), name
        assert abs(p.mean()) < 5 * math.sqrt(variance / p.numel()), name
    assert {"table", "q_proj", "k_proj", "v_proj", "out_proj", "linear1", "linear2", "embedding", "norm"} <= seen


def test_the_probe_reads_both_residual_streams_and_pairs_are_the_gradients_of_one_loss_step_each():
    parts = assemble(read_overrides([*SMALL, "task.length=5", "device=cpu", "eval.size=3", "diagnostic=pairs"]))
    model, batch = parts.model, next(parts.task.eval_batches("evaluation")).tensors(torch.device("cpu"), torch.float64)
    streams: dict[str, Tensor] = {}
    for point in model.probe_points:
        module = model.get_submodule(point.name)
        module.register_forward_hook(lambda m, _, output, name=point.name: streams.update({name: output}))
    with TimestepProbe(model, outputs={p.name: "TBD" for p in model.probe_points}) as probe:
        losses_SB = parts.task.step_losses(model(batch.x)[0], batch)
        losses_SB.sum().backward(retain_graph=True)
    assert list(streams) == [f"{part}.layers.{k}" for part in ("encoder", "decoder") for k in range(2)]
    kept = list(streams.values())
    for name, grad in zip(list(streams), torch.autograd.grad(losses_SB.sum(), kept, retain_graph=True), strict=True):
        torch.testing.assert_close(probe[name].total["h"][0, 0], grad.norm(dim=-1), rtol=1e-12, atol=0)
    wanted = [torch.autograd.grad(losses_SB[s].sum(), kept[1], retain_graph=True)[0] for s in range(5)]
    (pairs,) = look_at(parts, 0, evaluating=True)
    assert (pairs.place.part, pairs.place.layer) == ("encoder", 1)
    expected_TS = torch.stack([grad.norm(dim=-1).mean(-1) for grad in wanted], 1)
    torch.testing.assert_close(torch.from_numpy(pairs.values), expected_TS.detach(), rtol=1e-10, atol=0)


def test_dropout_comes_from_the_generator_it_is_given_and_without_one_there_is_none():
    model, x = build("model.dropout=0.3"), data()
    plain = build("model.dropout=0.0")
    assert torch.equal(model(x)[0], plain(x)[0])
    first, again, other = (model(x, generator=torch.Generator().manual_seed(s))[0] for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    for part in (model.encoder.layers[0].self_attn, model.encoder.layers[0].feed_forward, model.decoder.layers[0]):
        part.dropout = 0.0  # each place has masks of its own
        assert not torch.allclose(model(x, generator=torch.Generator().manual_seed(1))[0], first)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["model.num_heads=3"], "model.hidden_size=8: must be a multiple of model.num_heads=3"),
        (["model.max_distance=16"], "model.max_distance=16: the first 16 distances have a bucket each"),
        (["model.num_buckets=3"], "model.num_buckets=3"),
        (["model.bidirectional=true"], "has no key model.bidirectional"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(words, why):
    with pytest.raises(UsageError, match=why) as refused:
        read_overrides([*SMALL, *words])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("task", ["adding", "lm", "copy"])
def test_a_task_without_a_source_and_a_target_is_refused(task):
    with pytest.raises(UsageError, match="model=t5 reads a source of tokens and writes a target"):
        read_overrides(["model=t5", f"task={task}"])
