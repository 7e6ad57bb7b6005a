"""What a sweep as a whole is told: which words those are, their values, and what is said of a wrong one."""

from __future__ import annotations

from dataclasses import dataclass, fields

import pytest

from seqablate.config.codec import digest
from seqablate.config.compose import compose_config, config_folder, sweep_keys, yaml_values
from seqablate.config.keys import key
from seqablate.config.overrides import SWEEP_KEYS
from seqablate.config.registry import keep, registered, variant, variants
from seqablate.errors import UsageError
from seqablate.launch.local import LocalLaunch
from seqablate.sweep.options import Sampler, Stale, SweepKeys, SweepOptions, option_keys, split_options


@pytest.fixture
def queue():
    """A launcher of another package: its values are its dataclass's own."""
    before = registered()

    @variant("launch", "queue")
    @dataclass(kw_only=True, slots=True)
    class QueueLaunch:
        """A queue of another package."""

        partition: str | None = key("where in the queue", default=None)
        hours: float = key("of one job", default=1.5)

    yield QueueLaunch
    keep(before)


def test_words_of_the_sweep_are_told_from_those_of_its_runs_which_keep_their_order():
    words = ["model=rnn,lstm", "jobs=2", "seed=range(3)", "sweep.stale=rerun", "launch=local", "name=jobs", "steps=5"]
    options, others = split_options(words)
    assert others == ["model=rnn,lstm", "seed=range(3)", "name=jobs", "steps=5"]
    assert (options.workers, options.launch, options.sweep.stale) == (2, LocalLaunch(), Stale.rerun)


def test_where_nothing_is_said_the_values_are_those_of_the_yaml():
    options, _ = split_options([])
    said = yaml_values("sweep")
    assert said["jobs"] == "auto"
    assert options.workers is None
    sweep = {name: getattr(options.sweep, name) for name in said["sweep"]}
    assert sweep == said["sweep"] | {"stale": Stale.refuse, "sampler": Sampler.sobol}
    assert not sweep["retry_failed"] | sweep["fail_fast"] | sweep["skip_invalid"]
    assert sweep["timeout"] is sweep["samples"] is None


def test_the_yaml_and_the_words_that_a_run_refuses_are_of_the_same_keys_as_the_declarations():
    assert sorted(f.name for f in fields(SweepOptions)) == sorted(SWEEP_KEYS)
    assert sorted(sweep_keys()) == sorted(["jobs", "launch", *(f"sweep.{f.name}" for f in fields(SweepKeys))])
    assert set(sweep_keys()) == {*option_keys("local"), "launch"}


def test_every_launcher_of_ours_has_a_yaml():
    assert variants("launch") == sorted(path.stem for path in (config_folder() / "launch").glob("*.yaml"))


def test_a_later_word_replaces_an_earlier_one_and_values_get_the_type_of_their_key():
    options, _ = split_options(["sweep.timeout=9", "sweep.timeout=60", "sweep.samples=8", "sweep.samples=null"])
    assert (options.sweep.timeout, type(options.sweep.timeout)) == (60.0, float)
    assert options.sweep.samples is None


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("jobs=0", "jobs=0: must be auto, or a whole number from 1 to 10,000"),
        ("jobs=10001", "jobs=10001: must be auto, or a whole number from 1 to 10,000"),
        ("jobs=2.5", "jobs=2.5: must be auto, or a whole number from 1 to 10,000"),
        ("jobs=many", "jobs=many: must be auto, or a whole number from 1 to 10,000"),
        ("jobs=1,2", "jobs=1,2: cannot be swept: it is about the sweep as a whole; give it one value"),
        ("sweep.lease=range(3)", "sweep.lease=range(3): cannot be swept"),
        ("+jobs=2", "+jobs=2: write jobs=2"),
        ("++launch=local", "++launch=local: write launch=local"),
        ("~launch", "~launch: a key cannot be deleted"),
        ("jobs", "'jobs' is not an override: write key=value"),
        ("jobs.x=2", "unknown key jobs.x: did you mean jobs?"),
        ("sweep.stael=keep", "unknown key sweep.stael: did you mean sweep.stale"),
        ("sweep.stale=foo", "sweep.stale=foo: must be one of refuse, rerun, keep"),
        ("sweep.sampler=halton", "sweep.sampler=halton: must be one of sobol, random"),
        ("sweep=3", "sweep=3: a group of keys; write sweep.retry_failed=..."),
        ("sweep.retry_failed=1", "sweep.retry_failed=1: must be true or false"),
        ("sweep.timeout=0", "sweep.timeout=0.0: must be a positive finite number"),
        ("sweep.timeout=soon", "sweep.timeout=soon: must be a number, or null"),
        ("sweep.timeout=${steps}", "sweep.timeout=${steps}: write the value itself"),
        ("sweep.samples=0", "sweep.samples=0: must be at least 1"),
        ("sweep.sample_seed=-1", "sweep.sample_seed=-1: must be at least 0"),
        ("sweep.lease=9", "sweep.lease=9.0: must be at least 10"),
        ("launch=locla", "launch=locla: did you mean launch=local? choose from "),
        ("launch=[local]", "launch=[local]: did you mean launch=local? choose from "),
        ("launch.no_such_key=1", "unknown key launch.no_such_key: "),
    ],
)
def test_a_word_that_cannot_be_taken_is_refused_in_one_line(words, line):
    with pytest.raises(UsageError) as caught:
        split_options([*words.split(), "model=rnn"])
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("word", ["jobs=2", "launch=local", "sweep.stale=keep", "sweep.no_such_key=1", "+jobs=2"])
def test_a_single_run_refuses_what_only_a_sweep_can_be_told(word):
    with pytest.raises(UsageError) as caught:
        compose_config(["model=rnn", word])
    assert str(caught.value) == f"{word}: has a meaning in a sweep only: add -m"


@pytest.mark.parametrize(
    ("word", "meant"), [("job=2", "jobs"), ("stale=keep", "sweep.stale"), ("launcher=x", "launch")]
)
def test_what_is_nearly_a_word_of_a_sweep_is_suggested_beside_the_keys_of_a_run(word, meant):
    with pytest.raises(UsageError, match=f"^unknown key .*: did you mean .*{meant}"):
        compose_config([word])


def test_a_launcher_has_keys_of_its_own(queue):
    options, others = split_options(["launch.partition=gpu", "launch=queue", "launch.hours=2", "seed=1"])
    assert options.launch == queue(partition="gpu", hours=2.0)
    assert others == ["seed=1"]
    assert split_options(["launch=queue"])[0].launch == queue()
    with pytest.raises(UsageError, match=r"^launch=local has no key launch\.partition: it belongs to .*queue"):
        split_options(["launch.partition=gpu"])
    with pytest.raises(UsageError, match=r"^launch\.hours=long: must be a number$"):
        split_options(["launch=queue", "launch.hours=long"])
    with pytest.raises(UsageError, match=r"^unknown key launch\.hour: did you mean launch\.hours"):
        split_options(["launch=queue", "launch.hour=1"])


def test_no_launcher_takes_part_in_a_run_or_its_digest(queue):
    assert "launch" not in {f.name for f in fields(type(compose_config([])))}
    assert digest(compose_config(split_options(["jobs=2", "launch=queue", "seed=1"])[1])) == digest(
        compose_config(["seed=1"])
    )
