"""n_prev against a count made by hand, and against an actual convolution."""

import numpy as np
import pytest

from keras_dlnotes.numerics.fan_in import inputs_per_unit


@pytest.mark.parametrize(
    ("shape", "arguments", "expected"),
    [
        ((7, 5), {}, 7),
        ((7,), {}, 7),
        ((), {}, 1),
        ((3, 3, 8, 16), {}, 72),
        ((5, 4, 6), {}, 20),
        ((3, 3, 64, 1), {"layout": "depthwise"}, 9),
        ((4, 4, 8, 32), {"layout": "transpose", "strides": 2}, 128),
        ((3, 3, 8, 32), {"layout": "transpose", "strides": (2, 1)}, 144),
        ((3, 8, 32), {"layout": "transpose", "strides": 2}, 48),
        ((4, 16, 64), {"input_axes": (0, 1)}, 64),
        ((4, 16, 64), {"input_axes": (-3,)}, 4),
        ((4, 16, 64), {"input_axes": ()}, 1),
    ],
)
def test_counts_the_inputs(shape, arguments, expected):
    assert inputs_per_unit(shape, **arguments) == expected


@pytest.mark.parametrize(("kernel_size", "stride"), [(4, 2), (3, 2), (5, 3), (1, 2), (3, 1)])
def test_transposed_convolution_by_counting_its_terms(kernel_size, stride):
    # A kernel of ones over inputs of ones: every output is the number of inputs that reach it.
    outputs = np.zeros(stride * 60 + kernel_size)
    for position in range(60):
        outputs[position * stride : position * stride + kernel_size] += 1
    inside = outputs[stride * 10 : stride * 50]
    expected = inputs_per_unit((kernel_size, 1, 1), "transpose", stride)
    np.testing.assert_allclose(inside.mean(), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        ((3, 3), {"layout": "conv"}, "one of"),
        ((3, 3), {"layout": "depthwise"}, "at least three axes"),
        ((3, 3, 2, 2), {"layout": "transpose", "strides": (1, 2, 3)}, "one stride for each"),
        ((3, 3, 2, 2), {"layout": "transpose", "strides": 0}, "positive integer"),
        ((3, 3, 2, 2), {"strides": 2}, "transposed convolution only"),
        ((3, 3), {"input_axes": (2,)}, "axes of a kernel"),
        ((3, 3, 3), {"input_axes": (0,), "layout": "depthwise"}, "one of the two"),
    ],
)
def test_contradictions_are_refused(shape, arguments, message):
    with pytest.raises(ValueError, match=message):
        inputs_per_unit(shape, **arguments)
