"""What one call of an optimizer hands to the next inside a single training step."""

import threading


class Carried(threading.local):
    """Numbers on their way, each thread with its own: `tf.distribute` traces a replica in each.

    Args:
        initial: What each is before anything is handed over.
    """

    def __init__(self, **initial):
        super().__init__()
        self._initial = initial
        self.__dict__.update(initial)

    def take(self, name):
        """What was handed over last; it is gone afterwards."""
        value = getattr(self, name)
        setattr(self, name, self._initial[name])
        return value

    def __reduce__(self):
        return _without_numbers, (type(self), self._initial)


def _without_numbers(kind, initial):
    return kind(**initial)
