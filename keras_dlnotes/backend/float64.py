"""Another precision for a while, in Keras and in the library it runs on, for one thread."""

import contextlib

import keras

from keras_dlnotes.backend import active, internals
from keras_dlnotes.backend.replacements import replaced_by_code_here, replaced_here


def floatx_here(dtype):
    """Scope in which `keras.config.floatx()` is `dtype` for the running thread."""
    return replaced_by_code_here(keras.config.floatx, lambda _: lambda: dtype)


@contextlib.contextmanager
def true_float64():
    """Lets `keras.ops` compute in float64, everywhere and not only where it happens to.

    On JAX and torch Keras turns the result type float64 into float32 by a private table, even
    under floatx "float64"; and the library has a switch of its own. Other threads see neither of
    them nor floatx changed.
    """

    def kept(narrowed):
        return {**narrowed, "float64": "float64"}

    with (
        floatx_here("float64"),
        replaced_here(*internals.narrowed_dtypes.found_in, kept),
        active.scalar_functions.native_float64(),
    ):
        yield


def half_casts_widened(wide, noted):
    """Scope in which `keras.ops.cast` gives `wide` where float16 or bfloat16 is asked for.

    A function that rounds to few bits is a staircase, whose differences tell nothing of the slope
    that its gradient means. Other ways to half precision stay: `convert_to_tensor(x, "float16")`
    and the tensors' own methods.

    Args:
        wide: dtype to cast to instead.
        noted: a set, to which the dtypes that were asked for are added.
    """

    def widened(original):
        def cast(x, dtype):
            name = keras.backend.standardize_dtype(dtype)
            if name in ("float16", "bfloat16"):
                noted.add(name)
                dtype = wide
            return original(x, dtype)

        return cast

    return replaced_here(*internals.cast.found_in, widened)
