"""Whether gradients are right: analytic ones compared with differences of the loss."""

from keras_dlnotes.gradient_check.check import assert_gradients, check_gradients
from keras_dlnotes.gradient_check.report import GradientReport, GradientRow

__all__ = ["GradientReport", "GradientRow", "assert_gradients", "check_gradients"]
