"""``seqablate show`` as a user meets it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest

from seqablate.cli.show import main
from seqablate.comparison import pictures
from seqablate.comparison.find import find_runs
from seqablate.errors import UsageError
from seqablate.signals import fit_decay


@pytest.fixture
def runs(make_run, tmp_path):
    make_run("a", seed=0)
    make_run("b", seed=1, factor=0.9)
    return tmp_path / "runs"


def strict_json(text: str):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_a_folder_of_runs_gets_a_table_curves_and_pictures_inside_it(runs, capsys):
    assert main([str(runs)]) == 0
    out = capsys.readouterr().out
    for words in ("mse", "0.0037", "lag k (timesteps before the loss)", "timestep t", "saved"):
        assert words in out, words
    assert "\x1b[" not in out, "colours in a file"
    suffixes = sorted(path.suffix for path in runs.glob("show-*"))
    assert suffixes == [".png", ".png", ".svg", ".svg"]
    for path in runs.glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")


def test_another_comparison_leaves_the_pictures_of_the_first(runs, make_run, tmp_path, monkeypatch, capsys):
    make_run("c", seed=2)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    main([str(runs / "a"), str(runs / "b")])
    first = {path: path.read_bytes() for path in here.glob("show-*")}
    assert first
    main([str(runs / "a"), str(runs / "c")])
    assert len(list(here.glob("show-*"))) == 2 * len(first)
    assert all(path.read_bytes() == content for path, content in first.items())
    assert not list(runs.rglob("show-*")), "never in a common parent"


def test_a_step_is_drawn_and_named_in_the_file(runs, capsys):
    assert main([str(runs / "a"), "--step", "init,last"]) == 0
    assert "at initialisation (dashed) and after 100 steps" in " ".join(capsys.readouterr().out.split())
    assert (runs / "a" / "show-lag-0-last.png").is_file()


@pytest.mark.parametrize("words", ["x", "", "-1", "1.5", "init,,last", "1,2,3,4,5", "9" * 5000, "²"])
def test_a_step_that_is_none_is_refused(runs, words):
    with pytest.raises(UsageError, match="--step"):
        main([str(runs), f"--step={words}"])


def test_a_reader_that_goes_away_is_no_error(runs):
    command = f"{sys.executable} -m seqablate show {runs} --step init,last | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list(runs.glob("show-*.png"))) == 2


def test_pair_matrices_of_several_runs_are_drawn_and_of_many_it_is_said_why_not(make_run, signal, tmp_path, capsys):
    matrix = {"at": [0, 1], "values": [[1.0, 1.0], [0.5, 0.5], [0.1, 0.1]]}
    pairs = [signal([], quantity="pair") | {"part": "encoder", "loss_step": "each"} | matrix]
    for seed in range(7):
        make_run(f"s{seed}", seed=seed, rows=pairs)
    two = [str(tmp_path / "runs" / name) for name in ("s0", "s1")]
    main([*two, "--out", str(tmp_path / "two")])
    assert len(list((tmp_path / "two").glob("show-pair-*.png"))) == 1
    capsys.readouterr()
    main([str(tmp_path / "runs")])
    assert "no pair matrices: 7 runs have one, at most 6 fit a picture" in capsys.readouterr().out


def test_what_no_view_is_known_of_is_shown_by_its_name(make_run, signal, tmp_path, capsys):
    curve = signal([-1.0, 0.5, 2.0], quantity="exponent")
    matrix = signal([[1.0, -2.0], [3.0, 4.0]], quantity="spectrum") | {"at": [0, 1]}
    make_run("a", rows=[curve, matrix])
    assert main([str(tmp_path / "runs" / "a")]) == 0
    said = capsys.readouterr().out
    assert "exponent, after 100 steps" in said
    assert " -1 ┤" in said, "an axis that reaches below 0"
    assert "dL/dh" not in said
    found = {path.name for path in (tmp_path / "runs" / "a").glob("show-*.png")}
    assert found == {"show-signal-exponent.png", "show-signal-spectrum-2d.png"}


def test_a_file_more_in_the_folder_of_pictures_is_a_picture_more(runs, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "sizes.py").write_text(
        "from matplotlib.figure import Figure\n"
        "from seqablate.comparison.picture import Picture\n"
        "def pictures(runs, whens):\n"
        "    yield Picture(stem='sizes', draw=Figure, text=lambda w, c: f'{len(runs)} runs', notes=['so few'])\n"
    )
    monkeypatch.setattr(pictures, "__path__", [*pictures.__path__, str(folder)])
    assert main([str(runs)]) == 0
    assert "2 runs\nso few\nsaved" in capsys.readouterr().out
    assert len(list(runs.glob("show-sizes-*.png"))) == 1
    monkeypatch.delitem(sys.modules, "seqablate.comparison.pictures.sizes")


def test_a_record_of_more_than_anyone_can_look_at_fills_no_disk(make_run, signal, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pictures, "MOST_PICTURES", 2)
    make_run("a", rows=[signal([1.0, 2.0], quantity=f"q{n}") for n in range(4)])
    assert main([str(tmp_path / "runs" / "a")]) == 0
    assert "more than 2 pictures: the others are not drawn" in capsys.readouterr().out
    assert len(list((tmp_path / "runs" / "a").glob("show-*.png"))) == 2


def test_of_very_many_places_not_all_are_drawn_and_it_is_said(make_run, signal, tmp_path, capsys):
    rows = [signal([[1.0]], quantity="q", layer=layer) | {"at": [0]} for layer in range(61)]
    make_run("a", rows=rows)
    drawn = list(pictures.every_picture(find_runs([tmp_path / "runs"])[0]))
    assert [picture.notes for picture in drawn] == [["only the first 60 of 61 places are drawn"]]


def test_out_says_where_the_pictures_go(runs, tmp_path, capsys):
    assert main([str(runs / "a"), "--out", str(tmp_path / "new" / "folder")]) == 0
    assert len(list((tmp_path / "new" / "folder").iterdir())) == 4
    assert not list(runs.rglob("show-*"))


def test_json_is_strict_and_draws_nothing(make_run, tmp_path, capsys):
    fit = {"part": "rnn", "quantity": "lag", "layer": 0, "direction": "forward", "state": "h"}
    fit |= asdict(fit_decay(1.1 ** np.arange(6.0)))
    make_run("grows", info={"decay": [fit], "final": {"loss": "nan", "mse": "nan"}})
    assert main([str(tmp_path / "runs"), "--json"]) == 0
    found = strict_json(capsys.readouterr().out)
    assert found["version"] == 1
    [row] = found["runs"]
    assert row["seed"] == 0
    assert not list((tmp_path / "runs").rglob("show-*"))


DAMAGE = {
    "run.json": ("{", None, '{"status": "done"}', "[]"),
    "config.yaml": ("a: [1", None, "", "\x00"),
}


@pytest.mark.parametrize(("file", "content"), [(f, c) for f, contents in DAMAGE.items() for c in contents])
def test_a_damaged_folder_is_named_in_one_line_and_the_others_are_shown(runs, capsys, file, content):
    (runs / "a" / file).unlink()
    if content is not None:
        (runs / "a" / file).write_text(content)
    assert main([str(runs)]) == 0
    captured = capsys.readouterr()
    assert len(captured.err.splitlines()) == 1
    assert str(runs / "a" / file) in captured.err
    assert "0.0037" in captured.out
    with pytest.raises(UsageError, match=file):
        main([str(runs / "a")])


def test_a_damaged_record_among_several_is_named_and_the_others_are_drawn(runs, make_run, capsys):
    make_run("c", seed=2)
    record = runs / "b" / "record.jsonl"
    record.write_text(record.read_text().replace('"layer": 0', '"layer": -1'))
    assert main([str(runs), "--each"]) == 0
    captured = capsys.readouterr()
    [line] = captured.err.splitlines()
    assert f"{record} is damaged: line 2: layer must be at least 0" in line
    assert captured.out.count("0.0037") == 3  # all three stand in the table
    assert "lag k (timesteps before the loss)" in captured.out
    with pytest.raises(UsageError, match="layer must be"):
        main([str(runs / "b")])


def test_nothing_to_show_is_a_request_that_cannot_be_met(tmp_path):
    with pytest.raises(UsageError, match="nowhere"):
        main([str(tmp_path / "nowhere")])
    with pytest.raises(UsageError, match="no run"):
        main([str(tmp_path)])
    with pytest.raises(UsageError, match="RUN"):
        main([])


def test_show_needs_no_torch(runs):
    code = "import sys; from seqablate.cli.show import main; main(sys.argv[1:]); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(runs)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_thousand_runs_are_listed(make_run, tmp_path, capsys):
    make_run("0")
    for number in range(1, 1000):
        shutil.copytree(tmp_path / "runs" / "0", tmp_path / "runs" / str(number))
    assert main([str(tmp_path / "runs"), "--json"]) == 0
    assert len(strict_json(capsys.readouterr().out)["runs"]) == 1000


def test_pictures_beside_the_runs_are_passed_over(make_run):
    """``show outputs/*`` a second time: the first left its pictures there."""
    run = make_run("a")
    picture = run.path.parent / "show-lag.png"
    picture.write_bytes(b"")
    assert [found.path for found in find_runs([run.path, picture])[0]] == [run.path]
    with pytest.raises(UsageError, match="no run in"):
        find_runs([picture])


def test_runs_that_differ_in_their_seed_only_are_one_row_and_each_has_its_own_on_demand(runs, make_run, capsys):
    make_run("c", seed=2)
    assert main([str(runs), "--out", "pictures"]) == 0
    pooled = capsys.readouterr().out
    assert main([str(runs), "--out", "pictures", "--each"]) == 0
    each = capsys.readouterr().out
    assert (pooled.count("0.0037"), each.count("0.0037")) == (1, 3)
