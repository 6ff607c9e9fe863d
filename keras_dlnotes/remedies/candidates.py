"""Which remedies to try for a finding."""

from math import isclose

from keras_dlnotes.diagnosis import Evidence, Finding
from keras_dlnotes.diagnosis.conventions import REGRESSION_LOSSES
from keras_dlnotes.diagnosis.rules.learning_rate import usual_rates

_HE_AND_RELU = {"initializer": "he", "hidden_activation": "relu"}
_STANDARDIZE, _NORMALIZE = {"standardize": True}, {"normalization": True}
_BATCHES, _LONGER, _WIDER = {"batch_size": 32}, {"epochs": 4}, {"wider": 4}
_ADAM, _CLIP = {"optimizer": "adam"}, {"clipnorm": 1.0}


def candidates(finding: Finding, evidence: Evidence) -> list[dict]:
    """Lists what to try for a finding, the remedy that it names first.

    Args:
        finding: what is wrong.
        evidence: that of the run in which it was found.

    Returns:
        List of dicts from a remedy's name to its setting; empty where nothing can be changed
        without the user.
    """
    return _effective(
        [finding.fix, *_ALSO.get(finding.cause, lambda evidence: [])(evidence)], evidence
    )


def usual_recipe(evidence: Evidence) -> list[dict]:
    """What to try where no cause is known."""
    listed = [_ADAM, *_usual_rate(evidence), _STANDARDIZE, _HE_AND_RELU]
    return _effective([*listed, _NORMALIZE, _BATCHES, _LONGER, _WIDER], evidence)


def _effective(listed, evidence):
    """Those that change the run, each once."""
    units = evidence.prediction_shape[-1] if evidence.prediction_shape else None
    listed = [_that_differ(settings, evidence.model, units) for settings in listed]
    listed = [_without_what_is_so(settings, evidence) for settings in listed]
    return [s for i, s in enumerate(listed) if s and s not in listed[:i]]


def _without_what_is_so(settings, evidence):
    facts, settings = evidence.model, dict(settings)
    rate, usual = facts.learning_rate, usual_rates(facts)[2]
    if rate is not None:
        lowest = min(evidence.learning_rates, default=rate)  # a schedule's is another one
        kept = isclose(lowest, rate, rel_tol=0.5)
        if kept and isclose(settings.get("learning_rate", 0.0), rate, rel_tol=1e-3):
            del settings["learning_rate"]
        if settings.get("optimizer") == facts.optimizer and isclose(rate, usual, rel_tol=1e-3):
            del settings["optimizer"]
    if settings.get("batch_size") is not None and settings["batch_size"] == evidence.batch_size:
        del settings["batch_size"]
    hidden = {layer.activation for layer in facts.hidden if not layer.recurrent}
    if hidden == {settings.get("hidden_activation")}:
        del settings["hidden_activation"]
    return settings


def output_for_labels(evidence: Evidence) -> dict:
    """Units, activation and loss of an output that goes with the labels, as far as they differ.

    | labels | units | activation | loss |
    |---|---|---|---|
    | 0 and 1, -1 and 1 (made 0 and 1) | 1 | sigmoid | binary_crossentropy |
    | class numbers (made to start at 0) | one a class | softmax | sparse_categorical_crossentropy |
    | a column a class, one of them 1 | one a column | softmax | categorical_crossentropy |
    | a column a class, any of them 1 | one a column | sigmoid | binary_crossentropy |
    | amounts | one a column | linear | the model's, or mean_squared_error |
    """
    facts, labels = evidence.model, evidence.labels
    if labels is None or len(labels.shape) > 1:
        return {}
    units = evidence.prediction_shape[-1] if evidence.prediction_shape else None
    columns = labels.shape[0] if labels.shape else 1
    wanted: dict = {}
    if labels.kind in ("binary", "signed") and columns == 1:
        if labels.kind == "signed":
            wanted["labels"] = "zero_one"
        if units == 2:
            wanted |= _output(2, "softmax", "sparse_categorical_crossentropy")
        else:
            wanted |= _output(1, "sigmoid", "binary_crossentropy")
    elif labels.numbered_classes or _numbered(facts, labels):
        if labels.low != 0:
            wanted["labels"] = "from_zero"
        classes = int(labels.high - labels.low) + 1
        # More units than classes do no harm.
        classes = units if units is not None and units > classes else classes
        wanted |= _output(classes, "softmax", "sparse_categorical_crossentropy")
    elif labels.kind in ("one_hot", "shares"):
        wanted |= _output(columns, "softmax", "categorical_crossentropy")
    elif labels.kind == "multi_hot":
        wanted |= _output(columns, "sigmoid", "binary_crossentropy")
    elif labels.kind in ("real", "integers"):
        loss = facts.loss if facts.loss in REGRESSION_LOSSES else "mean_squared_error"
        wanted |= _output(columns, "linear", loss)
    return _that_differ(wanted, facts, units)


def _numbered(facts, labels):
    """Whether the model takes whole numbers, with one an example, for classes."""
    sparse = (facts.loss or "").startswith("sparse")
    return sparse and labels.whole and labels.shape in ((), (1,)) and facts.ignored_label is None


def _output(units, activation, loss):
    return {"output_units": units, "activation": activation, "loss": loss}


def _that_differ(wanted, facts, units):
    """Those of the settings that change a model."""
    now = {"output_units": units, "activation": facts.output_activation, "loss": facts.loss}
    logits = facts.from_logits and facts.output_activation == "linear"
    if logits and "activation" in wanted and wanted.get("loss") == facts.loss:
        now["activation"] = wanted["activation"]  # the loss applies it
    elif facts.from_logits:
        now["loss"] = None
    if facts.loss_reduction == "sum":
        now["loss"] = None  # of the same name, it is the mean
    differ = {name: value for name, value in wanted.items() if now.get(name) != value}
    if not any(layer.is_output and layer.has_kernel for layer in facts.layers):
        differ.pop("output_units", None)  # it is not known which layer makes the output
    return differ


def _fitting_output(evidence):
    settings = output_for_labels(evidence)
    return [settings] if settings else []


def _usual_rate(evidence):
    facts = evidence.model
    _, _, usual = usual_rates(facts)
    if facts.learning_rate is None:
        return []
    return [{"learning_rate": usual}]


def _start(evidence):
    return [{"initializer": "he"}, {"initializer": "xavier"}]


def _one_unit_a_class(evidence):
    labels = evidence.labels
    if labels is None or not labels.numbered_classes or labels.low < 0:
        return []
    return [{"output_units": int(labels.high) + 1}]


def _after_a_nan(evidence):
    return [*_usual_rate(evidence), _CLIP, _STANDARDIZE, *_fitting_output(evidence)]


# By cause, what else to try after the remedy that the finding names.
_ALSO = {
    "non_finite_data": lambda evidence: [{"finite_data": True}],
    "unscaled_inputs": lambda evidence: [_STANDARDIZE, _STANDARDIZE | _ADAM],
    "unscaled_targets": lambda evidence: [
        {"standardize_targets": True} | _ADAM,
        {"standardize_targets": True} | _STANDARDIZE,
    ],
    "unshuffled_data": lambda evidence: [{"shuffle": True}],
    "softmax_with_one_unit": _fitting_output,
    "loss_does_not_fit_output": _fitting_output,
    "missing_output_activation": _fitting_output,
    "from_logits_mismatch": _fitting_output,
    "regression_loss_for_classes": _fitting_output,
    "output_cannot_reach_targets": lambda evidence: [
        {"activation": "linear", "standardize_targets": True},
        *_fitting_output(evidence),
    ],
    "labels_do_not_fit_loss": _fitting_output,
    "target_shape_mismatch": lambda evidence: [
        {"one_prediction": True},
        *_fitting_output(evidence),
    ],
    "accuracy_on_regression": lambda evidence: [{"metrics": ["mae"]}],
    "error_in_training": _fitting_output,
    "symmetric_weights": _start,
    "initial_weights_too_large": _start,
    "initial_weights_too_small": _start,
    "initial_loss_far_from_chance": lambda evidence: [*_start(evidence), _STANDARDIZE],
    "untrained_layers": lambda evidence: [{"trainable": True}],
    "sigmoid_in_hidden_layers": lambda evidence: [_HE_AND_RELU],
    "softmax_in_hidden_layers": lambda evidence: [_HE_AND_RELU],
    "no_hidden_nonlinearity": lambda evidence: [_HE_AND_RELU],
    "dead_units": lambda evidence: [
        {"initializer": "he"},
        {"hidden_activation": "leaky_relu"},
        *_usual_rate(evidence),
        _STANDARDIZE,
    ],
    "saturated_units": lambda evidence: [_STANDARDIZE, _HE_AND_RELU, _NORMALIZE],
    "vanishing_gradients": lambda evidence: [_HE_AND_RELU, _NORMALIZE],
    "exploding_gradients": lambda evidence: [
        _CLIP,
        _STANDARDIZE,
        *_usual_rate(evidence),
        _NORMALIZE,
    ],
    "exploding_block": lambda evidence: [*_start(evidence), _NORMALIZE, _CLIP],
    "batch_statistics_lag": lambda evidence: [_LONGER],
    "unused_output_units": _one_unit_a_class,
    "non_finite_loss": _after_a_nan,
    "learning_rate_too_high": lambda evidence: [*_usual_rate(evidence), _ADAM],
    "learning_rate_too_low": lambda evidence: [*_usual_rate(evidence), _ADAM],
    "too_few_epochs": lambda evidence: [_LONGER, _ADAM],
    "batch_size_too_large": lambda evidence: [_BATCHES, _LONGER],
    "batch_size_too_small": lambda evidence: [_BATCHES],
    "changing_objective": lambda evidence: [_ADAM],
    "overfitting": lambda evidence: [{"early_stopping": True}],
    "stuck_at_trivial_predictor": usual_recipe,
    "underfitting": usual_recipe,
    "model_too_small": lambda evidence: [_WIDER, *usual_recipe(evidence)],
}
