"""The scale on which a run is judged: a task names it, the record keeps it, every table and picture shows it."""

from __future__ import annotations

from dataclasses import dataclass

from seqablate.shape import Name


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One scale.

    Args:
        name: key in the results.
        chance: what a predictor without memory of the input reaches (closed form, or a measured baseline).
        goal: the value at which the task counts as solved; None if there is none.
        lower_is_better: direction.
        unit: for axes and tables.
        source: where chance and goal come from.
    """

    name: Name
    chance: float
    goal: float | None
    lower_is_better: bool
    unit: str
    source: str

    def met(self, value: float) -> bool:
        """Whether ``value`` is better than the goal; False if there is none."""
        if self.goal is None:
            return False
        return value < self.goal if self.lower_is_better else value > self.goal


def accuracy(chance: float, goal: float | None, source: str, unit: str = "share of sequences") -> Metric:
    """The scale of a share of right answers."""
    return Metric(name="accuracy", chance=chance, goal=goal, lower_is_better=False, unit=unit, source=source)
