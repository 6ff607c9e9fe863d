"""`random_numbers` of TensorFlow and JAX, where all of Keras's draws follow from its variables."""

import contextlib


def seeded(seed):
    """Scope in which dropout follows from a seed: nothing to do, Keras's seeds are variables."""
    return contextlib.nullcontext()


class SameRandomNumbers:
    """Scopes of evaluations that draw the same numbers."""

    def scope(self):
        """Scope of one evaluation: nothing to do."""
        return contextlib.nullcontext()
