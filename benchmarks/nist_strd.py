"""NIST's reference problems of non-linear regression, with certified values and two starts each.

    NIST/ITL Statistical Reference Datasets, https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml

Data of the United States government, free to use. `nist_strd.txt` holds them; the models are
functions of the parameters b, the predictors x and a library of array functions (NumPy,
`keras.ops`, torch, `jax.numpy`), so that every solver is given the same arithmetic.
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Problem(NamedTuple):
    """One data set with its model y = f(x; b) + e."""

    name: str
    difficulty: str  # "lower", "average" or "higher", as NIST says
    model: object  # takes b [n], x [m] (Nelson: [m, 2]) and the library; returns [m]
    x: np.ndarray
    y: np.ndarray
    starts: tuple  # far from the solution, and nearer
    certified: np.ndarray  # b at the minimum, to 11 digits
    residual_sum_of_squares: float


def _bennett5(b, x, xp):
    return b[0] * (b[1] + x) ** (-1.0 / b[2])


def _boxbod(b, x, xp):
    return b[0] * (1.0 - xp.exp(-b[1] * x))


def _chwirut(b, x, xp):
    return xp.exp(-b[0] * x) / (b[1] + b[2] * x)


def _danwood(b, x, xp):
    return b[0] * x ** b[1]


def _eckerle4(b, x, xp):
    return b[0] / b[1] * xp.exp(-0.5 * ((x - b[2]) / b[1]) ** 2)


def _enso(b, x, xp):
    def wave(period, cosine, sine):
        angle = 2.0 * math.pi * x / period
        return cosine * xp.cos(angle) + sine * xp.sin(angle)

    return b[0] + wave(12.0, b[1], b[2]) + wave(b[3], b[4], b[5]) + wave(b[6], b[7], b[8])


def _gauss(b, x, xp):
    first = b[2] * xp.exp(-((x - b[3]) ** 2) / b[4] ** 2)
    return b[0] * xp.exp(-b[1] * x) + first + b[5] * xp.exp(-((x - b[6]) ** 2) / b[7] ** 2)


def _hahn1(b, x, xp):
    above = b[0] + b[1] * x + b[2] * x**2 + b[3] * x**3
    return above / (1.0 + b[4] * x + b[5] * x**2 + b[6] * x**3)


def _kirby2(b, x, xp):
    return (b[0] + b[1] * x + b[2] * x**2) / (1.0 + b[3] * x + b[4] * x**2)


def _lanczos(b, x, xp):
    return b[0] * xp.exp(-b[1] * x) + b[2] * xp.exp(-b[3] * x) + b[4] * xp.exp(-b[5] * x)


def _mgh09(b, x, xp):
    return b[0] * (x**2 + x * b[1]) / (x**2 + x * b[2] + b[3])


def _mgh10(b, x, xp):
    return b[0] * xp.exp(b[1] / (x + b[2]))


def _mgh17(b, x, xp):
    return b[0] + b[1] * xp.exp(-x * b[3]) + b[2] * xp.exp(-x * b[4])


def _misra1b(b, x, xp):
    return b[0] * (1.0 - (1.0 + b[1] * x / 2.0) ** -2.0)


def _misra1c(b, x, xp):
    return b[0] * (1.0 - (1.0 + 2.0 * b[1] * x) ** -0.5)


def _misra1d(b, x, xp):
    return b[0] * b[1] * x / (1.0 + b[1] * x)


def _nelson(b, x, xp):
    return b[0] - b[1] * x[:, 0] * xp.exp(-b[2] * x[:, 1])  # of log y


def _rat42(b, x, xp):
    return b[0] / (1.0 + xp.exp(b[1] - b[2] * x))


def _rat43(b, x, xp):
    return b[0] / (1.0 + xp.exp(b[1] - b[2] * x)) ** (1.0 / b[3])


def _roszman1(b, x, xp):
    return b[0] - b[1] * x - xp.arctan(b[2] / (x - b[3])) / math.pi


_MODELS = {
    "Bennett5": _bennett5,
    "BoxBOD": _boxbod,
    "Chwirut1": _chwirut,
    "Chwirut2": _chwirut,
    "DanWood": _danwood,
    "ENSO": _enso,
    "Eckerle4": _eckerle4,
    "Gauss1": _gauss,
    "Gauss2": _gauss,
    "Gauss3": _gauss,
    "Hahn1": _hahn1,
    "Kirby2": _kirby2,
    "Lanczos1": _lanczos,
    "Lanczos2": _lanczos,
    "Lanczos3": _lanczos,
    "MGH09": _mgh09,
    "MGH10": _mgh10,
    "MGH17": _mgh17,
    "Misra1a": _boxbod,
    "Misra1b": _misra1b,
    "Misra1c": _misra1c,
    "Misra1d": _misra1d,
    "Nelson": _nelson,
    "Rat42": _rat42,
    "Rat43": _rat43,
    "Roszman1": _roszman1,
    "Thurber": _hahn1,
}


def problems():
    """Dict from name to `Problem`, in the order of their names."""
    found = {}
    text = (Path(__file__).parent / "nist_strd.txt").read_text()
    for section in text.split("problem ")[1:]:
        head, *lines = section.splitlines()
        name, difficulty = head.split()
        columns: list = []
        for word in " ".join(lines).split():
            if word[0].isalpha():
                columns.append((word, []))
            else:
                columns[-1][1].append(float(word))
        values = {key: [np.array(c) for k, c in columns if k == key] for key, _ in columns}
        (y,) = values["y"]
        found[name] = Problem(
            name,
            difficulty,
            _MODELS[name],
            np.stack(values["x"], 1) if len(values["x"]) > 1 else values["x"][0],
            np.log(y) if name == "Nelson" else y,
            tuple(values["start"]),
            values["certified"][0],
            float(values["residual_sum_of_squares"][0][0]),
        )
    return found
