"""Batch normalization in plain NumPy, with loops where the package has array operations.

Symbols: Z → `inputs`, μ and σ² → `mean` and `variance`, γ and β → `gamma` and `beta`,
w_b → `weights`, m → `momentum`.
"""

import numpy as np


def ghost_batches(examples, size):
    """Ioffe and Szegedy's mini-batch in parts: lists of example numbers, as even as can be."""
    if size is None:
        return [list(range(examples))]
    parts = int(np.ceil(examples / size))
    return [[i for i in range(examples) if i * parts // examples == part] for part in range(parts)]


def normalized(inputs, mask=None, size=None, epsilon=1e-3, unbiased=False):
    """Ioffe and Szegedy, algorithm 1, channels last, and the batch's mean, variance and weight."""
    outputs = np.empty_like(inputs)
    total, squares, count, filled = 0.0, 0.0, 0, 0
    for members in ghost_batches(len(inputs), size):
        chosen = inputs[members]
        present = np.ones(chosen.shape[:-1], bool) if mask is None else mask[members]
        positions = chosen[present]
        mean = positions.mean(0) if len(positions) else np.zeros(inputs.shape[-1])
        variance = ((positions - mean) ** 2).mean(0) if len(positions) else 0 * mean
        outputs[members] = (chosen - mean) / np.sqrt(variance + epsilon)
        total, squares = total + positions.sum(0), squares + ((positions - mean) ** 2).sum(0)
        count, filled = count + len(positions), filled + bool(len(positions))
    weight = count - filled if unbiased else count
    return outputs, total / max(count, 1), squares / max(weight, 1), weight


def weighted_average(values, weights, momentum):
    """Σ_b m^(t-b) w_b value_b / Σ_b m^(t-b) w_b over the batches of weight above 0."""
    used = [(value, weight) for value, weight in zip(values, weights, strict=True) if weight > 0]
    factors = [
        (1 if momentum is None else momentum) ** (len(used) - 1 - b) * weight
        for b, (_, weight) in enumerate(used)
    ]
    return sum(f * value for f, (value, _) in zip(factors, used, strict=True)) / sum(factors)
