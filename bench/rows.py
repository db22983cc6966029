"""What was measured, as it stands in the table."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure: its rounds, and the bar that their median is held against."""

    what: str
    unit: str
    values: Sequence[float]
    at_least: float | None = None
    at_most: float | None = None
    below: float | None = None
    aim: str = ""

    @property
    def median(self) -> float:
        """The round in the middle."""
        return statistics.median(self.values)

    @property
    def bar(self) -> str:
        """The bar in words; empty when there is none."""
        limits = (("≥", self.at_least), ("≤", self.at_most), ("<", self.below))
        words = [f"{sign} {number(limit)}" for sign, limit in limits if limit is not None]
        return ", ".join([*words, *([f"aim {self.aim}"] if self.aim else [])])

    @property
    def is_met(self) -> bool | None:
        """Whether the median keeps the bar; None when there is none."""
        median = self.median
        kept = [
            *([median >= self.at_least] if self.at_least is not None else []),
            *([median <= self.at_most] if self.at_most is not None else []),
            *([median < self.below] if self.below is not None else []),
        ]
        return all(kept) if kept else None

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        spread = (min(self.values), self.median, max(self.values))
        met = {True: "yes", False: "**no**", None: ""}[self.is_met]
        return (self.what, self.unit, *map(number, spread), self.bar, met)


HEADINGS = ("what", "unit", "min", "median", "max", "bar", "met")
_DIGITS = 3


def ratios(these: Sequence[float], those: Sequence[float]) -> list[float]:
    """Divide round by round."""
    return [this / that for this, that in zip(these, those, strict=True)]


def number(value: float) -> str:
    """Write *value* with three digits that count, and integers whole."""
    if value == int(value) or abs(value) >= 10 ** (_DIGITS - 1):
        return f"{value:.0f}"
    return f"{value:.{_DIGITS}g}"
