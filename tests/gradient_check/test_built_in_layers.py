"""No false failure on any built-in layer.

By default those that compile quickly, of every family; `-m slow` runs all with several seeds.
"""

import keras
import pytest

import keras_dlnotes as kd
from tests.references.layer_cases import (
    CASES,
    WITHOUT_GRADIENT,
    WRONG_IN_TENSORFLOW,
    generator,
    layer_classes,
)

BACKEND = keras.backend.backend()
QUICK_ACTIVATIONS = ["relu", "gelu", "softmax", "hard_sigmoid", "sparsemax", "selu", "tanh"]
# Recurrences, image operations and large programs, which take seconds to compile.
SLOW = {
    "torch": """ConvLSTM LSTM/ GRU/ SimpleRNN/ StackedRNN Rand AugMix Equalization AutoContrast
        Contrast""",
    "tensorflow": """ConvLSTM LSTM/ GRU/ SimpleRNN/ StackedRNN Bidirectional Random RandAugment
        AugMix CutMix MixUp Equalization AutoContrast Contrast Solarization Adaptive UpSampling
        Conv3D Attention/ MelSpec STFT Group""",
    "jax": """ConvLSTM LSTM GRU RNN SimpleRNN StackedRNN Bidirectional Random RandAugment AugMix
        CutMix MixUp Equalization AutoContrast Contrast Solarization Adaptive UpSampling Conv2D
        Conv3D Conv1DT Separable Depthwise Attention MultiHead Additive Group MelSpec STFT Spatial
        Spectral Wrapper Embedding Cropping ZeroPadding Max Average Global TimeD""",
}[BACKEND].split()
ALSO_QUICK = {"Conv1D", "MaxPooling2D", "SpatialDropout1D", "Embedding", "SimpleRNNCell"}


def is_slow(name):
    family, _, variant = name.partition("/")
    if family == "Activation":
        return variant not in QUICK_ACTIVATIONS
    return name.startswith(tuple(SLOW)) and name not in ALSO_QUICK


def check(name, seed):
    keras.utils.set_random_seed(seed)
    report = kd.check_gradients(*CASES[name](generator(seed)), seed=seed)
    assert report.passed, report
    return report


@pytest.mark.parametrize("name", [name for name in CASES if not is_slow(name)])
def test_layer_passes(name):
    report = check(name, seed=0)
    assert not report.inconclusive, report


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*Tensor.T is deprecated")
@pytest.mark.filterwarnings("ignore:.*is not available, and will be truncated")  # Keras, on JAX
@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize("name", CASES)
def test_every_layer_passes(name, seed):
    if BACKEND == "tensorflow" and name.split("/")[0] in WRONG_IN_TENSORFLOW:
        pytest.skip("TensorFlow's own gradient by the image is wrong or missing")
    check(name, seed)


def test_every_layer_has_a_case():
    covered = {getattr(keras.layers, name.split("/")[0]).__name__ for name in CASES}
    assert layer_classes() - covered <= WITHOUT_GRADIENT
