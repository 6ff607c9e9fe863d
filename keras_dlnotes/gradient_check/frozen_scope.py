"""Variables that read as given values and cannot be written."""

import keras


class FrozenScope(keras.StatelessScope):
    """While it lasts, variables have the given values, whatever is assigned to them.

    A training forward pass writes moving averages, and `SpectralNormalization` even its kernel:
    the loss would be another function after each call. Seeds are not among the given values; they
    advance within one scope and start anew with the next, so that each draws the same numbers.

    Args:
        values: list of `(variable, tensor)`.
    """

    def __init__(self, values):
        super().__init__(collect_losses=True, initialize_variables=False)
        # Not by the base class's argument, which would cast them to the variables' own dtype.
        self.state_mapping.update({id(variable): value for variable, value in values})
        self._frozen = frozenset(self.state_mapping)

    def add_update(self, update):
        """Drops what is assigned to a variable that was given a value."""
        variable, _ = update
        if id(variable) not in self._frozen:
            super().add_update(update)
