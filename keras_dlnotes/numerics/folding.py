"""A normalization at inference is a linear map: the algebra that lets a layer before it take it."""

import numpy as np


def inference_scale_and_shift(mean, variance, epsilon, gamma=None, beta=None):
    """The s and t of γ (z - μ) / √(σ² + ε) + β = s z + t, each [C], in float64.

    s = γ / √(σ² + ε), t = β - μ s; γ is 1 and β is 0 where they are None.
    """
    mean, variance = np.asarray(mean, "float64"), np.asarray(variance, "float64")
    scale = 1 / np.sqrt(variance + epsilon)
    if gamma is not None:
        scale = scale * np.asarray(gamma, "float64")
    shift = -mean * scale
    return scale, shift if beta is None else shift + np.asarray(beta, "float64")


def fold_into_linear(kernel, bias, scale, shift, unit_axes=(-1,)):
    """Kernel and bias of the linear map that ends in the scale and the shift.

    s (W x + b) + t = (s W) x + (s b + t).

    Args:
        kernel: W, any shape.
        bias: b, [C], or None for 0.
        scale: s, [C].
        shift: t, [C].
        unit_axes: The kernel's axes that number the C units: the last of a dense or convolution
            kernel, the last but one of a transposed one, the last two of a depthwise one.

    Returns:
        The new kernel and the new bias, in float64.
    """
    kernel = np.asarray(kernel, "float64")
    axes = {axis % kernel.ndim for axis in unit_axes}
    shape = [size if axis in axes else 1 for axis, size in enumerate(kernel.shape)]
    bias = np.zeros_like(scale) if bias is None else np.asarray(bias, "float64")
    return kernel * np.reshape(scale, shape), scale * bias + shift
