"""A scalar function evaluated at many points at once, and its gradient; for gradient checks."""

import contextlib
import threading

import numpy as np
import tensorflow as tf

# How many rows can be evaluated at once, fastest first.
WAYS = ("vectorized", "loop")
# A program is compiled anew for each number of rows.
COMPILES_BY_ROW_COUNT = False


def native_float64():
    """Scope in which TensorFlow makes 64-bit arrays: it always does."""
    return contextlib.nullcontext()


def _compiled(function):
    """Traced once, at the first call, for any number of rows; see `over_rows`."""
    concrete: list = []

    def run(constants, *rows):
        if not concrete:
            # The number of rows is left open; Keras's own steps do without autograph.
            specs = [tf.TensorSpec([None, *r.shape[1:]], r.dtype) for r in rows]
            traced = tf.function(function, autograph=False)
            concrete.append(traced.get_concrete_function(constants, *specs))
        return concrete[0](constants, *rows)

    return run


@contextlib.contextmanager
def _silent_here():
    """Scope in which TensorFlow's logger drops what the running thread says."""
    here = threading.get_ident()

    def of_others(record):
        return record.thread != here

    logger = tf.get_logger()
    logger.addFilter(of_others)
    try:
        yield
    finally:
        logger.removeFilter(of_others)


def over_rows(function, way):
    """A function of constants and one row, made to take many rows.

    Args:
        function: takes a list of arrays and an array, the row, and returns a scalar.
        way: one of `WAYS`.

    Returns:
        Takes the list of arrays and a NumPy array of rows, and returns a NumPy vector.
    """

    def every(constants, rows):
        def one(row):
            return function(constants, row)

        if way == "loop":
            return tf.map_fn(one, rows, fn_output_signature=constants[0].dtype)
        return tf.vectorized_map(one, rows, fallback_to_while_loop=False)

    run = _compiled(every)

    def evaluate(constants, rows):
        with _silent_here():  # an operation that cannot be vectorized is no error here
            return np.asarray(run(constants, tf.convert_to_tensor(rows)), "float64")

    return evaluate


def gradient_function(function, way):
    """Value and gradient of a scalar function of a list of arrays, as training computes them.

    Returns:
        Takes the list of arrays; returns a number and a list of NumPy arrays, None where the
        function's graph does not lead to an array.
    """

    def run(values):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            loss = function(values)
        gradients = tape.gradient(loss, values)
        return loss, [None if g is None else tf.convert_to_tensor(g) for g in gradients]

    if way != "eager":
        run = _compiled(run)

    def evaluate(values):
        loss, gradients = run(values)
        return float(loss), [None if g is None else g.numpy() for g in gradients]

    return evaluate


def slope_function(function, vectors):
    """The function <gradient of `function`, vectors> of the same arrays, itself differentiable."""

    def slope(values):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            loss = function(values)
        gradients = tape.gradient(loss, values, unconnected_gradients="zero")
        return tf.add_n([tf.reduce_sum(g * v) for g, v in zip(gradients, vectors, strict=True)])

    return slope


def constant(array):
    """A NumPy array on the device."""
    return tf.convert_to_tensor(array)


def dtype_name(tensor):
    """Name of a tensor's dtype."""
    return tensor.dtype.name


def trace(function, values):
    """Runs the function once, for what it notes down on the way; its result is not wanted."""
    function(values)
