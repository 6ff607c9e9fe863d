"""Which step of training a model is at."""

from keras import ops

from keras_dlnotes.instrumentation.inner_optimizer import inner_optimizer


def train_step_number(model):
    """Number of train steps that the optimizer has taken; 0 for a model without one."""
    optimizer = inner_optimizer(model)
    if optimizer is None:
        return 0
    # `iterations` leaves out the steps in which gradients are only accumulated.
    steps = getattr(optimizer, "_iterations", None)
    return int(ops.convert_to_numpy(optimizer.iterations if steps is None else steps))
