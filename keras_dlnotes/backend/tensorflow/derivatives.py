"""Second derivatives of a loss by the weights, from the graph that computed it."""

import tensorflow as tf

from keras_dlnotes.backend import internals as keras_internals
from keras_dlnotes.backend.tensorflow import internals

# What second derivatives are taken from: the loss's graph, which lasts until the end of the step.
SOURCE = "graph"

_MOST_ROWS_UNDER_XLA = 64


def _values(variables):
    return [v.value for v in variables]


def _graph_gradients(loss, values):
    _check_graph()
    return or_zeros(tf.gradients(loss, values), values)


def _check_graph():
    if tf.executing_eagerly():
        raise RuntimeError(
            "Second derivatives are taken from TensorFlow's graph. Expected `scale_loss` inside a "
            "tf.function or a compiled model. Received: eager execution. Leave out "
            "run_eagerly=True, or decorate the training step with @tf.function."
        )


def hessian(loss, variables):
    """d^2 loss / dw^2 [n, n] over all variables' numbers, in order."""
    values = _values(variables)
    gradients = _graph_gradients(loss, values)
    gradient = tf.concat([tf.reshape(g, (-1,)) for g in gradients], 0)
    size = gradient.shape[0]
    if internals.in_xla.value(tf.compat.v1.get_default_graph()):
        # XLA cannot compile the vectorised form: one product for each row, written out.
        if size > _MOST_ROWS_UNDER_XLA:
            raise ValueError(
                f"The Hessian of {size} weights cannot be compiled with XLA. Expected at most "
                f"{_MOST_ROWS_UNDER_XLA} weights, or a model without it: pass jit_compile=False "
                "to model.compile."
            )
        rows = [tf.gradients(gradient[i], values) for i in range(size)]
        blocks = [
            None
            if all(r[j] is None for r in rows)
            else tf.stack([tf.zeros_like(v) if r[j] is None else r[j] for r in rows])
            for j, v in enumerate(values)
        ]
    else:
        blocks = internals.jacobian.value(gradient, values, use_pfor=True)
    return tf.concat(
        [
            tf.zeros((size, v.shape.num_elements()), gradient.dtype)
            if b is None
            else tf.reshape(b, (size, -1))
            for b, v in zip(blocks, values, strict=True)
        ],
        1,
    )


def hessian_vector_product(loss, variables, vectors):
    """The Hessian times a vector that is given in the variables' shapes; the same shapes back."""
    values = _values(variables)
    gradients = _graph_gradients(loss, values)
    products = tf.gradients(gradients, values, grad_ys=[tf.stop_gradient(v) for v in vectors])
    return [tf.stop_gradient(p) for p in or_zeros(products, values)]


def gauss_newton_loss(loss, outputs, variables):
    """A loss whose Hessian is the loss's generalised Gauss-Newton matrix.

    A(w) = L(w) - sum_i s_i o_i(w) with the slopes s = dL/do held fixed: the curvature of the
    outputs o drops out; that of the loss in its outputs and that of penalties stay.

    Args:
        loss: The loss, a tensor.
        outputs: The list of the model's outputs. Where the loss was computed from the logits behind
            an output, as Keras's cross-entropies are, these take its place.
        variables: Unused here; the same arguments on all backends.
    """
    _check_graph()
    outputs = [seen for seen in (_seen_by(loss, o) for o in outputs) if seen is not None]
    slopes = or_zeros(tf.gradients(loss, outputs), outputs)
    return loss - tf.add_n(
        [
            tf.cast(tf.reduce_sum(tf.stop_gradient(slope) * output), loss.dtype)
            for slope, output in zip(slopes, outputs, strict=True)
        ]
    )


def _seen_by(loss, output):
    logits = keras_internals.logits_of_output.of(output, None)
    for tensor in (output, logits, *output.op.inputs):
        if tensor is not None and tf.gradients(loss, tensor)[0] is not None:
            return tensor
    return None


def or_zeros(gradients, values):
    """Gradients by values as tensors, with zeros for None."""
    return [
        tf.zeros_like(v) if g is None else tf.convert_to_tensor(g)
        for g, v in zip(gradients, values, strict=True)
    ]
