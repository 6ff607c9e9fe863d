"""What the copies of a model that are trained side by side measure and know together."""


def sum_over_replicas(tensor):
    """The tensor itself: a jitted step over several devices sees the whole batch as one array."""
    return tensor


def count():
    """How many replicas take the step: one, whatever number of devices it is spread over."""
    return 1


def concatenate(tensor):
    """The tensor itself, which is that of all."""
    return tensor


def examples_of_all(examples):
    """The examples themselves, which are of the whole batch."""
    return examples


def reduced_gradients(gradients, optimizer):
    """The gradients themselves, which are those of the whole batch."""
    return gradients


def as_log(tensor):
    """A tensor so that it leaves the step in Keras's logs: as it is."""
    return tensor
