"""A scalar function evaluated at many points at once, and its gradient; for gradient checks."""

from typing import Any

import jax
import jax.experimental
import jax.numpy as jnp
import numpy as np

# How many rows can be evaluated at once, fastest first.
WAYS = ("vectorized", "loop")
# A program is compiled anew for each number of rows.
COMPILES_BY_ROW_COUNT = True


def native_float64():
    """Scope in which JAX makes 64-bit arrays, in the running thread."""
    # By its old name in JAX before 0.8.
    where = jax if "enable_x64" in dir(jax) else jax.experimental
    return where.enable_x64(True)  # type: ignore[attr-defined, unused-ignore]


# A check runs each program a few times: what counts is how long it takes to compile.
_QUICKLY: Any = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


def _compiled(function):
    """Compiled once, at the first call, for arguments of those shapes."""
    programs: list = []

    def run(*arguments):
        if not programs:
            lowered = jax.jit(function).lower(*arguments)
            programs.append(lowered.compile(compiler_options=_QUICKLY))
        return programs[0](*arguments)

    return run


def over_rows(function, way):
    """A function of constants and one row, made to take many rows.

    Args:
        function: takes a list of arrays and an array, the row, and returns a scalar.
        way: one of `WAYS`.

    Returns:
        Takes the list of arrays and a NumPy array of rows, and returns a NumPy vector.
    """
    if way == "loop":
        run = _compiled(lambda constants, rows: jax.lax.map(lambda r: function(constants, r), rows))
    else:
        run = _compiled(jax.vmap(function, in_axes=(None, 0)))
    return lambda constants, rows: np.asarray(run(constants, rows), "float64")


def gradient_function(function, way):
    """Value and gradient of a scalar function of a list of arrays, as training computes them.

    Returns:
        Takes the list of arrays; returns a number and a list of NumPy arrays.
    """
    run = jax.value_and_grad(function)
    if way != "eager":
        run = _compiled(run)

    def evaluate(values):
        value, gradients = run(values)
        return float(value), [np.asarray(g) for g in gradients]

    return evaluate


def slope_function(function, vectors):
    """The function <gradient of `function`, vectors> of the same arrays, itself differentiable."""

    def slope(values):
        gradients = jax.grad(function)(values)
        return sum(jnp.vdot(g, v) for g, v in zip(gradients, vectors, strict=True))

    return slope


def constant(array):
    """A NumPy array on the device."""
    return jnp.asarray(array)


def dtype_name(tensor):
    """Name of a tensor's dtype."""
    return str(tensor.dtype)


def trace(function, values):
    """Runs the function once, for what it notes down on the way; its result is not wanted.

    With abstract values, since each operation outside a compiled program is compiled by itself.
    """
    try:
        jax.eval_shape(function, values)
    except Exception:  # what needs concrete values raises anything, as wrapped by Keras
        function(values)
