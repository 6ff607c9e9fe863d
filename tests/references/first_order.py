"""The notes' six update rules in plain NumPy, one weight array at a time, exactly as written there.

Symbols: w weights, g = ∂L/∂w, alpha α, mu μ, gamma γ, beta_1 β₁, beta_2 β₂, epsilon ε, v velocity
(Momentum, Nesterov) or mean of squares (Adam), m mean of gradients, G sum or mean of squares.
Each function yields the weights after each step of a sequence of gradients.
"""

import numpy as np


def gradient_descent(w, gradients, alpha):
    for g in gradients:
        w = w - alpha * g
        yield w


def momentum(w, gradients, alpha, mu):
    v = np.zeros_like(w)
    for g in gradients:
        v = mu * v - alpha * g
        w = w + v
        yield w


def nesterov_momentum(w, gradients, alpha, mu):
    v = np.zeros_like(w)
    for g in gradients:
        v = mu * v - alpha * g
        w = w + mu * v - alpha * g
        yield w


def adagrad(w, gradients, alpha, epsilon, inside=True):
    G = np.zeros_like(w)  # noqa: N806
    for g in gradients:
        G = G + g**2  # noqa: N806
        root = np.sqrt(G + epsilon) if inside else np.sqrt(G) + epsilon
        w = w - alpha / root * g
        yield w


def rmsprop(w, gradients, alpha, gamma, epsilon, inside=True):
    G = np.zeros_like(w)  # noqa: N806
    for g in gradients:
        G = gamma * G + (1 - gamma) * g * g  # noqa: N806
        root = np.sqrt(G + epsilon) if inside else np.sqrt(G) + epsilon
        w = w - alpha / root * g
        yield w


def adam(w, gradients, alpha, beta_1, beta_2, epsilon, inside=True, bias_correction=False):
    m = np.zeros_like(w)
    v = np.zeros_like(w)
    for t, g in enumerate(gradients, start=1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g * g
        # Kingma and Ba 2015, Algorithm 1: m-hat and v-hat.
        m_hat = m / (1 - beta_1**t) if bias_correction else m
        v_hat = v / (1 - beta_2**t) if bias_correction else v
        root = np.sqrt(v_hat + epsilon) if inside else np.sqrt(v_hat) + epsilon
        w = w - alpha / root * m_hat
        yield w


def keras_adam(w, gradients, alpha, beta_1, beta_2, epsilon):
    # Kingma and Ba 2015, the last lines of section 2: epsilon-hat beside the uncorrected root.
    m = np.zeros_like(w)
    v = np.zeros_like(w)
    for t, g in enumerate(gradients, start=1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g * g
        alpha_t = alpha * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        w = w - alpha_t * m / (np.sqrt(v) + epsilon)
        yield w
