"""Optimizers with exactly the notes' formulas."""

from keras_dlnotes.optimizers.bfgs import BFGS
from keras_dlnotes.optimizers.lbfgs import LBFGS
from keras_dlnotes.optimizers.newton import Newton
from keras_dlnotes.optimizers.newton_cg import NewtonCG

__all__ = ["BFGS", "LBFGS", "Newton", "NewtonCG"]
