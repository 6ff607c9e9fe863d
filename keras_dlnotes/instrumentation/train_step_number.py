"""Which step of training a model is at."""

from keras import ops

from keras_dlnotes.instrumentation.inner_optimizer import inner_optimizer


def train_step_number(model):
    """Number of train steps that the optimizer has taken; 0 for a model without one."""
    optimizer = inner_optimizer(model)
    return 0 if optimizer is None else int(ops.convert_to_numpy(optimizer.iterations))
