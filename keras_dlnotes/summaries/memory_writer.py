"""Keeps what would be written, for tests and notebooks."""

from collections.abc import Iterable, Sequence
from typing import Any

from keras_dlnotes.summaries.event_protos import custom_scalars_value


class MemoryWriter:
    """Takes what an `EventFileWriter` takes and keeps it in dicts.

    Attributes:
        scalars: dict from tag to list of `(step, number)`.
        histograms: dict from tag to list of `(step, low, high, counts)`.
        texts: dict from tag to list of `(step, text)`.
        hparams: list of dicts of hyperparameters.
        findings: list of dicts, those that were added last.
        layers: dict from a statistic's tag to `(rows, [(step, vector), ...])`, for `kd.plots`.
    """

    def __init__(self) -> None:
        self.failure = None
        self.seconds = 0.0
        self.scalars: dict[str, list[tuple[int, float]]] = {}
        self.histograms: dict[str, list[tuple[int, float, float, Any]]] = {}
        self.texts: dict[str, list[tuple[int, str]]] = {}
        self.custom_scalars: Any = None
        self.hparams: list[dict[str, Any]] = []
        self.findings: list[dict[str, Any]] = []
        self.layers: dict[str, tuple[Any, list[tuple[int, Any]]]] = {}

    def add_scalars(
        self,
        step: int,
        tags: tuple[str, ...],
        numbers: Sequence[float],
        wall_time: float | None = None,
    ) -> None:
        """Adds one number under each tag."""
        for tag, number in zip(tags, numbers, strict=True):
            self.scalars.setdefault(tag, []).append((step, float(number)))

    def add_histogram(
        self,
        step: int,
        tag: str,
        low: float,
        high: float,
        counts: Any,
        wall_time: float | None = None,
    ) -> None:
        """Adds a histogram of equal bins between `low` and `high`."""
        self.histograms.setdefault(tag, []).append((step, low, high, counts))

    def add_layers(self, step: int, parts: Iterable[Any], wall_time: float | None = None) -> None:
        """Adds statistics of all layers, `[(tag, rows, values), ...]`."""
        for tag, rows, values in parts:
            self.layers.setdefault(tag, (rows, []))[1].append((step, values))

    def add_text(self, step: int, tag: str, text: str, wall_time: float | None = None) -> None:
        """Adds a text in Markdown."""
        self.texts.setdefault(tag, []).append((step, text))

    def add_findings(self, step: int, findings: Iterable[dict[str, Any]]) -> None:
        """Keeps what a diagnosis found, instead of what it found before."""
        self.findings = list(findings)

    def add_custom_scalars(self, categories: dict[str, dict[str, list[str]]]) -> None:
        """Keeps the layout of the custom-scalars dashboard."""
        self.custom_scalars = custom_scalars_value(categories)

    def add_hparams(
        self, hparams: dict[str, Any], group: str, succeeded: bool, start: float, end: float
    ) -> None:
        """Keeps a run's hyperparameters."""
        self.hparams.append(dict(hparams))

    def flush(self) -> None:
        """Does nothing: all is kept at once."""

    def close(self) -> None:
        """Does nothing: what was kept stays."""
