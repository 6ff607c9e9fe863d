"""Each rule on evidence at which it speaks, and on evidence next to it at which it is silent."""

import re
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest

from keras_dlnotes.diagnosis import (
    Evidence,
    Findings,
    LabelFacts,
    LayerFacts,
    Leak,
    ModelFacts,
    NormalizationFacts,
    Origin,
    RareClass,
    UnitFacts,
    findings_of,
    label_facts,
)
from keras_dlnotes.diagnosis.rules import RULES, learning_rate, unrelated_labels, validation_data
from keras_dlnotes.measures import Skill

ALL_RULES = [rule for rules in RULES.values() for rule in rules]
RANDOM = np.random.default_rng(0)
HIDDEN = LayerFacts("hidden", "Dense", "relu", 8, True, weights_path="hidden/kernel", gain=1.4)
OUTPUT = LayerFacts(
    "output", "Dense", "sigmoid", 1, True, is_output=True, weights_path="output/kernel", gain=1.0
)
MODEL = ModelFacts(
    [HIDDEN, OUTPUT],
    "sigmoid",
    "output",
    loss="binary_crossentropy",
    optimizer="adam",
    learning_rate=1e-3,
)
BINARY = LabelFacts("binary", 2, 0.0, 1.0, (1,), 0.5, 0.5, True)
REAL = LabelFacts("real", 200, -2.0, 2.0, (1,), 0.0, 1.0, False)
ONE_HOT = LabelFacts("one_hot", 3, 0.0, 1.0, (3,), 0.33, 0.47, True)
GRADIENTS = {
    f"gradients/{layer.weights_path}/{statistic}": [0.1] * 20
    for layer in (HIDDEN, OUTPUT)
    for statistic in ("norm", "standard_deviation")
}
UPDATES = {f"updates/{layer.weights_path}/ratio": [1e-3] * 20 for layer in (HIDDEN, OUTPUT)}
STILL = {f"updates/{layer.weights_path}/ratio": [1e-5] * 20 for layer in (HIDDEN, OUTPUT)}
NOT_AT_ALL = {tag: [0.0] * 20 for tag in STILL}


def evidence(model=None, **changes):
    """A run that has failed for no reason that any rule knows of."""
    values = {
        "inputs": RANDOM.normal(size=(200, 3)),
        "labels": BINARY,
        "prediction_shape": (1,),
        "skill": Skill(0.01, 0.0),
        "skill_examples": 200,
        "reference": Skill(0.8, 0.9),
        "linear_reference": Skill(0.8, 0.9),
        "loss_steps": list(range(0, 1000, 50)),
        "losses": [0.69, 0.6, 0.55] + [0.5] * 17,
        "epoch_losses": [0.69, 0.6, 0.55] + [0.5] * 17,
        "constant_prediction_loss": 0.69,
        "epochs": 20,
        "steps_per_epoch": 50,
        "batch_size": 32,
        "steps": 1000,
        "statistics": GRADIENTS | UPDATES,
        "statistic_steps": list(range(0, 1000, 50)),
    }
    return Evidence(model=replace(MODEL, **(model or {})), **(values | changes))


def layers(**changes):
    return {"layers": [replace(HIDDEN, **changes), OUTPUT]}


def statistic(tag, value):
    return {"statistics": GRADIENTS | UPDATES | {tag: [value] * 20}}


LEARNED = {"skill": Skill(0.8, 0.9)}
POOR = {"skill": Skill(0.4, 0.5)}
OWN_LOSS = {"loss": None, "exact_shapes": True}
MSE = {"loss": "mean_squared_error", "output_activation": "linear"}
SPARSE = {"loss": "sparse_categorical_crossentropy", "output_activation": "softmax"}
CATEGORICAL = {"loss": "categorical_crossentropy"}
THREE = {"prediction_shape": (3,)}
OVERFITTED = [1.0, 0.8, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3]
FALLING = list(np.linspace(0.69, 0.3, 20))
ROUGH = [0.5 + 0.3 * (-1) ** i for i in range(20)]
BAD_HALF_NAN = [0.7, 0.9, float("nan")]
NAN = {"losses": BAD_HALF_NAN, "loss_steps": [0, 1, 2]}
SQUARE_ROOT = Origin("gradient", 1, variables=("hidden/kernel",), finite_step=1)
DIVERGED = Origin("loss", 2, finite_step=1, grown=True)
POISSON = {"loss": "poisson", "output_activation": "linear"}
COUNTS = LabelFacts("integers", 6, 0.0, 5.0, (1,), 1.0, 1.0, True)
WITHIN = label_facts(np.arange(30) % 3)
PIXELS = {"layers": [replace(OUTPUT, kind="Conv2D", units=3)]}
NORMALIZED = layers(kind="BatchNormalization")
COLLAPSED = GRADIENTS | {tag: [0.06] + [1e-3] * 19 for tag in UPDATES}
COLLAPSED |= {"gradients/hidden/kernel/standard_deviation": [0.1] + [1e-9] * 19}
FROZEN = layers(kind="BatchNormalization", trainable=False, as_drawn=False)
THREE_FROZEN = {"layers": [replace(FROZEN["layers"][0], name=name) for name in "abc"]}
NEAR, FAR = NormalizationFacts(0.4, 0.5), NormalizationFacts(0.004, 1.0)
SHRUNK = {
    "statistics": GRADIENTS
    | UPDATES
    | {"weights/hidden/gamma/norm": list(np.linspace(1.0, 0.05, 20))}
}
OTHERS = [replace(HIDDEN, name=f"hidden_{number}") for number in range(4)]
GONE_AROUND = {"layers": [*OTHERS, HIDDEN, OUTPUT]}
# 1 is the size of the inputs and of the other layers' outputs
SIZES = {layer.name: UnitFacts(0.0, None, 0.0, 1.0) for layer in OTHERS}
LARGE_BLOCK = {
    "units": SIZES | {"hidden": UnitFacts(0.0, None, 0.0, 100.0)},
    "statistics": {
        f"activations/{name}/standard_deviation": [size] * 20
        for name, size in {"hidden": 80.0, **dict.fromkeys(SIZES, 1.0)}.items()
    },
}
GROWN_LATER = LARGE_BLOCK | {
    "statistics": {tag: [1.0] * 20 for tag in LARGE_BLOCK["statistics"]},
}
DEAD = UnitFacts(1.0, None, 1.0, 0.0, units=32)
ELSEWHERE = {
    "inference_skill": Skill(0.8, 0.9),
    "most_frequent": 0.5,
    "validation_losses": [3.0] * 20,
    **LEARNED,
}
IN_500 = {
    "labels": label_facts(np.arange(200) % 10),
    "prediction_shape": (500,),
}

# rule, cause, evidence at which it is named, evidence at which the rule is silent
CASES = [
    ("non_finite_data", "non_finite_data", evidence(non_finite_inputs=1), evidence()),
    (
        "constant_data",
        "constant_inputs",
        evidence(inputs=np.full((20, 3), 7.0)),
        evidence(inputs=np.c_[np.full((20, 2), 7.0), np.arange(20)]),
    ),
    (
        "constant_data",
        "constant_inputs",  # the sample holds alike examples once
        evidence(inputs=np.full((1, 2), 7.0)),
        evidence(inputs=np.full((1, 2), 7.0), steps_per_epoch=1, batch_size=1),
    ),
    (
        "constant_data",
        "constant_inputs",  # as an embedding reads them
        evidence({"takes_tokens": True}, inputs=np.arange(200)[:, None] / 200),
        evidence({"takes_tokens": True}, inputs=np.arange(200)[:, None]),
    ),
    (
        "constant_data",
        "constant_targets",
        evidence(labels=label_facts(np.zeros(20))),
        evidence({"loss": None}, labels=label_facts(np.zeros(20))),
    ),
    (
        "unscaled_inputs",
        "unscaled_inputs",
        evidence(inputs=100 * RANDOM.normal(size=(200, 3))),
        evidence({"normalizes_inputs": True}, inputs=100 * RANDOM.normal(size=(200, 3))),
    ),
    (
        "unscaled_inputs",
        "unscaled_inputs",
        evidence(inputs=100 * RANDOM.normal(size=(200, 3)), inputs_scaled_to=100.0),
        evidence(inputs=100 * RANDOM.normal(size=(200, 3)), inputs_scaled_to=1.0),
    ),
    (
        "unscaled_inputs",
        "unscaled_inputs",
        evidence(inputs=1e-3 * RANDOM.normal(size=(200, 3))),
        evidence(inputs=1e-3 * RANDOM.normal(size=(200, 3)), inputs_scaled_to=1.0),
    ),
    (
        "unscaled_inputs",
        "unscaled_inputs",
        evidence(inputs=100 * RANDOM.normal(size=(200, 3)), skill=Skill(0.69, 0.75)),
        evidence(inputs=100 * RANDOM.normal(size=(200, 3)), **LEARNED),
    ),
    (
        "unscaled_targets",
        "unscaled_targets",
        evidence(MSE, labels=replace(REAL, mean=2e5, deviation=1e5)),
        evidence(MSE, labels=replace(REAL, mean=2e5, deviation=1e5), **LEARNED),
    ),
    (
        "unshuffled_data",
        "unshuffled_data",
        evidence(batch_classes=0.3),
        evidence(batch_classes=0.95),
    ),
    (
        "unshuffled_data",
        "unshuffled_data",  # it has learned, but less than is easy
        evidence(batch_classes=0.3, skill=Skill(0.6, 0.78)),
        evidence(batch_classes=0.3, skill=Skill(0.8, 0.9)),
    ),
    (
        "unrelated_labels",
        "labels_unrelated_to_inputs",
        evidence(reference=Skill(0.01, 0.03)),
        evidence(reference=Skill(0.3, 0.4)),
    ),
    (
        "unrelated_labels",
        "labels_unrelated_to_inputs",
        evidence(
            reference=Skill(0.01, 0.03), validation_losses=[0.7, 0.8, 0.9, 1.1], skill=Skill(0.9)
        ),
        evidence(reference=Skill(0.01, 0.03), skill=Skill(0.9)),
    ),
    (
        "unrelated_labels",
        "labels_unrelated_to_inputs",
        evidence(reference=Skill(0.01, 0.03)),
        evidence(reference=Skill(0.01, 0.03), statistics=GRADIENTS | STILL),
    ),
    ("missing_class", "missing_class", evidence(missing_classes=1), evidence()),
    (
        "single_unit_softmax",
        "softmax_with_one_unit",
        evidence({"output_activation": "softmax"}),
        evidence({"output_activation": "softmax"}, prediction_shape=(2,)),
    ),
    (
        "loss_and_output",
        "loss_does_not_fit_output",
        evidence({"squashed_before": "sigmoid"}, **LEARNED),
        evidence({"squashed_before": None}, **LEARNED),
    ),
    (
        "loss_and_output",
        "missing_output_activation",
        evidence({"output_activation": "linear"}, **LEARNED),
        evidence({"output_activation": "linear", "from_logits": True}),
    ),
    (
        "loss_and_output",
        "loss_does_not_fit_output",
        evidence({"loss": "categorical_crossentropy"}, labels=ONE_HOT, prediction_shape=(3,)),
        evidence(
            {"loss": "categorical_crossentropy", "output_activation": "softmax"},
            labels=ONE_HOT,
            prediction_shape=(3,),
        ),
    ),
    (
        "loss_and_output",
        "loss_does_not_fit_output",
        evidence({"output_activation": "softmax"}, labels=ONE_HOT, prediction_shape=(3,)),
        evidence(
            {"output_activation": "softmax"},
            labels=replace(ONE_HOT, shape=(2,)),
            prediction_shape=(2,),
        ),
    ),
    ("loss_and_output", "from_logits_mismatch", evidence({"from_logits": True}), evidence()),
    (
        "loss_and_output",
        "from_logits_mismatch",  # whatever the activation
        evidence({"from_logits": True, "output_activation": "relu"}),
        evidence({"from_logits": True, "output_activation": "leaky_relu"}),
    ),
    (
        "loss_and_output",
        "missing_output_activation",  # a logarithm of negative numbers
        evidence(POISSON, labels=COUNTS),
        evidence(POISSON | {"output_activation": "softplus"}, labels=COUNTS),
    ),
    (
        "loss_and_output",
        "loss_does_not_fit_output",
        evidence(POISSON | {"output_activation": "tanh"}, labels=COUNTS),
        evidence(POISSON | {"output_activation": "tanh"}, labels=COUNTS, **LEARNED),
    ),
    (
        "loss_and_output",
        "regression_loss_for_classes",
        evidence({"loss": "mean_squared_error"}),
        evidence({"loss": "mean_squared_error"}, **LEARNED),
    ),
    (
        "output_range",
        "output_cannot_reach_targets",
        evidence({"loss": "mean_squared_error"}, labels=REAL),
        evidence({"loss": "mean_squared_error"}, labels=replace(REAL, low=0.0, high=1.0)),
    ),
    (
        "output_range",
        "output_cannot_reach_targets",  # only a sign is out of reach of a direction
        evidence({"loss": "cosine_similarity"}, labels=replace(REAL, low=-9.0)),
        evidence({"loss": "cosine_similarity"}, labels=replace(REAL, low=0.0, high=9.0)),
    ),
    (
        "output_range",
        "output_cannot_reach_targets",
        evidence({"loss": "poisson"}, labels=COUNTS),
        evidence({"loss": "poisson", "output_activation": "exponential"}, labels=COUNTS),
    ),
    (
        "label_encoding",
        "labels_do_not_fit_loss",
        evidence(labels=replace(BINARY, kind="signed", low=-1.0)),
        evidence(),
    ),
    (
        "label_encoding",
        "labels_do_not_fit_loss",
        evidence(
            {"loss": "sparse_categorical_crossentropy"},
            labels=label_facts(np.arange(30) % 3 + 1),
            prediction_shape=(3,),
        ),
        evidence(
            {"loss": "sparse_categorical_crossentropy"},
            labels=label_facts(np.arange(30) % 3),
            prediction_shape=(3,),
        ),
    ),
    (
        "label_encoding",
        "labels_do_not_fit_loss",  # a column a class, for the loss that takes numbers
        evidence(SPARSE, labels=label_facts(np.eye(3)[np.arange(30) % 3], SPARSE["loss"]), **THREE),
        evidence(SPARSE, labels=label_facts(np.arange(30)[:, None] % 3, SPARSE["loss"]), **THREE),
    ),
    (
        "label_encoding",
        "labels_do_not_fit_loss",  # numbers, for the loss that takes a column a class
        evidence(SPARSE | CATEGORICAL, labels=label_facts(np.arange(30) % 3), **THREE),
        evidence(SPARSE | CATEGORICAL, labels=ONE_HOT, **THREE),
    ),
    (
        "label_encoding",
        "labels_do_not_fit_loss",
        evidence(SPARSE, labels=label_facts(np.arange(30) % 3 - 1), **THREE),
        evidence(
            SPARSE | {"ignored_label": -1}, labels=label_facts(np.arange(30) % 3 - 1), **THREE
        ),
    ),
    (
        "label_encoding",
        "labels_do_not_fit_loss",  # amounts
        evidence(SPARSE, labels=label_facts(np.arange(30) / 15), **THREE),
        evidence(SPARSE, labels=label_facts(np.arange(30) % 3 * 1.0), **THREE),
    ),
    (
        "label_encoding",
        "labels_do_not_fit_loss",  # in an example that was not seen
        evidence(SPARSE, labels=WITHIN, error="IndexError: Target 3 is out of bounds.", **THREE),
        evidence(SPARSE, labels=WITHIN, error="IndexError: index out of range", **THREE),
    ),
    (
        "label_encoding",
        "labels_do_not_fit_loss",
        evidence(
            SPARSE,
            labels=WITHIN,
            error="InvalidArgumentError: Received a label value of 3 which is outside the valid "
            "range of [0, 3).",
            **THREE,
        ),
        evidence(SPARSE, labels=WITHIN, **THREE),
    ),
    (
        "label_encoding",
        "labels_do_not_fit_loss",  # images of any size
        evidence(SPARSE | PIXELS, labels=label_facts(np.arange(30) % 4), prediction_shape=()),
        evidence(SPARSE | PIXELS, labels=WITHIN, prediction_shape=()),
    ),
    (
        "non_numeric_data",
        "non_numeric_data",
        evidence(non_numeric=(("targets", "<U3"),)),
        evidence(),
    ),
    (
        "error_in_training",
        "error_in_training",
        evidence(error="ValueError: shapes do not match"),
        evidence(),
    ),
    (
        "target_shape",
        "target_shape_mismatch",
        evidence(prediction_shape=(20, 1)),
        evidence(prediction_shape=()),
    ),
    (
        "target_shape",
        "target_shape_mismatch",  # n targets less a column of n predictions are a matrix
        evidence(OWN_LOSS, labels=replace(REAL, shape=())),
        evidence(OWN_LOSS, labels=REAL),
    ),
    (
        "target_shape",
        "target_shape_mismatch",
        evidence(OWN_LOSS, labels=replace(REAL, shape=())),
        evidence(OWN_LOSS | {"exact_shapes": False}, labels=replace(REAL, shape=())),
    ),
    (
        "regression_accuracy",
        "accuracy_on_regression",
        evidence(MSE | {"metrics": ["accuracy"]}, labels=REAL, **LEARNED),
        evidence(MSE | {"metrics": ["mae"]}, labels=REAL),
    ),
    (
        "symmetric_weights",
        "symmetric_weights",
        evidence(layers(identical_units=True), trained_symmetric=("hidden",), **LEARNED),
        evidence(layers(identical_units=True), **LEARNED),
    ),
    (
        "initial_scale",
        "initial_weights_too_large",
        evidence(layers(gain=9.0)),
        evidence(layers(gain=9.0), **LEARNED),
    ),
    ("initial_scale", "initial_weights_too_small", evidence(layers(gain=0.01)), evidence()),
    (
        "initial_loss",
        "initial_loss_far_from_chance",
        evidence(losses=[40.0, 1.0]),
        evidence(losses=[0.8, 0.7]),
    ),
    (
        "untrained_layers",
        "untrained_layers",
        evidence({"trainable_weights": 0}),
        evidence(layers(trainable=False), **LEARNED),
    ),
    (
        "untrained_layers",
        "untrained_layers",
        evidence(**statistic("gradients/hidden/kernel/norm", 0.0)),
        evidence(),
    ),
    (
        "untrained_layers",
        "untrained_layers",
        evidence(layers(trainable=False)),
        evidence(layers(trainable=False, as_drawn=False)),  # trained before, as in transfer
    ),
    (
        "hidden_activation",
        "sigmoid_in_hidden_layers",
        evidence(layers(activation="sigmoid")),
        evidence(layers(activation="sigmoid"), **LEARNED),
    ),
    (
        "hidden_activation",
        "sigmoid_in_hidden_layers",
        evidence(layers(activation="sigmoid")),
        evidence(layers(activation="sigmoid", gate=True)),
    ),
    (
        "hidden_activation",
        "sigmoid_in_hidden_layers",
        evidence(layers(activation="sigmoid"), units={"hidden": UnitFacts(0.0, 0.0, 0.0, 1.0)}),
        evidence(
            layers(activation="sigmoid"),
            units={"hidden": UnitFacts(0.0, 0.0, 0.0, 1.0, read=False)},
        ),
    ),
    (
        "hidden_activation",
        "softmax_in_hidden_layers",
        evidence(layers(activation="softmax")),
        evidence(layers(activation="softmax", gate=True)),
    ),
    (
        "hidden_activation",
        "softmax_in_hidden_layers",
        evidence(layers(activation="softmax")),
        evidence(),
    ),
    (
        "hidden_activation",
        "no_hidden_nonlinearity",
        evidence(layers(activation="linear"), linear_reference=Skill(0.0, 0.0)),
        evidence(layers(activation="linear")),
    ),
    (
        "dead_units",
        "dead_units",
        evidence(units={"hidden": UnitFacts(1.0, None, 1.0, 0.0)}),
        evidence(units={"hidden": UnitFacts(0.5, None, 0.5, 1.0)}),
    ),
    (
        "dead_units",
        "dead_units",  # by their biases
        evidence(layers(bias=-100.0), units={"hidden": UnitFacts(1.0, None, 1.0, 0.0)}),
        evidence(layers(bias=-100.0), units={"hidden": UnitFacts(0.5, None, 0.5, 1.0)}),
    ),
    (
        "dead_units",
        "dead_units",  # around which something else has learned
        evidence(units={"hidden": DEAD}, **LEARNED),
        evidence(units={"hidden": replace(DEAD, dead=0.9)}, **LEARNED),
    ),
    (
        "dead_units",
        "dead_units",
        evidence(units={"hidden": DEAD}, **LEARNED),
        evidence(units={"hidden": replace(DEAD, units=2)}, **LEARNED),
    ),
    (
        "exploding_block",
        "exploding_block",
        evidence(GONE_AROUND, **LARGE_BLOCK),
        evidence(GONE_AROUND, **LARGE_BLOCK, **LEARNED),
    ),
    (
        "exploding_block",
        "exploding_block",
        evidence(GONE_AROUND, **LARGE_BLOCK),
        evidence(GONE_AROUND, **GROWN_LATER),  # as in a run that diverged
    ),
    (
        "exploding_block",
        "exploding_block",
        evidence(GONE_AROUND, **LARGE_BLOCK),
        evidence(GONE_AROUND, inputs=100 * RANDOM.normal(size=(200, 3)), **LARGE_BLOCK),
    ),
    (
        "lagging_statistics",
        "batch_statistics_lag",
        evidence(NORMALIZED, training_skill=Skill(0.8, 0.9), inference_skill=Skill(-2.0, 0.1)),
        evidence(NORMALIZED, training_skill=Skill(0.8, 0.9), inference_skill=Skill(0.4, 0.8)),
    ),
    (
        "lagging_statistics",
        "batch_statistics_lag",
        evidence(NORMALIZED, training_skill=Skill(0.8, 0.9), inference_skill=Skill(-2.0, 0.1)),
        evidence(training_skill=Skill(0.8, 0.9), inference_skill=Skill(-2.0, 0.1)),
    ),
    (
        "validation_data",
        "validation_data_differ",
        evidence(**ELSEWHERE),
        evidence(**ELSEWHERE | {"validation_losses": [0.3, *[3.0] * 19]}),  # overfitting
    ),
    (
        "validation_data",
        "validation_data_differ",
        evidence(epoch_metrics={"val_accuracy": [0.6] * 20}, **ELSEWHERE),
        evidence(
            epoch_metrics={"val_accuracy": [0.9] * 20},  # but too sure of itself
            **ELSEWHERE | {"validation_losses": [0.7] * 20},
        ),
    ),
    (
        "validation_data",
        "validation_data_differ",
        evidence(**ELSEWHERE),
        evidence(**ELSEWHERE | {"inference_skill": Skill(0.2, 0.3)}),  # not learned either
    ),
    (
        "validation_data",
        "validation_data_differ",  # right classes, but far too sure of the wrong ones
        evidence(
            validation_losses=[*[6.0] * 10, *[2.0] * 10],
            epoch_metrics={"val_accuracy": [0.9] * 20},
            inference_skill=Skill(0.8, 0.9),
            most_frequent=0.5,
            **LEARNED,
        ),
        evidence(
            validation_losses=[*[6.0] * 5, *[0.6] * 15],  # running statistics that caught up
            epoch_metrics={"val_accuracy": [0.9] * 20},
            inference_skill=Skill(0.8, 0.9),
            most_frequent=0.5,
            **LEARNED,
        ),
    ),
    (
        "unused_outputs",
        "unused_output_units",
        evidence(SPARSE, **IN_500),
        evidence(SPARSE, **IN_500, **LEARNED),
    ),
    (
        "unused_outputs",
        "unused_output_units",
        evidence(SPARSE, **IN_500),
        evidence(SPARSE, **IN_500 | {"prediction_shape": (20,)}),
    ),
    (
        "saturated_units",
        "saturated_units",
        evidence(layers(activation="tanh"), units={"hidden": UnitFacts(0.0, 0.95, 0.0, 1.0)}),
        evidence(layers(activation="tanh"), units={"hidden": UnitFacts(0.0, 0.3, 0.0, 1.0)}),
    ),
    (
        "gradient_flow",
        "vanishing_gradients",
        evidence(**statistic("gradients/hidden/kernel/standard_deviation", 1e-6)),
        evidence(),
    ),
    (
        "gradient_flow",
        "exploding_gradients",
        evidence(**statistic("gradients/hidden/kernel/norm", 1e5)),
        evidence(**statistic("gradients/hidden/kernel/norm", 1e5), **LEARNED),
    ),
    (
        "non_finite_loss",
        "non_finite_loss",
        evidence(**NAN),
        evidence(),
    ),
    (
        "non_finite_loss",
        "non_finite_loss",
        evidence(**NAN, origin=SQUARE_ROOT),
        evidence(origin=SQUARE_ROOT),  # as loss scaling has them now and then
    ),
    (
        "non_finite_loss",
        "non_finite_loss",  # the last step was the one
        evidence(predictions=np.full((9, 1), np.nan), origin=SQUARE_ROOT),
        evidence(predictions=np.zeros((9, 1))),
    ),
    (
        "learning_rate",
        "learning_rate_too_high",  # numbers that grew until they overflowed
        evidence(**NAN, origin=DIVERGED),
        evidence(**NAN, origin=SQUARE_ROOT),
    ),
    (
        "learning_rate",
        "learning_rate_too_high",
        evidence({"learning_rate": 1.0}),
        evidence({"learning_rate": 1.0}, **LEARNED),
    ),
    (
        "learning_rate",
        "learning_rate_too_high",  # no yardstick, and hardly any skill
        evidence({"learning_rate": 1.0}, skill=Skill(0.05, 0.05), reference=None),
        evidence({"learning_rate": 0.02}, skill=Skill(0.05, 0.05), reference=None),
    ),
    (
        "learning_rate",
        "learning_rate_too_low",
        evidence({"learning_rate": 1e-6}),
        evidence({"learning_rate": 1e-6}, **LEARNED),
    ),
    (
        "learning_rate",
        "learning_rate_too_low",  # though the last batches' loss is the larger one
        evidence({"learning_rate": 1e-6}, statistics=GRADIENTS | STILL, losses=[0.4] + [0.69] * 19),
        evidence(losses=[0.4] + [0.41] * 19),
    ),
    (
        "learning_rate",
        "learning_rate_too_low",  # by a schedule that is soon over
        evidence(learning_rates=[1e-3, *[1e-7] * 19]),
        evidence(learning_rates=[*[1e-3] * 15, *[1e-7] * 5]),
    ),
    (
        "learning_rate",
        "learning_rate_too_low",  # a short run whose weights hardly moved
        evidence({"learning_rate": 5e-4}, statistics=GRADIENTS | STILL, steps=100),
        evidence({"learning_rate": 1e-3}, statistics=GRADIENTS | STILL, steps=100),
    ),
    (
        "learning_rate",
        "learning_rate_too_low",
        evidence({"learning_rate": 5e-4}, statistics=GRADIENTS | STILL, steps=1000),
        evidence({"learning_rate": 5e-4}, statistics=GRADIENTS | NOT_AT_ALL, steps=1000),
    ),
    (
        "learning_rate",
        "learning_rate_too_high",  # large first steps after which no gradient comes through
        evidence({"learning_rate": 8e-3}, statistics=COLLAPSED),
        evidence({"learning_rate": 8e-3}, statistics=COLLAPSED | UPDATES),
    ),
    (
        "training_length",
        "too_few_epochs",
        evidence(losses=FALLING),
        evidence(),
    ),
    (
        "training_length",
        "too_few_epochs",
        evidence(losses=FALLING, steps=20),
        evidence(steps=20),  # a short bad run is not for that reason too short
    ),
    (
        "training_length",
        "too_few_epochs",
        evidence(losses=FALLING, steps=20),
        evidence(losses=[*FALLING, float("nan")], steps=20),
    ),
    (
        "training_length",
        "batch_size_too_large",
        evidence(losses=FALLING, steps=25, epochs=25, steps_per_epoch=1, batch_size=600),
        evidence(losses=FALLING, **LEARNED),
    ),
    (
        "changing_objective",
        "changing_objective",
        evidence(optimizer_status="not deterministic"),
        evidence(optimizer_status="converged"),
    ),
    (
        "small_batches",
        "batch_size_too_small",
        evidence(losses=ROUGH, batch_size=1),
        evidence(losses=ROUGH),
    ),
    (
        "small_batches",
        "batch_size_too_small",  # batch normalization of one example
        evidence(layers(kind="BatchNormalization"), batch_size=1),
        evidence(layers(kind="BatchNormalization"), batch_size=16),
    ),
    (
        "small_batches",
        "batch_size_too_small",  # batch normalization of two examples
        evidence(NORMALIZED, batch_size=2),
        evidence(FROZEN, batch_size=2),
    ),
    (
        "heavy_regularization",
        "regularization_too_strong",
        evidence(penalty=0.9),
        evidence(penalty=0.9, **LEARNED),
    ),
    (
        "heavy_regularization",
        "regularization_too_strong",
        evidence(layers(penalized_outputs=True), units={"hidden": UnitFacts(1.0, None, 1.0, 0.0)}),
        evidence(units={"hidden": UnitFacts(1.0, None, 1.0, 0.0)}),
    ),
    (
        "heavy_regularization",
        "regularization_too_strong",
        evidence(layers(kind="Dropout", rate=0.95)),
        evidence(layers(kind="Dropout", rate=0.5)),
    ),
    (
        "overfitting",
        "overfitting",  # validation never got better than a constant
        evidence(validation_losses=[0.7] * 20, epoch_losses=[*FALLING[:-5], *[0.05] * 5]),
        evidence(validation_losses=[0.5] * 20, epoch_losses=[*FALLING[:-5], *[0.05] * 5]),
    ),
    (
        "overfitting",
        "overfitting",
        evidence(
            validation_losses=OVERFITTED, epoch_losses=list(np.linspace(1, 0.01, 10)), **LEARNED
        ),
        evidence(
            validation_losses=sorted(OVERFITTED, reverse=True),
            epoch_losses=list(np.linspace(1, 0.01, 10)),
        ),
    ),
    (
        "trivial_predictor",
        "stuck_at_trivial_predictor",
        evidence(),
        evidence(**LEARNED),
    ),
    ("underfitting", "underfitting", evidence(**POOR), evidence(**LEARNED)),
    (
        "underfitting",
        "underfitting",  # a skill of 0.7 of 0.9, more or less than 0.8 of it by chance
        evidence(skill=Skill(0.6, 0.7), most_frequent=0.5, skill_examples=20000),
        evidence(skill=Skill(0.6, 0.7), most_frequent=0.5),
    ),
    (
        "underfitting",
        "model_too_small",
        evidence({"layers": [OUTPUT]}, linear_reference=Skill(0.0, 0.0), **POOR),
        evidence({"layers": [OUTPUT]}, linear_reference=Skill(0.0, 0.0), **LEARNED),
    ),
    (
        "underfitting",
        "model_too_small",
        evidence(layers(units=1), **THREE, **POOR),
        evidence(layers(units=1, bypassed=True), **THREE, **POOR),
    ),
    (
        "underfitting",
        "model_too_small",
        evidence(layers(units=1, numbers=1), **THREE, **POOR),
        evidence(layers(units=1, numbers=196), **THREE, **POOR),  # one filter, many pixels
    ),
    (
        "rare_class",
        "imbalanced_classes",
        evidence(rarest=RareClass(0.001, 2, 0, 2)),
        evidence(rarest=RareClass(0.001, 2, 1, 2)),  # once predicted
    ),
    (
        "rare_class",
        "imbalanced_classes",
        evidence(rarest=RareClass(0.001, 2, 0, 2, 1), predictions=np.full((200, 1), 0.01)),
        evidence(rarest=RareClass(0.001, 2, 0, 2, 1), predictions=np.linspace(0, 1, 200)[:, None]),
    ),
    (
        "rare_class",
        "imbalanced_classes",
        evidence(rarest=RareClass(0.001, 2, 0, 2), **LEARNED),
        evidence(rarest=RareClass(0.001, 2, 0, 100), **LEARNED),  # as rare as the others
    ),
    (
        "leaking_inputs",
        "leaking_inputs",
        evidence(leak=Leak(1, 4), **LEARNED),
        evidence(leak=Leak(1, 4), finished=False),
    ),
    (
        "unmasked_padding",
        "padding_not_masked",
        evidence(unmasked={"first": 0.1, "lstm": 0.8}),
        evidence(unmasked={"lstm": 0.3}),
    ),
    (
        "unmasked_padding",
        "padding_not_masked",
        evidence(unmasked={"lstm": 0.8}),
        evidence(unmasked={"lstm": 0.8}, skill=Skill(0.9, 0.95)),
    ),
    (
        "augmentation",
        "augmentation_destroys_class",
        evidence(augmented_reference=Skill(0.0, 0.1), augmentation="flip"),
        evidence(augmented_reference=Skill(0.5, 0.6), augmentation="flip"),
    ),
    (
        "augmentation",
        "augmentation_destroys_class",  # the network has learned what was left
        evidence(augmented_reference=Skill(0.4, 0.5), augmentation="flip", **POOR),
        evidence(augmented_reference=Skill(0.4, 0.5), augmentation="flip"),
    ),
    (
        "summed_loss",
        "loss_not_averaged",
        evidence({"loss_reduction": "sum", "optimizer": "sgd", "learning_rate": 0.1}),
        evidence({"loss_reduction": "sum", "optimizer": "sgd", "learning_rate": 0.1}, **LEARNED),
    ),
    (
        "summed_loss",
        "loss_not_averaged",
        evidence({"loss_reduction": "sum", "optimizer": "sgd", "learning_rate": 0.1}),
        evidence({"loss_reduction": "sum", "optimizer": "adam", "learning_rate": 0.5}),
    ),
    (
        "untrained_embedding",
        "embedding_not_trained",
        evidence(layers(embeddings_path="words/embeddings", trainable=False)),
        evidence(layers(embeddings_path="words/embeddings", trainable=False, as_drawn=False)),
    ),
    (
        "untrained_embedding",
        "embedding_not_trained",  # no gradient reaches it
        evidence(layers(embeddings_path="words/embeddings")),
        evidence(
            layers(embeddings_path="words/embeddings"),
            **statistic("gradients/words/embeddings/norm", 0.1),
        ),
    ),
    (
        "frozen_statistics",
        "frozen_statistics_do_not_fit",
        evidence(FROZEN, normalizations={"hidden": NormalizationFacts(0.01, 1.5)}),
        evidence(FROZEN, normalizations={"hidden": NormalizationFacts(0.5, 1.5)}),
    ),
    (
        "frozen_statistics",
        "frozen_statistics_do_not_fit",
        evidence(FROZEN, normalizations={"hidden": NormalizationFacts(1.0, 30.0)}),
        evidence(NORMALIZED, normalizations={"hidden": NormalizationFacts(1.0, 30.0)}),
    ),
    (
        "frozen_statistics",
        "frozen_statistics_do_not_fit",  # the first of three, or two of them
        evidence(THREE_FROZEN, normalizations=dict(zip("abc", (FAR, NEAR, NEAR), strict=True))),
        evidence(THREE_FROZEN, normalizations=dict(zip("abc", (NEAR, NEAR, FAR), strict=True))),
    ),
    (
        "frozen_statistics",
        "frozen_statistics_do_not_fit",
        evidence(FROZEN, normalizations={"hidden": FAR}),
        evidence(
            layers(kind="BatchNormalization", trainable=False), normalizations={"hidden": FAR}
        ),
    ),
    (
        "untouched_statistics",
        "batch_normalization_never_trained",
        evidence(NORMALIZED, normalizations={"hidden": NormalizationFacts(3.0, 0.0, True)}),
        evidence(NORMALIZED, normalizations={"hidden": NormalizationFacts(3.0, 0.0)}),
    ),
    (
        "gradient_underflow",
        "gradient_underflow",
        evidence({"half_precision": True}, **statistic("gradients/hidden/kernel/norm", 0.0)),
        evidence(
            {"half_precision": True, "loss_scaling": True},
            **statistic("gradients/hidden/kernel/norm", 0.0),
        ),
    ),
    (
        "gradient_clipping",
        "clipping_always_active",
        evidence({"optimizer": "sgd", "clipping": ("clipnorm", 1e-4)}),
        evidence({"optimizer": "sgd", "clipping": ("clipnorm", 0.05)}),
    ),
    (
        "gradient_clipping",
        "clipping_always_active",
        evidence({"optimizer": "sgd", "clipping": ("global_clipnorm", 1e-4)}),
        evidence({"optimizer": "adam", "clipping": ("global_clipnorm", 1e-4)}),
    ),
    (
        "heavy_regularization",
        "regularization_too_strong",  # by the optimizer's weight decay
        evidence({"optimizer": "adamw", "weight_decay": 10.0}, **SHRUNK),
        evidence({"optimizer": "adamw", "weight_decay": 0.01}, **SHRUNK),
    ),
]


@pytest.mark.parametrize(
    ("rule", "cause", "speaks", "silent"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES]
)
def test_rule_speaks_and_is_silent(rule, cause, speaks, silent):
    function = next(r for r in ALL_RULES if r.__name__ == rule)
    found = function(speaks)
    assert [finding.cause for finding in found] == [cause]
    assert 0.5 < found[0].confidence < 1
    assert found[0].symptom
    assert found[0].remedy
    assert found[0].evidence
    assert cause not in [finding.cause for finding in function(silent)]


def test_each_rule_is_in_the_table_above():
    assert {case[0] for case in CASES} == {rule.__name__ for rule in ALL_RULES}


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.__name__)
def test_rule_is_pure_documented_and_silent_without_evidence(rule):
    assert "Threshold" in rule.__doc__
    assert "Reference" in rule.__doc__
    bare = Evidence(model=ModelFacts(layers=[]))
    assert rule(bare) == []
    first, second = rule(evidence()), rule(evidence())
    assert first == second


@pytest.mark.parametrize(
    ("found", "cause"),
    [(rule(case[2]), case[1]) for case in CASES for rule in ALL_RULES if rule.__name__ == case[0]],
    ids=[f"{case[0]}-{case[1]}" for case in CASES],
)
def test_evidence_is_finite_and_does_not_contradict_its_finding(found, cause):
    (finding,) = found
    figures = list(finding.evidence.values())
    assert all(np.isfinite(value) for value in figures if not isinstance(value, str))
    assert not re.search(r"\b(inf|nan)\b|\(s\)|\(es\)", str(finding))
    if "upper threshold" in finding.evidence:
        assert figures[0] >= finding.evidence["upper threshold"] or "lowest" in str(finding)
    if "lower threshold" in finding.evidence:
        assert figures[0] <= finding.evidence["lower threshold"]
    assert "threshold" not in finding.evidence


def test_a_nan_made_by_an_operation_is_not_blamed_on_anything_else():
    rates = [1e-3, 0.02, 0.05]
    for rate in rates:
        found = findings_of(evidence({"learning_rate": rate}, **NAN, origin=SQUARE_ROOT))
        assert found[0].cause == "non_finite_loss"
        assert "learning rate" not in found[0].remedy
        assert "too_few_epochs" not in [finding.cause for finding in found]
    large = 100 * np.random.default_rng(1).normal(size=(200, 3))
    found = findings_of(evidence(**NAN, inputs=large, origin=SQUARE_ROOT))
    assert found[0].cause == "non_finite_loss"
    diverged = findings_of(evidence({"learning_rate": 1.0}, **NAN, origin=DIVERGED))
    assert diverged[0].cause == "learning_rate_too_high"
    unseen = findings_of(evidence(**NAN, origin=Origin("unseen", 90, finite_step=80)))
    assert unseen[0].cause == "non_finite_loss"
    assert "between steps 80 and 90" in unseen[0].symptom


PLACES = {
    "forward": (Origin("forward", 7, layer="hidden"), "output of layer 'hidden'", "log of 0"),
    "loss": (Origin("loss", 7), "in the loss", "division by 0"),
    "gradient": (SQUARE_ROOT, "gradient of 'hidden/kernel'", "sqrt at 0"),
    "update": (Origin("update", 7, finite_step=7), "optimizer's update", "epsilon"),
    "weights": (Origin("weights", 0), "before training", "initializer"),
}


@pytest.mark.parametrize("place", PLACES)
def test_the_finding_says_where_a_nan_appeared_and_what_can_make_one(place):
    origin, where, what = PLACES[place]
    own = layers(kind="Own", activation="own function")
    found = findings_of(evidence(own, **NAN, origin=origin))
    assert where in found[0].symptom
    assert what in found[0].in_full()
    assert "float16" not in found[0].in_full()
    if place in ("forward", "loss", "gradient"):
        half = evidence(own | {"half_precision": True}, **NAN, origin=origin)
        assert "65504 in float16" in findings_of(half)[0].in_full()


def test_a_first_layer_of_keras_makes_no_nan_of_ordinary_inputs():
    found = findings_of(evidence(**NAN, origin=Origin("forward", 0, layer="hidden")))
    assert "inputs were not finite" in found[0].explanation
    assert "numpy.isfinite" in found[0].remedy


def call(optimizer, name, rate, **changes):
    model = {"optimizer": optimizer, "optimizer_name": name, "learning_rate": rate}
    found = findings_of(evidence(model | changes.pop("model", {}), **changes))
    return found[0]


@pytest.mark.parametrize(
    ("optimizer", "name", "rate", "expected"),
    [
        ("sgd", "keras.optimizers.SGD", 1e-6, "keras.optimizers.SGD(learning_rate=0.05)"),
        (
            "gradientdescent",
            "kd.optimizers.GradientDescent",
            9.0,
            "GradientDescent(learning_rate=0.05)",
        ),
        ("adam", "MyAdam", 0.5, "MyAdam(learning_rate=0.001)"),
        ("lion", "keras.optimizers.Lion", 0.1, "keras.optimizers.Lion(learning_rate=0.0001)"),
    ],
)
def test_a_rate_is_proposed_to_the_runs_own_optimizer(optimizer, name, rate, expected):
    finding = call(optimizer, name, rate)
    assert finding.cause.startswith("learning_rate")
    assert finding.part.endswith(expected)
    assert finding.fix == {"learning_rate": float(expected.split("=")[1][:-1])}


def test_a_layer_that_was_silent_from_the_start_comes_before_the_nan_behind_it():
    tag = "activations/hidden/zero_fraction"
    for shares, first in (
        ([1.0, 0.9999, 0.0], "dead_units"),
        ([0.5, 0.5, 0.0], "non_finite_loss"),
    ):
        statistics = GRADIENTS | UPDATES | {tag: shares}
        found = findings_of(
            evidence(
                **NAN,
                origin=replace(SQUARE_ROOT, step=2),
                statistics=statistics,
                statistic_steps=[0, 1, 2],
            )
        )
        assert found[0].cause == first


def test_what_is_learned_in_part_holds_for_validation_data_too():
    poor = {
        "skill": Skill(0.5, 0.6),
        "inference_skill": Skill(0.5, 0.6),
        "most_frequent": 0.5,
        "validation_losses": [3.0] * 20,
    }
    for accuracy, causes in ((0.5, ["validation_data_differ"]), (0.75, [])):
        metrics = {"val_accuracy": [0.9] + [accuracy] * 19}
        found = validation_data(evidence(epoch_metrics=metrics, **poor))
        assert [finding.cause for finding in found] == causes


def test_labels_learned_by_heart_in_few_steps_are_unrelated_all_the_same():
    short = {"statistics": GRADIENTS | STILL, "steps": 60, "reference": Skill(0.0, 0.0)}
    (found,) = unrelated_labels(evidence(skill=Skill(0.08, 0.3), **short))
    assert found.cause == "labels_unrelated_to_inputs"
    assert not unrelated_labels(evidence(skill=Skill(0.01, 0.02), **short))


def test_a_schedule_that_is_soon_over_is_named():
    (found,) = learning_rate(evidence(learning_rates=[1e-3, *[1e-7] * 19]))
    assert "schedule" in found.remedy
    (found,) = learning_rate(evidence({"learning_rate": 1e-6}))
    assert "schedule" not in found.remedy


def test_momentum_is_kept_in_the_remedy():
    momentum = {"momentum": 0.9}
    finding = call("sgd", "keras.optimizers.SGD", 5.0, model=momentum)
    assert finding.part == "keras.optimizers.SGD(learning_rate=0.01, momentum=0.9)"


def test_an_optimizer_without_a_learning_rate_is_not_told_to_lower_it():
    nameless = {
        "learning_rate": None,
        "optimizer": "lbfgs",
        "optimizer_name": "kd.optimizers.LBFGS",
    }
    for run in (evidence(nameless, **NAN), evidence(nameless, **POOR), evidence(nameless)):
        for finding in findings_of(run):
            assert "learning rate of" not in finding.remedy
            assert "learning_rate" not in finding.fix


def test_what_the_run_has_already_is_not_proposed():
    silent = {"units": {"hidden": UnitFacts(1.0, None, 1.0, 0.0)}}
    assert "He" not in findings_of(evidence(**silent))[0].remedy
    glorot = layers(initializer="GlorotUniform", gain=1.0)
    assert "He" in findings_of(evidence(glorot, **silent))[0].remedy
    named = layers(initializer="HeNormal", gain=None)
    assert "He" not in findings_of(evidence(named, **silent))[0].remedy
    poor = [finding for finding in findings_of(evidence(**POOR)) if finding.cause == "underfitting"]
    assert "Adam" not in poor[0].remedy
    plain = {"optimizer": "sgd", "optimizer_name": "keras.optimizers.SGD", "learning_rate": 0.05}
    poor = [f for f in findings_of(evidence(plain, **POOR)) if f.cause == "underfitting"]
    assert "Adam" in poor[0].remedy


def test_numbers_and_nouns_agree():
    one = findings_of(evidence(layers(activation="sigmoid")))
    assert any("1 hidden layer with" in finding.symptom for finding in one)
    assert "1 class without" in findings_of(evidence(missing_classes=1))[0].symptom
    assert "2 classes without" in findings_of(evidence(missing_classes=2))[0].symptom


def test_no_gradient_through_a_dead_layer_is_the_dead_layers_fault():
    without_gradient = statistic("gradients/hidden/kernel/norm", 0.0)
    dead = {"units": {"hidden": UnitFacts(1.0, None, 1.0, 0.0)}}
    causes = [finding.cause for finding in findings_of(evidence(**without_gradient, **dead))]
    assert "dead_units" in causes
    assert "untrained_layers" not in causes
    alive = findings_of(evidence(**without_gradient))
    assert alive[0].cause == "untrained_layers"


def test_where_no_layer_has_a_gradient_it_is_not_one_layer_that_is_cut_off():
    nowhere = {"statistics": UPDATES | dict.fromkeys(GRADIENTS, [0.0] * 20)}
    (finding,) = (f for f in findings_of(evidence(**nowhere)) if f.cause == "untrained_layers")
    assert "any layer" in finding.symptom
    assert finding.layer is None


def test_biases_that_silence_a_layer_are_named_as_its_remedy():
    dead = {"units": {"hidden": UnitFacts(1.0, None, 1.0, 0.0)}}
    (named,) = (f for f in findings_of(evidence(layers(bias=-100.0), **dead)) if f.layer)
    assert "biases started at -100" in named.symptom
    assert named.remedy.startswith("Start the biases at 0")
    (other,) = (f for f in findings_of(evidence(layers(bias=0.1), **dead)) if f.layer)
    assert "bias" not in other.symptom
    assert "bias" not in other.remedy


def test_one_unit_with_softmax_of_amounts_is_no_classifier():
    model = {"output_activation": "softmax", "loss": "mean_squared_error"}
    amounts, classes = (
        next(f for f in findings_of(given) if f.cause == "softmax_with_one_unit")
        for given in (evidence(model, labels=REAL), evidence(model))
    )
    assert amounts.fix == {"activation": "linear", "loss": "mse"}
    assert classes.fix["loss"] == "binary_crossentropy"


def test_of_several_outputs_it_is_said_which_one_a_finding_is_about():
    second = {"output_layer": "second"}
    fine, faulty = evidence(**LEARNED), evidence(second, missing_classes=2)
    (finding,) = (f for f in findings_of(fine, faulty) if f.cause == "missing_class")
    assert finding.output == "second"
    assert "for output 'second'" in str(finding)
    assert "output second" in Findings([finding])._repr_html_()
    both = findings_of(evidence(missing_classes=2), faulty)
    assert all(f.output is None for f in both if f.cause == "missing_class")
    assert all(f.output is None for f in findings_of(faulty))
    # What concerns the optimizer concerns all outputs, whichever shows it.
    noisy = findings_of(fine, evidence(second, optimizer_status="not deterministic"))
    assert all(f.output is None for f in noisy if f.cause == "changing_objective")


def test_root_causes_come_before_their_symptoms():
    found = findings_of(
        evidence(
            inputs=100 * np.random.default_rng(1).normal(size=(200, 3)),
            units={"hidden": UnitFacts(1.0, None, 1.0, 0.0)},
        )
    )
    causes = [finding.cause for finding in found]
    assert causes[0] == "unscaled_inputs"
    assert "dead_units" in causes[1:]
    confidences = {finding.cause: finding.confidence for finding in found}
    assert confidences["stuck_at_trivial_predictor"] < confidences["unscaled_inputs"]


def test_beside_a_wrong_loss_only_what_stands_alone_is_told():
    wrong = {"output_activation": "softmax", "learning_rate": 0.02}
    causes = [finding.cause for finding in findings_of(evidence(wrong))]
    assert causes == ["softmax_with_one_unit"]


@pytest.mark.parametrize("lenient", [{"model": {"outputs": 2}}, {"reconstructs": True}], ids=str)
def test_one_output_of_several_and_a_bottleneck_may_be_poor_but_not_fail(lenient):
    assert evidence(**POOR).went_wrong
    assert not evidence(**lenient, **POOR).went_wrong
    assert not evidence(**lenient, **POOR).could_be_better
    assert evidence(**lenient).went_wrong


def test_no_verdict_outlives_the_facts_it_was_drawn_from():
    unknown = evidence(reference=None, skill=Skill(0.1, 0.1))
    assert unknown.outcome == "unknown"
    assert unknown.share is None
    judged = replace(unknown, reference=Skill(1.0, 1.0))
    assert (judged.outcome, judged.share) == ("failed", 0.1)
    assert unknown.outcome == "unknown"
    with pytest.raises(FrozenInstanceError):
        unknown.reference = Skill(1.0, 1.0)


def test_an_error_comes_after_what_explains_it():
    labels = label_facts(np.arange(30) % 3 + 1)
    broken = evidence(SPARSE, labels=labels, error="RuntimeError: out of range", **THREE)
    causes = [finding.cause for finding in findings_of(replace(broken, finished=False))]
    assert causes == ["labels_do_not_fit_loss", "error_in_training"]
    assert [f.cause for f in findings_of(broken, before_training=True)] == causes[:1]


def test_what_all_outputs_share_is_told_once():
    both = {"outputs": 2, "learning_rate": 1.0}
    heads = [evidence(both), evidence(both | {"output_activation": "softmax"})]
    causes = [finding.cause for finding in findings_of(*heads)]
    assert causes.count("learning_rate_too_high") == 1
    assert causes[0] == "softmax_with_one_unit"


def test_a_run_that_goes_on_is_told_only_what_is_sure():
    running = evidence({"learning_rate": 1.0}, finished=False)
    assert findings_of(running) == []
    sure = evidence({"output_activation": "softmax"}, finished=False)
    assert [finding.cause for finding in findings_of(sure)] == ["softmax_with_one_unit"]


def test_each_cause_is_in_the_users_table():
    table = (Path(__file__).parents[2] / "docs" / "diagnosis.md").read_text()
    assert {case[1] for case in CASES} <= set(re.findall(r"`(\w+)`", table))


def test_a_few_updates_are_not_said_to_have_settled():
    def told(**changes):
        found = findings_of(evidence(**POOR, **changes))
        return next(f.in_full() for f in found if f.cause == "underfitting")

    assert "settled" in told()
    assert "settled" not in told(steps=14)
    assert "14 updates may be too few" in told(steps=14)
    assert told(steps=14).count("rain longer") == 1


def test_no_share_of_a_fall_is_above_one():
    """A loss that rose first falls by more in its last quarter than in all."""
    assert evidence(losses=[0.5, 0.6, 0.9, 0.9, 0.9, 0.9, 0.49, 0.49]).still_falling == 1.0
