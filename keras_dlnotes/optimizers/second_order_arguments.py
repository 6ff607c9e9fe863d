"""What a method that compares losses between evaluations must ask of its surroundings."""

from collections.abc import Iterable
from typing import Any

import keras

from keras_dlnotes.backend import active
from keras_dlnotes.numerics.phases import GaussNewtonPhase, Phase
from keras_dlnotes.optimizers import bounds

# Why each of Keras's optimizer arguments cannot be combined with a line search or trust region.
_REASONS = {
    "learning_rate": "the step's length is found by the method itself",
    "weight_decay": "it moves the weights behind the back of the step that is being tested; use a "
    "kernel_regularizer, whose penalty is part of the loss",
    "clipnorm": "a clipped gradient is not the gradient of the loss that the step is tested with",
    "global_clipnorm": "a clipped gradient is not the gradient of the loss that the step is tested "
    "with",
    "clipvalue": "a clipped gradient is not the gradient of the loss that the step is tested with",
    "use_ema": "trial points would be averaged with accepted ones; the weights that fit leaves are "
    "the best accepted ones already",
    "ema_overwrite_frequency": "it moves the weights between two evaluations of one search",
    "gradient_accumulation_steps": "it gives a short last batch the weight of a full one; use "
    "keras_dlnotes.callbacks.FullBatch, which accumulates an epoch exactly",
}

WARNINGS: dict[int, str] = {
    Phase.NOT_DETERMINISTIC: "The loss changed between two evaluations at the same weights, so "
    "no step can be judged by it and the weights were left at the last accepted point. Usual "
    "causes: mini-batches (use batch_size=len(x), or keras_dlnotes.callbacks.FullBatch when the "
    "data is larger than memory), dropout, random augmentation, a model quantized to float8, whose "
    "scales follow what it has seen, or other data than before. Use an optimizer made for noisy "
    "losses, such as Adam, or make the loss deterministic.",
    GaussNewtonPhase.COUPLED: "The gradient is not the sum of what the examples contribute one by "
    "one, so the Jacobian taken example by example is not that of this model, and the weights were "
    "left where they were. Usual causes: BatchNormalization, whose outputs depend on all examples "
    "of a batch (freeze it by trainable=False, or use LayerNormalization), dropout, or a loss that "
    "has terms between examples or does not use the model's outputs (compute_loss: let `call` "
    "return the residuals, and take their mean of squares). Use NewtonCG or LBFGS for such a "
    "model.",
    Phase.TOO_COARSE: "The loss was the same at several trial points, although its gradient "
    "promised a fall far above the rounding of its dtype, so no step can be judged by it and the "
    "weights were left at the last accepted point. Usual causes: quantized weights or activations, "
    "half precision, a rounded output, or a gradient that is not that of the loss (a "
    "straight-through estimator). Compute the loss in more digits, or use an optimizer that takes "
    "the gradient alone, such as Adam.",
}


def check_arguments(class_name: str, arguments: dict[str, Any]) -> float | None:
    """Refuse what would falsify the search; the loss scale factor, which is folded in, returned."""
    arguments = dict(arguments)
    loss_scale_factor = arguments.pop("loss_scale_factor", None)
    arguments.pop("ema_momentum", None)
    for argument, value in arguments.items():
        if argument not in _REASONS:
            raise TypeError(f"{class_name} got an unexpected argument {argument!r}.")
        if value not in (None, False):
            raise ValueError(
                f"{class_name} does not take `{argument}`: {_REASONS[argument]}. "
                f"Received: {argument}={value!r}. Leave it out."
            )
    return loss_scale_factor


def check_variables(
    class_name: str, variables: Iterable[keras.Variable], takes_bounds: bool = False
) -> None:
    """Refuse weights that somebody else moves after each step, and unknown strategies.

    A method that `takes_bounds` never leaves them, so constraints that are bounds move nothing.
    """
    strategy = active.replicas.refusal()
    if strategy is not None:
        raise ValueError(
            f"{class_name} takes the sums of loss and gradient over all replicas, which it knows "
            "how to do under MirroredStrategy, MultiWorkerMirroredStrategy, keras.distribution and "
            f"torch.distributed. Received: {strategy} with several replicas. Build the model under "
            "one of these, or outside of strategy.scope()."
        )
    for variable in variables:
        constraint = getattr(variable, "constraint", None)
        is_bounds = bounds.of_constraint(constraint) is not None
        if constraint is not None and not (takes_bounds and is_bounds):
            if takes_bounds:
                advice = "Of constraints it takes keras.constraints.NonNeg and Box of keras_dlnotes"
            elif is_bounds:
                advice = "keras_dlnotes.optimizers.LBFGS takes such bounds"
            else:
                advice = "It minimises without constraints"
            raise ValueError(
                f"{class_name} cannot train a weight that a constraint moves: the loss then no "
                "longer belongs to the step that is being tested. Received: "
                f"the variable {variable.path!r} with constraint {constraint!r}. {advice}. Remove "
                "the constraint, or write the layer so that it maps free weights to allowed ones."
            )


def working_dtype(variables: Iterable[keras.Variable]) -> str:
    """The dtype of the optimizer's own state: float64 for float64 weights, float32 for others."""
    dtypes = {str(getattr(v.dtype, "name", v.dtype)) for v in variables}
    return "float64" if "float64" in dtypes else "float32"
