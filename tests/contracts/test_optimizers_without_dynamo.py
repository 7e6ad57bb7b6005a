"""Optimizers do the same with and without torch._dynamo, and do not import it."""

from __future__ import annotations

import subprocess
import sys

import pytest

FOUR_STEPS = """
import sys
import torch
from seqablate.assemble import load_variants
from seqablate.config.compose import compose_config
from seqablate.config.registry import variants
from seqablate.optim.dynamo import without_dynamo

load_variants()

names = sorted(set(variants("optim")) - {"random_guess"})
configs = {name: compose_config([f"optim={name}", "optim.weight_decay=0.1"]).optim for name in names}

def build(name, p):
    return configs[name].build([p])

def steps(name, count, p, optimizer):
    for _ in range(count):
        p.grad = torch.sin(p.detach() * 7)
        optimizer.step()
        assert torch.is_grad_enabled() and not any(s.requires_grad for s in optimizer.state[p].values())
    state = optimizer.state_dict()
    optimizer.zero_grad()
    assert p.grad is None
    optimizer = build(name, p)
    optimizer.load_state_dict(state)
    return optimizer

def whole(name):
    p = torch.nn.Parameter(torch.linspace(-1, 1, 9).view(3, 3))
    steps(name, 2, p, steps(name, 2, p, build(name, p)))
    return p

without_dynamo()
without_dynamo()  # as before each run of a sweep
found = {name: whole(name) for name in names}
assert not {"torch._dynamo", "sympy"} & set(sys.modules)
half = {name: torch.nn.Parameter(torch.linspace(-1, 1, 9).view(3, 3)) for name in names}
begun = {name: steps(name, 2, half[name], build(name, half[name])) for name in names}
import torch._dynamo  # somebody else's wish
for name in names:
    steps(name, 2, half[name], begun[name])
    assert torch.equal(found[name], half[name]), name
    assert torch.equal(found[name], whole(name)), name
print(*names)
"""


def test_steps_are_the_same_to_the_bit_with_and_without_dynamo():
    done = subprocess.run([sys.executable, "-c", FOUR_STEPS], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert {"adam", "sgd", "nadam"} <= set(done.stdout.split())


COMPILED = (
    FOUR_STEPS
    + """
stepped = torch.compile(lambda p, optimizer: (optimizer.step(), optimizer.zero_grad()), backend="eager")
p = torch.nn.Parameter(torch.linspace(-1, 1, 9).view(3, 3))
optimizer = build("adam", p)
for _ in range(4):
    p.grad = torch.sin(p.detach() * 7)
    stepped(p, optimizer)
assert torch.equal(found["adam"], p)
"""
)


@pytest.mark.slow
def test_an_optimizer_can_still_be_compiled():
    done = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr


RUN = """
import sys
from seqablate.cli import main
code = main(["train", "steps=3", "task.length=10", "eval.every=2", "eval.size=20", "checkpoint.every=2", *sys.argv[1:]])
heavy = "torch._dynamo", "torch._inductor", "sympy", "networkx", "pandas", "datasets", "matplotlib.pyplot"
print(code, *(name for name in heavy if name in sys.modules))
"""


@pytest.mark.slow
@pytest.mark.parametrize("words", [["model=lstm"], ["model=transformer", "task=reverse"]])
def test_a_run_imports_nothing_heavy_that_it_does_not_need(tmp_path, words):
    done = subprocess.run(
        [sys.executable, "-c", RUN, "device=cpu", *words], capture_output=True, text=True, cwd=tmp_path, timeout=120
    )
    assert done.stdout.splitlines()[-1:] == ["0"], done.stdout + done.stderr
