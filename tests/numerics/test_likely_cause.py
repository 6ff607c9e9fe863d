"""Faults made on bare arrays are named."""

import re

import numpy as np
import pytest

from keras_dlnotes.numerics.likely_cause import likely_cause

N = np.random.default_rng(0).normal(size=(6, 6))
MASK = np.ones((6, 6))
MASK[2, 3] = 0.0
ROWS = np.ones((6, 6))
ROWS[4] = 0.0
OTHER = np.random.default_rng(1).normal(size=(6, 6))
RIGHT_ANGLE = OTHER - N * np.vdot(OTHER, N) / np.vdot(N, N)
CASES = {
    "": N,
    "no gradient arrives: ": 0.0 * N,
    r"no gradient arrives only at \(2, 3\)": N * MASK,
    "no gradient arrives only at index 4 of axis 0": N * ROWS,
    "^wrong sign$": -N,
    "^a constant factor 0.25 off$": 0.25 * N,
    "wrong sign and a constant factor -2 off": -2.0 * N,
    "constant factor 3 off only at index 4 of axis 0": N * (3.0 - 2.0 * ROWS),
    "transposed: axes 0 and 1": N.T,
    "off by one: .* axis 0": np.roll(N, 1, 0),
    "off by one: .* axis 1": np.roll(N, -1, 1),
    "reversed: .* axis 1": N[:, ::-1],
    "clipped to magnitudes of at most 0.3": np.clip(N, -0.3, 0.3),
    "a constant 0.5 is added": N + 0.5,
    "^a constant factor 1.0002 off$": 1.0002 * N,
    "a term is missing in 35 of 36 .*: the gradient lacks 0.0": N
    * np.linspace(0.9999, 1.0, 36).reshape(6, 6),
    "a term is missing": N * np.linspace(0.2, 0.9, 36).reshape(6, 6),
    "points the other way|wrong sign": -N * np.linspace(0.2, 0.9, 36).reshape(6, 6),
    "a term is missing or too many$": N + 0.3 * RIGHT_ANGLE,
    "not finite": np.where(MASK, N, np.nan),
}


@pytest.mark.parametrize("cause", CASES)
def test_cause_is_named(cause):
    indices = np.arange(36)
    text = likely_cause(CASES[cause].reshape(-1), N.reshape(-1), np.full(36, 1e-9), indices, (6, 6))
    assert re.search(cause, text)
    assert bool(text) == bool(cause)


def test_a_sample_of_coordinates_is_enough_for_a_transposition():
    rng = np.random.default_rng(1)
    numeric = rng.normal(size=(50, 50))
    places = rng.choice(50, (2, 40))
    indices = np.unique(
        np.concatenate([np.ravel_multi_index(p, (50, 50)) for p in (places, places[::-1])])
    )
    text = likely_cause(
        numeric.T.reshape(-1)[indices],
        numeric.reshape(-1)[indices],
        np.full(len(indices), 1e-9),
        indices,
        (50, 50),
    )
    assert text.startswith("transposed")


def test_gradient_made_up_where_the_loss_is_flat():
    text = likely_cause(N[0], np.zeros(6), np.full(6, 1e-9), np.arange(6), (6,))
    assert "straight-through" in text


def test_noise_is_no_permutation():
    """Equal coordinates look the same wherever they are moved."""
    numeric = np.ones(9)
    text = likely_cause(2.0 * numeric, numeric, np.full(9, 1e-9), np.arange(9), (3, 3))
    assert text == "a constant factor 2 off"
