"""What a stopping criterion sees."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Check:
    """One look at the training run.

    Args:
        monitor: name of the quantity that a criterion looks at if it names none itself.
        values: monitored quantities by name, as they came (smoothed, where that is asked for).
        errors: the same as errors: lower is better, infinity where not finite.
        raw_errors: as `errors`, never smoothed.
        maximized: names of the quantities that are better when larger.
        seconds: time trained so far.
    """

    monitor: str
    values: Mapping[str, float]
    errors: Mapping[str, float]
    raw_errors: Mapping[str, float] = field(default_factory=dict)
    maximized: Collection[str] = frozenset()
    seconds: float = 0.0
