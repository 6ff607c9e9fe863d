"""Keras's dense and convolution layers, by how their kernels are laid out."""

import keras

DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
TRANSPOSE = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    *DEPTHWISE,
    *SEPARABLE,
    *TRANSPOSE,
)
# Whose outputs are the units of a kernel.
LINEAR = (keras.layers.Dense, *CONVOLUTIONS)
