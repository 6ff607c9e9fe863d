"""Optimizers with exactly the notes' formulas."""

from keras_dlnotes.optimizers.bfgs import BFGS
from keras_dlnotes.optimizers.lbfgs import LBFGS

__all__ = ["BFGS", "LBFGS"]
