"""The evidence of one finding in full: as text, and as a figure."""

import base64
import contextlib
import html
import io
from typing import Any

import numpy as np

from keras_dlnotes.diagnosis.evidence import LEARNED_SHARE
from keras_dlnotes.diagnosis.finding import Finding
from keras_dlnotes.diagnosis.rules import RULES
from keras_dlnotes.numerics.number_arguments import is_real_number, is_whole_number
from keras_dlnotes.plots.panels import Panel, draw_panels

_MOST_LAYERS = 16
_OF_LOSSES = ("overfitting", "validation_data_differ")
_OF_UPDATES = ("learning_rate_too_high", "learning_rate_too_low")
# By cause, the statistic of the kernels that decides, and how it is called.
_OF_KERNELS = {
    "vanishing_gradients": ("gradients", "standard_deviation", "gradient, standard deviation"),
    "exploding_gradients": ("gradients", "norm", "gradient norm"),
    "untrained_layers": ("gradients", "norm", "gradient norm"),
    "regularization_too_strong": ("weights", "norm", "weight norm"),
}


class Explanation:
    """What a finding rests on.

    Args:
        finding: the `Finding`.
        evidence: the `Evidence` that it was found in; None where none is kept.

    Attributes:
        figure: a Matplotlib `Figure`: the loss, the skill beside the yardstick's, and the figures
            that decided with their thresholds; None if Matplotlib is not installed or nothing that
            can be drawn is known.

    Example:
    ```python
    explanation = diagnosis.explain(1)
    print(explanation)
    explanation.save("why.png")
    ```
    """

    def __init__(self, finding: Finding, evidence: Any = None) -> None:
        self.finding = finding
        self.panels = [] if evidence is None else panels_of(finding, evidence)
        self.figure: Any = None
        if self.panels:
            with contextlib.suppress(ImportError):
                self.figure = draw_panels(self.panels, finding.headline())

    def __str__(self):
        return "\n".join([self.finding.in_full(), *(_as_text(panel) for panel in self.panels)])

    __repr__ = __str__

    def save(self, path: Any) -> None:
        """Writes the figure to a file.

        Raises:
            ImportError: if there is no figure since Matplotlib is not installed.
            ValueError: if there is nothing to draw.
        """
        if self.figure is None and not self.panels:
            raise ValueError(
                "Expected evidence that can be drawn. Received a finding about the configuration "
                "alone: print the explanation instead."
            )
        if self.figure is None:
            self.figure = draw_panels(self.panels, self.finding.headline())
        self.figure.savefig(path)

    def _repr_html_(self) -> str:
        """What a notebook shows: the figure above the text."""
        image = ""
        if self.figure is not None:
            buffer = io.BytesIO()
            self.figure.savefig(buffer, format="png", dpi=90)
            encoded = base64.b64encode(buffer.getvalue()).decode()
            image = f'<img src="data:image/png;base64,{encoded}" alt="evidence">'
        return f"{image}<pre>{html.escape(str(self))}</pre>"


def explained(findings: Any, number: int, evidences: Any) -> Explanation:
    """The `Explanation` of one of several findings.

    Args:
        findings: list of `Finding`.
        number: its number as printed, from 1.
        evidences: list of `Evidence`, one an output of the model.

    Raises:
        ValueError: if there is no finding of this number.
    """
    if not findings:
        raise ValueError(
            f"Expected a finding to explain. Received: n={number!r}, and nothing was found, or no "
            "run was judged: print the findings to see which."
        )
    if not is_whole_number(number) or not 1 <= number <= len(findings):
        raise ValueError(
            f"`n` must be the number of a finding as printed, from 1 to {len(findings)}. Received: "
            f"n={number!r}."
        )
    finding = findings[number - 1]
    return Explanation(finding, _found_in(finding, evidences))


def _found_in(finding, evidences):
    """The evidence of the output it is about, or the first in which a rule finds just this.

    Else, as when the run went on, the first in which one finds the same cause in the same layer;
    else the first.
    """
    if len(evidences) < 2:
        return evidences[0] if evidences else None
    own = [evidence for evidence in evidences if evidence.model.output_layer == finding.output]
    if finding.output is not None and len(own) == 1:
        return own[0]
    rules = [rule for rules in RULES.values() for rule in rules]
    found = [[one for rule in rules for one in rule(evidence)] for evidence in evidences]
    for known_by in (_just_this, _about):
        for evidence, others in zip(evidences, found, strict=True):
            if known_by(finding) in map(known_by, others):
                return evidence
    return evidences[0]


def _just_this(finding):
    return *_about(finding), finding.symptom, finding.confidence


def _about(finding):
    return finding.cause, finding.layer


def panels_of(finding: Finding, evidence: Any) -> list[Panel]:
    """What can be drawn of a finding: at most five panels."""
    about = finding.cause
    panels = [_loss(evidence), _skill(evidence), *_deciding(finding)]
    if about in _OF_LOSSES:
        panels.append(_losses(evidence))
    if about in _OF_UPDATES:
        panels.append(_updates(evidence))
    if about in _OF_KERNELS:
        panels.append(_kernels(finding, evidence, *_OF_KERNELS[about]))
    panels.append(_units(finding, evidence))
    return [panel for panel in panels if panel is not None]


def _loss(evidence):
    pairs = list(zip(evidence.loss_steps, evidence.losses, strict=False))
    steps, losses = [step for step, _ in pairs], [loss for _, loss in pairs]
    if len(losses) < 2 or not np.isfinite(losses).any():
        return None
    chance = evidence.constant_prediction_loss
    levels = [] if chance is None else [("best constant prediction", chance)]
    reference = evidence.reference
    if chance is not None and evidence.model.loss == "mean_squared_error" and reference is not None:
        levels.append(("kernel ridge regression", (1.0 - reference.variance) * chance))
    return Panel("Training loss", [("loss", steps, losses)], levels=levels)


def _skill(evidence):
    """Skill over the steps beside what there is to learn, of classes by accuracy."""
    by_class = any(found.skill.accuracy is not None for found in evidence.batch_skills)
    name = "accuracy" if by_class else "variance"
    curve = [(found.taken - 1, getattr(found.skill, name)) for found in evidence.batch_skills]
    curve = [(taken, max(value, -1.0)) for taken, value in curve if value is not None]
    if len(curve) < 2:
        return None
    levels = [("best constant prediction", 0.0)]
    reference = evidence.reference and getattr(evidence.reference, name)
    if reference is not None:
        levels.append(("counts as learned", LEARNED_SHARE * reference))
        levels.append(("kernel ridge regression", reference))
    steps, values = zip(*curve, strict=True)
    title = "Skill by accuracy" if by_class else "Skill by squared error"
    return Panel(f"{title}, batch by batch", [("batches", steps, values)], levels=levels)


def _deciding(finding):
    """The figure that decided, beside its threshold."""
    figures = [(name, value) for name, value in finding.evidence.items() if is_real_number(value)]
    thresholds = [(name, value) for name, value in figures if name.endswith("threshold")]
    others = [(name, value) for name, value in figures if not name.endswith("threshold")]
    if not thresholds or not others or figures[0] != others[0]:
        return []
    name, value = others[0]
    title = f"What decided: {name}"
    return [Panel(title, bars=[("this run", float(value))], levels=thresholds)]


def _losses(evidence):
    lines = [
        (name, list(range(1, len(values) + 1)), list(values))
        for name, values in (
            ("training", evidence.epoch_losses),
            ("validation", evidence.validation_losses),
        )
        if len(values)
    ]
    return Panel("Loss by epoch", lines, across="epoch") if lines else None


def _updates(evidence):
    ratios, known = _series(evidence, "updates", "ratio")
    if not ratios:
        return None
    usual = [("usual", 1e-3), ("large", 0.03)]
    title = _by_layer("size of an update over that of the weights", len(ratios), known)
    return Panel(title, ratios, levels=usual)


def _kernels(finding, evidence, kind, statistic, title):
    lines, known = _series(evidence, kind, statistic)
    if not lines:
        return None
    names = {label for label, _, _ in lines}
    marked = (finding.layer,) if finding.layer in names else ()
    return Panel(_by_layer(title, len(lines), known), lines, marked=marked)


def _series(evidence, kind, statistic):
    """A statistic of the kernels over the steps, of layers evenly chosen, and of how many."""
    found = []
    for layer in evidence.model.layers:
        values = evidence.statistics.get(f"{kind}/{layer.weights_path}/{statistic}")
        if layer.has_kernel and values and np.isfinite(values).any():
            found.append((layer.name, list(evidence.statistic_steps)[: len(values)], list(values)))
    if len(found) <= 6:
        return found, len(found)
    places = np.unique(np.linspace(0, len(found) - 1, 6).astype(int))
    return [found[place] for place in places], len(found)


def _units(finding, evidence):
    """By layer, what decided of its units, where the finding is about them."""
    of_units = {
        "dead_units": ("share of silent units", "dead"),
        "saturated_units": ("share of saturated outputs", "saturated"),
        "exploding_block": ("standard deviation of the outputs", "deviation"),
    }
    gains = ("initial_weights_too_large", "initial_weights_too_small")
    if finding.cause in gains:
        bars = [(layer.name, layer.gain) for layer in evidence.model.layers if layer.gain]
        title = "gain of the initial weights"
    elif finding.cause in of_units:
        title, attribute = of_units[finding.cause]
        found = {name: getattr(units, attribute) for name, units in evidence.units.items()}
        bars = [(name, value) for name, value in found.items() if value is not None]
    else:
        return None
    if not bars:
        return None
    place = next((i for i, (name, _) in enumerate(bars) if name == finding.layer), 0)
    first = max(0, min(place - _MOST_LAYERS // 2, len(bars) - _MOST_LAYERS))
    marked = (finding.layer,) if finding.layer else ()
    shown = bars[first : first + _MOST_LAYERS]
    return Panel(_by_layer(title, len(shown), len(bars)), bars=shown, marked=marked)


def _by_layer(title, shown, known):
    """A panel's title, which says how many of the layers it shows."""
    return f"By layer: {title}" + (f" ({shown} of {known} layers)" if shown < known else "")


def _as_text(panel):
    """A panel in words: first, middle and last values, and the levels."""
    parts = []
    for label, places, values in panel.lines:
        chosen = sorted({0, len(values) // 2, len(values) - 1})
        seen = ", ".join(f"{values[i]:.3g} at {panel.across} {places[i]}" for i in chosen)
        parts.append(f"{label} {seen}")
    parts += [f"{name} {value:.3g}" for name, value in [*panel.bars, *panel.levels]]
    return f"  {panel.title}: {'; '.join(parts)}"
