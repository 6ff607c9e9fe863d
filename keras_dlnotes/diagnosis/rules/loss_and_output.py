"""Loss, output activation and targets have to belong together."""

from keras_dlnotes.diagnosis.conventions import PROBABILITIES, RANGES, REGRESSION_LOSSES
from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding

# What may stand before from_logits=True: these leave numbers of every size and both signs.
_LOGITS = ("linear", "leaky_relu", "prelu")


def loss_and_output(evidence: Evidence) -> list[Finding]:
    """A cross-entropy takes the logarithm of probabilities, which the output has to deliver.

    Threshold: none, the pairs are a table. A sigmoid with the categorical cross-entropy, or a
    softmax over more than two units with the binary one, is two different assumptions about
    whether classes exclude each other. A regression loss behind a softmax has gradients that
    vanish where the softmax is confident and wrong, so it is named only where the run went wrong;
    so is a Poisson loss, which takes a logarithm, behind an output that can be negative.

    Reference: Goodfellow, Bengio and Courville, "Deep Learning", 2016, section 6.2.2.
    """
    model = evidence.model
    loss, activation = model.loss, model.output_activation
    if loss is None or activation is None:
        return []
    if loss in PROBABILITIES:
        return _crossentropy(evidence, loss, activation)
    if loss in REGRESSION_LOSSES:
        return _regression(evidence, activation)
    return []


def _crossentropy(evidence, loss, activation):
    if evidence.model.squashed_before is not None:
        return [_double_activation(evidence, activation)]
    units = evidence.prediction_shape[-1] if evidence.prediction_shape else 0
    labels = evidence.labels
    if units == 1 and loss != "binary_crossentropy" and loss != "binary_focal_crossentropy":
        if loss == "kl_divergence" or activation == "softmax":
            return []
        return [
            _finding(
                evidence,
                "The categorical cross-entropy of one unit is the same whatever it predicts.",
                "sigmoid",
                "binary_crossentropy",
                0.95,
            )
        ]
    if evidence.model.from_logits:
        # The softmax of its own logarithm is the same softmax.
        normalized = activation == "log_softmax" and not loss.startswith("binary")
        fits = activation in _LOGITS or normalized
        return [] if fits else [_double_activation(evidence, activation)]
    fitting = PROBABILITIES[loss]
    if activation not in fitting:
        right = "sigmoid" if loss.startswith("binary") else "softmax"
        if activation == "sigmoid" and labels is not None and labels.kind == "multi_hot":
            return [
                _finding(
                    evidence,
                    "Several classes can be right at once, and the loss takes them as exclusive.",
                    "sigmoid",
                    "binary_crossentropy",
                    0.9,
                )
            ]
        what = "no activation" if activation == "linear" else f"{activation!r}"
        return [
            _finding(
                evidence,
                f"The loss expects probabilities and the output has {what}.",
                right,
                loss,
                0.95,
                cause="missing_output_activation" if activation == "linear" else None,
            )
        ]
    several = labels is not None and labels.kind == "multi_hot" and units > 1
    if several and activation == "softmax":
        return [
            _finding(
                evidence,
                "Several classes can be right at once, and a softmax takes them as exclusive.",
                "sigmoid",
                "binary_crossentropy",
                0.88,
            )
        ]
    exclusive = labels is not None and labels.kind == "one_hot"
    if loss.startswith("binary") and activation == "softmax" and exclusive and units > 2:
        return [
            _finding(
                evidence,
                "The binary cross-entropy treats exclusive classes as independent ones; its "
                '"accuracy" then counts each of them, which looks far too good.',
                "softmax",
                "categorical_crossentropy",
                0.85,
            )
        ]
    several_sigmoids = loss.startswith("binary") and activation == "sigmoid" and units > 2
    if several_sigmoids and exclusive and evidence.went_wrong:
        return [
            _finding(
                evidence,
                "Each class is predicted on its own although exactly one is right.",
                "softmax",
                "categorical_crossentropy",
                0.75,
            )
        ]
    return []


def _regression(evidence, activation):
    labels = evidence.labels
    if evidence.model.loss == "poisson" and evidence.went_wrong:
        low, _ = RANGES.get(activation, (-1.0, 1.0))
        if low < 0.0:
            return [
                _finding(
                    evidence,
                    "The loss takes the logarithm of the prediction, and the output can be "
                    "negative, where there is none.",
                    "softplus",
                    "poisson",
                    0.95,
                    cause="missing_output_activation"
                    if activation == "linear"
                    else "loss_does_not_fit_output",
                )
            ]
    if labels is None:
        return []
    # Who asks for accuracy means classes, however well the amounts may be fitted.
    few = labels.numbered_classes and 3 <= labels.classes <= 10
    if few and "accuracy" in evidence.model.metrics:
        return [
            _finding(
                evidence,
                "The targets are numbers of classes, and the loss takes them for amounts: class 3 "
                "would lie between 2 and 4.",
                "softmax",
                "sparse_categorical_crossentropy",
                0.86,
                cause="regression_loss_for_classes",
            )
        ]
    if not evidence.went_wrong:
        return []
    units = evidence.prediction_shape[-1] if evidence.prediction_shape else None
    if labels.kind == "one_hot":
        right = "softmax"
        loss = "categorical_crossentropy"
    elif labels.kind in ("binary", "multi_hot"):
        right, loss = "sigmoid", "binary_crossentropy"
    elif labels.numbered_classes and units is not None and units > 1:
        right, loss = "softmax", "sparse_categorical_crossentropy"
    else:
        return []
    confidence = 0.7 if labels.shape in ((), (1,)) and labels.kind == "binary" else 0.8
    return [
        _finding(
            evidence,
            "The targets are classes and the loss is one for real numbers, whose gradient "
            "vanishes where a squashing output is confident and wrong.",
            right,
            loss,
            confidence,
            cause="regression_loss_for_classes",
        )
    ]


def _double_activation(evidence, activation):
    before, loss = evidence.model.squashed_before, evidence.model.loss
    fitting = activation in PROBABILITIES[loss]
    explanation = f"The loss has from_logits=True and the output already applies {activation}."
    remedy = f"Leave out the activation {activation!r}"
    remedy += ", or pass from_logits=False." if fitting else ": the loss applies its own."
    if before is not None:
        explanation = f"The output applies {activation} to what {before} has already squashed."
        remedy = "Leave out one of the two."
    cause = "from_logits_mismatch" if before is None else "loss_does_not_fit_output"
    finding = _finding(evidence, explanation, activation, loss, 0.9, cause=cause)
    finding.remedy = remedy
    finding.fix = {}
    if before is None:
        finding.fix = {"loss": loss} if fitting else {"activation": "linear"}
    return finding


def _finding(evidence, explanation, activation, loss, confidence, cause=None):
    facts = evidence.model
    return Finding(
        cause=cause or "loss_does_not_fit_output",
        symptom=f"Output activation {facts.output_activation!r} and loss {facts.loss!r} do not "
        "belong together.",
        explanation=explanation,
        remedy=f'Use activation="{activation}" in the last layer with loss="{loss}".',
        confidence=confidence,
        evidence={
            "output activation": facts.output_activation,
            "loss": facts.loss,
            "from_logits": facts.from_logits,
            "targets": evidence.labels.kind if evidence.labels else "unknown",
        },
        layer=facts.output_layer,
        part="keras.losses",
        fix={"activation": activation, "loss": loss},
        explains=("stuck_at_trivial_predictor", "underfitting", "non_finite_loss", "*"),
    )
