"""What is shown of a sweep while it goes on."""

from __future__ import annotations

import io
import sys

import pytest
from planned import standing
from rich.console import Console

from seqablate.launch import screen as module
from seqablate.launch.board import arm_table, current_lines
from seqablate.launch.events import Event
from seqablate.launch.screen import SweepScreen
from seqablate.report.console import LastingConsole, LastingStream
from seqablate.sweep.tally import Tally

SOLVED = "solved at step 1000: mse 0.0029 (chance 0.167, goal 0.01)"
CURVE = tuple(10.0 ** (-i / 5) for i in range(40))


@pytest.fixture
def terminal(monkeypatch):
    """Standard output is a terminal of 80 x 24."""
    stream = io.StringIO()

    def console(stderr: bool = False) -> LastingConsole:
        if stderr:
            return LastingConsole(file=LastingStream(sys.stderr), width=200)
        return LastingConsole(file=stream, force_terminal=True, width=80, height=24)

    monkeypatch.setattr(module, "run_console", console)
    return stream


def begin(*standings, wanted=(), workers=2, quiet=False) -> SweepScreen:
    screen = SweepScreen(quiet)
    screen.begin(standings, wanted or [each.run.name for each in standings if each.standing == "pending"], workers)
    return screen


def sweep(models: int = 2, seeds: int = 2) -> list:
    return [standing("pending", model=f"m{m}", seed=str(s)) for m in range(models) for s in range(seeds)]


def text(*renderables, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    for each in renderables:
        console.print(each)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def picture(screen: SweepScreen) -> list[str]:
    screen._draw()
    return text(screen.live.renderable)


def test_where_there_is_no_terminal_each_run_that_ends_is_one_line(capsys):
    screen = begin(*sweep())
    screen.event(Event("begin", "model=m0,seed=0", "w1", 0, 1000))
    screen.event(Event("progress", "model=m0,seed=0", "w1", 500, 1000, "mse 0.1", CURVE))
    screen.event(Event("end", "model=m0,seed=0", "w1", 1000, 1000, SOLVED, CURVE, "done", 12.3))
    screen.event(Event("end", "model=m1,seed=0", "w2", 9, 1000, "diverged: loss is not finite", (), "diverged", 1.0))
    screen.end()
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        f"[1/4] model=m0,seed=0: {SOLVED}; 12.3 s",
        "[2/4] model=m1,seed=0: diverged: loss is not finite; 1.0 s",
    ]
    assert err == ""


@pytest.mark.parametrize("quiet", [True, False])
def test_a_failure_is_said_when_it_happens_with_its_reason_on_standard_error(quiet, capsys):
    screen = begin(*sweep(), quiet=quiet)
    screen.event(Event("note", "model=m0,seed=0", "w1", text="Traceback\n  line 3\nValueError: no"))
    screen.event(Event("end", "model=m0,seed=0", "w1", 7, 9, "failed: no", (), "failed", 0.5))
    out, err = capsys.readouterr()
    assert err.splitlines() == [
        "model=m0,seed=0: Traceback", "  line 3", "ValueError: no", "[1/4] model=m0,seed=0: failed: no; 0.5 s",
    ]  # fmt: skip
    assert out == ""


def test_a_quiet_sweep_shows_nothing_of_what_goes_well(terminal, capsys):
    screen = begin(*sweep(), quiet=True)
    screen.event(Event("progress", "model=m0,seed=0", "w1", 5, 9, "mse 0.1"))
    screen.event(Event("end", "model=m0,seed=0", "w1", 9, 9, SOLVED, (), "done", 1.0))
    screen.end()
    assert (terminal.getvalue(), capsys.readouterr()) == ("", ("", ""))


def test_a_terminal_shows_arms_the_time_left_and_a_line_for_each_run_that_goes_on(terminal):
    screen = begin(standing("done", 20, model="m0", seed="0"), *sweep()[1:], standing("failed", model="m2", seed="0"))
    screen.event(Event("begin", "model=m0,seed=1", "w1", 0, 1000, "train loss 0.3"))
    screen.event(Event("progress", "model=m1,seed=0", "w2", 250, 1000, "mse 0.0342 (chance 0.167, goal 0.01)", CURVE))
    assert picture(screen) == [
        "",
        "model  done  running  failed  to do",
        "m0        1        1       0      0",
        "m1        0        1       0      1",
        "m2        0        0       1      0",
        "[2/5]  about 27.5 s left  2 workers",
        "  model=m0,seed=1    0/1000              train loss 0.3",
        "  model=m1,seed=0  250/1000  █▇▆▆▅▄▃▃▂▁  mse 0.0342 (chance 0.167, goal 0.01)",
    ]
    screen.end()


def test_what_has_ended_scrolls_above_the_picture_which_is_taken_away_at_the_end(terminal):
    screen = begin(*sweep())
    screen.event(Event("end", "model=m0,seed=0", "w1", 9, 9, "done after 9 steps", (), "done", 1.0))
    assert "[1/4] model=m0,seed=0: done after 9 steps; 1.0 s\n" in terminal.getvalue()
    screen.end()
    assert terminal.getvalue().endswith("\x1b[?25h\r\x1b[1A\x1b[2K")
    assert not isinstance(sys.stdout, type(screen.live))
    assert screen.live is None


def test_a_run_that_is_lost_may_begin_again(capsys):
    screen = begin(*sweep())
    screen.event(Event("begin", "model=m0,seed=0", "w1", 0, 9))
    screen.lost("model=m0,seed=0", "its process was killed by signal 9")
    assert (screen.tally.count, screen.tally.totals, screen.current) == ("[0/4]", {"to do": 4}, {})
    screen.event(Event("begin", "model=m0,seed=0", "w2", 3, 9))
    assert screen.tally.totals == {"running": 1, "to do": 3}
    screen.event(Event("end", "model=m0,seed=0", "w2", 5, 9, "interrupted at step 5", (), "interrupted", 1.0))
    assert screen.tally.totals == {"to do": 4}
    screen.lost("", "its process was killed by signal 9")
    killed = "its process was killed by signal 9"
    assert capsys.readouterr().err.splitlines() == [f"model=m0,seed=0: {killed}", f"a worker: {killed}"]


def test_what_others_have_done_is_shown_and_own_runs_are_left_to_their_events(capsys):
    screen = begin(*sweep(), standing("failed", model="m2", seed="0"), wanted=[f"model=m{m},seed={s}" for m in (0, 1)
                   for s in (0, 1)] + ["model=m2,seed=0"])  # fmt: skip
    screen.event(Event("begin", "model=m0,seed=0", "w1", 0, 9))
    found = [standing("done", 5, model="m0", seed="0"), standing("done", 5, model="m0", seed="1"),
             standing("running", model="m1", seed="0"), standing("pending", model="m1", seed="1"),
             standing("failed", model="m2", seed="0"), standing("done", 5, model="later", seed="0")]  # fmt: skip
    for _ in range(2):
        screen.look(found)
    assert capsys.readouterr().out == "[1/5] model=m0,seed=1: done, by another worker\n"
    assert screen.tally.totals == {"running": 2, "done": 1, "to do": 2}
    screen.look([standing("killed", model="m1", seed="0")])
    assert screen.tally.totals == {"running": 1, "done": 1, "to do": 3}
    screen.event(Event("end", "model=m0,seed=0", "w1", 9, 9, SOLVED, (), "done", 5.0))
    assert screen.tally.count == "[2/5]"


def test_events_that_come_fast_are_drawn_four_times_a_second(terminal, monkeypatch):
    drawn = []
    now = [0.0]
    screen = begin(*sweep())
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(screen.live, "update", lambda *what, **how: drawn.append(now[0]))
    screen.drawn = 0.0
    for step in range(101):
        now[0] = step / 100
        screen.event(Event("progress", "model=m0,seed=0", "w1", step, 100))
    monkeypatch.undo()
    screen.end()
    assert drawn == [0.25, 0.5, 0.75, 1.0]


def test_names_and_results_are_shown_as_text(terminal, capsys):
    name = "model=[bold red]x[/],note=:x:"
    run = standing("pending", model="[bold red]x[/]", note=":x:")
    screen = begin(run)
    screen.event(Event("progress", run.run.name, "w1", 1, 9, "mse \x1b[2J\x07 [b]1[/b]"))
    drawn = picture(screen)
    assert drawn[2].startswith("[bold red]x[/]  :x:")
    assert drawn[-1] == f"  {name}  1/9  mse \\x1b[2J\\x07 [b]1[/b]"
    screen.event(Event("note", name, "w1", text="\x1b[31m [b] :x:"))
    screen.event(Event("end", name, "w1", 9, 9, "\x1b[31mdone[/b]", (), "done", 1.0))
    screen.end()
    assert f"[1/1] {name}: \\x1b[31mdone[/b]; 1.0 s" in terminal.getvalue()
    assert capsys.readouterr().err == f"{name}: \\x1b[31m [b] :x:\n"


def test_of_more_arms_than_fit_those_where_something_happens_are_shown():
    states = ["done"] * 8 + ["failed", "running"] + ["pending"] * 30
    tally = Tally([standing(now, lr=str(number), seed="0") for number, now in enumerate(states)])
    lines = text(arm_table(tally, 8))
    assert len(lines) == 8
    assert [line.split()[0] for line in lines[1:7]] == ["8", "9", "10", "11", "12", "13"]
    assert lines[7].split() == ["34", "more", "arms", "8", "0", "0", "26"]
    assert len(text(arm_table(tally, 41))) == len(text(arm_table(tally))) == 41


def test_of_more_runs_than_fit_the_others_are_counted():
    events = [Event("progress", f"seed={seed}", "w", seed, 9, "mse 1") for seed in range(30)]
    lines = text(*current_lines(events, 80, 5))
    assert len(lines) == 5
    assert [line.split()[0] for line in lines[:4]] == [f"seed={seed}" for seed in range(4)]
    assert lines[4].strip() == "and 26 more runs"


@pytest.mark.parametrize("height", [12, 24, 50])
def test_the_picture_leaves_a_quarter_of_the_terminal_to_what_has_ended(height, terminal):
    screen = begin(*sweep(models=30, seeds=40), workers=20)
    screen.console = LastingConsole(file=terminal, force_terminal=True, width=60, height=height)
    for seed in range(20):
        screen.event(Event("progress", f"model=m0,seed={seed}", "w", seed, 9, SOLVED, CURVE))
    screen._draw()
    lines = text(screen.live.renderable, width=60)
    screen.end()
    assert len(lines) <= height * 3 // 4
    assert max(map(len, lines)) <= 60
    assert lines[-1].startswith("  and ")
    assert [line for line in lines if "more arms" in line]


def test_runs_that_differ_in_nothing_but_their_seed_are_one_line():
    tally = Tally([standing("pending", seed=str(seed)) for seed in range(3)])
    assert text(arm_table(tally)) == ["arm       done  running  to do", "all runs     0        0      3"]
