"""Targets of the drawn tasks by plain loops over each sample, and chance by the best answer that ignores the input."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from seqablate.assemble import build_task
from seqablate.config.compose import compose_config
from seqablate.errors import UsageError
from seqablate.streams import stream
from seqablate.tasks.base import NO_TARGET, Batch

CPU = torch.device("cpu")


def draw(*words: str, count: int = 300) -> Batch:
    return build_task(compose_config(list(words))).sampler(stream(1, "test"), count)


def samples(batch: Batch):
    """Input (symbols, where they are one-hot) and target of each sample, its padding cut off."""
    for b in range(batch.x.shape[1]):
        steps = len(batch.x) if batch.lengths is None else batch.lengths[b]
        x = batch.x[:steps, b]
        symbols = x.ndim == 2 and x.shape[1] > 2
        yield (x.argmax(1) if symbols else x).tolist(), batch.y[..., b].tolist()


@pytest.mark.parametrize("signal", [1, 3])
def test_latch_asks_for_the_sign_of_the_first_inputs(signal):
    batch = draw("task=latch", "task.length=20", f"task.signal={signal}", count=3000)
    for x, y in samples(batch):
        assert [value for (value,) in x[:signal]] == [2 * y - 1] * signal
    noise = np.concatenate([batch.x[signal:length, b, 0] for b, length in enumerate(batch.lengths)])
    assert noise.var() == pytest.approx(0.2, rel=5 * math.sqrt(2 / len(noise)))
    assert abs(noise.mean()) < 5 * math.sqrt(0.2 / len(noise))
    assert set(batch.lengths) == {20, 21, 22}


@pytest.mark.parametrize("task", ["multiplication", "xor"])
def test_the_two_marked_values_are_multiplied_or_compared(task):
    batch = draw(f"task={task}", "task.length=30")
    for x, y in samples(batch):
        places = [t for t, (marker, _) in enumerate(x) if marker == 1]
        first, second = (x[t][1] for t in places)
        assert y == (np.float32(first) * np.float32(second) if task == "multiplication" else int(first != second))
        assert places[0] < len(x) // 10 <= places[1] < len(x) // 2
        assert {marker for marker, _ in x} == {0, 1}
    assert set(batch.lengths) == {30, 31, 32}
    if task == "xor":
        assert set(batch.x[..., 1].ravel()) == {0, 1}


def test_permutation_asks_for_the_first_symbol():
    for x, y in samples(draw("task=permutation", "task.length=40", count=1000)):
        assert x[0] == y
        assert y in (0, 1)
        assert all(2 <= symbol < 100 for symbol in x[1:])


def test_permutation_draws_each_of_its_symbols():
    x_TB = draw("task=permutation", "task.length=40", count=1000).x
    assert set(x_TB[1:].ravel().tolist()) == set(range(2, 100))


@pytest.mark.parametrize(("symbols", "alphabet", "length"), [(5, 2, 50), (10, 5, 1), (1, 3, 7)])
def test_memorization_asks_for_blanks_and_then_the_first_symbols(symbols, alphabet, length):
    words = [f"task.symbols={symbols}", f"task.alphabet={alphabet}", f"task.length={length}"]
    for x, y in samples(draw("task=memorization", *words)):
        data = x[:symbols]
        assert all(1 <= symbol <= alphabet for symbol in data)
        assert x == [*data, *[0] * length, alphabet + 1, *[0] * (symbols - 1)]
        assert y == [*[0] * (length + symbols), *data]


@pytest.mark.parametrize(("symbols", "length"), [(4, 30), (10, 1), (1, 9)])
def test_selective_copying_asks_for_the_symbols_among_blanks_in_their_order(symbols, length):
    batch = draw("task=selective_copy", f"task.symbols={symbols}", f"task.length={length}")
    for x, y in samples(batch):
        slots = x[:-symbols]
        assert slots.count(0) == length
        assert x[-symbols:] == [9] * symbols
        assert y == [*[NO_TARGET] * len(slots), *[symbol for symbol in slots if symbol]]
    assert (batch.x[..., 0] == 0).any(1).all()  # every place comes up


@pytest.mark.parametrize(("length", "pairs", "vocab"), [(64, 4, 128), (12, 3, 14), (17, 3, 18)])
def test_mqar_asks_for_the_value_of_each_key_that_comes_again(length, pairs, vocab):
    words = [f"task.length={length}", f"task.pairs={pairs}", f"task.vocab_size={vocab}"]
    for x, y in samples(draw("task=recall", *words)):
        value_of = dict(zip(x[: 2 * pairs : 2], x[1 : 2 * pairs : 2], strict=True))
        assert len(value_of) == len(set(value_of.values())) == pairs
        assert all(0 < k < vocab // 2 <= v < vocab for k, v in value_of.items())
        asked = [t for t in range(length) if y[t] != NO_TARGET]
        assert {x[t]: y[t] for t in asked} == value_of
        assert len(asked) == pairs
        assert all(t >= 2 * pairs and t % 2 == 0 for t in asked)


def test_mqars_keys_come_again_after_gaps_of_a_power_law():
    N = 20_000
    y_TB = draw("task=recall", "task.pairs=1", "task.length=22", "task.vocab_size=24", count=N).y
    share = (y_TB != NO_TARGET).mean(1)[2::2]
    law = np.arange(1, 11) ** (0.01 - 1)
    assert np.abs(share - law / law.sum()).max() < 5 * math.sqrt(0.25 / N)


@pytest.mark.parametrize(("length", "vocab"), [(20, 10), (7, 22)])
def test_h3s_recall_asks_for_the_value_of_a_key_that_was_read(length, vocab):
    keys, queries = (vocab - 2) // 2, set()
    words = ["task.variant=h3", f"task.length={length}", f"task.vocab_size={vocab}"]
    for x, y in samples(draw("task=recall", *words)):
        assert y[:-1] == x[1:]
        value_of: dict[int, int] = {}
        for k, v in zip(x[:-2:2], x[1:-2:2], strict=True):
            assert k < keys <= v < 2 * keys
            assert value_of.setdefault(k, v) == v
        assert len(x) == 2 * (length // 2) + 2
        assert x[-2] == 2 * keys
        assert y[-1] == value_of[x[-1]]
        queries.add(x[-1])
    assert queries == set(range(keys))


@pytest.mark.parametrize("modulus", [2, 5, 7])
def test_modular_sums_are_added_up_one_by_one(modulus):
    for variant, numbers, shift in (("sum", modulus, 0), ("cycle", 3, 1)):
        words = [f"task.variant={variant}", f"task.modulus={modulus}", "task.length=9"]
        for x, y in samples(draw("task=modular", *words)):
            place = 0
            for number in x[:-1]:
                place = (place + number - shift) % modulus
            assert x[-1] == numbers
            assert y == place


@pytest.mark.parametrize("tokens", ["false", "true"])
def test_parity_changes_with_every_one(tokens):
    for x, y in samples(draw("task=parity", "task.length=13", f"task.tokens={tokens}")):
        odd = False
        for bit in x[:-1]:
            odd = not odd if bit == 1 else odd
        assert x[-1] == 2
        assert y == odd


@pytest.mark.parametrize("ignore", [0.0, 0.8])
def test_a_read_of_the_flip_flop_gives_the_bit_written_last(ignore):
    names = {0: 0, 1: 1, 2: "w", 3: "i", 4: "r"}
    ignored = others = 0
    for x, y in samples(draw("task=flip_flop", "task.length=20", f"task.ignore={ignore}", count=1000)):
        symbols = [names[symbol] for symbol in x] + [y[-1]]
        assert symbols[0] == "w"
        assert symbols[-2] == "r"
        memory = None
        for t in range(0, 40, 2):
            instruction, bit = symbols[t : t + 2]
            memory = bit if instruction == "w" else memory
            assert instruction in ("w", "i", "r")
            assert bit in (0, 1)
            assert y[t] == (memory if instruction == "r" else NO_TARGET)
            assert bit == memory or instruction == "i"
        assert set(y[1::2]) == {NO_TARGET}
        ignored += symbols.count("i")
        others += symbols[2:-2].count("r") - symbols[2:-2].count("w")
    assert ignored / 18_000 == pytest.approx(ignore, abs=5 * math.sqrt(0.25 / 18_000))
    assert abs(others) < 5 * math.sqrt(18_000)


def elements(group: str) -> list:
    """Of a group by its definition, in the order of their numbers."""
    if group == "Z60":
        return list(range(60))
    if group == "A4xZ5":
        return [(p, z) for p in elements("A4") for z in range(5)]
    all_of = sorted(itertools.permutations(range(int(group[1]))))
    return all_of if group[0] == "S" else [p for p in all_of if np.linalg.det(np.eye(len(p))[list(p)]) > 0]


def product(p, q):
    """First p, then q."""
    if isinstance(p, int):
        return (p + q) % 60
    if isinstance(p[0], tuple):
        return product(p[0], q[0]), (p[1] + q[1]) % 5
    return tuple(q[p[thing]] for thing in range(len(p)))


@pytest.mark.parametrize(("group", "size"), [("S3", 6), ("S5", 120), ("A5", 60), ("A4xZ5", 60), ("Z60", 60)])
def test_state_tracking_multiplies_element_by_element(group, size):
    of_group = elements(group)
    assert len(of_group) == size
    seen = set()
    for x, y in samples(draw("task=state_tracking", f"task.group={group}", "task.length=12")):
        state = of_group[0]
        for number, answer in zip(x, y, strict=True):
            state = product(state, of_group[number])
            assert of_group[answer] == state
        seen |= set(x)
    assert seen == set(range(size))


@pytest.mark.parametrize(("types", "depth", "length"), [(2, 1, 6), (3, 2, 20), (8, 5, 40)])
def test_dyck_words_close_the_bracket_opened_last_and_are_never_too_deep(types, depth, length):
    opened_where_both_could = choices = 0
    for x, y in samples(draw("task=dyck", f"task.types={types}", f"task.depth={depth}", f"task.length={length}")):
        stack: list[int] = []
        for bracket in [*x, y[-1]]:
            if 0 < len(stack) < depth:
                choices += 1
                opened_where_both_could += bracket < types
            if bracket < types:
                stack.append(bracket)
            else:
                assert stack.pop() == bracket - types
            assert len(stack) <= depth
        assert y[:-1] == x[1:]
    if depth > 1:
        assert opened_where_both_could / choices == pytest.approx(0.5, abs=5 * math.sqrt(0.25 / choices))


def constant(logits: list[float]):
    """The same answer, whatever the input."""
    return lambda batch: torch.tensor(logits).expand(*batch.y.shape, len(logits))


def blanks_then_ones(batch: Batch) -> torch.Tensor:
    """Three answers in ten steps: class 1 at the last ones."""
    wanted = torch.where(torch.arange(10)[:, None] < 7, 0, 1).expand(10, batch.y.shape[1])
    return torch.nn.functional.one_hot(wanted, 4).float()


def first_value(batch: Batch) -> torch.Tensor:
    return torch.nn.functional.one_hot(batch.x[1].expand_as(batch.x), 14).float()


def class_of(index: int, classes: int):
    return constant([float(k == index) for k in range(classes)])


CHANCES = {
    "latch": ("task=latch task.length=3", class_of(1, 2)),
    "multiplication wrong": ("task=multiplication task.length=10", constant([0.2])),
    "multiplication mse": ("task=multiplication task.length=10", constant([0.25])),
    "xor": ("task=xor task.length=10", class_of(1, 2)),
    "permutation": ("task=permutation task.length=2", class_of(0, 100)),
    "memorization": ("task=memorization task.length=4 task.symbols=3 task.alphabet=3", blanks_then_ones),
    "selective_copy": ("task=selective_copy task.length=2 task.symbols=3", class_of(4, 9)),
    "mqar": ("task=recall task.length=12 task.pairs=3 task.vocab_size=14", first_value),
    "h3": ("task=recall task.variant=h3 task.length=8 task.vocab_size=10", class_of(5, 10)),
    "sum": ("task=modular task.length=4 task.modulus=3", class_of(2, 3)),
    "cycle": ("task=modular task.variant=cycle task.length=3 task.modulus=7", class_of(0, 7)),
    "cycle-even": ("task=modular task.variant=cycle task.length=1 task.modulus=2", class_of(1, 2)),
    "parity": ("task=parity task.length=3", class_of(0, 2)),
    "flip_flop": ("task=flip_flop task.length=6 task.ignore=0.3", class_of(1, 2)),
    "state_tracking": ("task=state_tracking task.length=3 task.group=S3", class_of(3, 6)),
    "dyck": ("task=dyck task.length=6 task.types=3 task.depth=2", class_of(4, 6)),
}


@pytest.mark.parametrize("name", CHANCES)
def test_chance_is_what_the_best_answer_that_ignores_the_input_reaches_over_100_000_samples(name):
    words, answer = CHANCES[name]
    task = build_task(compose_config(words.split()))
    found: dict[str, list[torch.Tensor]] = {}
    for part in range(5):
        batch = task.sampler(stream(2, "test", part), 20_000).tensors(CPU, torch.float32)
        for score, value_B in task.scores(answer(batch), batch).items():
            found.setdefault(score, []).append(value_B.double())
    for metric in task.metrics:
        if "multiplication" in name and not name.endswith(metric.name):
            continue  # the best answer is another one
        value = torch.cat(found[metric.name])
        error = value.std().item() / math.sqrt(len(value))
        assert abs(value.mean().item() - metric.chance) < 4 * error + 1e-7, metric.name


MISTAKES = {
    "task=latch task.length=1": "task.length=1: must be at least 2",
    "task=latch task.signal=0": "task.signal=0: must be at least 1",
    "task=latch task.length=5 task.signal=5": "task.signal=5: must be below task.length=5",
    "task=multiplication task.length=9": "task.length=9: must be at least 10",
    "task=xor task.length=9": "task.length=9: must be at least 10",
    "task=permutation task.length=0": "task.length=0: must be at least 1",
    "task=memorization task.length=0": "task.length=0: must be at least 1",
    "task=memorization task.alphabet=1": "task.alphabet=1: must be at least 2",
    "task=selective_copy task.length=0": "task.length=0: must be at least 1",
    "task=recall task.vocab_size=127": "task.vocab_size=127: must be even",
    "task=recall task.length=14 task.pairs=4": "task.length=14: task.pairs=4 needs at least 16",
    "task=recall task.length=64 task.vocab_size=64": "task.vocab_size=64: must be above task.length=64",
    "task=recall task.variant=h3 task.vocab_size=4": "task.vocab_size=4: must be at least 6",
    "task=modular task.modulus=1": "task.modulus=1: must be at least 2",
    "task=modular task.length=0": "task.length=0: must be at least 1",
    "task=parity task.length=0": "task.length=0: must be at least 1",
    "task=flip_flop task.length=1": "task.length=1: must be at least 2",
    "task=flip_flop task.ignore=1": "task.ignore=1.0: must be at least 0 and below 1",
    "task=state_tracking task.length=0": "task.length=0: must be at least 1",
    "task=state_tracking task.group=S4": "task.group=S4: must be one of S3, S5, A5, A4xZ5, Z60",
    "task=dyck task.types=1": "task.types=1: must be at least 2",
    "task=dyck task.length=2 task.depth=3": "task.length=2: must be at least task.depth=3",
}


@pytest.mark.parametrize(("words", "line"), MISTAKES.items())
def test_what_cannot_be_drawn_is_refused_in_one_line(words, line):
    with pytest.raises(UsageError) as refused:
        compose_config(words.split())
    assert str(refused.value) == line
