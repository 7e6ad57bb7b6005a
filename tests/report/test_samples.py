"""``seqablate tasks NAME`` shows sequences of the task as they are: what is printed is read back and computed again."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

from seqablate.assemble import build_task, read_overrides
from seqablate.cli import main
from seqablate.report.samples import blocks, picture, samples
from seqablate.tasks.base import Batch

TASKS = ["adding", "copy", "temporal_order", "reverse", "lm", "digits", "flip_flop", "dyck", "agreement"]


def shown(capsys, *words: str) -> list[dict]:
    """The samples that a command prints as JSON."""
    assert main(["tasks", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["samples"]


def printed_rows(text: str) -> list[dict[str, list[str]]]:
    """The rows of each sample in the plain text, put together from their blocks."""
    found: list[dict[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("sample "):
            found.append({})
        elif found and not line.startswith("  step"):
            title, *cells = line.split()
            found[-1].setdefault(title, []).extend(cells)
    return found


@pytest.mark.parametrize("name", TASKS)
def test_the_samples_printed_are_those_of_the_first_training_batch(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    assert main(["tasks", name, "--samples", "2", "seed=3"]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text  # no colours in a pipe
    task = build_task(read_overrides([f"task={name}", "seed=3"]))
    batch = task.train_batch(0)
    assert text.count("sample ") == 2
    assert f"sample 1: {len(batch.x)} timesteps" in text
    assert [one["target"] for one in shown(capsys, name, "--samples", "2", "seed=3")] == [
        one.target.cells for one in list(samples(task, batch))[:2]
    ]


def test_features_are_rows_in_every_sample_even_where_a_sample_could_be_one_symbol_a_step(capsys):
    assert [set(one["input"]) for one in shown(capsys, "xor", "--samples", "30")] == [{"marker", "bit"}] * 30


def test_a_printed_sum_is_that_of_the_marked_values(capsys):
    assert main(["tasks", "adding", "task.length=50", "--samples", "5"]) == 0
    for rows in printed_rows(capsys.readouterr().out):
        marked = [float(v) for v, mark in zip(rows["value"], rows["marker"], strict=True) if mark == "1"]
        assert len(marked) == 2
        assert abs(sum(marked) - float(rows["target"][0])) < 0.011  # two decimals of each


def test_a_printed_copy_repeats_its_symbols_below_the_steps_after_the_delimiter(capsys):
    assert main(["tasks", "copy", "task.length=30", "--samples", "4"]) == 0
    for rows in printed_rows(capsys.readouterr().out):
        asked = rows["input"].index(":")
        assert rows["target"] == ["-"] * (asked + 1) + rows["input"][:10]


def test_printed_orders_and_reversals_are_those_of_their_inputs(capsys):
    for one in shown(capsys, "temporal_order", "task.symbols=3"):
        assert "".join(cell for cell in one["input"]["input"] if cell in "XY") == one["target"][0]
    for one in shown(capsys, "reverse", "task.length=5"):
        cells = one["input"]["input"]
        assert one["target"] == [""] * 5 + cells[4::-1]
        assert cells[6:] == one["target"][5:-1]


def test_the_text_that_is_printed_is_that_of_the_corpus(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("to be or\nnot to be. " * 400)
    (one,) = shown(capsys, "lm", f"task.corpus={tmp_path / 'a.txt'}", "task.bptt=20", "--samples", "1")
    text = "".join(one["input"]["input"] + one["target"][-1:]).replace("␣", " ").replace("\\n", "\n")
    assert text in "to be or\nnot to be. " * 3
    assert one["target"][:-1] == one["input"]["input"][1:]


def test_padding_is_left_out_and_each_sample_says_how_long_it_is(capsys):
    found = shown(capsys, "temporal_order", "task.variant=hs97", "task.length=30", "--samples", "8")
    for one in found:
        cells = one["input"]["input"]
        assert len(cells) == one["length"]
        assert (cells[0], cells[-1]) == ("E", "B")
    assert len({one["length"] for one in found}) > 1


def test_pixels_stand_in_the_rows_of_their_image(capsys):
    assert main(["tasks", "digits", "--samples", "1"]) == 0
    lines = re.findall(r"^  grey value (.*)$", capsys.readouterr().out, re.MULTILINE)
    pixels = [float(cell) for line in lines for cell in line.split()]
    assert [len(line.split()) for line in lines] == [8] * 8
    image = build_task(read_overrides(["task=digits"])).train_batch(0).x[:, 0, 0]
    np.testing.assert_allclose(pixels, image, atol=0.0051)


def test_a_task_that_names_nothing_is_shown_by_numbers():
    """Such as one of another package: its batches alone are needed."""
    x = np.zeros((4, 2, 3), dtype=np.float32)
    x[[0, 1, 2], 0, [2, 0, 1]] = 1
    x[[0, 1], 1, [1, 1]] = 1
    batch = Batch(x=x, y=np.array([[1, 0], [0, 2], [5, 5], [5, 5]]), lengths=np.array([3, 2]))
    first, second = samples(SimpleNamespace(spec=SimpleNamespace(image=None)), batch)
    assert first.inputs[0].cells == ["2", "0", "1"]
    assert first.target.cells == ["1", "0", "5"]
    assert (second.length, second.inputs[0].cells, second.target.cells) == (2, ["1", "1"], ["0", "2"])
    real = Batch(x=np.full((2, 1, 20), 0.5, dtype=np.float32), y=np.array([0.25], dtype=np.float32))
    (one,) = samples(SimpleNamespace(spec=SimpleNamespace(image=None)), real)
    text = "\n".join(line.plain for line in picture(one, 80))
    assert "input 15" in text
    assert "input 16" not in text
    assert "4 more features" in text
    assert "0.25" in text


@pytest.mark.parametrize("room", [1, 5, 9, 100])
def test_blocks_hold_every_cell_once_and_fit(room):
    widths = [1, 3, 2, 2, 1, 4, 1]
    found = list(blocks(widths, room))
    assert [t for start, stop in found for t in range(start, stop)] == list(range(7))
    for start, stop in found:
        assert stop == start + 1 or sum(widths[start:stop]) + stop - start - 1 <= room


def test_a_terminal_gets_colours_that_leave_the_text_as_it_is(capsys, monkeypatch):
    main(["tasks", "copy", "task.length=5"])
    plain = capsys.readouterr().out
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "200"}.items():
        monkeypatch.setenv(name, value)
    main(["tasks", "copy", "task.length=5"])
    coloured = capsys.readouterr().out
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


@pytest.mark.parametrize(
    "words", [["no_such_task"], ["copy", "task.length=0"], ["copy", "nothing=1"], ["copy", "--samples", "0"]]
)
def test_what_cannot_be_shown_is_refused_with_one_line(words, capsys):
    assert main(["tasks", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
