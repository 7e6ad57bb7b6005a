"""Where a run's output goes: a reader, a terminal or a disk that goes away never ends a training."""

from __future__ import annotations

import errno
import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from rich.live import Live

from seqablate.report.console import LastingConsole, LastingStream
from seqablate.report.lines import complain, print_line, say

TRAIN = [sys.executable, "-m", "seqablate", "train", "task.length=10", "steps=30", "eval.every=1", "eval.size=20",
         "model=gru", "model.hidden_size=4", "device=cpu", "output_dir=out", "name=run"]  # fmt: skip


class Failing(io.StringIO):
    """A stream that takes so many characters and no more."""

    def __init__(self, room: int, number: int) -> None:
        super().__init__()
        self.room = room
        self.number = number

    def write(self, text: str) -> int:
        self.room -= len(text)
        if self.room < 0:
            raise OSError(self.number, os.strerror(self.number))
        return super().write(text)


@pytest.mark.parametrize("number", [errno.EIO, errno.EPIPE, errno.ENOSPC])
@pytest.mark.parametrize("terminal", [True, False])
def test_printing_to_a_stream_that_fails_loses_the_text_and_nothing_else(number, terminal):
    stream = Failing(30, number)
    console = LastingConsole(file=LastingStream(stream), force_terminal=terminal, width=80)
    for line in ("first line", "a second line that is too long for it", "a third line"):
        print_line(console, line, style="bold")
    assert "first line" in stream.getvalue()
    assert "second" not in stream.getvalue()


def test_a_closed_stream_is_one_that_fails():
    stream = io.StringIO()
    stream.close()
    print_line(LastingConsole(file=LastingStream(stream)), "text")


def test_an_encoding_without_our_characters_gets_question_marks():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    print_line(LastingConsole(file=LastingStream(stream), width=80), "a · b ▁▂")
    assert raw.getvalue() == b"a ? b ??\n"


def test_text_is_printed_as_text():
    """A name or a sample may hold escape sequences of a terminal, or what rich would take for markup."""
    stream = io.StringIO()
    for terminal in (True, False):
        print_line(LastingConsole(file=stream, force_terminal=terminal), "\x1b[31mred\x1b]0;x\x07 [b]x[/] [/red]\r\n")
    assert "\x1b" not in stream.getvalue()
    assert stream.getvalue().count("\\x1b[31mred\\x1b]0;x\\x07 [b]x[/] [/red]\\r\\n") == 2


def test_a_complaint_is_printed_as_text(capsys):
    complain("[b]a:x:b[/b]")
    assert capsys.readouterr().err == "[b]a:x:b[/b]\n"


def test_what_is_printed_while_a_picture_stands_on_the_terminal_goes_above_it(capsys):
    terminal = io.StringIO()
    console = LastingConsole(file=terminal, force_terminal=True, width=80, height=24)
    with Live("picture", console=console, auto_refresh=False, transient=True):
        say("a line")
        complain("a complaint")
    above, _, _ = terminal.getvalue().rpartition("picture")
    assert "a line\n" in above
    assert "a complaint\n" in above
    assert capsys.readouterr() == ("", "")


def test_a_narrow_terminal_gets_long_lines_in_several_and_a_file_in_one():
    line = "a line of many words " * 8
    stream = io.StringIO()
    print_line(LastingConsole(file=stream, force_terminal=True, width=50), line)
    first, *others = stream.getvalue().splitlines()
    assert max(map(len, [first, *others])) <= 50
    assert others
    assert all(other.startswith("    a") or other.startswith("    ") for other in others)
    stream = io.StringIO()
    print_line(LastingConsole(file=stream, width=200), line * 3)
    assert len(stream.getvalue().splitlines()) == 1


def ended_well(run: subprocess.Popen, folder: Path) -> bool:
    errors = run.stderr.read()
    code = run.wait(timeout=60)
    return (errors, code) == (b"", 0) and '"done"' in (folder / "out" / "run" / "run.json").read_text()


@pytest.mark.slow
def test_a_run_whose_reader_goes_away_ends_well(tmp_path):
    with subprocess.Popen(TRAIN, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as run:
        assert run.stdout.readline()
        run.stdout.close()
        assert ended_well(run, tmp_path)


@pytest.mark.slow
def test_a_run_whose_terminal_goes_away_ends_well(tmp_path):
    master, terminal = pty.openpty()
    with subprocess.Popen(TRAIN, stdin=terminal, stdout=terminal, stderr=subprocess.PIPE, cwd=tmp_path) as run:
        os.close(terminal)
        assert os.read(master, 100)
        os.close(master)
        assert ended_well(run, tmp_path)


@pytest.mark.slow
def test_a_run_without_standard_output_ends_well(tmp_path):
    words = " ".join(TRAIN)
    done = subprocess.run(["sh", "-c", f"exec {words} >&-"], stderr=subprocess.PIPE, cwd=tmp_path, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
