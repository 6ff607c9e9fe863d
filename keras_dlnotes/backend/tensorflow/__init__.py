"""What this package asks of tensorflow directly, beyond `keras.ops`."""

from keras_dlnotes.backend.tensorflow import (
    arrays,
    datasets,
    derivatives,
    fit_batches,
    fused_update,
    iteration,
    jacobian,
    line_losses,
    processes,
    random_numbers,
    reductions,
    replicas,
    sparse_gradients,
    train_step_loss,
    training_penalty,
)

__all__ = [
    "arrays",
    "datasets",
    "derivatives",
    "fit_batches",
    "fused_update",
    "iteration",
    "jacobian",
    "line_losses",
    "processes",
    "random_numbers",
    "reductions",
    "replicas",
    "sparse_gradients",
    "train_step_loss",
    "training_penalty",
]
