"""What a repair has changed, and what it gained."""

import contextlib
import html
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_dlnotes.diagnosis import Evidence, Finding, as_taken, leaves_of
from keras_dlnotes.remedies.short_runs import ShortRuns


class Repair:
    r"""A model that trains, what was changed for it, and what that is worth.

    Made by `keras_dlnotes.repair`.

    Attributes:
        model: the repaired model, compiled, with fresh weights; where nothing was changed, a copy
            of the model as it is, or None if it cannot be called on the data.
        settings: dict from the names of the remedies to their settings.
        changes: list of sentences that say what was changed.
        code: Python that makes the changes to `model`, `x` and `y`, compiles and trains.
        fit: arguments of `fit` that go with the repaired model.
        findings: list of `Finding`, what was wrong at first.
        pairs: list of pairs of skills, without and with the changes, one for each seed.
        not_repaired: list of pairs of a `Finding` and the reason why it stands.
        steps: train steps that all short runs together took.
        evidence: `Evidence` of the last run that was kept.
    """

    def __init__(
        self,
        runs: ShortRuns,
        settings: dict[str, Any],
        findings: list[Finding],
        pairs: list[tuple[float, float]],
        not_repaired: Sequence[tuple[Finding | None, str]],
        steps: int,
        evidence: Evidence | None = None,
    ) -> None:
        self._runs = runs
        self.settings = settings
        self.findings = findings
        self.pairs = pairs
        self.not_repaired = list(not_repaired)
        self.steps = steps
        self.evidence = evidence
        self.changes = runs.sentences(settings)
        self.model: keras.Model | None = None
        with contextlib.suppress(Exception):  # one that cannot be called on the data
            self.model = runs.build(settings)
        self.fit = runs.fit_arguments(settings)
        self.code = runs.code(settings, self.model) if settings and self.model else ""

    @property
    def gain(self) -> float:
        """Mean over the seeds of how much skill the changes add; 0 where there are none."""
        return float(np.mean([after - before for before, after in self.pairs] or [0.0]))

    @property
    def spread(self) -> float:
        """Standard deviation over the seeds of that gain."""
        return float(np.std([after - before for before, after in self.pairs] or [0.0]))

    def data(self, x: Any, y: Any) -> tuple[Any, ...]:
        """Inputs and targets as the repaired model takes them.

        Args:
            x: inputs: an array, or a list or dict of arrays.
            y: targets: an array.
        """
        model = self._runs.model
        leaves = [np.asarray(leaf) for leaf in leaves_of(model, x)]
        leaves, y = self._runs.prepared(self.settings, leaves, np.asarray(y))
        return as_taken(model, leaves), y

    def __str__(self) -> str:
        return "\n".join([self._heading(), *self._lines()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        items = "".join(f"<li>{html.escape(line)}</li>" for line in self._lines(code=False))
        code = f"<pre>{html.escape(self.code)}</pre>" if self.code else ""
        return f"<p><b>{html.escape(self._heading())}</b></p><ul>{items}</ul>{code}"

    def _heading(self) -> str:
        if self.settings:
            if not self.pairs:
                return "Repair: changed; the gain was not repeated with other seeds."
            before, after = np.mean(self.pairs, axis=0)
            return (
                f"Repair: skill {before:.2f} without and {after:.2f} with the changes "
                f"(0: constant, 1: perfect, -1: failed; gain {self.gain:.2f}, {self._seeds()})."
            )
        if self.findings:
            reasons = {reason for _, reason in self.not_repaired}
            why = reasons.pop() if len(reasons) == 1 else "no remedy helped"
            return f"Repair: nothing was changed, since {why.rstrip('.')}."
        if self.not_repaired:
            return f"Repair: nothing was tried, since {self.not_repaired[0][1]}."
        return "Repair: nothing wrong was found, and nothing was changed."

    def _seeds(self) -> str:
        if len(self.pairs) == 1:
            return "one seed"
        return f"standard deviation {self.spread:.2f} over {len(self.pairs)} seeds"

    def _lines(self, code: bool = True) -> list[str]:
        lines = [f"changed: {change}" for change in self.changes]
        lines += [
            f"not repaired: {finding.cause}: {reason}"
            for finding, reason in self.not_repaired
            if finding is not None
        ]
        if code and self.code:
            lines += ["", *self.code.splitlines()]
        return lines
