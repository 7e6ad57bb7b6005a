from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqablate.assemble import assemble, read_overrides
from seqablate.errors import UsageError
from seqablate.models.match import solve_hidden_size


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 50),
    st.integers(1, 200),
    st.integers(0, 1000),
    st.integers(1, 400),
    st.sampled_from([1, 2, 4, 8]),
    st.data(),
)
def test_no_other_size_comes_nearer(a, b, c, largest, multiple, data):
    def count(size: int) -> int:
        return a * size * size + b * size + c

    target = data.draw(st.integers(count(2 * multiple), count((largest + 1) * multiple)))
    best = min(abs(count(k * multiple) - target) for k in range(2, largest + 3))
    if best > 0.1 * target:
        with pytest.raises(UsageError, match="the nearest, model"):
            solve_hidden_size(count, target, multiple)
        return
    found = solve_hidden_size(count, target, multiple)
    assert found % multiple == 0
    assert abs(count(found) - target) == best


def test_a_count_that_is_no_parabola_is_solved_too():
    assert solve_hidden_size(lambda size: size**3, 1000) == 10


def test_a_number_that_no_model_comes_near_is_refused():
    with pytest.raises(UsageError, match=r"match_params=5: the nearest, model\.hidden_size=2, has 210 parameters"):
        solve_hidden_size(lambda size: 100 * size + 10, 5)


@pytest.mark.parametrize(
    "words",
    [
        ["model=rnn"],
        ["model=lstm", "model.num_layers=2", "model.skip=dense"],
        ["model=gru", "model.bidirectional=true", "model.norm=layer"],
        ["model=tcn"],
        ["model=mlp", "model.skip=highway"],
        ["model=transformer"],
        ["model=seq2seq", "task=reverse", "model.attention=additive"],
    ],
    ids=" ".join,
)
def test_arms_of_any_model_get_the_parameters_asked_for(words):
    parts = assemble(read_overrides([*words, "model.match_params=60000"]))
    assert abs(parts.parameter_count / 60000 - 1) < 0.05
    assert parts.config.model.hidden_size % parts.config.model.size_multiple == 0


def test_what_has_no_size_to_choose_is_refused():
    with pytest.raises(UsageError, match="leave model"):
        read_overrides(["model=mlp", "model.hidden_sizes=[8,4]", "model.match_params=1000"])
    with pytest.raises(UsageError, match="match_params=0: must be at least 1"):
        read_overrides(["model.match_params=0"])
