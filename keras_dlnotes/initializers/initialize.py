"""Re-drawing every kernel of a built model."""

import math

import keras

from keras_dlnotes.backend import internals
from keras_dlnotes.initializers.random_weights import FanInNormal, SmallRandom, seed_of_draw
from keras_dlnotes.instrumentation import layer_kinds
from keras_dlnotes.numerics.fan_in import inputs_per_unit


def initialize(
    model: keras.layers.Layer, initializer: SmallRandom | FanInNormal
) -> dict[str, float]:
    """Re-draws every kernel of a built model with the right n_prev for its layer's type.

    Use it to start a finished architecture (a `keras.applications` model, a network with attention,
    depthwise or transposed convolutions) from the notes' rules without naming an initializer in
    every layer.

    Every weight called `kernel` or `<something>_kernel` is drawn anew, in nested models, wrappers
    and recurrent cells too, frozen or not; biases, embeddings, normalisation and LoRA weights stay
    as they are. A recurrent unit is fed by two kernels, and each is scaled by its own inputs.

    Each kernel gets its own part of the initializer's random stream: an integer seed makes the
    whole model reproducible, and two layers of one shape still differ. Without a seed every call
    draws anew.

    Args:
        model: A built model or layer.
        initializer: `SmallRandom`, `Xavier` or `He`. Its own layout is not used.

    Returns:
        n_prev by the path of each kernel that was drawn.

    Raises:
        TypeError: if the initializer is none of the three.
        ValueError: if the model is not built, has no kernels, is quantized, or has LoRA enabled.

    Example:
    ```python
    model = keras.applications.MobileNetV2(weights=None)
    kd.initializers.initialize(model, kd.initializers.He(seed=0))
    ```

    Reference: deep-learning notes, "Weight Initialization".
    """
    if not isinstance(initializer, (SmallRandom, FanInNormal)):
        raise TypeError(
            "Expected an instance of keras_dlnotes's SmallRandom, Xavier or He, which can be told "
            f"the number of inputs per unit. Received: {initializer!r}."
        )
    if not model.built:
        raise ValueError(
            f"Expected a built model. Received: {model.name!r}, which has no weights yet. Call it "
            "on a batch, or `model.build(input_shape)`, first."
        )
    for layer in internals.flatten_layers(model):
        _check_plain(layer)
    kernels = _kernels_with_inputs(model)
    if not kernels:
        raise ValueError(
            f"Expected a model with at least one kernel. Received: {model.name!r}, whose weights "
            f"are {[weight.path for weight in model.weights]}."
        )
    seed = seed_of_draw(initializer.seed)
    stream = keras.random.SeedGenerator(seed) if isinstance(seed, int) else seed
    for kernel, n_prev in kernels:
        stddev = initializer.standard_deviation(n_prev)
        kernel.assign(keras.random.normal(kernel.shape, 0.0, stddev, kernel.dtype, seed=stream))
    return {kernel.path: n_prev for kernel, n_prev in kernels}


def _check_plain(layer: keras.Layer) -> None:
    """Refuses a layer whose kernel is not the one number for each connection that is drawn here."""
    if getattr(layer, "lora_enabled", False):
        raise ValueError(
            "Expected a model without LoRA, whose frozen kernels hold what was learned before. "
            f"Received: {layer.path!r}, which has LoRA enabled. Initialize the model before "
            "`enable_lora`."
        )
    if mode := getattr(layer, "quantization_mode", None):
        raise ValueError(
            f"Expected a model that is not quantized. Received: {layer.path!r}, which is quantized "
            f"to {mode}. Initialize the model before quantizing it."
        )


def _kernels_with_inputs(model: keras.Layer) -> list[tuple[keras.Variable, float]]:
    """Every kernel once, with its n_prev, in the order of the model's layers."""
    kernels = {}
    for layer in internals.flatten_layers(model):
        # A wrapper may hold a second reference to its layer's kernel; the layer knows its layout.
        children = internals.flatten_layers(layer, include_self=False)
        inner = {id(w) for child in children for w in child.weights}
        for weight in layer.weights:
            is_kernel = weight.name == "kernel" or weight.name.endswith("_kernel")
            if is_kernel and id(weight) not in inner and id(weight) not in kernels:
                if not keras.backend.is_float_dtype(weight.dtype):
                    raise ValueError(
                        f"Expected kernels of floating-point numbers. Received: {weight.path} of "
                        f"dtype {weight.dtype}. Initialize the model before quantizing it."
                    )
                kernels[id(weight)] = (weight, _n_prev(layer, weight))
    return list(kernels.values())


def _n_prev(layer: keras.Layer, kernel: keras.Variable) -> float:
    shape = tuple(kernel.shape)
    if isinstance(layer, layer_kinds.DEPTHWISE):
        return inputs_per_unit(shape, "depthwise")
    if isinstance(layer, layer_kinds.SEPARABLE) and kernel.name == "depthwise_kernel":
        return inputs_per_unit(shape, "depthwise")
    if isinstance(layer, layer_kinds.TRANSPOSE):
        return inputs_per_unit(shape, "transpose", layer.strides)
    if isinstance(layer, keras.layers.EinsumDense):
        return _einsum_n_prev(layer, shape)
    return inputs_per_unit(shape)


def _einsum_n_prev(layer: keras.Layer, shape: tuple[int, ...]) -> float:
    """Counts the kernel's summed axes, and the input's that are summed without a weight."""
    terms, output = layer.equation.replace("...", "").replace(" ", "").split("->")
    inputs, weights = terms.split(",")
    input_axes = [axis for axis, label in enumerate(weights) if label not in output]
    n_prev = inputs_per_unit(shape, input_axes=input_axes)
    unweighted = [label for label in inputs if label not in weights and label not in output]
    if not unweighted:
        return n_prev
    input_shape = layer.get_build_config()["input_shape"]
    offset = len(input_shape) - len(inputs) if layer.equation.startswith("...") else 0
    sizes = [input_shape[offset + inputs.index(label)] for label in unweighted]
    if None in sizes:
        raise ValueError(
            f"The equation {layer.equation!r} of layer {layer.name!r} sums over an axis of unknown "
            "size, so its number of inputs per unit is unknown. Received: "
            f"input_shape={input_shape}. Build the layer with that size."
        )
    return n_prev * math.prod(sizes)
