"""No false failure on any built-in layer.

By default the fast ones of every family; `-m slow` adds the others and more seeds.
"""

import keras
import pytest

import keras_dlnotes as kd
from tests.references.layer_cases import CASES, WITHOUT_GRADIENT, generator, layer_classes

# Several seconds each to compile: recurrences, random image operations, large unrolled programs.
SLOW = (
    "ConvLSTM",
    "GRU/",
    "LSTM/",
    "SimpleRNN/",
    "StackedRNN",
    "Bidirectional",
    "Random",
    "RandAugment",
    "AugMix",
    "CutMix",
    "MixUp",
    "Equalization",
    "AutoContrast",
    "Contrast",
    "Solarization",
    "Adaptive",
    "UpSampling3D",
    "Conv3DT",
    "Attention/",
    "Wrapper",
)


def is_slow(name):
    return name.startswith(SLOW)


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
@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize("name", CASES)
def test_every_layer_passes(name, seed):
    check(name, seed)


def test_every_layer_has_a_case():
    covered = {getattr(keras.layers, name.split("/")[0]).__name__ for name in CASES}
    assert layer_classes() - covered <= WITHOUT_GRADIENT
