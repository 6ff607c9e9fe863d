"""Penalties or dropout that leave the data no say."""

from math import inf

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding
from keras_dlnotes.diagnosis.rules.dead_units import MOST as DEAD_UNITS

MOST = 0.5
COLLAPSED = 0.2
DECAYED = 0.5  # by so many times its size a weight shrinks that no gradient holds
HIGH_RATE = 0.7
_SHARES = ("weight penalties", "silent units")
_SMALLER_DECAY = "Use a weight decay of 0.01 or less, and leave gains and biases out of it."
_SYMPTOMS = ("too_few_epochs", "learning_rate_too_high", "dead_units")


def heavy_regularization(evidence: Evidence) -> list[Finding]:
    """A penalty larger than the loss of the data decides where the weights go.

    Thresholds: named where the run went wrong and penalties make up more than half of the final
    loss, or have shrunk a kernel to less than a fifth of its initial norm (after which little is
    left to be penalized), or a penalty on outputs has silenced 90 % of the layer's units, or a
    dropout leaves less than 30 % of its inputs; usual is 50 to 80 %. Or weight decay of the
    optimizer, which by itself would have shrunk weights by half and more, has left a fifth of a
    kernel's or a normalization's gains. A dropout behind the last
    layer with weights is reported in any run.

    Reference: Srivastava et al., "Dropout", 2014, section A.4; Krogh and Hertz, 1992.
    """
    found = _dropout_of_outputs(evidence)
    if not evidence.went_wrong:
        return found
    if evidence.penalty is not None and MOST < evidence.penalty < inf:
        found.append(_finding("weight penalties", evidence.penalty, MOST, None, 0.88))
    else:
        found += _collapsed(evidence) or _decayed(evidence)
    layer = max(evidence.model.layers, key=lambda item: item.rate, default=None)
    if layer is not None and "Dropout" in layer.kind and layer.rate > HIGH_RATE:
        found.append(_finding("dropout", layer.rate, HIGH_RATE, layer.name, 0.75))
    return found


def _dropout_of_outputs(evidence):
    """A dropout behind the last kernel sets predictions to 0, which no loss can mean."""
    kernels = [i for i, layer in enumerate(evidence.model.layers) if layer.is_output]
    behind = evidence.model.layers[kernels[0] + 1 :] if kernels else []
    dropouts = [layer for layer in behind if "Dropout" in layer.kind and layer.rate > 0]
    return [_finding("dropout of the output", d.rate, 0.0, d.name, 0.87) for d in dropouts[:1]]


def _collapsed(evidence):
    for layer in evidence.model.layers:
        units = evidence.units.get(layer.name)
        if layer.penalized_outputs and units is not None and units.dead >= DEAD_UNITS:
            return [_finding("silent units", units.dead, DEAD_UNITS, layer.name, 0.88)]
        norms = evidence.statistics.get(f"weights/{layer.weights_path}/norm", ())
        if layer.penalized and len(norms) > 1 and norms[-1] < COLLAPSED * norms[0]:
            share = norms[-1] / norms[0]
            return [_finding("final over initial norm", share, COLLAPSED, layer.name, 0.88)]
    return []


def _decayed(evidence):
    """What the optimizer's weight decay has shrunk: the gains of normalization show it first."""
    decay, rate = evidence.model.weight_decay, evidence.model.learning_rate
    if not decay or not rate or decay * rate * evidence.steps < DECAYED:
        return []
    shares = {
        tag.split("/")[-3]: norms[-1] / norms[0]
        for tag, norms in evidence.statistics.items()
        if tag.startswith("weights/") and tag.endswith(("/gamma/norm", "/kernel/norm"))
        if len(norms) > 1 and norms[0] > 0
    }
    layer = min(shares, key=shares.__getitem__, default=None)
    if layer is None or not shares[layer] < COLLAPSED:  # also where it is no number
        return []
    return [_finding("decayed over initial norm", shares[layer], COLLAPSED, layer, 0.88)]


def _finding(what, value, threshold, layer, confidence):
    penalty = "dropout" not in what
    symptoms = {
        "weight penalties": f"{value:.0%} of the final loss are weight penalties.",
        "final over initial norm": f"The penalized weights shrank to {value:.0%} of their size.",
        "decayed over initial norm": f"Weight decay shrank the layer's weights to {value:.0%}.",
        "silent units": f"{value:.0%} of the units with penalized outputs are 0 for every example.",
        "dropout of the output": f"{value:.0%} of the predictions are set to 0 in training.",
        "dropout": f"The layer drops {value:.0%} of its inputs.",
    }
    return Finding(
        cause="regularization_too_strong",
        symptom=symptoms[what],
        explanation="The optimizer is busier with small weights than with the data."
        if penalty
        else "Too little of each example gets through to learn from.",
        remedy=_SMALLER_DECAY
        if what == "decayed over initial norm"
        else "Use a penalty a hundred times smaller."
        if penalty
        else "Use a rate of 0.2 to 0.5.",
        confidence=confidence,
        evidence={
            f"share of {what}" if what in _SHARES else what: value,
            "lower threshold" if what.endswith("initial norm") else "upper threshold": threshold,
        },
        layer=layer,
        part='optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])'
        if what == "decayed over initial norm"
        else "keras.regularizers.L2(1e-4)"
        if penalty
        else "keras.layers.Dropout(0.3)",
        fix={"without_penalties": True},
        explains=("stuck_at_trivial_predictor", "underfitting", "vanishing_gradients", *_SYMPTOMS),
    )
