"""The notes' optimizers: six first-order rules, quasi-Newton and Newton methods."""

from keras_dlnotes.optimizers.adagrad import AdaGrad
from keras_dlnotes.optimizers.adam import Adam
from keras_dlnotes.optimizers.bfgs import BFGS
from keras_dlnotes.optimizers.gauss_newton import GaussNewton
from keras_dlnotes.optimizers.gradient_descent import GradientDescent
from keras_dlnotes.optimizers.lbfgs import LBFGS
from keras_dlnotes.optimizers.momentum import Momentum
from keras_dlnotes.optimizers.nesterov_momentum import NesterovMomentum
from keras_dlnotes.optimizers.newton import Newton
from keras_dlnotes.optimizers.newton_cg import NewtonCG
from keras_dlnotes.optimizers.rmsprop import RMSProp

__all__ = [
    "AdaGrad",
    "Adam",
    "BFGS",
    "GaussNewton",
    "GradientDescent",
    "LBFGS",
    "Momentum",
    "NesterovMomentum",
    "Newton",
    "NewtonCG",
    "RMSProp",
]
