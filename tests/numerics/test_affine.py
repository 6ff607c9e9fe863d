"""Affine resampling against SciPy's, in every fill mode, by NumPy and by OpenCV."""

import numpy as np
import pytest
from scipy import ndimage

from keras_dlnotes.augmentation import opencv
from keras_dlnotes.augmentation.geometric import Resampling
from keras_dlnotes.numerics import affine

SCIPY_MODES = {
    "reflect": "reflect",
    "constant": "constant",
    "wrap": "grid-wrap",
    "nearest": "nearest",
}
RESAMPLERS = {"numpy": affine.resample, "opencv": opencv.resample}


def pictures(dtype, *shape):
    values = np.random.default_rng(0).uniform(0, 255, shape)
    return ndimage.uniform_filter(values, (0, 3, 3, 0)).astype(dtype)


def resampler(name):
    if name == "opencv":
        pytest.importorskip("cv2")
    return RESAMPLERS[name]


@pytest.mark.parametrize("name", RESAMPLERS)
@pytest.mark.parametrize("fill_mode", affine.FILL_MODES)
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [("float64", 1e-10), ("float32", 2e-3), ("uint8", 1), ("uint16", 1), ("int64", 1)],
)
def test_as_scipy(name, fill_mode, dtype, tolerance):
    images = pictures(dtype, 3, 9, 12, 3)
    if name == "opencv" and not opencv.can_resample(images, Resampling()):
        pytest.skip("left to NumPy")
    angles = np.array([0.3, -2.0, 3.1])
    maps = affine.rotation(angles, (9, 12)) @ affine.translation(
        np.array([[2, 1], [0, 4], [-5, 0]])
    )
    new = resampler(name)(images, maps, (7, 10), "bilinear", fill_mode, 20.0)
    assert new.dtype == images.dtype
    for image, matrix, picture in zip(images.astype("float64"), maps, new, strict=True):
        for channel in range(3):
            expected = ndimage.affine_transform(
                image[..., channel],
                matrix,
                output_shape=(7, 10),
                order=1,
                mode=SCIPY_MODES[fill_mode] if fill_mode != "constant" else "grid-constant",
                cval=20.0,
            )
            np.testing.assert_allclose(picture[..., channel], expected, atol=tolerance)


def test_a_positive_angle_turns_counter_clockwise_as_scipy_rotates():
    image = pictures("float64", 1, 16, 11, 1)
    maps = affine.rotation(np.radians([25.0]), (16, 11))
    expected = ndimage.rotate(image[0, ..., 0], 25.0, reshape=False, order=1, mode="reflect")
    np.testing.assert_allclose(
        affine.resample(image, maps, (16, 11))[0, ..., 0], expected, atol=1e-9
    )


@pytest.mark.parametrize("name", RESAMPLERS)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_whole_pixels_stay_what_they_are(name, dtype):
    images = pictures(dtype, 4, 6, 6, 3)
    mirrored = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], bool)
    maps = affine.reflection(mirrored, (6, 6)) @ affine.translation(np.full((4, 2), 2))
    new = resampler(name)(images, maps, (4, 3), "bilinear", "reflect", 0.0)
    for image, (vertical, horizontal), picture in zip(images, mirrored, new, strict=True):
        image = image[::-1] if vertical else image
        image = image[:, ::-1] if horizontal else image
        np.testing.assert_array_equal(picture, image[2:6, 2:5])
    turned = resampler(name)(
        images, affine.rotation(np.full(4, np.pi / 2), (6, 6)), (6, 6), "bilinear", "constant", 0.0
    )
    np.testing.assert_allclose(turned[0], np.rot90(images[0]), atol=1e-3 if dtype != "uint8" else 0)


@pytest.mark.parametrize("name", RESAMPLERS)
def test_no_value_beyond_those_of_the_picture(name):
    images = np.random.default_rng(0).choice([0, 255], (20, 8, 8, 1)).astype("uint8")
    maps = affine.rotation(np.linspace(0, 6, 20), (8, 8))
    for dtype, highest in (("uint8", 255), ("float32", 255.0)):
        new = resampler(name)(images.astype(dtype), maps, (8, 8), "bilinear", "wrap", 0.0)
        assert new.min() >= 0
        assert new.max() <= highest


def test_nearest_takes_values_that_are_there():
    images = np.random.default_rng(0).choice([3, 7, 11], (2, 9, 9, 1)).astype("int32")
    maps = affine.rotation(np.array([0.4, 1.0]), (9, 9))
    new = affine.resample(images, maps, (9, 9), "nearest", "constant", 5)
    assert set(np.unique(new)) == {3, 5, 7, 11}
    expected = ndimage.affine_transform(
        images[0, ..., 0], maps[0], order=0, mode="constant", cval=5
    )
    inside = expected != 5
    np.testing.assert_array_equal(new[0, ..., 0][inside], expected[inside])


def test_opencv_is_left_alone_with_what_it_does_not_know():
    pytest.importorskip("cv2")
    for dtype, channels, mode, expected in (
        ("float32", 3, "bilinear", True),
        ("float16", 3, "bilinear", False),
        ("float64", 3, "bilinear", False),
        ("uint8", 2, "bilinear", False),
        ("uint8", 5, "bilinear", False),
        ("uint8", 3, "nearest", False),
    ):
        images = np.zeros((1, 4, 4, channels), dtype)
        assert opencv.can_resample(images, Resampling(mode)) is expected
