"""True float64 for a while, in Keras and in the library it runs on."""

import contextlib

import keras
from keras.src import backend
from keras.src.backend.common import dtypes

from keras_dlnotes.backend import active


@contextlib.contextmanager
def true_float64():
    """Lets `keras.ops` compute in float64, everywhere and not only where it happens to.

    On JAX and torch Keras turns the result type float64 into float32 by a private table, even
    under floatx "float64"; and the library has a switch of its own. Both, and floatx, are put back.
    """
    floatx = keras.config.floatx()
    narrowed = dtypes.BIT64_TO_BIT32_DTYPE
    before = narrowed["float64"]
    keras.config.set_floatx("float64")
    narrowed["float64"] = "float64"
    try:
        with active.line_losses.native_float64():
            yield
    finally:
        narrowed["float64"] = before
        keras.config.set_floatx(floatx)


@contextlib.contextmanager
def half_casts_widened(dtype, noted):
    """Lets `keras.ops.cast` give `dtype` where float16 or bfloat16 is asked for.

    A function that rounds to few bits is a staircase, whose differences tell nothing of the slope
    that its gradient means. Other ways to half precision stay: `convert_to_tensor(x, "float16")`
    and the tensors' own methods.

    Args:
        dtype: what to cast to instead.
        noted: a set, to which the dtypes that were asked for are added.
    """
    core = backend.core
    before = core.cast

    def cast(x, asked):
        asked = keras.backend.standardize_dtype(asked)
        if asked in ("float16", "bfloat16"):
            noted.add(asked)
            asked = dtype
        return before(x, asked)

    core.cast = cast
    try:
        yield
    finally:
        core.cast = before
