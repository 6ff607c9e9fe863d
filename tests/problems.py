"""Objectives with a start and a known minimiser, written in NumPy: loss and gradient."""

from typing import NamedTuple

import numpy as np


class Problem(NamedTuple):
    name: str
    start: np.ndarray
    minimiser: np.ndarray | None
    loss_and_gradient: object


def rosenbrock(x):
    a, b = x[:-1], x[1:]
    loss = np.sum(100.0 * (b - a**2) ** 2 + (1.0 - a) ** 2)
    gradient = np.zeros_like(x)
    gradient[:-1] += -400.0 * a * (b - a**2) - 2.0 * (1.0 - a)
    gradient[1:] += 200.0 * (b - a**2)
    return loss, gradient


def beale(x):
    a, b = x
    powers = b ** np.arange(1, 4)
    r = np.array([1.5, 2.25, 2.625]) - a * (1.0 - powers)
    derivative = np.stack([-(1.0 - powers), a * np.arange(1, 4) * b ** np.arange(3)])
    return np.sum(r**2), 2.0 * derivative @ r


def wood(x):
    a, b, c, d = x
    loss = (
        100 * (b - a**2) ** 2
        + (1 - a) ** 2
        + 90 * (d - c**2) ** 2
        + (1 - c) ** 2
        + 10.1 * ((b - 1) ** 2 + (d - 1) ** 2)
        + 19.8 * (b - 1) * (d - 1)
    )
    gradient = np.array(
        [
            -400 * a * (b - a**2) - 2 * (1 - a),
            200 * (b - a**2) + 20.2 * (b - 1) + 19.8 * (d - 1),
            -360 * c * (d - c**2) - 2 * (1 - c),
            180 * (d - c**2) + 20.2 * (d - 1) + 19.8 * (b - 1),
        ]
    )
    return loss, gradient


def powell_singular(x):
    a, b, c, d = x
    loss = (a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4
    p, q, r, s = a + 10 * b, c - d, (b - 2 * c) ** 3, (a - d) ** 3
    gradient = np.array([2 * p + 40 * s, 20 * p + 4 * r, 10 * q - 8 * r, -10 * q - 40 * s])
    return loss, gradient


_SCALES = np.logspace(0, 4, 100)
_TARGET = np.cos(np.arange(100.0))


def ill_conditioned_quadratic(x):
    change = x - _TARGET
    return 0.5 * np.sum(_SCALES * change**2), _SCALES * change


PROBLEMS = [
    Problem("rosenbrock_2", np.array([-1.2, 1.0]), np.ones(2), rosenbrock),
    Problem("rosenbrock_100", np.tile([-1.2, 1.0], 50), np.ones(100), rosenbrock),
    Problem("beale", np.array([1.0, 1.0]), np.array([3.0, 0.5]), beale),
    Problem("wood", np.array([-3.0, -1.0, -3.0, -1.0]), np.ones(4), wood),
    Problem("powell_singular", np.array([3.0, -1.0, 0.0, 1.0]), np.zeros(4), powell_singular),
    Problem("quadratic_100", np.zeros(100), _TARGET, ill_conditioned_quadratic),
]
