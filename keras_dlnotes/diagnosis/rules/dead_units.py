"""ReLU units that are silent for every example."""

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding, counted
from keras_dlnotes.diagnosis.remedy_wording import better_start, listed

MOST = 0.9
NEARLY_ALL = 0.98
FEWEST = 8
SURE = 0.93
SILENT = 0.999
LOW_BIAS = -3.0  # so many deviations of what a layer that was initialized well adds to it
_CAN_DIE = ("relu", "relu6")


def dead_units(evidence: Evidence) -> list[Finding]:
    """A ReLU unit that is 0 for every example has no gradient and never comes back.

    Threshold: 90 % of a hidden layer's units are silent for the whole sample after training and
    the run went wrong, or all of them are. Sparse layers in which half the units are silent are
    common in networks that learn well. In a run that learned, 98 % of 8 units and more: then
    something else, as the connection around a residual block, has carried what was learned. Where
    numbers are no longer finite at the end, a layer 99.9 % of whose outputs were 0 at every
    recorded step before: normalization of outputs that are all the same divides by next to nothing.

    Reference: Lu, Shin, Su and Karniadakis, "Dying ReLU and initialization", 2020.
    """
    found, always = [], set()
    for layer in evidence.model.layers:
        facts = evidence.units.get(layer.name)
        if _was_always_silent(evidence, layer):
            always.add(layer.name)
            found.append((1.0, layer))
            continue
        if facts is None or facts.non_finite or layer.activation not in _CAN_DIE:
            continue
        if evidence.outcome == "learned":
            if facts.dead >= NEARLY_ALL and facts.units >= FEWEST and evidence.finished:
                found.append((facts.dead, layer))
        elif facts.dead == 1.0 or (facts.dead >= MOST and evidence.went_wrong):
            found.append((facts.dead, layer))
    if not found:
        return []
    dead, layer = found[0]
    learned = evidence.outcome == "learned"
    also = f", and so are those of {counted(len(found) - 1, 'other layer')}" if found[1:] else ""
    start = better_start(evidence.model, "relu")
    low = layer.bias is not None and layer.bias < LOW_BIAS
    if low:
        also += f"; its biases started at {layer.bias:.3g} in the mean"
    confidence = 0.85 if dead == 1.0 else 0.7
    if learned:
        confidence = 0.6
    elif layer.name in always:
        confidence = SURE
    return [
        Finding(
            cause="dead_units",
            symptom=f"{dead:.0%} of the units are 0 for every example{also}.",
            explanation="Their inputs are always negative, there the slope is 0, and so is their "
            "gradient."
            + (" It is the output layer: nothing is learned at all." if layer.is_output else "")
            + (" What was learned went around the layer." if learned else ""),
            remedy="Leave the output without ReLU."
            if layer.is_output
            else listed(
                low and 'start the biases at 0 (bias_initializer="zeros")',
                "lower the learning rate",
                start and "initialize by He",
                "scale the inputs",
                "use leaky ReLU",
            ),
            confidence=confidence,
            evidence={
                "share of silent units": dead,
                "upper threshold": NEARLY_ALL if learned else MOST,
            },
            layer=layer.name,
            part="keras.layers.Dense(units)"
            if layer.is_output
            else 'activation="leaky_relu"' + (f", {start[1]}" if start else ""),
            fix={"activation": "linear"}
            if layer.is_output
            else {"hidden_activation": "leaky_relu"} | ({"initializer": start[2]} if start else {}),
            explains=(
                "stuck_at_trivial_predictor",
                "untrained_layers",
                "underfitting",
                "learning_rate_too_low",  # what is dead does not move
                *(["non_finite_loss"] if layer.name in always else []),
            ),
        )
    ]


def _was_always_silent(evidence, layer):
    """Whether its outputs were 0 from the first step on, in a run that ended in NaN."""
    if evidence.origin is None or layer.activation not in _CAN_DIE or layer.is_output:
        return False
    shares = evidence.statistics.get(f"activations/{layer.name}/zero_fraction", ())
    # Afterwards there are NaN in their place.
    pairs = zip(evidence.statistic_steps, shares, strict=False)
    before = [share for step, share in pairs if step < evidence.origin.step]
    return len(before) > 0 and min(before) >= SILENT
