"""model=cnn: two-dimensional convolutions. Shapes: T time, B batch, D channels, X and Y an image's height and width."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seqablate.assemble import build_model, build_task
from seqablate.config.compose import compose_config
from seqablate.errors import UsageError


def build(*words: str):
    config = compose_config(["model=cnn", "task=digits", "model.hidden_size=4", *words])
    return build_model(config, build_task(config)).double()


def images(count: int = 3) -> torch.Tensor:
    return torch.rand(64, count, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_a_pixel_is_the_weighted_sum_of_its_neighbours_in_the_image(kernel):
    net, x_TBI = build("model.depth=1", f"model.kernel_size={kernel}"), images()
    seen: list[torch.Tensor] = []
    net.stack.outputs[0].register_forward_hook(lambda module, given, output: seen.append(output))
    output = net(x_TBI)[0]
    weight, bias = (p.detach().numpy() for p in net.stack.layers[0].parameters())
    half, pooled = kernel // 2, np.zeros((3, 4))
    for b in range(3):
        image = np.pad(x_TBI[:, b, 0].numpy().reshape(8, 8), half)  # row by row
        for row, column in np.ndindex(8, 8):
            patch = image[row : row + kernel, column : column + kernel]
            made_D = np.maximum((weight[:, 0] * patch).sum((1, 2)) + bias, 0)
            np.testing.assert_allclose(seen[0][b, :, row, column].detach(), made_D, rtol=1e-10, atol=1e-12)
            pooled[b] += made_D / 64
    expected = pooled @ net.readout.weight.detach().numpy().T + net.readout.bias.detach().numpy()
    np.testing.assert_allclose(output.detach(), expected, rtol=1e-10, atol=1e-12)


def test_every_pixel_reaches_the_answer():
    net, x_TBI = build("model.skip=residual", "model.nonlinearity=tanh"), images(1).requires_grad_()
    net(x_TBI)[0].sum().backward()
    assert x_TBI.grad is not None
    assert (x_TBI.grad != 0).all()


def test_a_picture_in_the_middle_may_stand_a_pixel_further_right():
    """Convolutions and an average over the image know no absolute place, as long as no border is met.

    With biases the empty parts of the image would not stay empty, and would meet it: He's initial ones are zero.
    """
    net = build("model.depth=2", "model.init=he")
    image = torch.zeros(8, 8, dtype=torch.float64)
    image[3:5, 3:5] = torch.tensor([[0.2, 0.9], [0.5, 0.4]])
    here, there = (net(shown.reshape(64, 1, 1))[0] for shown in (image, image.roll(1, dims=1)))
    torch.testing.assert_close(here, there, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "task=adding",
            "model=cnn needs images, and the inputs of this task are not images: use task=digits task.order=rows",
        ),
        (
            "task=lm",
            "model=cnn needs images, and the inputs of this task are not images: use task=digits task.order=rows",
        ),
        ("task=digits model.kernel_size=2", "model.kernel_size=2: must be odd, to have a pixel in its middle"),
        ("task=digits model.kernel_size=0", "model.kernel_size=0: must be at least 1"),
    ],
)
def test_what_it_cannot_do_is_refused_in_one_line(words, message):
    with pytest.raises(UsageError) as refusal:
        compose_config(["model=cnn", *words.split()])
    assert str(refusal.value) == message
