"""What was measured, as it stands in the table."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure: its rounds, and the bar that its median is held against."""

    what: str
    unit: str
    values: Sequence[float]
    at_least: float | None = None
    at_most: float | None = None
    aim: str = ""

    @property
    def median(self) -> float:
        """The round in the middle."""
        return statistics.median(self.values)

    @property
    def bar(self) -> str:
        """The bar in words; empty when there is none."""
        sides = (("≥", self.at_least), ("≤", self.at_most))
        words = [f"{sign} {number(limit)}" for sign, limit in sides if limit is not None]
        return ", ".join([*words, *([f"aim {self.aim}"] if self.aim else [])])

    @property
    def met(self) -> str:
        """Whether the median keeps the bar."""
        if self.at_least is None and self.at_most is None:
            return ""
        low = self.at_least is None or self.median >= self.at_least
        high = self.at_most is None or self.median <= self.at_most
        return "yes" if low and high else "**no**"

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        spread = (min(self.values), self.median, max(self.values))
        return (self.what, self.unit, *map(number, spread), self.bar, self.met)


HEADINGS = ("what", "unit", "min", "median", "max", "bar", "met")


def ratios(these: Sequence[float], those: Sequence[float]) -> list[float]:
    """Divide round by round."""
    return [this / that for this, that in zip(these, those, strict=True)]


def number(value: float) -> str:
    """Write *value* with three digits that count, and integers whole."""
    if value == int(value) or abs(value) >= 100:  # noqa: PLR2004
        return f"{value:.0f}"
    return f"{value:.3g}"
