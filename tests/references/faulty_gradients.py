"""Layers, losses and functions whose gradients are wrong, each in its own way.

`FAULTS` maps a name to a function that returns what `check_gradients` is called with, and a
regular expression that the named cause of one of the failures must match.
"""

import keras
import numpy as np
from keras import ops

FAULTS = {}


def fault(cause):
    def register(make):
        FAULTS[make.__name__] = (make, cause)
        return make

    return register


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


def with_gradient(forward, backward):
    """A function with a gradient of its own, for all three backends.

    `backward(upstream, *arguments)` returns a gradient for each argument.
    """

    @ops.custom_gradient
    def function(*arguments):
        def gradient(*received, upstream=None):
            upstream = received[0] if upstream is None else upstream
            results = backward(upstream, *arguments)
            return results if len(arguments) > 1 else results[0]

        return forward(*arguments), gradient

    return function


def unary(forward, slope):
    return with_gradient(forward, lambda upstream, x: (upstream * slope(x),))


class CustomDense(keras.layers.Layer):
    """y = x W + b, whose backward pass is passed in."""

    def __init__(self, units, backward, activation=None):
        super().__init__()
        self.units = units
        self.activation = activation or (lambda x: x)
        self.function = with_gradient(lambda x, w, b: ops.matmul(x, w) + b, backward)

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], self.units), name="kernel")
        self.bias = self.add_weight((self.units,), "random_normal", name="bias")

    def call(self, x):
        kernel, bias = ops.convert_to_tensor(self.kernel), ops.convert_to_tensor(self.bias)
        return self.activation(self.function(x, kernel, bias))


def right_dense(u, x, w, b):
    return ops.matmul(u, ops.transpose(w)), ops.matmul(ops.transpose(x), u), ops.sum(u, 0)


def dense(dx=None, dw=None, db=None, units=4, inputs=4, batch=5, upstream=None):
    """A dense layer with some of its three gradients changed, and its input."""

    def backward(u, x, w, b):
        if upstream is not None:
            u = upstream(u)
        gradients = right_dense(u, x, w, b)
        changes = (dx, dw, db)
        return tuple(
            g if change is None else change(g, u, x, w)
            for g, change in zip(gradients, changes, strict=True)
        )

    return CustomDense(units, backward, ops.tanh), normal(batch, inputs)


@fault("constant factor 2 ")
def kernel_gradient_doubled():
    return dense(dw=lambda g, u, x, w: 2.0 * g)


@fault("constant factor 0.5 ")
def input_gradient_halved():
    return dense(dx=lambda g, u, x, w: 0.5 * g)


@fault("constant factor 0.2 ")
def bias_gradient_averaged_over_the_batch():
    return dense(db=lambda g, u, x, w: ops.mean(u, 0))


@fault("constant factor 1.001 |constant factor 1 .0.001 ")
def factor_of_a_thousandth():
    return dense(dw=lambda g, u, x, w: 1.001 * g)


@fault(r"constant factor 1 \+ 3e-06 off")
def factor_of_a_millionth():
    return dense(dw=lambda g, u, x, w: (1.0 + 3e-6) * g)


@fault("wrong sign")
def kernel_gradient_negated():
    return dense(dw=lambda g, u, x, w: -g)


@fault("wrong sign")
def input_gradient_negated():
    return dense(dx=lambda g, u, x, w: -g)


@fault("wrong sign and a constant factor -3 ")
def bias_gradient_negated_and_tripled():
    return dense(db=lambda g, u, x, w: -3.0 * g)


@fault("no gradient arrives")
def bias_term_missing():
    return dense(db=lambda g, u, x, w: ops.zeros_like(g))


@fault("no gradient arrives")
def kernel_term_missing():
    return dense(dw=lambda g, u, x, w: ops.zeros_like(g))


@fault("transposed")
def kernel_gradient_transposed():
    return dense(dw=lambda g, u, x, w: ops.transpose(g))


@fault("transposed")
def large_kernel_gradient_transposed():
    return dense(dw=lambda g, u, x, w: ops.transpose(g), units=30, inputs=30)


@fault("wrong|missing|axis|points")
def kernel_gradient_in_column_order():
    return dense(dw=lambda g, u, x, w: ops.reshape(ops.transpose(g), g.shape), units=3)


@fault("axis|missing|points")
def bias_gradient_summed_over_units():
    return dense(db=lambda g, u, x, w: ops.sum(u, 1), batch=4)


@fault("axis|missing|points")
def input_gradient_by_untransposed_kernel():
    return dense(dx=lambda g, u, x, w: ops.matmul(u, w))


@fault("clipped to magnitudes of at most 0.05")
def kernel_gradient_clipped():
    return dense(dw=lambda g, u, x, w: ops.clip(g, -0.05, 0.05))


@fault("missing|axis|points")
def upstream_clipped():
    return dense(upstream=lambda u: ops.clip(u, -0.02, 0.02))


@fault(r"wrong only at \(61, 37\)")
def one_coordinate_of_ten_thousand():
    mask = np.ones((100, 100))
    mask[61, 37] = 0.5
    return dense(dw=lambda g, u, x, w: g * ops.cast(mask, g.dtype), units=100, inputs=100)


@fault("no gradient arrives only at index 2 of axis 0")
def one_row_of_the_kernel_left_out():
    mask = np.array([1, 1, 0, 1])[:, None]
    return dense(dw=lambda g, u, x, w: g * ops.cast(mask, g.dtype))


@fault("constant factor 2 off only at index 0 of axis 1")
def one_column_of_the_kernel_doubled():
    mask = np.array([2, 1, 1, 1])[None]
    return dense(dw=lambda g, u, x, w: g * ops.cast(mask, g.dtype))


@fault("missing|points|axis")
def last_example_left_out():
    return dense(dw=lambda g, u, x, w: ops.matmul(ops.transpose(x[:-1]), u[:-1]))


@fault("off by one")
def kernel_gradient_shifted():
    return dense(dw=lambda g, u, x, w: ops.roll(g, 1, axis=0))


@fault("reversed")
def kernel_gradient_reversed():
    return dense(dw=lambda g, u, x, w: ops.flip(g, axis=0), inputs=5)


@fault("a constant 0.001 is added")
def constant_added():
    return dense(dw=lambda g, u, x, w: g + 0.001)


@fault("missing|too many|wrong")
def gradient_rounded_to_half_precision():
    return dense(dw=lambda g, u, x, w: ops.cast(ops.cast(g, "float16"), g.dtype))


@fault("not finite")
def gradient_is_nan():
    return dense(db=lambda g, u, x, w: g / ops.zeros_like(g) * 0.0)


class Branches(keras.layers.Layer):
    """A sum of two branches through one kernel, one of which may be detached."""

    def __init__(self, combine):
        super().__init__()
        self.combine = combine

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], input_shape[-1]), name="kernel")
        self.gate = self.add_weight((input_shape[-1],), "random_normal", name="gate")

    def call(self, x):
        kernel, gate = ops.convert_to_tensor(self.kernel), ops.convert_to_tensor(self.gate)
        return self.combine(x, kernel, gate)


@fault("no gradient arrives")
def kernel_detached():
    return Branches(lambda x, w, g: g * ops.tanh(ops.matmul(x, ops.stop_gradient(w)))), normal(3, 4)


@fault("no gradient arrives")
def gate_unused_in_the_backward_pass():
    return Branches(lambda x, w, g: ops.stop_gradient(g) * ops.matmul(x, w)), normal(3, 4)


@fault("missing|too many")
def one_branch_detached():
    def combine(x, w, g):
        y = ops.matmul(x, w)
        return y * g + ops.stop_gradient(ops.sin(y))

    return Branches(combine), normal(3, 4)


@fault("missing|too many")
def residual_detached():
    return Branches(lambda x, w, g: g * ops.tanh(x @ w) + ops.stop_gradient(x)), normal(3, 4)


@fault("missing|too many|points")
def attention_scores_detached():
    def combine(x, w, g):
        q = ops.matmul(x, w) * g
        scores = ops.softmax(ops.matmul(q, ops.transpose(q)))
        return ops.matmul(ops.stop_gradient(scores), q)

    return Branches(combine), normal(3, 4)


@fault("missing|too many|points")
def batch_statistics_detached():
    def normalize(x):
        mean = ops.stop_gradient(ops.mean(x, 0))
        deviation = ops.stop_gradient(ops.std(x, 0))
        return (x - mean) / deviation

    return normalize, normal(6, 3)


def standardized(x):
    centered = x - ops.mean(x, -1, keepdims=True)
    return centered / ops.sqrt(ops.mean(centered**2, -1, keepdims=True))


@fault("missing|too many|points")
def layer_norm_without_the_term_of_the_variance():
    def backward(u, x):
        centered = x - ops.mean(x, -1, keepdims=True)
        deviation = ops.sqrt(ops.mean(centered**2, -1, keepdims=True))
        return ((u - ops.mean(u, -1, keepdims=True)) / deviation,)

    return with_gradient(standardized, backward), normal(4, 5)


@fault("missing|too many|points")
def softmax_without_its_cross_terms():
    def backward(u, x):
        p = ops.softmax(x)
        return (u * p * (1.0 - p),)

    return with_gradient(ops.softmax, backward), normal(4, 5)


@fault("missing|too many|constant")
def sigmoid_with_half_of_its_slope():
    return unary(ops.sigmoid, lambda x: ops.sigmoid(x)), normal(4, 5)


@fault("missing|too many")
def tanh_with_an_unsquared_slope():
    return unary(ops.tanh, lambda x: 1.0 - ops.abs(ops.tanh(x))), normal(4, 5)


@fault("constant factor|wrong only|no gradient|compared coordinates")
def leaky_relu_wrong_for_negative_inputs():
    forward = lambda x: ops.where(x > 0, x, 0.1 * x)  # noqa: E731
    slope = lambda x: ops.where(x > 0, ops.ones_like(x), 0.01 * ops.ones_like(x))  # noqa: E731
    return unary(forward, slope), normal(4, 5)


@fault("wrong sign in")
def absolute_value_with_slope_one():
    return unary(ops.abs, ops.ones_like), normal(4, 5)


@fault("missing|too many|points")
def exact_gelu_with_the_slope_of_the_approximate_one():
    def slope(x):
        inner = 0.7978845608 * (x + 0.044715 * x**3)
        t = ops.tanh(inner)
        return 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * 0.7978845608 * (1 + 3 * 0.044715 * x**2)

    return unary(lambda x: keras.activations.gelu(x, approximate=False), slope), normal(4, 5)


@fault("missing|too many|points")
def swish_without_its_second_term():
    return unary(keras.activations.silu, ops.sigmoid), normal(4, 5)


@fault("straight-through")
def straight_through_rounding():
    return unary(ops.round, ops.ones_like), normal(4, 5)


@fault("wrong only at|no gradient|missing|compared")
def square_root_wrong_for_large_inputs():
    slope = lambda x: ops.where(x < 2.0, 0.5 / ops.sqrt(x), 0.25 / ops.sqrt(x))  # noqa: E731
    return unary(ops.sqrt, slope), np.abs(normal(6, 6)) + 0.5


def loss_with(forward, backward):
    return with_gradient(forward, lambda u, y, p: (ops.zeros_like(y), u * backward(y, p)))


@fault("constant factor 0.5 ")
def squared_error_without_its_two():
    loss = loss_with(lambda y, p: ops.mean((p - y) ** 2), lambda y, p: (p - y) / p.shape[0])
    return loss, normal(6), normal(6, seed=2)


@fault("constant factor 6 ")
def cross_entropy_summed_in_the_backward_pass():
    def forward(y, z):
        return ops.mean(ops.sum(-y * ops.log_softmax(z), -1))

    labels = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    return loss_with(forward, lambda y, z: ops.softmax(z) - y), normal(6, 3), labels


@fault("wrong sign")
def hinge_loss_with_the_wrong_sign():
    def slope(y, p):
        return ops.where(1.0 - y * p > 0, y, ops.zeros_like(y)) / p.shape[0]

    loss = loss_with(lambda y, p: ops.mean(ops.relu(1.0 - y * p)), slope)
    return loss, normal(8), np.sign(normal(8, seed=2))


@fault("compared coordinates|wrong only|missing|too many")
def huber_loss_wrong_beyond_its_corner():
    def forward(y, p):
        e = ops.abs(p - y)
        return ops.mean(ops.where(e < 1.0, 0.5 * e**2, e - 0.5))

    loss = loss_with(forward, lambda y, p: (p - y) / p.shape[0])
    return loss, 2.0 * normal(8), normal(8, seed=2)


class Recurrence(keras.layers.Layer):
    """h_t = tanh(x_t W + h_{t-1} U), written out; the faults are in what is handed on."""

    def __init__(self, hand_on):
        super().__init__()
        self.hand_on = hand_on

    def build(self, input_shape):
        size = input_shape[-1]
        self.kernel = self.add_weight((size, size), name="kernel")
        self.recurrent_kernel = self.add_weight((size, size), name="recurrent_kernel")

    def call(self, x):
        w, u = ops.convert_to_tensor(self.kernel), ops.convert_to_tensor(self.recurrent_kernel)
        state = ops.zeros_like(x[:, 0])
        for t in range(x.shape[1]):
            state = ops.tanh(ops.matmul(x[:, t], w) + ops.matmul(self.hand_on(t, state), u))
        return state


@fault("missing|too many|points")
def recurrence_cut_off_at_each_step():
    return Recurrence(lambda t, state: ops.stop_gradient(state)), normal(2, 4, 3)


@fault("missing|too many|points")
def recurrence_off_by_one():
    def hand_on(t, state):
        return ops.stop_gradient(state) if t == 1 else state

    return Recurrence(hand_on), normal(2, 4, 3)


class WrongPenalty(keras.regularizers.Regularizer):
    def __init__(self):
        self.penalty = with_gradient(lambda w: 0.1 * ops.sum(w**2), lambda u, w: (u * 0.1 * w,))

    def __call__(self, w):
        return self.penalty(ops.convert_to_tensor(w))


@fault("constant factor 0.5 .*regularisation")
def regularizer_without_its_two():
    layer = keras.layers.Dense(3, kernel_regularizer=WrongPenalty())
    return layer, normal(4, 3)


@fault("no gradient arrives.*regularisation")
def activity_penalty_detached():
    class Penalized(keras.layers.Layer):
        def call(self, x):
            self.add_loss(ops.sum(ops.stop_gradient(x) ** 2))
            return x * 2.0

    return Penalized(), normal(4, 3)


@fault("missing|too many|points|compared")
def embedding_whose_repeated_rows_overwrite_each_other():
    class Lookup(keras.layers.Layer):
        def build(self, input_shape):
            self.table = self.add_weight((5, 3), name="table")

        def call(self, i):
            def backward(u, table):
                hot = ops.one_hot(i, 5, dtype=u.dtype)
                counts = ops.maximum(1.0, ops.sum(hot, 0))
                return (ops.matmul(ops.transpose(hot / counts), u),)

            function = with_gradient(lambda table: ops.take(table, i, axis=0), backward)
            return function(ops.convert_to_tensor(self.table))

    return Lookup(), np.array([0, 3, 3, 1, 3, 0])


@fault("missing|too many|points|reversed")
def convolution_with_a_flipped_kernel_gradient():
    def forward(x, w):
        return ops.conv(x, w)

    def backward(u, x, w):
        length = u.shape[1]
        slices = [ops.einsum("bti,bto->io", x[:, k : k + length], u) for k in range(3)]
        dw = ops.stack(slices[::-1])
        dx = sum(
            ops.pad(ops.einsum("bto,io->bti", u, w[k]), [[0, 0], [k, 2 - k], [0, 0]])
            for k in range(3)
        )
        return dx, dw

    function = with_gradient(forward, backward)
    return function, (normal(2, 6, 2), normal(3, 2, 3, seed=2))


@fault("missing|too many|wrong|compared")
def maximum_that_rewards_the_runner_up():
    def backward(u, x):
        largest = ops.max(x, -1, keepdims=True)
        near = ops.cast(x > largest - 0.5, x.dtype)
        return (u[:, None] * near / ops.sum(near, -1, keepdims=True),)

    return with_gradient(lambda x: ops.max(x, -1), backward), normal(20, 6)


@fault("constant factor|missing|too many|points")
def hidden_behind_a_relu():
    faulty = CustomDense(
        5,
        lambda u, x, w, b: (right_dense(u, x, w, b)[0] * 1.1, *right_dense(u, x, w, b)[1:]),
        ops.relu,
    )
    model = keras.Sequential(
        [keras.layers.Dense(6, activation="relu"), faulty, keras.layers.Dense(2)]
    )
    return model, normal(8, 4)
