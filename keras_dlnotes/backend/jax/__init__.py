"""What this package asks of jax directly, beyond `keras.ops`."""

from keras_dlnotes.backend.jax import (
    arrays,
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
