"""Statistics of a whole from those of its parts, against NumPy on the whole."""

import keras
import numpy as np
import pytest

from keras_dlnotes.measures import (
    ACTIVATION_STATISTICS,
    BINS,
    COMBINED,
    combined_histogram,
    histogram,
)

_OF_WHOLE = {
    "mean": np.mean,
    "standard_deviation": np.std,
    "minimum": np.min,
    "maximum": np.max,
    "zero_fraction": lambda x: np.mean(x == 0),
    "saturated_fraction": lambda x: np.mean(np.abs(x) > 0.9),
    "non_finite_count": lambda x: np.sum(~np.isfinite(x)),
}


def _parts(lengths, offset=0.0):
    draw = np.random.default_rng(0)
    whole = draw.normal(size=sum(lengths)) + offset
    whole[::5] = 0.0
    return whole, np.split(whole, np.cumsum(lengths)[:-1])


def _combined(name, parts):
    """As the monitor has it: a part without elements has a mean of NaN, or whatever."""
    counts = np.array([[float(part.size)] for part in parts])
    of = {
        statistic: np.array([[_OF_WHOLE[statistic](p) if p.size else np.nan] for p in parts])
        for statistic in (name, "mean")
    }
    return COMBINED[name](counts, of[name], of["mean"])


def test_every_statistic_of_activations_can_be_combined():
    assert set(COMBINED) == {*ACTIVATION_STATISTICS, "saturated_fraction"} == set(_OF_WHOLE)


@pytest.mark.parametrize("name", COMBINED)
@pytest.mark.parametrize("lengths", [(8, 8), (9, 8, 8, 2), (5, 0), (0, 0, 7, 1), (1, 1)])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_parts_make_the_whole(name, lengths, offset):
    whole, parts = _parts(lengths, offset)
    expected = _OF_WHOLE[name](whole)
    np.testing.assert_allclose(_combined(name, parts), [expected], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", COMBINED)
def test_what_is_not_finite_stays_seen(name, bad):
    whole, parts = _parts((6, 6))
    parts[1][2] = bad
    whole = np.concatenate(parts)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(_combined(name, parts), [_OF_WHOLE[name](whole)], rtol=1e-10)


def test_nothing_at_all_has_no_mean():
    assert np.isnan(_combined("mean", _parts((0, 0))[1])).all()
    assert np.isnan(_combined("minimum", _parts((0, 0))[1])).all()


def test_histograms_between_common_extremes_add_up():
    whole, parts = _parts((0, 33, 30))
    whole, parts = whole.astype("float32"), [part.astype("float32") for part in parts]
    ends = whole.min(), whole.max()
    rows = [
        keras.ops.convert_to_numpy(histogram(keras.ops.convert_to_tensor(p), ends)) for p in parts
    ]
    expected = keras.ops.convert_to_numpy(histogram(keras.ops.convert_to_tensor(whole)))
    combined = combined_histogram(np.array([0.0, 33.0, 30.0]), np.array(rows))
    np.testing.assert_array_equal(combined, expected)
    assert combined.shape == (BINS + 2,)
