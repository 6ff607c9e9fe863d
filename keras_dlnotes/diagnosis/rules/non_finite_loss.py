"""A loss that became NaN or infinite."""

import keras
import numpy as np

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding
from keras_dlnotes.diagnosis.remedy_wording import clipping, listed

_UNDEFINED = (
    "log of 0 or of a negative number, sqrt of a negative number, division by 0, or exp of "
)
_UNDEFINED += "a number above 88"
_STEEP = "sqrt at 0 and a norm (keras.ops.norm) of a vector of zeros, whose derivatives are "
_STEEP += (
    "infinite there, a power below 1 of 0, log or division near 0, and keras.ops.where around "
)
_STEEP += "one of these, which keeps a NaN out of the value but not out of the gradient"
_HALF = ", or a number above 65504 in float16"
_ABOVE_0 = "keep the arguments of log, sqrt, norms and divisions above 0, as in "
_ABOVE_0 += "keras.ops.log(keras.ops.maximum(x, 1e-7)) or keras.ops.sqrt(x + 1e-7)"
_BELOW_88 = "those of exp below 80"
_LESS_HALF = " In float16, scale down what grows large, or use the policy mixed_bfloat16."
_CONSEQUENCES = (
    "stuck_at_trivial_predictor",
    "exploding_gradients",
    "vanishing_gradients",
    "dead_units",
    "untrained_layers",
    "too_few_epochs",
    "batch_size_too_large",
    "underfitting",
)


def non_finite_loss(evidence: Evidence) -> list[Finding]:
    """Once the loss is not finite, neither are the weights, and training is over.

    Threshold: a single one, in the loss or in the predictions after training. Where it came from is
    read from the first recorded step that holds one: a layer whose output was not finite though the
    weights were, or the loss though all outputs were, or the gradient of a variable though the loss
    was. If no number had grown before (see `NonFiniteTrace`), an operation made it, and not the
    length of the steps.

    Reference: Goodfellow, Bengio and Courville, "Deep Learning", 2016, section 4.1; IEEE 754.
    """
    losses = [*evidence.losses, *evidence.epoch_losses]
    bad_loss = not np.isfinite(losses).all()
    predictions = evidence.predictions
    bad_predictions = predictions is not None and not np.isfinite(predictions).all()
    if not bad_loss and not bad_predictions:
        return []
    origin = evidence.origin
    traced = origin is not None and origin.by_operation
    symptom = "The loss became NaN or infinite."
    if not bad_loss:
        symptom = "The predictions are NaN or infinite."
    figures = {}
    finite = [float(loss) for loss in losses if np.isfinite(loss)]
    if finite:
        figures = {"first finite loss": finite[0], "last finite loss": finite[-1]}
    if origin is not None and origin.finite_step is not None:
        figures["last finite step"] = origin.finite_step
    explanation, remedy = _cause(evidence, origin)
    part, fix = ("keras.ops.maximum" if traced else None), {}
    if not traced:
        lower, part, fix = clipping(evidence.model)
        remedy = listed(lower, "scale inputs and targets")
        if origin is None or not origin.grown:
            remedy = f"{_capital(_ABOVE_0)}. If that is not it: {remedy[0].lower()}{remedy[1:]}"
    return [
        Finding(
            cause="non_finite_loss",
            symptom=f"{symptom} {_where(origin)}".strip(),
            explanation=explanation,
            remedy=remedy,
            confidence=0.92 if traced else 0.9,
            evidence=figures or {"finite losses": 0},
            layer=_layer_of(evidence.model, origin),
            step=_first_bad_step(evidence, origin),
            part=part,
            fix=fix,
            # Beside an operation at fault, nothing that was measured later means anything.
            explains=(*_CONSEQUENCES, "*") if traced else _CONSEQUENCES,
        )
    ]


def _where(origin):
    """A sentence that says where the first number was seen that is not finite."""
    if origin is None:
        return ""
    if origin.kind == "unseen":
        return f"It happened between steps {origin.finite_step} and {origin.step}."
    places = {
        "weights": "in the weights, before training",
        "forward": f"in the output of layer {origin.layer!r}",
        "loss": "in the loss, while the outputs of all layers were finite",
        "update": "in the weights after the optimizer's update, while all gradients were finite",
    }
    place = places.get(origin.kind)
    if place is None:
        variable = f"in the gradient of {origin.variables[-1]!r}"
        place = f"{variable}, while the loss was finite"
        if origin.kind == "loss or gradient":
            place = f"in the loss or {variable}, while the outputs of all layers were finite"
    return f"The first such number was seen at step {origin.step} {place}."


def _cause(evidence, origin):
    """Why it happened and what to do about it."""
    model = evidence.model
    half, less = (_HALF, _LESS_HALF) if model.half_precision else ("", "")
    if origin is None:
        return f"A number overflowed or an operation has no value: {_UNDEFINED}{half}.", ""
    if origin.grown:
        return f"Numbers grew from step to step until they overflowed{half}.", ""
    if origin.kind == "weights":
        return (
            "The weights were not finite before the first step.",
            "Look at where they come from: an initializer, a file, or an earlier training.",
        )
    if origin.kind == "update":
        return (
            "The optimizer divided by 0, or its learning rate is not finite.",
            "Look at the learning rate's schedule, and at the optimizer's epsilon.",
        )
    if origin.kind == "forward":
        return _forward(model, origin, half, less)
    unseen = ""
    if (evidence.batch_size or 0) >= 64:
        unseen = " So does a NaN among the targets that were not looked at (64 of each batch were)."
    between = "" if model.only_layers else ", or what is applied to the outputs before it"
    if origin.kind == "loss":
        return (
            f"The loss{between} does what has no finite value: {_UNDEFINED}{half}.{unseen}",
            f"In the loss, {_ABOVE_0}, and {_BELOW_88}.{less}",
        )
    if origin.kind == "unseen":
        return (
            f"No number had grown before, so an operation may have no value: {_UNDEFINED}; or no "
            f"finite derivative: {_STEEP}{half}.",
            "",
        )
    return (
        f"An operation has no finite derivative{_behind(model, origin)}. Such are {_STEEP}{half}.",
        f"In what is computed there, {_ABOVE_0}.{less}",
    )


def _forward(model, origin, half, less):
    layers = {layer.name: layer for layer in model.layers}
    layer = layers.get(origin.layer)
    usual = layer is not None and _only_hands_on(layer)
    if usual and layer is model.layers[0]:
        return (
            f"Layer {origin.layer!r} is the first one and makes no such number of ordinary ones: "
            f"its inputs were not finite{half}.",
            "Look for NaN and infinity in the inputs (numpy.isfinite): of each batch that was "
            f"recorded, 64 examples were looked at.{less}",
        )
    before = ", or what is computed between it and the layers before," if usual else ""
    return (
        f"The layer{before} does what has no finite value: {_UNDEFINED}{half}.",
        f"In layer {origin.layer!r}, {_ABOVE_0}, and {_BELOW_88}.{less}",
    )


def _only_hands_on(layer):
    """Whether it is a layer of Keras's that gives no infinite number for ordinary ones."""
    own = layer.kind == "Lambda" or not hasattr(keras.layers, layer.kind)
    return not own and layer.activation not in ("own function", "exponential")


def _behind(model, origin):
    """Between which layers the derivative is taken that is not finite."""
    names = [layer.name for layer in model.layers]
    owner = _layer_of(model, origin)
    if owner not in names:
        return ""
    behind = model.layers[names.index(owner) + 1 :]
    following = [layer for layer in behind if layer.has_kernel]
    if origin.all_variables or not following:
        return f", in the loss or behind layer {owner!r}"
    between = behind[: behind.index(following[0])]
    within = f" (there: {', '.join(repr(layer.name) for layer in between)})" if between else ""
    return f", in layer {owner!r} or between it and layer {following[0].name!r}{within}"


def _layer_of(model, origin):
    """Name of the layer that the finding is about, if it is about one."""
    if origin is None or not origin.variables:
        return None if origin is None else origin.layer
    path = origin.variables[-1].rsplit("/", 1)[0]
    for layer in model.layers:
        if layer.weights_path and layer.weights_path.rsplit("/", 1)[0] == path:
            return layer.name
    return path.rsplit("/", 1)[-1]


def _first_bad_step(evidence, origin):
    if origin is not None:
        return origin.step
    pairs = zip(evidence.loss_steps, evidence.losses, strict=True)
    return next((step for step, loss in pairs if not np.isfinite(loss)), None)


def _capital(sentence):
    return sentence[0].upper() + sentence[1:]
