"""The picture of a verdict: each criterion's pairs, estimate and interval, and what the claim needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from seqablate.errors import RunFailure
from seqablate.study.report import Report
from seqablate.study.verdict import Finding, Word

if TYPE_CHECKING:
    from seqablate.figures.effects import Effect

STEM, FORMATS = "verdict", (".png", ".svg")
COLORS: dict[Word, int] = {"SUPPORTED": 2, "CONTRADICTED": 1, "INCONCLUSIVE": 0}  # green, red, blue


def draw(report: Report, folder: Path) -> list[Path]:
    """Save the picture in the study's folder, as PNG and SVG; nothing where nothing was found yet.

    Raises:
        RunFailure: the disk does not take it.
    """
    if not report.findings:
        return []
    from seqablate.figures.effects import draw_effects
    from seqablate.figures.files import save

    title = f"{report.verdict}: {report.claim}"
    figure = draw_effects([_effect(finding) for finding in report.findings], title=title)
    try:
        return [save(figure, folder / f"{STEM}{suffix}") for suffix in FORMATS]
    except OSError as error:
        raise RunFailure(f"cannot save a picture in {folder}: {error.strerror}") from error


def _effect(finding: Finding) -> Effect:
    import numpy as np

    from seqablate.figures.effects import Effect

    criterion = finding.criterion
    return Effect(
        title=criterion.title,
        word=finding.word,
        color=COLORS[finding.word],
        values=np.array(finding.effects, dtype=np.float64),
        estimate=finding.estimate,
        low=finding.low,
        high=finding.high,
        needed=criterion.lines,
        none=1.0 if criterion.is_ratio else 0.0,
        log=criterion.is_ratio,
    )
