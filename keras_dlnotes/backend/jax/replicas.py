"""What the copies of a model that are trained side by side measure and know together."""

import jax


def sum_over_replicas(tensor):
    """The tensor itself: a jitted step over several devices sees the whole batch as one array."""
    return tensor


def count():
    """How many replicas take the step: one, whatever number of devices it is spread over."""
    return 1


def is_chief(model):
    """Whether this process is the one that writes, of those that train the model together."""
    return jax.process_index() == 0


def judges(model):
    """Whether this process has what there is to judge of a run: each one, see `from_chief`."""
    return True


def from_chief(item):
    """What the chief gives for `item`: what each process has, as all have seen the same."""
    return item
