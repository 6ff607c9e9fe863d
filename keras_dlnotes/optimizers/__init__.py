"""Optimizers with exactly the notes' formulas."""

from keras_dlnotes.optimizers.adagrad import AdaGrad
from keras_dlnotes.optimizers.adam import Adam
from keras_dlnotes.optimizers.gradient_descent import GradientDescent
from keras_dlnotes.optimizers.momentum import Momentum
from keras_dlnotes.optimizers.nesterov_momentum import NesterovMomentum
from keras_dlnotes.optimizers.rmsprop import RMSProp

__all__ = ["AdaGrad", "Adam", "GradientDescent", "Momentum", "NesterovMomentum", "RMSProp"]
