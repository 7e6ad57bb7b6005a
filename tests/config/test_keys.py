"""What a key declares, on a config of a run that no variant of ours takes part in."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import omegaconf
import pytest

from seqablate.config.checks import at_least, at_most, finite, fraction, positive
from seqablate.config.flat import counts
from seqablate.config.keys import MISSING, check_config, declaration, key
from seqablate.errors import UsageError


@dataclass(kw_only=True, slots=True)
class Base:
    width: int = key(at_least(1), at_most(10), "units of a layer", default=4)
    most: int | None = key(at_least(2), "null: as many as there are", default=None)

    def check_keys(self) -> None:
        if self.most is not None and self.most > self.width:
            raise UsageError(f"most={self.most}: more than width={self.width}")


@dataclass(kw_only=True, slots=True)
class Derived(Base):
    rate: float = key(positive, "learning rate", default=0.5)

    def check_keys(self) -> None:
        if self.rate > self.width:
            raise UsageError(f"rate={self.rate}: more than width={self.width}")
        self.most = self.most or self.width


@dataclass(kw_only=True, slots=True)
class Run:
    part: Derived
    several: dict[str, Base] = field(default_factory=dict)
    plain: float = -1.0  # a field without a declaration

    def check_keys(self) -> None:
        if self.plain > 0:
            raise UsageError(f"plain={self.plain}: with part.width={self.part.width}")


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"width": 0}, "part.width=0: must be at least 1"),
        ({"width": 11}, "part.width=11: must be at most 10"),
        ({"rate": float("inf")}, "part.rate=inf: must be a positive finite number"),
        ({"most": 1}, "part.most=1: must be at least 2"),
        ({"most": 5}, "most=5: more than width=4"),
        ({"rate": 5.0}, "rate=5.0: more than width=4"),
        ({"width": 0, "rate": 5.0}, "part.width=0: must be at least 1"),
        ({"most": 5, "rate": 5.0}, "most=5: more than width=4"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_every_check_of_a_family_is_made_under_the_whole_name_of_its_key_each_key_before_keys_together(values, line):
    with pytest.raises(UsageError) as caught:
        check_config(Run(part=Derived(**values), plain=1.0))
    assert str(caught.value) == line


def test_variants_that_are_chosen_together_are_checked_under_their_names():
    with pytest.raises(UsageError, match=r"^several.wide.width=11: "):
        check_config(Run(part=Derived(), several={"narrow": Base(width=1), "wide": Base(width=11)}))


def test_what_passes_stays_as_it_is_but_for_keys_that_follow_from_others():
    run = Run(part=Derived(most=None))
    check_config(run)
    assert run == Run(part=Derived(most=4))


def test_a_key_says_what_the_yaml_has_to_set():
    @dataclass
    class Part:
        rate: float = key(positive, "learning rate")

    assert MISSING == omegaconf.MISSING
    assert omegaconf.OmegaConf.is_missing(omegaconf.OmegaConf.structured(Part), "rate")


@pytest.mark.parametrize("declared", [(), (positive,), ("rate", positive), ("",), (1.0, "rate")])
def test_a_key_without_a_description_is_a_mistake_of_its_author(declared):
    with pytest.raises(TypeError, match="description is the last argument"):
        key(*declared)


def test_what_does_not_change_learning_is_not_compared_either():
    @dataclass
    class Part:
        told: int = key("told", off=1)
        place: str = key("place", digest=False)

    told, place = map(declaration, fields(Part))
    assert (told.compared, told.digest, told.off) == (True, True, (1,))
    assert (place.compared, place.digest) == (False, False)


def test_how_a_run_was_watched_and_kept_tells_no_arms_apart():
    watched = ["name", "quiet", "output_dir", "seed", "device", "threads", "backend", "probe.every", "eval.every",
               "eval.size", "checkpoint.every", "checkpoint.keep"]  # fmt: skip
    assert [key for key in watched if counts(key, "compared")] == []
    told = ["model", "model.seed", "optim.lr", "steps", "batch_size", "dtype", "stop_when_solved", "eval.seed"]
    assert [key for key in told if not counts(key, "compared")] == []


@pytest.mark.parametrize(
    ("check", "taken", "refused"),
    [
        (positive, (1e-300, 1e300), (0.0, -1.0, float("nan"), float("inf"))),
        (finite, (-1e300, 0.0), (float("nan"), float("-inf"))),
        (fraction, (0.0, 0.999), (-0.001, 1.0, float("nan"))),
        (at_least(2, 5), (2, 5), (1, 6, float("nan"), float("inf"))),
        (at_most(5), (5, -(10**30)), (6,)),
    ],
    ids=["positive", "finite", "fraction", "at_least", "at_most"],
)
def test_a_check_takes_its_range_and_names_key_and_value_of_what_is_beyond_it(check, taken, refused):
    for value in taken:
        check("a.key", value)
    for value in refused:
        with pytest.raises(UsageError, match=f"^a.key={value}: "):
            check("a.key", value)
