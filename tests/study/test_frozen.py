"""What is frozen before the first run stays as it is."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from seqablate.errors import UsageError
from seqablate.study.file import parse
from seqablate.study.frozen import folder_of, freeze, identity, make, read_frozen

TABLE = {
    "claim": "One is more than the other.",
    "arms": {"one": "model=lstm", "other": "model=rnn"},
    "tune": {"optim.lr": [0.01, 0.1]},
    "seeds": 10,
    "criterion": {"measure": "solved", "compare": "one - other", "at_least": 0.5},
}


def study(**other):
    return parse(TABLE | other, "mine")


def test_a_frozen_study_is_read_as_it_was_written_and_found_again(tmp_path):
    wanted = make(study())
    assert freeze(tmp_path / "s", wanted) == wanted
    assert read_frozen(tmp_path / "s") == wanted
    again = replace(make(study()), created="another day", versions={"torch": "9"})
    assert freeze(tmp_path / "s", again) == wanted


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"seeds": 20}, "another seeds"),
        ({"seeds": {"count": 10, "first": 5}}, "another seeds"),
        ({"looks": [7, 10]}, "another looks"),
        ({"criterion": TABLE["criterion"] | {"at_least": 0.3}}, "another criterion"),
        ({"tune": {"optim.lr": [0.01, 0.1, 1]}}, "another tune"),
        ({"tuning_seeds": 3}, "another tuning_seeds"),
        ({"claim": "The other is more."}, "another claim"),
    ],
)
def test_seeds_are_not_added_and_the_criterion_is_not_moved_once_a_study_is_frozen(tmp_path, other, named):
    freeze(tmp_path / "s", make(study()))
    before = (tmp_path / "s" / "study.json").read_bytes()
    with pytest.raises(UsageError, match=named):
        freeze(tmp_path / "s", make(study(**other)))
    assert (tmp_path / "s" / "study.json").read_bytes() == before


def test_a_quick_study_does_not_become_a_full_one(tmp_path):
    freeze(tmp_path / "s", make(study(), "quick"))
    with pytest.raises(UsageError, match="another budget"):
        freeze(tmp_path / "s", make(study()))


def test_no_seed_of_tuning_decides_in_any_study():
    most = parse(TABLE | {"seeds": {"count": 1000, "first": 999_000}, "tuning_seeds": 50}, "mine")
    for frozen in (make(study()), make(study(), first=999_999), make(most)):
        assert len(frozen.seeds) == frozen.study.seeds.count
        assert min(frozen.tuning_seeds) > 999_999


def test_looks_share_the_errors_that_are_accepted():
    frozen = make(study(looks=[7, 8, 10]))
    assert frozen.looks == [7, 8, 10]
    assert frozen.alpha == pytest.approx(0.05 / 3)
    assert make(study()).alpha == 0.05


def test_repetitions_have_an_identity_in_common_and_folders_of_their_own():
    one, other = make(study()), make(study(), first=1000)
    assert one.identity == other.identity != identity(study(seeds=20))
    expecting = TABLE["criterion"] | {"expect": [0.9, 0.1]}
    assert identity(study(claim="In other words.", why="so", criterion=expecting)) == one.identity
    assert identity(study(criterion=TABLE["criterion"] | {"at_least": 0.4})) != one.identity
    assert folder_of(one, study().seeds) == "study-mine"
    assert folder_of(other, study().seeds) == "study-mine-from-1000"
    assert folder_of(make(study(), "quick", 7), study().seeds) == "study-mine-from-7-quick"


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="is there and is no study"):
        freeze(tmp_path, make(study()))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("version", 2, "version is 2; this seqablate reads 1"),
        ("seeds", "0, 1", "seeds must be a list"),
        ("budget", "huge", "budget must be one of full, quick"),
        ("alpha", None, "alpha must be a number"),
    ],
)
def test_a_damaged_study_is_refused_in_a_line_that_names_the_key(tmp_path, key, value, complaint):
    freeze(tmp_path / "s", make(study()))
    file = tmp_path / "s" / "study.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    with pytest.raises(UsageError, match=f"study.json is damaged: {complaint}"):
        read_frozen(tmp_path / "s")


@pytest.mark.parametrize(
    ("old", "new"), [('"at_least": 0.5', '"at_least": 0.1'), ('"count": 10', '"count": 11'), (" 9\n ", " 9, 10\n ")]
)
def test_a_criterion_or_a_seed_that_was_edited_in_study_json_is_noticed(tmp_path, old, new):
    freeze(tmp_path / "s", make(study()))
    file = tmp_path / "s" / "study.json"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(UsageError, match="the file was edited"):
        read_frozen(tmp_path / "s")
