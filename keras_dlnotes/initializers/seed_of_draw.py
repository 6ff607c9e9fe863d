"""The seed of one draw."""

import random

import keras


def seed_of_draw(
    seed: int | keras.random.SeedGenerator | None,
) -> int | keras.random.SeedGenerator:
    """The seed itself, or for `None` a new whole number at every call.

    `keras.utils.set_random_seed` seeds Python's generator, from which the number comes. Keras's own
    initializers draw it once for an object, so that two layers that share one start alike.
    """
    return random.randint(1, 10**9) if seed is None else seed
