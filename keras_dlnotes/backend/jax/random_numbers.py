"""JAX's own random numbers, for gradient checks and for short runs."""

import contextlib


def seeded(seed):
    """Scope in which dropout follows from a seed: nothing to do, Keras's seeds are variables."""
    return contextlib.nullcontext()


class SameRandomNumbers:
    """Scopes of evaluations that draw the same numbers: Keras's seeds here are variables."""

    def scope(self):
        """Scope of one evaluation: nothing to do."""
        return contextlib.nullcontext()
