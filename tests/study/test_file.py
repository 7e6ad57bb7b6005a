"""The file of a study: what is taken, and what is refused in one line."""

from __future__ import annotations

import pytest

from seqablate.assemble import load_variants
from seqablate.errors import UsageError
from seqablate.statistics.interval import median
from seqablate.study.file import fewest, load_study, read_study, study_files
from seqablate.study.runs import check_arms, divide, points, run_words

GOOD = """\
claim: An LSTM solves the adding problem where an RNN does not.
arms:
  lstm: model=lstm
  rnn: model=rnn
fixed: task=adding steps=300
tune:
  optim.lr: [0.01, 1e-3]
seeds: 10
criterion:
  measure: solved
  compare: lstm - rnn
  at_least: 0.5
"""


@pytest.fixture(scope="module", autouse=True)
def variants():
    load_variants()


@pytest.fixture
def write(tmp_path):
    """A study file with one thing replaced by another."""

    def write(old: str = "", new: str = ""):
        assert old in GOOD
        path = tmp_path / "mine.yaml"
        path.write_text(GOOD.replace(old, new, 1) if old else GOOD + new)
        return path

    return write


def test_fifteen_lines_are_a_study_with_its_defaults(write):
    study = read_study(write())
    check_arms(study)
    assert study.name == "mine"
    assert study.arms == {"lstm": ["model=lstm"], "rnn": ["model=rnn"]}
    assert study.tune == {"optim.lr": ["0.01", "1e-3"]}
    assert (study.seeds.count, study.seeds.first, study.tuning_seeds, study.quick.seeds) == (10, 0, 2, 3)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("claim: An LSTM solves the adding problem where an RNN does not.\n", "", "claim is missing"),
        ("claim:", "cliam:", "cliam is no key of a study; did you mean claim?"),
        ("seeds: 10", "seeds: 5", "seeds must be 6 to 1,000"),
        ("seeds: 10", "seeds: ten", "seeds.count must be a whole number"),
        ("seeds: 10", "seeds: {count: 10, frist: 3}", "seeds.frist is no key of a study; did you mean first?"),
        ("seeds: 10", "seeds: 10\nlooks: [6, 10]", "looks must grow from 7 or more to the number of seeds, 10"),
        ("seeds: 10", "seeds: 10\nlooks: [7, 9]", "looks must grow"),
        ("seeds: 10", "seeds: 6\nlooks: [5, 6]", "seeds must be 7 to 1,000"),
        ("model=lstm", "model=lstm seed=3", "arms.lstm has seed=3, which a study sets itself"),
        ("model=lstm", "model=lstm jobs=2", "arms.lstm has jobs=2: has a meaning in a sweep only"),
        ("model=lstm", "model=lstm,gru", "arms.lstm has model=lstm,gru names several values"),
        ("model=lstm", "model", "arms.lstm has 'model' is not an override"),
        ("lstm: model=lstm", "3: model=lstm", "the key 3 is no word"),
        ("  rnn: model=rnn", "  lstm: model=rnn", "the key 'lstm' stands twice in one table"),
        ("[0.01, 1e-3]", "[0.01]", "tune.optim.lr must be a list of two values or more"),
        ("[0.01, 1e-3]", "[0.01, 0.01]", "tune.optim.lr has a value twice"),
        ("steps=300", "steps=300 optim.lr=1", "tune.optim.lr is tuned, and fixed sets it as well"),
        ("measure: solved", "measure: sovled", "criterion.measure must be one of solved, value"),
        ("lstm - rnn", "lstm - gru", "criterion.compare names 'gru', which is no arm: there are lstm, rnn"),
        ("lstm - rnn", "lstm-rnn", "criterion.compare must be two sides such as 'lstm - rnn'"),
        ("lstm - rnn", "lstm - 0.5", "criterion.compare of solved must be the difference of two arms"),
        ("lstm - rnn", "lstm / rnn", "criterion.compare of solved must be the difference of two arms"),
        ("lstm - rnn", "lstm - lstm", "criterion.compare must have two sides"),
        ("at_least: 0.5", "at_least: -0.5", "criterion.at_least must be a number above 0, not -0.5; name the sides"),
        ("at_least: 0.5", "at_least: 50", "criterion.at_least must be a difference of shares"),
        ("at_least: 0.5", "at_least: half", "criterion.0.at_least must be a number"),
        ("  at_least: 0.5\n", "", "criterion must have one of at_least and within"),
        ("at_least: 0.5", "at_least: 0.5\n  within: 0.1", "criterion must have one of at_least and within"),
        ("at_least: 0.5", "at_least: 0.5\n  expect: [2, 1]", "criterion.expect must be two success rates"),
        ("claim: An", "claim: 'An", "mine.yaml, line "),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_said_in_one_line_that_names_file_and_key(write, old, new, complaint):
    with pytest.raises(UsageError) as found:
        read_study(write(old, new))
    assert complaint in str(found.value)
    assert "mine.yaml" in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("model=rnn", "model=rrn", "arms.rnn: model=rrn"),
        ("steps=300", "stepps=300", "arms.lstm: "),
        ("model=rnn", "model=rnn clip=none", "lstm and rnn differ in model, clip: compare arms that differ"),
        ("rnn: model=rnn", "rnn: model=lstm model.forget_bias=1", "are the same run"),
    ],
)  # fmt: skip
def test_arms_that_cannot_be_compared_are_refused(write, old, new, complaint):
    with pytest.raises(UsageError) as found:
        check_arms(read_study(write(old, new)))
    assert complaint in str(found.value)


def test_arms_may_differ_in_several_factors_where_the_file_says_why(write):
    path = write("model=rnn", "model=rnn clip=none")
    path.write_text(path.read_text() + "why: that is how they are used\n")
    check_arms(read_study(path))


def test_a_name_that_no_study_has_is_refused_with_a_likely_one():
    with pytest.raises(UsageError, match="did you mean forget-bias"):
        load_study("forget-bais")


def test_a_file_that_is_missing_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot read"):
        load_study(tmp_path / "none.yaml")


def test_an_arm_replaces_what_is_fixed_and_the_quick_budget_replaces_both(write):
    study = read_study(write("model=rnn", "model=rnn steps=200\nquick: {words: steps=100}"))
    first = points(study)[0]
    assert run_words(study, "lstm", first, 3, quick=False) == [
        "task=adding", "steps=300", "model=lstm", "optim.lr=0.01", "seed=3",
    ]  # fmt: skip
    assert "steps=200" in run_words(study, "rnn", first, 3, quick=False)
    assert "steps=100" in run_words(study, "rnn", first, 3, quick=True)


def test_words_that_all_runs_have_are_divided_from_the_others():
    runs = [["a=1", "b=1", "seed=0"], ["a=1", "b=2", "seed=0"]]
    assert divide(runs) == (["a=1", "seed=0"], [["b=1"], ["b=2"]])


@pytest.mark.parametrize("path", study_files(), ids=lambda path: path.stem)
def test_every_study_that_comes_with_seqablate_can_be_read_and_its_arms_composed(path):
    study = read_study(path)
    check_arms(study)
    check_arms(study, quick=True)
    assert study.source


def test_these_studies_come_with_seqablate():
    assert {path.stem for path in study_files()} == {
        "adding-1997", "adding-600", "clipping-cures-explosion", "explode-optim", "forget-bias", "gru-vs-lstm",
        "init-decay", "latch-guessing", "linear-proof", "lstm-remembers", "omega", "parity-eigenvalues", "skips-depth",
        "state-tracking", "syntax-vs-sequence", "t5-objectives",
    }  # fmt: skip


def test_a_study_with_several_criteria_and_looks_needs_as_many_seeds_as_its_interval_does():
    """Each of 3 criteria at each of 2 looks has 0.83 %: the ends of 8 values leave 0.78 % outside."""
    assert fewest(3, 2) == 8
    level = 1 - 0.05 / 6
    assert median(range(8), level).low is not None
    assert median(range(7), level).low is None
