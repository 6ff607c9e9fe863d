"""Bayesian search with a Gaussian process, which Optuna computes on torch."""

import keras
import pytest

from keras_dlnotes.tuning import BayesianSearch
from tests.landscape_model import constant

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch",
    reason="Optuna's Gaussian process is the same on every backend; importing torch takes seconds",
)


def test_it_finds_the_bottom_of_a_bowl_and_is_reproducible(tmp_path):
    def build(hp):
        return constant((hp.Float("x", -1, 1) - 0.3) ** 2 + (hp.Float("y", -1, 1) + 0.5) ** 2)

    def run(name):
        search = BayesianSearch(build, "loss", 18, tmp_path, name, verbose=0)
        assert search.sampler == "gaussian_process"
        return [row["objective"] for row in search.run()]

    first = run("first")
    assert min(first) < 1e-3 < min(first[:10])
    assert first == run("again")


def test_one_huge_loss_does_not_blind_it(tmp_path):
    def build(hp):
        x = hp.Float("x", 0, 1)
        return constant((x - 0.3) ** 2 + (1e20 if x > 0.8 else 0))

    search = BayesianSearch(build, "loss", 16, tmp_path, verbose=0)
    assert min(row["objective"] for row in search.run()) < 1e-4
