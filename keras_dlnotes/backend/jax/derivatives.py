"""Second derivatives of a loss by the weights, from a function of the weights."""

import jax
import jax.numpy as jnp

# What second derivatives are taken from: a function of the weights. Under JAX's differentiation
# the loss is a number that does not know how it came about.
SOURCE = "function"


def hessian(loss_function, variables):
    """d^2 loss / dw^2 [n, n] over all variables' numbers, in order.

    Reverse over reverse: Keras's custom gradients have no forward mode.
    """
    values = [v.value for v in variables]
    _, pull_back = jax.vjp(jax.grad(loss_function), values)
    shapes = [v.shape for v in values]
    size = sum(v.size for v in values)

    def column(unit):
        parts, offset = [], 0
        for value, shape in zip(values, shapes, strict=True):
            parts.append(unit[offset : offset + value.size].reshape(shape).astype(value.dtype))
            offset += value.size
        return jnp.concatenate([p.reshape(-1) for p in pull_back(parts)[0]])

    return jax.vmap(column)(jnp.eye(size, dtype=values[0].dtype))


def hessian_vector_product(loss_function, variables, vectors):
    """The Hessian times a vector that is given in the variables' shapes; the same shapes back."""
    _, pull_back = jax.vjp(jax.grad(loss_function), [v.value for v in variables])
    return pull_back(list(vectors))[0]


def gauss_newton_loss(loss_function, outputs_function, variables):
    """A loss whose Hessian is the loss's generalised Gauss-Newton matrix.

    A(w) = L(w) - sum_i s_i o_i(w) with the slopes s = dL/do held fixed: the curvature of the
    outputs o drops out; that of the loss in its outputs and that of penalties stay.

    Args:
        loss_function: Maps a list of weights and the list of outputs to the loss.
        outputs_function: Maps a list of weights to the list of the model's outputs.
        variables: Their values are the weights at which the slopes are taken.

    Returns:
        A function of the list of weights.
    """
    values = [v.value for v in variables]
    slopes = jax.grad(loss_function, argnums=1)(values, outputs_function(values))

    def linearised(weights):
        outputs = outputs_function(weights)
        parts = [jnp.sum(s * o) for s, o in zip(slopes, outputs, strict=True)]
        return loss_function(weights, outputs) - sum(parts)

    return linearised
