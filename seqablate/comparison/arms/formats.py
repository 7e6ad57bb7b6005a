"""A comparison as text: for the terminal, as Markdown, LaTeX or CSV. All show the same numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from seqablate.comparison.arms.cells import Column, arm_columns, contrast_columns, effect_columns, infinite
from seqablate.comparison.result import ArmResult, Comparison, Test
from seqablate.errors import printable
from seqablate.statistics.interval import Interval, fewest

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

T = TypeVar("T")
Rows = tuple[str, Sequence[Column[Any]], Sequence[Any]]  # a title, columns and rows
MOST_NOTES = 12
MARKDOWN = r"\`*_|~"
LATEX = str.maketrans(
    {
        **{letter: f"\\{letter}" for letter in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "∞": r"$\infty$",
        "–": "--",
        "[": "{[}",
        "]": "{]}",
    }
)


def tables(comparison: Comparison) -> Iterator[Rows]:
    """Every table that has rows."""
    yield "", arm_columns(comparison), comparison.arms
    if comparison.contrasts:
        yield "Differences", contrast_columns(comparison), comparison.contrasts
    if comparison.effects:
        yield "Effects of two factors", effect_columns(comparison), comparison.effects


def remarks(comparison: Comparison) -> list[str]:
    """What is said below the tables."""
    lines = [*infinite(comparison), f"Intervals are of {100 * comparison.level:g} %."]
    if any(arm.value.low is None for arm in comparison.arms):
        lines[-1] += f" A median of fewer than {fewest(comparison.level)} seeds has none."
    if comparison.contrasts:
        lines[-1] += " p: exact, two-sided, after Holm's correction over all tests that could have come out either way."
    lines += [f"note: {note}" for note in comparison.notes]
    lines += [f"left out: {one.path}: {one.why}" for one in comparison.left_out[:MOST_NOTES]]
    more = len(comparison.left_out) - MOST_NOTES
    return [*lines, *([f"left out: {more} more folders (--json names them)"] if more > 0 else [])]


def print_comparison(comparison: Comparison, console: Console) -> None:
    """On a terminal: the claim, the tables, and what is unfair about them."""
    from rich.markup import escape

    console.print(f"[bold]{escape(printable(comparison.claim))}[/]", soft_wrap=False)
    for title, columns, rows in tables(comparison):
        if title:
            console.print(f"[bold]{title}[/]")
        console.print(_fitting(columns, rows, console.width))
    for line in remarks(comparison):
        style = "yellow" if line.startswith(("note", "left out")) else "dim"
        console.print(f"[{style}]{escape(printable(line))}[/]")


def arm_table(comparison: Comparison, width: int) -> Table:
    """The table of arms alone."""
    return _fitting(arm_columns(comparison), comparison.arms, width)


def as_text(comparison: Comparison, width: int = 120) -> str:
    """The same as plain text."""
    from rich.console import Console

    console = Console(width=width, file=io.StringIO(), color_system=None, emoji=False)
    with console.capture() as captured:
        print_comparison(comparison, console)
    return captured.get()


def _fitting(columns: Sequence[Column[T]], rows: Sequence[T], width: int) -> Table:
    """As many columns as there is room for."""
    from rich.console import Console
    from rich.measure import Measurement

    kept = list(columns)
    wide = Console(width=1000)
    while True:
        table = _rich(kept, rows)
        losable = max(kept, key=lambda column: column.losable)
        if not losable.losable or Measurement.get(wide, wide.options, table).maximum <= width:
            return table
        kept.remove(losable)


def _rich(columns: Sequence[Column[T]], rows: Sequence[T]) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        heading = escape(printable(column.heading)).replace(" (", "\n(").replace("left at", "\nleft at")
        table.add_column(heading, justify="left" if column.left else "right", overflow="fold")
    for row in rows:
        cells = [column.cell(row) for column in columns]
        table.add_row(*(escape("\n".join(map(printable, filter(None, (c.text, c.below))))) for c in cells))
    return table


def to_markdown(comparison: Comparison) -> str:
    """Tables of GitHub's Markdown."""
    lines = [_plain(comparison.claim, _markdown), ""]
    for title, columns, rows in tables(comparison):
        if title:
            lines += [f"{title}:", ""]
        lines.append(_row([_markdown(column.heading.strip()) for column in columns]))
        lines.append(_row(["---" if column.left else "---:" for column in columns]))
        lines += [_row([_markdown(column.cell(row).line) for column in columns]) for row in rows]
        lines.append("")
    return "\n".join([*lines, *(f"- {_markdown(line)}" for line in remarks(comparison))])


def _plain(text: str, escape: Callable[[str], str]) -> str:
    return escape(printable(text))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown(text: str) -> str:
    """As it is, also where it holds Markdown or HTML."""
    escaped = printable(text).replace("&", "&amp;").replace("<", "&lt;")
    escaped = "".join(f"\\{letter}" if letter in MARKDOWN else letter for letter in escaped)
    return escaped.replace("](", r"]\(").replace("][", r"]\[")  # no link and no image


def to_latex(comparison: Comparison) -> str:
    """Tables of the package booktabs."""
    lines = [f"% {printable(comparison.claim)}"]
    for title, columns, rows in tables(comparison):
        lines += [f"% {title}"] if title else []
        lines.append(rf"\begin{{tabular}}{{{''.join('l' if column.left else 'r' for column in columns)}}}")
        lines.append(r"\toprule")
        lines.append(_latex_row([column.heading.strip() for column in columns]))
        lines.append(r"\midrule")
        lines += [_latex_row([column.cell(row).line for column in columns]) for row in rows]
        lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join([*lines, *(f"% {printable(line)}" for line in remarks(comparison))])


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(printable(cell).translate(LATEX) for cell in cells) + r" \\"


def to_html(comparison: Comparison) -> str:
    """For a notebook: the claim, the tables and the remarks, with every name escaped."""
    parts = [f"<p><b>{_html(comparison.claim)}</b></p>"]
    for title, columns, rows in tables(comparison):
        head = "".join(f"<th>{_html(column.heading)}</th>" for column in columns)
        body = "".join(
            f"<tr>{''.join(f'<td>{_html(column.cell(row).line)}</td>' for column in columns)}</tr>" for row in rows
        )
        parts.append(
            f"<table><caption>{_html(title)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )
    said = "".join(f"<li>{_html(line)}</li>" for line in remarks(comparison))
    return "".join([*parts, f"<ul>{said}</ul>"])


def _html(text: str) -> str:
    from html import escape

    return escape(printable(text))


def to_csv(comparison: Comparison) -> str:
    """One row an arm, every number in full; an interval has three columns."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    rows = [arm_row(comparison, arm) for arm in comparison.arms]
    keys = list(dict.fromkeys(key for row in rows for key in row))
    writer.writerow(keys)
    writer.writerows([[_csv(row.get(key)) for key in keys] for row in rows])
    return out.getvalue().rstrip("\n")


def _csv(value: Any) -> Any:
    """Text without control characters, and none that a spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return "" if value is None else value
    return ("'" if value[:1] in ("=", "+", "-", "@") else "") + printable(value)


def arm_row(comparison: Comparison, arm: ArmResult) -> dict[str, Any]:
    """Every number of an arm in full, by the name of its column; its contrast is that of the first baseline."""
    row: dict[str, Any] = {key: arm.config.get(key) for key in comparison.factors}
    row |= {"n": arm.n, "diverged": arm.statuses.get("diverged", 0)}
    row |= _three("solved", arm.solved)
    row |= _three(comparison.scale.label.replace(" ", "_"), arm.value)
    row |= {} if comparison.scale.name == "steps_to_solve" else _three("steps_to_solve", arm.steps_to_solve)
    row |= {} if comparison.scale.name == "reach" else _three("reach", arm.reach)
    row |= {"clipped": arm.clipped, "ms_per_step": arm.ms_per_step, "parameters": " ".join(map(str, arm.parameters))}
    found = next((one for one in comparison.contrasts if one.arm == arm.label), None)
    row |= {"baseline": found.baseline, "pairs": found.pairs} if found else {}
    row |= _tested("solved", found.solved if found else None)
    row |= _tested("value", found.value if found else None)
    return row


def _three(name: str, found: Interval | None) -> dict[str, float | None]:
    if found is None:
        return {}
    return {name: found.estimate, f"{name}_low": found.low, f"{name}_high": found.high}


def _tested(name: str, test: Test | None) -> dict[str, float | None]:
    if test is None:
        return {}
    return {**_three(f"{name}_difference", test.difference), f"{name}_p": test.p, f"{name}_p_holm": test.holm}
