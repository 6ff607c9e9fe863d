import numpy as np
import pytest

from keras_dlnotes.backend.dtypes import is_floating, is_number, widened
from keras_dlnotes.diagnosis import label_facts
from keras_dlnotes.numerics import affine

ml_dtypes = pytest.importorskip("ml_dtypes")
HALF = ml_dtypes.bfloat16


@pytest.mark.parametrize(
    ("dtype", "floating", "number"),
    [
        ("float16", True, True),
        ("float64", True, True),
        (HALF, True, True),
        (ml_dtypes.float8_e4m3fn, True, True),
        (ml_dtypes.float8_e5m2, True, True),
        (ml_dtypes.int4, False, True),
        ("uint8", False, True),
        ("bool", False, True),
        ("complex64", False, False),
        ("<U3", False, False),
        ("object", False, False),
        ("V4", False, False),
        ("datetime64[s]", False, False),
    ],
    ids=str,
)
def test_which_dtypes_hold_numbers(dtype, floating, number):
    assert is_floating(dtype) == floating
    assert is_number(dtype) == number


def test_sums_of_half_precision_are_right():
    assert np.ones(1000, HALF).mean() < 0.3  # why there is anything to do
    assert widened(np.ones(1000, HALF)).mean() == 1.0
    assert widened(np.full(5000, 20, "float16")).sum() == 100000.0
    assert widened(np.full(5, 7, ml_dtypes.int4)).dtype == "int8"
    for dtype in ("float32", "float64", "int32", "bool"):
        assert widened(np.ones(3, dtype)).dtype == dtype


def test_labels_in_bfloat16():
    facts = label_facts(np.eye(2)[np.arange(1000) % 2].astype(HALF))
    assert (facts.kind, facts.mean) == ("one_hot", 0.5)
    assert label_facts(np.tile([0.25, 0.75], (1000, 1)).astype(HALF)).kind == "shares"


@pytest.mark.parametrize("fill_mode", ["reflect", "constant"])
def test_pictures_in_bfloat16_are_not_rounded(fill_mode):
    pictures = np.linspace(0, 1, 16).reshape(1, 4, 4, 1)
    maps = affine.rotation(np.array([0.3]), (4, 4))
    options = {"interpolation": "bilinear", "fill_mode": fill_mode, "fill_value": 0.4}
    exact = affine.resample(pictures, maps, (4, 4), **options)
    half = affine.resample(pictures.astype(HALF), maps, (4, 4), **options)
    assert half.dtype == HALF
    np.testing.assert_allclose(half.astype("float64"), exact, atol=0.02)
