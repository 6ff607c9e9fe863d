"""What a gradient check found, as an object, a table and a text for TensorBoard."""

import re
from dataclasses import dataclass, field
from typing import Self

from keras_dlnotes.numerics.gradient_verdict import FAILED, INCONCLUSIVE, PASSED

_COLUMNS = ("verdict", "part", "variable", "relative error", "worst at", "analytic", "numeric")


@dataclass(frozen=True)
class GradientRow:
    """The verdict on one variable (or input) and one part of the loss.

    Attributes:
        part: "loss", "penalty", or "second order".
        path: the variable's path, or "input".
        shape: its shape.
        verdict: "passed", "failed" or "inconclusive".
        relative_error: |a - n| / max(|a|, |n|) at the worst place that was looked at.
        worst_index: index of the worst coordinate; None where only whole directions were needed.
        analytic: derivative by the gradient at the worst place.
        numeric: derivative from differences of the loss there.
        tolerance: the difference |a - n| that rounding and truncation explain there.
        cause: what is probably wrong, or what else there is to say.
        inconclusive_count: coordinates at a kink, of `compared_count`.
        compared_count: coordinates that were compared one by one.
        tested: False where no derivative differs from 0, so that a wrong rule would not show.
    """

    part: str
    path: str
    shape: tuple[int, ...]
    verdict: str
    relative_error: float = 0.0
    worst_index: tuple[int, ...] | None = None
    analytic: float = 0.0
    numeric: float = 0.0
    tolerance: float = 0.0
    cause: str = ""
    inconclusive_count: int = 0
    compared_count: int = 0
    tested: bool = True

    def cells(self) -> tuple[str, ...]:
        """The row's texts, in the order of the table's columns."""
        place = "a direction" if self.worst_index is None else str(self.worst_index)
        return (
            self.verdict,
            self.part,
            f"{self.path} {self.shape}",
            f"{self.relative_error:.1e}",
            place,
            f"{self.analytic:.6g}",
            f"{self.numeric:.6g}",
        )


@dataclass(frozen=True)
class GradientReport:
    """What `check_gradients` found; `print(report)` shows it as a table.

    Attributes:
        rows: a `GradientRow` for each variable and part of the loss.
        skipped: dict from the path of a variable that was not checked to the reason.
        notes: what else there is to know: noise, kinks, precision.
        precision: "float64", or "float32" where the subject cannot compute in float64.
        noise: standard deviation of the rounding noise in one value of the loss.
        evaluations: number of losses that were evaluated.
        seconds: how long it took.
        faulty_layers: names of a model's layers whose gradient is wrong by itself.
    """

    rows: list[GradientRow]
    skipped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    precision: str = "float64"
    noise: float = 0.0
    evaluations: int = 0
    seconds: float = 0.0
    faulty_layers: list[str] = field(default_factory=list)

    @property
    def failures(self) -> list[GradientRow]:
        """The rows that failed."""
        return [row for row in self.rows if row.verdict == FAILED]

    @property
    def inconclusive(self) -> list[GradientRow]:
        """The rows on which nothing can be said."""
        return [row for row in self.rows if row.verdict == INCONCLUSIVE]

    @property
    def passed(self) -> bool:
        """Whether no gradient was found wrong; where every derivative is 0, nothing passed."""
        return not self.failures and any(row.tested for row in self.rows)

    def raise_if_failed(self) -> Self:
        """Raises an AssertionError with the table unless the check passed; else returns self."""
        if not self.passed:
            raise AssertionError(str(self))
        return self

    def __str__(self) -> str:
        table = [_COLUMNS] + [row.cells() for row in self.rows]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in table
        ]
        for row, i in zip(self.rows, range(1, len(self.rows) + 1), strict=True):
            if row.cause:
                lines[i] += f"\n    {row.cause}"
        return "\n".join([self._headline(), *lines, *self._remarks()])

    def markdown(self) -> str:
        """The report for TensorBoard's text tab."""
        head = (*_COLUMNS, "cause")
        rows = [(*row.cells(), row.cause) for row in self.rows]
        lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]
        return "\n".join([f"**{self._headline()}**", "", *lines, "", *self._remarks()])

    def _headline(self) -> str:
        counts = {v: sum(row.verdict == v for row in self.rows) for v in (PASSED, FAILED)}
        unknown = len(self.inconclusive)
        return (
            f"Gradient check: {counts[FAILED]} failed, {counts[PASSED]} passed, {unknown} "
            f"inconclusive; {self.evaluations} losses in {self.precision}, {self.seconds:.1f} s"
        )

    def _remarks(self) -> list[str]:
        skipped = [f"not checked: {path}, {why}" for path, why in self.skipped.items()]
        return [*self.notes, *skipped]


def one_line(error: BaseException) -> str:
    """An exception in one line; Keras wraps a layer's own message and sets it in bold."""
    text = str(error)
    place = re.search(r"Exception encountered when calling (\S+)\.call\(\)", text)
    bold = re.search(r"\x1b\[1m(.*?)\x1b\[0m", text, re.DOTALL)
    lines = (bold[1] if bold else text).strip().splitlines()
    where = f" in {place[1]}" if place else ""
    return f"{type(error).__name__}{where}: {lines[0][:200] if lines else ''}"
