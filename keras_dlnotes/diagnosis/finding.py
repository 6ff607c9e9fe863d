"""What a diagnosis says."""

import math
import numbers
import textwrap
from dataclasses import asdict, dataclass, field
from typing import Any

# What is printed of one finding.
_MOST_LINES = 4
_WIDTH = 100
_MOST_FIGURES = 3
_TRIED = ("tried on a copy", "not tried on a copy")

# What follows where activations, gradients or steps are far too large.
OF_WRONG_SCALE = (
    "stuck_at_trivial_predictor",
    "dead_units",
    "saturated_units",
    "exploding_gradients",
    "non_finite_loss",
    "underfitting",
)


def consequences_of_scale(evidence):
    """`OF_WRONG_SCALE`, without a NaN that an operation's derivative made of ordinary numbers."""
    origin = evidence.origin
    if origin is None or not origin.by_operation or origin.kind != "gradient":
        return OF_WRONG_SCALE
    return tuple(cause for cause in OF_WRONG_SCALE if cause != "non_finite_loss")


@dataclass
class Finding:
    """One thing that is wrong with a run, why, and what to do.

    Args:
        cause: the cause's name, one of those in the table of `keras_dlnotes.diagnosis.rules`.
        symptom: a sentence that says what was seen.
        explanation: a sentence that says why it happens.
        remedy: a sentence that says what to do.
        confidence: between 0 and 1.
        evidence: dict from the name of a figure to its value, first that which decided. An `upper
            threshold` is what it exceeds or reaches, a `lower threshold` what it stays below.
            Figures that are not finite are left out.
        layer: name of the layer it is about, if it is about one.
        step: train step at which it was seen, if it was seen at one.
        part: the part of this package, or of Keras, that applies the remedy.
        fix: what `verify` changes on a copy: a dict with `learning_rate`, `optimizer`,
            `standardize`, `standardize_targets`, `initializer`, `activation`, `hidden_activation`,
            `loss`, `epochs`, `without_penalties`, `clipnorm`, `mask_zero`, `loss_scaling`,
            `class_weight` or `trainable`; empty where nothing can be changed without the user.
        explains: causes that are mere consequences of this one.
        verified: after `verify`, a dict with the measured gain.
        not_tried: after `verify`, why the remedy could not be tried on a copy; None if it was, or
            if there is nothing to try.
        output: name of the layer of the output it is about; None if it is about all, or the only
            one.
    """

    cause: str
    symptom: str
    explanation: str
    remedy: str
    confidence: float
    evidence: dict = field(default_factory=dict)
    layer: str | None = None
    step: int | None = None
    part: str | None = None
    fix: dict = field(default_factory=dict)
    explains: tuple = ()
    verified: dict | None = None
    not_tried: str | None = None
    output: str | None = None

    def __post_init__(self) -> None:
        # A figure that is infinite or no number says nothing, and JSON has no word for it.
        self.evidence = {
            name: value
            for name, value in self.evidence.items()
            if not isinstance(value, numbers.Real) or math.isfinite(value)
        }

    def to_dict(self) -> dict[str, Any]:
        """What can be written as JSON."""
        return asdict(self)

    def headline(self) -> str:
        """Cause, certainty and place."""
        place = f" in layer {self.layer!r}" if self.layer else ""
        if self.output and self.output != self.layer:
            place += f" for output {self.output!r}"
        return f"{self.cause} ({self.confidence:.0%} sure){place}"

    def __str__(self) -> str:
        """At most four lines; `in_full` has all that is known."""
        details = dict(self.details(figures=_MOST_FIGURES))
        tried = next((f"{name}: {details[name]}" for name in _TRIED if name in details), None)
        must = [*wrapped(f"  do: {details['do']}"), *(wrapped(f"  {tried}") if tried else [])]
        # What was measured of the remedy is worth more than the second half of the symptom.
        most = min(max(_MOST_LINES - len(must), 1), _MOST_LINES // 2)
        head = _cut(wrapped(f"{self.headline()}: {self.symptom}"), most)
        room = _MOST_LINES - len(head)
        optional: list[str] = []
        for name in ("evidence", "why"):
            lines = wrapped(f"  {name}: {details[name]}") if name in details else []
            if len(optional) + len(lines) + len(must) <= room and not (tried and name == "why"):
                optional += lines
        return "\n".join(_cut([*head, *optional, *must], _MOST_LINES))

    def in_full(self) -> str:
        """All that is known, one line a detail."""
        lines = (f"  {name}: {text}" for name, text in self.details())
        return "\n".join([f"{self.headline()}: {self.symptom}", *lines])

    def details(self, figures: int | None = None) -> list[tuple[str, str]]:
        """What there is to say below the symptom: pairs of a word and a text.

        Args:
            figures: how many figures are named, those that decided first; None for all.
        """
        named = [f"{name} = {_short(value)}" for name, value in self.evidence.items()][:figures]
        pairs = [
            ("evidence", ", ".join(named)),
            ("why", self.explanation),
            ("do", self.remedy + (f" [{self.part}]" if self.part else "")),
            ("tried on a copy", self.verified["sentence"] if self.verified else ""),
            ("not tried on a copy", self.not_tried or ""),
        ]
        return [(name, text) for name, text in pairs if text]


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number and its noun: "1 layer", "2 layers"."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def wrapped(text: str) -> list[str]:
    """Lines of at most 100 columns, the first of which leaves room for a number before it."""
    indent = "    " if text.startswith(" ") else "  "
    text = " ".join(text.split()) if indent == "  " else "  " + " ".join(text.split())
    return textwrap.wrap(
        text, _WIDTH, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def _cut(lines, most):
    """The first lines; where there are more, the last one says so."""
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while len(last) > _WIDTH - 4:
        last = last.rsplit(" ", 1)[0]
    return [*lines[: most - 1], f"{last} ..."]


def _short(value):
    whole = isinstance(value, numbers.Integral)
    return f"{value:.3g}" if isinstance(value, numbers.Real) and not whole else str(value)
