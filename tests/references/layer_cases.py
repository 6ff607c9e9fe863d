"""Every built-in Keras layer with weights or a gradient, small, with an input for it.

`CASES` maps a name, which starts with the layer's class, to a function of a NumPy random generator
that returns what `check_gradients` is called with.
"""

import keras
import numpy as np
from keras import layers

CASES = {}
# Layers whose outputs are integers, strings or inputs, or that wrap another library's model.
WITHOUT_GRADIENT = {
    "CategoryEncoding",
    "Discretization",
    "FlaxLayer",
    "HashedCrossing",
    "Hashing",
    "InputLayer",
    "IntegerLookup",
    "JaxLayer",
    "Layer",
    "MaxNumBoundingBoxes",
    "StringLookup",
    "TFSMLayer",
    "TextVectorization",
    "TorchModuleWrapper",
}
# TensorFlow has no gradient of `hsv_to_rgb`, and that of `ImageProjectiveTransformV3`, which is
# linear in the image, is not its transpose where the image is reflected at its edges.
WRONG_IN_TENSORFLOW = {
    "RandAugment",
    "RandomColorJitter",
    "RandomHue",
    "RandomPerspective",
    "RandomRotation",
    "RandomSaturation",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
}
ACTIVATIONS = [
    "celu",
    "elu",
    "exponential",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "tanh",
    "tanh_shrink",
]


def case(name, *shapes, make=None, low=None, **options):
    """A case whose inputs are normal, or uniform in [low, 1 - low]; several make a list."""
    cls = name.split("/")[0]
    if not hasattr(layers, cls):
        return  # an older or newer Keras

    def build(rng):
        layer = make() if make else getattr(layers, cls)(**options)
        draw = rng.normal if low is None else lambda size: rng.uniform(low, 1.0 - low, size)
        inputs = [draw(size=shape) for shape in shapes]
        return layer, inputs[0] if len(inputs) == 1 else inputs

    CASES[name] = build


def arguments_case(name, make, *shapes):
    """A case whose layer takes several arguments."""
    if hasattr(layers, name.split("/")[0]):
        CASES[name] = lambda rng: (make(), _as_shaped(rng, shapes))


def _as_shaped(rng, shapes):
    if isinstance(shapes, list):
        return [_as_shaped(rng, shape) for shape in shapes]
    if isinstance(shapes[0], int):
        return rng.normal(size=shapes)
    return tuple(_as_shaped(rng, shape) for shape in shapes)


for activation in ACTIVATIONS:
    case(f"Activation/{activation}", (3, 4), activation=activation)
for name in [
    "ELU",
    "LeakyReLU",
    "PReLU",
    "ReLU",
    "Softmax",
    "Identity",
    "UnitNormalization",
    "RMSNormalization",
    "Flatten",
    "LayerNormalization",
    "BatchNormalization",
]:
    case(name, (5, 4))
for name in ("Dropout", "AlphaDropout", "GaussianDropout"):
    case(name, (5, 4), rate=0.4)
case("GaussianNoise", (5, 4), stddev=0.5)
case("Rescaling", (5, 4), scale=2.0, offset=1.0)
case("GroupNormalization", (3, 4, 6), groups=2)
case("BatchNormalization/image", (3, 4, 4, 2))
case("ActivityRegularization", (5, 4), l1=0.1, l2=0.1)
case("Lambda", (5, 4), function=keras.ops.sin)
case("Masking", (3, 5, 4))
case("Normalization", (5, 4), mean=0.3, variance=2.0)
case("Dense", (5, 4), units=3, activation="relu", kernel_regularizer="l1l2")
case("Dense/lora", (5, 4), units=3, lora_rank=2)
case("EinsumDense", (3, 5, 4), equation="abc,cd->abd", output_shape=(None, 6), bias_axes="d")
for name in ("Embedding", "ReversibleEmbedding"):
    if hasattr(layers, name):
        CASES[name] = lambda rng, name=name: (
            getattr(layers, name)(6, 3),
            rng.integers(0, 6, (2, 5)),
        )

for d, shape in ((1, (2, 7, 2)), (2, (2, 5, 6, 2)), (3, (1, 4, 5, 4, 2))):
    case(f"Conv{d}D", shape, filters=3, kernel_size=3, activation="relu")
    case(f"Conv{d}D/strided", shape, filters=2, kernel_size=2, strides=2, padding="same")
    case(f"Conv{d}DTranspose", shape, filters=2, kernel_size=3, strides=2)
    for kind in ("Max", "Average"):
        case(f"{kind}Pooling{d}D", shape, pool_size=2)
        case(f"Global{kind}Pooling{d}D", shape)
        case(f"Adaptive{kind}Pooling{d}D", shape, output_size=2)
    case(f"SpatialDropout{d}D", shape, rate=0.5)
    case(f"UpSampling{d}D", shape)
    case(f"ZeroPadding{d}D", shape)
    case(f"Cropping{d}D", shape)
for d, shape in ((1, (2, 7, 2)), (2, (2, 5, 6, 2))):
    case(f"DepthwiseConv{d}D", shape, kernel_size=3, depth_multiplier=2)
    case(f"SeparableConv{d}D", shape, filters=3, kernel_size=3)
case("UpSampling2D/bilinear", (2, 3, 3, 1), interpolation="bilinear")
case("ConvLSTM1D", (2, 2, 5, 2), filters=2, kernel_size=2)
case("ConvLSTM2D", (1, 2, 4, 4, 2), filters=2, kernel_size=2)
case("ConvLSTM3D", (1, 2, 3, 3, 3, 1), filters=2, kernel_size=2)

for name in ("LSTM", "GRU", "SimpleRNN"):
    case(name, (2, 4, 3), units=3)
    case(
        f"{name}/sequence",
        (2, 3, 3),
        units=2,
        return_sequences=True,
        dropout=0.3,
        recurrent_dropout=0.3,
        go_backwards=True,
    )
arguments_case("GRUCell", lambda: layers.GRUCell(3), (2, 4), [(2, 3)])
arguments_case("SimpleRNNCell", lambda: layers.SimpleRNNCell(3), (2, 4), [(2, 3)])
arguments_case("LSTMCell", lambda: layers.LSTMCell(3), (2, 4), [(2, 3), (2, 3)])
case("RNN", (2, 3, 3), make=lambda: layers.RNN(layers.LSTMCell(3)))
case(
    "StackedRNNCells",
    (2, 3, 3),
    make=lambda: layers.RNN(layers.StackedRNNCells([layers.GRUCell(3), layers.GRUCell(2)])),
)
case("Bidirectional", (2, 3, 3), make=lambda: layers.Bidirectional(layers.GRU(2)))
case("TimeDistributed", (2, 4, 3), make=lambda: layers.TimeDistributed(layers.Dense(3, "tanh")))
case("SpectralNormalization", (5, 4), make=lambda: layers.SpectralNormalization(layers.Dense(3)))
case("Wrapper", (5, 4), make=lambda: layers.SpectralNormalization(layers.Dense(3)))

case("Attention", (2, 4, 3), (2, 5, 3), use_scale=True)
case("Attention/concat", (2, 4, 3), (2, 5, 3), score_mode="concat", use_scale=True, dropout=0.2)
case("AdditiveAttention", (2, 4, 3), (2, 5, 3))
arguments_case(
    "MultiHeadAttention",
    lambda: layers.MultiHeadAttention(2, 3, dropout=0.2),
    (2, 4, 3),
    (2, 5, 3),
)
arguments_case(
    "GroupQueryAttention", lambda: layers.GroupQueryAttention(3, 4, 2), (2, 4, 3), (2, 5, 3)
)
for name in ["Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract", "Concatenate"]:
    case(name, (3, 4), (3, 4))
case("Dot", (3, 4), (3, 4), axes=1)
case("Reshape", (3, 4), target_shape=(2, 2))
case("Permute", (3, 4, 2), dims=(2, 1))
case("RepeatVector", (3, 4), n=3)

case("Resizing", (2, 4, 4, 1), height=6, width=5)
case("CenterCrop", (2, 4, 4, 1), height=2, width=3)
case(
    "Pipeline",
    (2, 4, 4, 1),
    make=lambda: layers.Pipeline([layers.Rescaling(2.0), layers.CenterCrop(3, 3)]),
)
UNIT = {"value_range": (0, 1)}
for name, options in {
    "AugMix": UNIT,
    "AutoContrast": UNIT,
    "ContrastLimitedAdaptiveHistogramEqualization": UNIT,
    "CutMix": {},
    "Equalization": UNIT,
    "MixUp": {},
    "RandAugment": UNIT,
    "RandomBrightness": {**UNIT, "factor": 0.2},
    "RandomColorDegeneration": {**UNIT, "factor": 0.2},
    "RandomColorJitter": {**UNIT, "brightness_factor": 0.2},
    "RandomContrast": {**UNIT, "factor": 0.2},
    "RandomCrop": {"height": 3, "width": 3},
    "RandomElasticTransform": {},
    "RandomErasing": UNIT,
    "RandomFlip": {},
    "RandomGaussianBlur": {},
    "RandomGrayscale": {},
    "RandomHue": {**UNIT, "factor": 0.2},
    "RandomInvert": UNIT,
    "RandomPerspective": {},
    "RandomPosterization": {**UNIT, "factor": 4},
    "RandomRotation": {"factor": 0.2},
    "RandomSaturation": {**UNIT, "factor": 0.2},
    "RandomSharpness": {**UNIT, "factor": 0.2},
    "RandomShear": {"x_factor": 0.2},
    "RandomTranslation": {"height_factor": 0.2, "width_factor": 0.2},
    "RandomZoom": {"height_factor": 0.2},
    "Solarization": UNIT,
}.items():
    case(name, (2, 6, 6, 3), low=0.1, **options)
case(
    "MelSpectrogram",
    (2, 64),
    fft_length=16,
    sequence_stride=8,
    sampling_rate=100,
    num_mel_bins=4,
    min_freq=5,
    max_freq=50,
)
case("STFTSpectrogram", (2, 40, 1), frame_length=16, frame_step=8)


def layer_classes():
    """The names of all classes of layers, each under the name that the class itself has."""
    found = (getattr(layers, name) for name in dir(layers))
    return {
        item.__name__ for item in found if isinstance(item, type) and issubclass(item, layers.Layer)
    }


def generator(seed):
    """The random generator for one seed."""
    return np.random.default_rng(seed)
