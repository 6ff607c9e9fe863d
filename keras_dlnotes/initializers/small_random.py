"""Small random numbers."""

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_dlnotes.backend.registration import registered
from keras_dlnotes.initializers.seed_of_draw import seed_of_draw
from keras_dlnotes.numerics.number_arguments import as_python_number, is_real_number


@registered("SmallRandom")
class SmallRandom(keras.initializers.RandomNormal):
    """Small random numbers: a normal distribution of one fixed, small standard deviation.

    Use it for shallow networks only. In a deep one the signal is multiplied by about
    `scale * sqrt(n_prev)` in every layer, so activations and gradients vanish (or explode).

    Formula: `W = randn(shape) * scale`, without truncation.

    - W → the kernel, any shape.
    - scale → `scale`, the standard deviation.

    Args:
        scale: The standard deviation, a non-negative number. Defaults to 0.01.
        seed: An integer, a `keras.random.SeedGenerator` or `None`. As with Keras's own
            initializers, an integer gives the same values at every call, a generator new ones.
            `None` gives new ones too, so that layers which share the object start differently
            (Keras's own start alike); `keras.utils.set_random_seed` makes them reproducible.

    Raises:
        ValueError: if `scale` is not a finite number of at least 0.

    Example:
    ```python
    layer = keras.layers.Dense(10, kernel_initializer=kd.initializers.SmallRandom(0.01))
    ```

    Reference: deep-learning notes, "Small Random Numbers".
    """

    def __init__(
        self, scale: float = 0.01, seed: int | keras.random.SeedGenerator | None = None
    ) -> None:
        if not is_real_number(scale) or not math.isfinite(scale) or scale < 0:
            raise ValueError(
                f"Expected `scale` to be a finite number of at least 0. Received: scale={scale!r}."
            )
        super().__init__(mean=0.0, stddev=float(scale), seed=as_python_number(seed))
        if seed is None:
            self.seed = None  # Keras's has drawn one for all calls

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        """Draws a kernel of the given shape."""
        return keras.random.normal(
            shape, stddev=self.stddev, dtype=dtype, seed=seed_of_draw(self.seed)
        )

    def standard_deviation(self, n_prev: float) -> float:
        """The same for every layer, whatever feeds its units."""
        return self.stddev

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        return {"scale": config["stddev"], "seed": config["seed"]}
