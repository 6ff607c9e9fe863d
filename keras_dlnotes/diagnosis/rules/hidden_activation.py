"""Activations that do not belong into hidden layers, or are missing there."""

from keras_dlnotes.diagnosis.evidence import LEARNED_SHARE, Evidence
from keras_dlnotes.diagnosis.finding import Finding, counted
from keras_dlnotes.diagnosis.remedy_wording import better_start

_SQUASHING = ("sigmoid", "hard_sigmoid", "sparse_sigmoid")
_NOT_NONLINEAR = (None, "linear")
_NONLINEAR_KINDS = ("MaxPooling", "GlobalMaxPooling", "LSTM", "GRU", "RNN", "Attention", "PReLU")


def hidden_activation(evidence: Evidence) -> list[Finding]:
    """What a hidden layer applies decides what can be represented and what gradient gets through.

    Threshold: named only where the run went wrong. Layers without any nonlinearity are together
    one linear map. A softmax lets its units add up to 1, so that they compete. A sigmoid's slope
    is at most 1/4 and its outputs are all positive. Outputs that are multiplied with other
    activations are gates, or the weights of an attention, and rightly squashed.

    Reference: Goodfellow, Bengio and Courville, "Deep Learning", 2016, sections 6.1 and 6.3;
    LeCun, Bottou, Orr and Müller, 1998, section 4.4.
    """
    hidden = evidence.model.hidden
    if not hidden or not evidence.went_wrong:
        return []
    inner = [layer for layer in evidence.model.layers if not layer.is_output]
    inner = [layer for layer in inner if layer.name != evidence.model.output_layer]
    softmax = [layer for layer in inner if layer.activation == "softmax"]
    softmax = [layer for layer in softmax if not _is_factor(layer, evidence)]
    if softmax:
        return [_finding(softmax, "softmax", 0.8, evidence.model)]
    nonlinear = any(
        layer.activation not in _NOT_NONLINEAR or layer.kind.startswith(_NONLINEAR_KINDS)
        for layer in inner
    )
    if not nonlinear and evidence.model.only_layers and linear_falls_short(evidence):
        return [_finding(hidden, None, 0.92, evidence.model)]
    squashing = [layer for layer in inner if layer.activation in _SQUASHING and not layer.recurrent]
    squashing = [layer for layer in squashing if not _is_factor(layer, evidence)]
    if squashing:
        confidence = 0.62 + 0.06 * min(len(squashing) - 1, 3)
        return [_finding(squashing, "sigmoid", confidence, evidence.model)]
    return []


def _is_factor(layer, evidence):
    """Whether the outputs are a gate or weights of an average: no layer reads them as they are."""
    units = evidence.units.get(layer.name)
    return layer.gate or (units is not None and not units.read)


def linear_falls_short(evidence):
    """Whether the yardstick without its nonlinear part would not have learned either."""
    linear, full = evidence.linear_reference, evidence.reference
    return linear is not None and full is not None and linear.best < LEARNED_SHARE * full.best


def _finding(layers, activation, confidence, facts):
    start = better_start(facts, "relu")
    reasons = {
        "softmax": "A softmax makes the units of a layer compete: they add up to 1, and gradients "
        "all but vanish.",
        None: "Linear layers after one another are together one linear map, however many.",
        "sigmoid": "A sigmoid's slope is at most 1/4 and its outputs are never negative, so each "
        "such layer weakens the gradient and slows learning.",
    }
    return Finding(
        cause="no_hidden_nonlinearity" if activation is None else f"{activation}_in_hidden_layers",
        symptom="No hidden layer has an activation."
        if activation is None
        else f"{counted(len(layers), 'hidden layer')} with activation {activation!r}.",
        explanation=reasons[activation],
        remedy='Use activation="relu" in hidden layers'
        + (", with He initialization." if start else "."),
        confidence=confidence,
        evidence={"layers": ", ".join(layer.name for layer in layers[:5])},
        layer=layers[0].name,
        part='activation="relu"' + (f", {start[1]}" if start else ""),
        fix={"hidden_activation": "relu"},
        explains=(
            "stuck_at_trivial_predictor",
            "underfitting",
            "vanishing_gradients",
            "saturated_units",
            "too_few_epochs",
        ),
    )
