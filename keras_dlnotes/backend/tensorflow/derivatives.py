"""Second derivatives of a loss by the weights, from the graph that computed it."""

import tensorflow as tf
from tensorflow.python.ops import control_flow_util
from tensorflow.python.ops.parallel_for.gradients import jacobian

# What second derivatives are taken from: the loss's graph, which lasts until the end of the step.
SOURCE = "graph"

_MOST_ROWS_UNDER_XLA = 64


def _values(variables):
    return [v.value for v in variables]


def _graph_gradients(loss, values):
    if tf.executing_eagerly():
        raise RuntimeError(
            "Second derivatives are taken from TensorFlow's graph. Expected `scale_loss` inside a "
            "tf.function or a compiled model. Received: eager execution. Leave out "
            "run_eagerly=True, or decorate the training step with @tf.function."
        )
    gradients = tf.gradients(loss, values)
    return [
        tf.zeros_like(v) if g is None else tf.convert_to_tensor(g)
        for g, v in zip(gradients, values, strict=True)
    ]


def hessian(loss, variables):
    """d^2 loss / dw^2 [n, n] over all variables' numbers, in order."""
    values = _values(variables)
    gradients = _graph_gradients(loss, values)
    gradient = tf.concat([tf.reshape(g, (-1,)) for g in gradients], 0)
    size = gradient.shape[0]
    if control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()):
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
        blocks = jacobian(gradient, values, use_pfor=True)
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
    return [
        tf.zeros_like(v) if p is None else tf.stop_gradient(tf.convert_to_tensor(p))
        for p, v in zip(products, values, strict=True)
    ]
