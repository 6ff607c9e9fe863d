"""What this package asks of jax directly, beyond `keras.ops`."""

from keras_dlnotes.backend.jax.reductions import (
    belongs_to_step,
    count_where,
    dense,
    extremes,
    moments,
    sum_of_squares,
)

__all__ = [
    "belongs_to_step",
    "count_where",
    "dense",
    "extremes",
    "moments",
    "sum_of_squares",
]
